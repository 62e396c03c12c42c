"""Which IPv4 address a name under ip6.arpa stands for, in the reverse zone of one prefix (RFC 6147 section 5.3.1)."""

from collections.abc import Iterable
from dataclasses import dataclass

from kun_base.prefix import POSITIONS, U_OCTET, Prefix
from kun_dns64.formats.names import IP6_ARPA, nibbles_reversed

FULL_DEPTH = 32
_NIBBLES = {b"\x01" + bytes((char,)): char for char in b"0123456789abcdef"}


@dataclass(frozen=True, slots=True)
class ReverseZone:
    """`apex`: wire name of the zone, for example 24 nibbles for a /96."""

    prefix: Prefix
    apex: bytes


def reverse_zones(prefixes: Iterable[Prefix]) -> tuple[ReverseZone, ...]:
    """One zone per prefix, the deepest first."""
    zones = {prefix: ReverseZone(prefix, nibbles_reversed(prefix.head) + IP6_ARPA) for prefix in prefixes}
    return tuple(sorted(zones.values(), key=lambda zone: -len(zone.apex)))


def zone_of(name: bytes, zones: tuple[ReverseZone, ...]) -> ReverseZone | None:
    """The zone that holds `name` (lower-case)."""
    if not name.endswith(IP6_ARPA):
        return None
    for zone in zones:
        if name.endswith(zone.apex) and _at_label(name, len(name) - len(zone.apex)):
            return zone
    return None


def _at_label(name: bytes, start: int) -> bool:
    place = 0
    while place < start:
        place += 1 + name[place]
    return place == start


def nibbles_below(name: bytes, zone: ReverseZone) -> str | None:
    """The nibbles of the address as far as the name gives them, leftmost first; None where no such name can be."""
    below = name[: len(name) - len(zone.apex)]
    if len(below) % 2 or any(below[place : place + 2] not in _NIBBLES for place in range(0, len(below), 2)):
        return None
    text = zone.prefix.head.hex() + below[1::2].decode()[::-1]
    if len(text) > FULL_DEPTH or any(nibble != "0" for nibble in _must_be_zero(text, zone.prefix)):
        return None
    return text


def _must_be_zero(text: str, prefix: Prefix) -> str:
    """The u-octet and the suffix: no address of ours has a bit set there (RFC 6052 section 2.2)."""
    last = POSITIONS[prefix.network.prefixlen][-1]
    suffix = text[2 * last + 2 :]
    return suffix if prefix.network.prefixlen > 64 else text[2 * U_OCTET : 2 * U_OCTET + 2] + suffix


def embedded(text: str, prefix: Prefix) -> bytes:
    """The four bytes inside a whole address of 32 nibbles."""
    raw = bytes.fromhex(text)
    return bytes(raw[place] for place in POSITIONS[prefix.network.prefixlen])


def address_of(name: bytes) -> bytes | None:
    """The whole IPv6 address, 16 bytes, that a name (lower-case) directly under ip6.arpa stands for."""
    nibbles = name[: -len(IP6_ARPA)]
    if len(nibbles) != 2 * FULL_DEPTH or not name.endswith(IP6_ARPA):
        return None
    if any(nibbles[place : place + 2] not in _NIBBLES for place in range(0, len(nibbles), 2)):
        return None
    return bytes.fromhex(nibbles[1::2].decode()[::-1])
