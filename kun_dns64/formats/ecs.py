"""EDNS client subnet (RFC 7871 section 6): which network the real client is in."""

from ipaddress import IPv4Network, IPv6Network

_BITS = {1: 32, 2: 128}
IPNetwork = IPv4Network | IPv6Network


def read_subnet(data: bytes) -> IPNetwork | None:
    """The client's network, or None for an option that is malformed or names no network."""
    if len(data) < 4:
        return None
    family, source, scope = int.from_bytes(data[:2]), data[2], data[3]
    bits, octets = _BITS.get(family, 0), data[4:]
    if not 0 < source <= bits or scope or len(octets) != (source + 7) // 8:
        return None
    packed = octets.ljust(bits // 8, b"\x00")
    try:
        return IPv4Network((packed, source)) if family == 1 else IPv6Network((packed, source))
    except ValueError:  # bits set beyond the prefix
        return None


def write_subnet(network: IPNetwork) -> bytes:
    """The option's data for a query, scope 0."""
    family = 1 if network.version == 4 else 2
    octets = network.network_address.packed[: (network.prefixlen + 7) // 8]
    return family.to_bytes(2) + bytes((network.prefixlen, 0)) + octets
