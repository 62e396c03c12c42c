"""Which prefix an IPv4 address is embedded in, if any (RFC 6147 section 5.2, RFC 6052 section 3.1)."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from kun_base.prefix import SIXTOFOUR, WELL_KNOWN, Prefix
from kun_base.special_ipv4 import is_nonglobal
from kun_dns64.model.rules import Rules
from kun_dns64.policy.networks import MISS, NetworkTable

IPV4ONLY = b"\x08ipv4only\x04arpa\x00"
# 192.0.0.170 and 192.0.0.171 (RFC 7050 section 2.2)
DISCOVERY_IPV4 = frozenset((b"\xc0\x00\x00\xaa", b"\xc0\x00\x00\xab"))


class Way(NamedTuple):
    """A prefix, with what embedding needs at hand: `head` is the first twelve octets of a /96, else b""."""

    prefix: Prefix
    head: bytes
    well_known: bool

    def embed(self, ipv4: bytes) -> bytes:
        return self.head + ipv4 if self.head else self.prefix.embed_octets(ipv4)


Ways = tuple[Way, ...]


def ways(prefixes: Iterable[Prefix]) -> Ways:
    return tuple(
        Way(prefix, prefix.head if prefix.network.prefixlen == 96 else b"", prefix == WELL_KNOWN) for prefix in prefixes
    )


class EmbeddingTable:
    """The operator's map and refusals over IPv4, longest match first.

    The VIP inside every 6to4 prefix of ours is refused too: traffic to it would go round through its own gateway.
    """

    __slots__ = ("_map", "_mapped", "never")

    def __init__(self, rules: Rules, own: tuple[Prefix, ...]) -> None:
        self._mapped = tuple(ways(() if mapping.prefix is None else (mapping.prefix,)) for mapping in rules.mappings)
        self._map = NetworkTable(mapping.network for mapping in rules.mappings)
        self.never = NetworkTable((*rules.never_embed, *_vips(own)))

    def ways(self, ipv4: bytes, default: Ways, owner: bytes) -> Ways:
        """The prefixes for one address of the name `owner`; empty: it must not be embedded.

        A mapping says where the address is reached, so it goes before the pool the name is in.
        """
        number = int.from_bytes(ipv4)
        index = self._map.longest(4, number)
        mapped = default if index == MISS else self._mapped[index]
        if ipv4 in DISCOVERY_IPV4 and owner.lower() == IPV4ONLY:
            # No refusal counts for what hosts learn the prefix by (RFC 7050 section 2.2, RFC 8880 section 7.1).
            return mapped or default
        if self.never.longest(4, number) != MISS:
            return ()
        for way in mapped:
            if way.well_known and is_nonglobal(IPv4Address(ipv4)):
                return tuple(way for way in mapped if not way.well_known)
        return mapped

    def reachable(self, ipv4: bytes, prefix: Prefix) -> bool:
        """Whether an address under `prefix` with this IPv4 in it is one we could have made (for the reverse zone)."""
        number = int.from_bytes(ipv4)
        if self.never.longest(4, number) != MISS:
            return False
        index = self._map.longest(4, number)
        if index != MISS and not self._mapped[index]:
            return False
        return prefix != WELL_KNOWN or not is_nonglobal(IPv4Address(ipv4))


def _vips(prefixes: tuple[Prefix, ...]) -> tuple[IPv4Network, ...]:
    return tuple(
        IPv4Network((prefix.network.network_address.packed[2:6], 32))
        for prefix in prefixes
        if prefix.network.subnet_of(SIXTOFOUR) and prefix.network.prefixlen >= 48
    )
