"""The configurations a soak run changes between: the same server, another VIP."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network

from bench.peers import kun

VIPS = ("203.0.113.1", "203.0.113.2")
# Answers live this long, so that names are asked of the upstream again and again.
MAX_TTL_S = 20


def configuration(port: int, upstreams: tuple[int, ...], workers: int, number: int) -> str:
    """The `number`th; the VIPs take turns."""
    return kun.configuration(port, workers, upstreams, f"max_ttl_s = {MAX_TTL_S}", VIPS[number % len(VIPS)])


def prefix(number: int) -> IPv6Network:
    """RFC 3056 section 2 makes the /48; its first /96 is the prefix."""
    vip = int(IPv4Address(VIPS[number % len(VIPS)]))
    return IPv6Network((0x2002 << 112 | vip << 80, 96))


def prefix_hex(number: int) -> str:
    """As bench/c/load.c takes it."""
    return prefix(number).network_address.packed[:12].hex()


def right(number: int, ipv4: IPv4Address) -> IPv6Address:
    return IPv6Address(int(prefix(number).network_address) | int(ipv4))
