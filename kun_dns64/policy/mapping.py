"""Which prefix an IPv4 address is embedded in, if any (RFC 6147 section 5.2, RFC 6052 section 3.1)."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from kun_base.prefix import SIXTOFOUR, WELL_KNOWN, Prefix
from kun_base.special_ipv4 import NEVER_TRANSLATED, is_nonglobal, without_global
from kun_dns64.model.host_address import SixToFourHost
from kun_dns64.model.rules import Mapping, Rules
from kun_dns64.policy.networks import MISS, NetworkTable

IPV4ONLY = b"\x08ipv4only\x04arpa\x00"
# 192.0.0.170 and 192.0.0.171 (RFC 7050 section 2.2)
DISCOVERY_IPV4 = frozenset((b"\xc0\x00\x00\xaa", b"\xc0\x00\x00\xab"))


class Way(NamedTuple):
    """A prefix, with what embedding needs at hand: `head` is the first twelve bytes of a /96, else b"".

    `SixToFourHost` in its place: the address is the host's own, and no translator is on the way.
    """

    prefix: Prefix | SixToFourHost
    head: bytes
    well_known: bool

    def embed(self, ipv4: bytes) -> bytes:
        return self.head + ipv4 if self.head else self.prefix.embed_bytes(ipv4)


Ways = tuple[Way, ...]


def ways(prefixes: Iterable[Prefix]) -> Ways:
    return tuple(
        Way(prefix, prefix.head if prefix.network.prefixlen == 96 else b"", prefix == WELL_KNOWN) for prefix in prefixes
    )


class EmbeddingTable:
    """The operator's map and refusals over IPv4. The longest network wins; of two alike, the map's.

    So an entry that names a private range lets it in, on purpose. The VIP inside every 6to4 prefix of ours is refused
    whatever the map says: traffic to it would go round through its own gateway.
    """

    __slots__ = ("_map", "_map_lengths", "_mapped", "_never_lengths", "never")

    def __init__(self, rules: Rules, own: tuple[Prefix, ...]) -> None:
        self._mapped = tuple(_ways_of(mapping) for mapping in rules.mappings)
        self._map = NetworkTable(mapping.network for mapping in rules.mappings)
        self._map_lengths = [mapping.network.prefixlen for mapping in rules.mappings]
        # A piece of a network is as long as the whole that the operator has written.
        refused = [(vip, 33) for vip in _vips(own)]
        # The default list leaves some addresses out; a list of the operator's own means all of each network.
        split = without_global if rules.never_embed == NEVER_TRANSLATED else tuple[IPv4Network, ...]
        refused += [(piece, n.prefixlen) for n in rules.never_embed for piece in split((n,))]
        self.never = NetworkTable(network for network, _ in refused)
        self._never_lengths = [length for _, length in refused]

    def ways(self, ipv4: bytes, default: Ways, owner: bytes) -> Ways:
        """The prefixes for one address of the name `owner`; empty: it must not be embedded.

        A mapping says where the address is reached, so it goes before the pool the name is in.
        """
        number = int.from_bytes(ipv4)
        index = self._map.longest(4, number)
        mapped = default if index == MISS else self._mapped[index]
        if ipv4 in DISCOVERY_IPV4 and owner.lower() == IPV4ONLY:
            # No refusal counts for what hosts learn the prefix by (RFC 7050 section 2.2, RFC 8880 section 7.1), and
            # no host's own address tells one.
            return default if not mapped or isinstance(mapped[0].prefix, SixToFourHost) else mapped
        if self._is_refused(number, index):
            return ()
        for way in mapped:
            if way.well_known and is_nonglobal(IPv4Address(ipv4)):
                return tuple(way for way in mapped if not way.well_known)
        return mapped

    def reachable(self, ipv4: bytes, prefix: Prefix) -> bool:
        """Whether an address under `prefix` with this IPv4 in it is one we could have made (for the reverse zone)."""
        number = int.from_bytes(ipv4)
        index = self._map.longest(4, number)
        if self._is_refused(number, index) or (index != MISS and not self._mapped[index]):
            return False
        return prefix != WELL_KNOWN or not is_nonglobal(IPv4Address(ipv4))

    def host_of(self, address: bytes) -> bytes | None:
        """The IPv4 address of the host whose own 6to4 address we answer with this one; None: we never do."""
        if address[:2] != b"\x20\x02":
            return None
        ipv4 = address[2:6]
        number = int.from_bytes(ipv4)
        index = self._map.longest(4, number)
        if index == MISS or not self._mapped[index] or self._is_refused(number, index):
            return None
        host = self._mapped[index][0].prefix
        return host.extract_bytes(address) if isinstance(host, SixToFourHost) else None

    def _is_refused(self, number: int, mapped: int) -> bool:
        refused = self.never.longest(4, number)
        if refused == MISS:
            return False
        return mapped == MISS or self._map_lengths[mapped] < self._never_lengths[refused]


def _ways_of(mapping: Mapping) -> Ways:
    if mapping.prefix is None:
        return ()
    if isinstance(mapping.prefix, SixToFourHost):
        return (Way(mapping.prefix, b"", well_known=False),)
    return ways((mapping.prefix,))


def _vips(prefixes: tuple[Prefix, ...]) -> tuple[IPv4Network, ...]:
    return tuple(
        IPv4Network((prefix.network.network_address.packed[2:6], 32))
        for prefix in prefixes
        if prefix.network.subnet_of(SIXTOFOUR) and prefix.network.prefixlen >= 48
    )
