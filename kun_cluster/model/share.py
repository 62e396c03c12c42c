"""Shares: equal blocks of ports of a public address, on a grid that never moves, so that two names never overlap."""

from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise

LOWEST_PORT = 1024
PORTS = 65536
SIZES = (1024, 2048, 4096, 8192, 16384, 32768, 65536)


def address_name(address: IPv4Address) -> str:
    """Name of the allocation of a whole address: 192-0-2-11."""
    return str(address).replace(".", "-")


def share_name(address: IPv4Address, first_port: int) -> str:
    """Name of the allocation of one share: 192-0-2-11-20480."""
    return f"{address_name(address)}-{first_port}"


def grid(size: int) -> range:
    """First ports of all shares of an address. Ports below 1024 are in none, except that a large share begins at 0."""
    return range(0 if size > LOWEST_PORT else LOWEST_PORT, PORTS, size)


def usable_ports(first_port: int, size: int) -> tuple[int, int]:
    """First and last port that sessions may use."""
    return max(first_port, LOWEST_PORT), first_port + size - 1


def mark_of(address: IPv4Address, first_port: int) -> int:
    """Packet mark of the owner whose first share this is: 1 to 4194304, unique among the addresses of one pool.

    Made of 16 bits of the address and 6 bits of the port.
    """
    return ((int(address) & 0xFFFF) << 6 | first_port >> 10) + 1


def marks_collide(networks: tuple[IPv4Network, ...]) -> tuple[IPv4Network, IPv4Network] | None:
    """Two networks that hold addresses with the same last 16 bits, for which `mark_of` gives the same mark."""
    starts = sorted((int(network.network_address) & 0xFFFF, network) for network in networks)
    spans = [(start, start + network.num_addresses, network) for start, network in starts]
    for (_, end, one), (start, _, other) in pairwise(spans):
        if start < end:
            return one, other
    return None
