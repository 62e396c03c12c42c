"""Addresses that checksums do not tell apart (RFC 6296 section 3.1, RFC 1624).

The checksums of TCP, UDP and ICMPv6 cover both addresses. Where one takes the place of another with the same sum they
stay right, whoever computes them, and whenever: in a network card as well.
"""

from ipaddress import IPv6Address, IPv6Network

WORD = 0xFFFF


def sum_of(address: IPv6Address) -> int:
    """Of its eight words, in one's complement, where 0 and 0xffff are the same: 0 to 0xfffe."""
    return sum(int.from_bytes(address.packed[place : place + 2]) for place in range(0, 16, 2)) % WORD


def neutral_to(other: IPv6Address, network: IPv6Network, host: int) -> IPv6Address:
    """An address of `network` with the sum of `other`: `host` in all bits but the last 16, which make up the sum."""
    room = (1 << (128 - network.prefixlen)) - 1
    base = int(network.network_address) | ((host << 16) & room & ~WORD)
    word = (sum_of(other) - sum_of(IPv6Address(base))) % WORD
    # Not the address of the network itself, which is every router's (RFC 4291 section 2.6.1).
    return IPv6Address(base | (word or WORD))
