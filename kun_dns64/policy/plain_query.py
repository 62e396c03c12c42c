"""Which clients and names need nothing special: their answers are made byte by byte (fastpath/wire.pyx)."""

from typing import NamedTuple

from kun_dns64.formats.options import ede_option
from kun_dns64.model.message import IPAddress
from kun_dns64.model.rules import ClientPolicy, Rules
from kun_dns64.policy.client import client_index
from kun_dns64.policy.dns64 import DENIED
from kun_dns64.policy.forward import DISPLACED, zone_silent
from kun_dns64.policy.gateway import Exit
from kun_dns64.policy.lifetime import CLAMP_S, NO_CAP
from kun_dns64.policy.networks import MISS
from kun_dns64.policy.pool import exit_for
from kun_dns64.policy.prepared import Prepared
from kun_dns64.policy.special_names import LAST_LABELS

# ipv4only.arpa, the reverse zones and the special-use names, which are answered here.
ANSWERED_HERE = LAST_LABELS
# The extended error of every answer made here (RFC 8914).
SYNTHESISED_EDE = b"".join(ede_option(ede) for ede in DENIED.ede)
DISPLACED_EDE = b"".join(ede_option(ede) for ede in DISPLACED.ede)
ZONE_SILENT_EDE = b"".join(ede_option(ede) for ede in zone_silent().ede)
# Looked through one by one.
MOST_NETWORKS = 64


class PlainExit(NamedTuple):
    """`head`: the first twelve bytes of the answer. `fixed_s`: what its TTL never exceeds. `group`: the upstreams."""

    head: bytes
    fixed_s: int
    group: str
    key_tail: bytes


class Plain:
    """What the rules say to one client, for all names that `exit` knows."""

    __slots__ = ("_by_pool", "client", "excluded", "never", "one", "prepared", "with_do")

    def __init__(self, client: ClientPolicy | None, prepared: Prepared) -> None:
        self.client, self.prepared = client, prepared
        rules = prepared.rules
        self.never = prepared.embedding.never.masked(4)
        self.excluded = prepared.exclusion.networks.masked(6)
        # AD may be due then.
        self.with_do = not rules.trust_ad
        self._by_pool = {name: _plain_exit(found) for name, found in prepared.exits.items()}
        alike = not rules.zones and _has_one_pool(client, rules)
        self.one = self._by_pool[exit_for(b"\x00", client, prepared).pool] if alike else None

    def exit(self, name: bytes) -> PlainExit | None:
        """For a name in lower case; None: the general path must answer."""
        if name.endswith(ANSWERED_HERE):
            return None
        if self.one is not None:
            return self.one
        if self.prepared.zones.find(name) is not None:
            return None
        return self._by_pool[exit_for(name, self.client, self.prepared).pool]


class PlainClients:
    """Who is to be answered that way under these rules: one `Plain` for all sources of a client class."""

    __slots__ = ("_by_class", "_prepared")

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._by_class: dict[int, Plain | None] = {}

    def of(self, source: IPAddress) -> Plain | None:
        """None: this client's answers, or those of all under these rules, need the general path."""
        if self._prepared.allowed.first(source) == MISS:
            return None
        index = client_index(source, None, self._prepared)
        if index not in self._by_class:
            self._by_class[index] = _plain(index, self._prepared)
        return self._by_class[index]


def _plain(index: int, prepared: Prepared) -> Plain | None:
    rules = prepared.rules
    if rules.shadow or rules.strict_dnssec or rules.mappings:
        return None
    client = None if index == MISS else rules.clients[index]
    if client is not None and (client.filter_a or not client.dns64):
        return None
    if max(len(prepared.embedding.never), len(prepared.exclusion.networks)) > MOST_NETWORKS:
        return None
    return Plain(client, prepared)


def _has_one_pool(client: ClientPolicy | None, rules: Rules) -> bool:
    """Whether all names of this client leave by the same pool."""
    if client is None:
        return rules.pool_of is None
    if client.domains:
        return False
    return bool(client.pool) or not (client.pool_domains if client.followed else rules.pool_of is not None)


def _plain_exit(found: Exit) -> PlainExit | None:
    if found.stop or len(found.ways) != 1 or not found.ways[0].head or found.ways[0].well_known:
        return None
    tail = b"/" + found.group.encode() if found.group else b""
    return PlainExit(found.ways[0].head, CLAMP_S if found.clamp else NO_CAP, found.group, tail)
