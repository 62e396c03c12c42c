"""EDNS client subnet (RFC 7871 section 6): which network the real client is in."""

from ipaddress import IPv4Network, IPv6Network

_BITS = {1: 32, 2: 128}
IPNetwork = IPv4Network | IPv6Network


def read_subnet(data: bytes) -> IPNetwork | None:
    """The client's network; None where the option names none (source prefix 0, a family unknown to us).

    Raises ValueError for an option that section 6 forbids.
    """
    if len(data) < 4:
        raise ValueError("a client subnet option has at least four bytes")
    family, source, scope = int.from_bytes(data[:2]), data[2], data[3]
    bits, raw = _BITS.get(family), data[4:]
    if scope:
        raise ValueError("the scope prefix of a query is 0")
    if bits is None:
        return None
    if source > bits or len(raw) != (source + 7) // 8:
        raise ValueError("as many address bytes as the prefix needs, and no more")
    packed = raw.ljust(bits // 8, b"\x00")
    network = IPv4Network((packed, source)) if family == 1 else IPv6Network((packed, source))
    return network if source else None


def write_subnet(network: IPNetwork, scope: int = 0) -> bytes:
    """The option's data; the scope of a query is 0."""
    family = 1 if network.version == 4 else 2
    raw = network.network_address.packed[: (network.prefixlen + 7) // 8]
    return family.to_bytes(2) + bytes((network.prefixlen, scope)) + raw
