"""Finished replies in front of everything: a memo of what `next_step` decided and `render` wrote, and nothing else.

Every class of clients has its memo, all of them one bounded store. New rules make new memos, whose keys differ, so what
was kept under other rules is not found any more.

Twin: fastpath/client_lookup.pyx.
"""

from functools import partial
from typing import Any

from kun_dns64.cache.generations import Generations
from kun_dns64.cache.reply_cache import RULES, BySubnet, MakeCookie, ReplyCache
from kun_dns64.formats.client_subnet import read_subnet
from kun_dns64.formats.wire import OWN_PAYLOAD
from kun_dns64.model.message import IPAddress, Transport
from kun_dns64.model.rules import Rules
from kun_dns64.policy.client import client_index
from kun_dns64.policy.networks import MISS
from kun_dns64.policy.prepared import prepare

__all__ = ["RULES", "MakeCookie", "ReplyCache", "ReplyCaches", "ReplyStore"]

SUBNETS_MAX = 16384
TRANSPORTS = tuple(Transport)
STRANGER = -2


class ReplyStore:
    """The store all memos of one process share, bounded by entries and bytes. `hits`: per rule, in RULES' order."""

    __slots__ = ("_bounds", "_generation", "_kind", "_store", "hits")

    def __init__(self, max_entries: int, max_bytes: int, store: type[Generations[Any]] = Generations) -> None:
        self._kind, self._bounds = store, (max_entries, max_bytes)
        self._store: Generations[bytes] = store(max_entries, max_bytes, len)
        self._generation = 0
        self.hits: list[list[int]] = [[0] for _ in RULES]

    def resize(self, max_entries: int, max_bytes: int) -> None:
        """Other bounds; what was kept is gone where they differ. To be followed by `memos`."""
        if (max_entries, max_bytes) != self._bounds:
            self._bounds = max_entries, max_bytes
            self._store = self._kind(max_entries, max_bytes, len)

    def memos(self, rules: Rules, make_cookie: MakeCookie | None, most: int = OWN_PAYLOAD) -> "ReplyCaches":
        """ReplyCaches for these rules; what was kept under others is not found any more. `make_cookie` None: none.

        `most`: bytes of the largest reply by UDP.
        """
        self._generation = (self._generation + 1) & 0xFFFFFF
        self._store.retire()
        return ReplyCaches(self._store, self.hits, rules, make_cookie, self._generation.to_bytes(3), most)

    def __len__(self) -> int:
        return len(self._store)

    @property
    def size_bytes(self) -> int:
        return self._store.size_bytes


class ReplyCaches:
    """One memo per client class and transport, under one set of rules."""

    __slots__ = ("_by_class", "_by_subnet", "_generation", "_hits", "_make_cookie", "_most", "_prepared", "_store")

    def __init__(
        self,
        store: Generations[bytes],
        hits: list[list[int]],
        rules: Rules,
        make_cookie: MakeCookie | None,
        generation: bytes,
        most: int,
    ) -> None:
        self._most = most
        self._store, self._hits, self._make_cookie, self._generation = store, hits, make_cookie, generation
        self._prepared = prepare(rules)
        self._by_class: dict[tuple[int, Transport, bool], ReplyCache] = {}
        self._by_subnet: dict[tuple[bytes, Transport], ReplyCache | None] = {}

    def of(self, source: IPAddress, transport: Transport) -> ReplyCache:
        """The memo for packets from this address. Strangers' stays empty."""
        if self._prepared.allowed.first(source) == MISS:
            return self._memo(STRANGER, transport, trusted=False)
        trusted = self._prepared.trusted.first(source) != MISS
        return self._memo(client_index(source, None, self._prepared), transport, trusted)

    def of_subnet(self, data: bytes, transport: Transport) -> ReplyCache | None:
        """The memo for the client an EDNS client subnet names; None: the general path must look."""
        if self._prepared.rules.client_subnet:
            return None  # the answer itself depends on the subnet
        key = data, transport
        if key not in self._by_subnet:
            if len(self._by_subnet) >= SUBNETS_MAX:
                self._by_subnet.clear()
            self._by_subnet[key] = self._named(data, transport)
        return self._by_subnet[key]

    def forget_members(self) -> None:
        """Other clients are in the classes. What is kept for a class stays."""
        self._by_subnet.clear()

    def _named(self, data: bytes, transport: Transport) -> ReplyCache | None:
        try:
            subnet = read_subnet(data)
        except ValueError:
            return None
        if subnet is None:
            return None
        index = client_index(subnet.network_address, subnet, self._prepared)
        if not self._prepared.clients:
            return self._memo(index, transport, trusted=False)
        # The reply names the subnet, so every subnet has its own.
        return self._new(index, transport, bytes((len(data),)) + data)

    def _memo(self, index: int, transport: Transport, trusted: bool) -> ReplyCache:
        key = index, transport, trusted
        made = self._by_class.get(key)
        if made is None:
            named = partial(self.of_subnet, transport=transport) if trusted else None
            made = self._by_class[key] = self._new(index, transport, b"\0", named)
        return made

    def _new(self, index: int, transport: Transport, whose: bytes, named: BySubnet | None = None) -> ReplyCache:
        prefix = self._generation + bytes((TRANSPORTS.index(transport),)) + (index - STRANGER).to_bytes(2) + whose
        most = self._most if transport is Transport.UDP else 0
        return ReplyCache(prefix, self._store, self._hits, self._make_cookie, named, transport is Transport.TLS, most)
