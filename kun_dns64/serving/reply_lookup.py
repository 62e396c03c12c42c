"""Finds finished replies by packet and source address in the reply cache, without the resolver.

Twin: fastpath/reply_lookup.pyx.
"""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from kun_dns64.cache.generations import Generations
from kun_dns64.cache.reply_store import RULES, ReplyCache, ReplyStore
from kun_dns64.fastpath.selection import Parts
from kun_dns64.formats.cookies import answering_cookie
from kun_dns64.formats.wire import OWN_PAYLOAD
from kun_dns64.model.message import IPAddress, Source, Transport
from kun_dns64.model.rules import Rules
from kun_dns64.model.step import Heard, Reply
from kun_dns64.policy.client_table import index_networks
from kun_dns64.policy.memory_share import WHOLE, MemoryShare
from kun_dns64.policy.prepared import prepare

if TYPE_CHECKING:
    from kun_dns64.fastpath.client_lookup import ClientLookup
    from kun_dns64.fastpath.reply_lookup import CompiledReplyLookup

Quick = Callable[[bytes, Source], bytes | None]
# How long a made cookie is given out again: it tells its time, so its age is what others see (RFC 9018 section 4.3).
COOKIE_MEMO_S = 60


@lru_cache(maxsize=16384)
def address_of(source: Source) -> IPAddress:
    return ip_address(source.partition("%")[0] if isinstance(source, str) else source)


class ReplyLookup:
    """Look up replies of one worker. Call `renew` for new rules or secrets: older replies are not found then."""

    def __init__(
        self,
        rules: Rules,
        secrets: tuple[bytes, ...],
        parts: Parts,
        most: int = OWN_PAYLOAD,
        own: MemoryShare = WHOLE,
    ) -> None:
        """`most`: bytes of the largest reply by UDP. `own`: this worker's share of memory."""
        self._reply_store = ReplyStore(own.reply_entries, own.reply_bytes, parts.store)
        # Sources remembered; what is known of each is some 300 bytes here.
        self.most_sources = own.sources
        self._cookies: dict[tuple[bytes, Source], bytes] = {}
        self._cookies_until = 0.0
        self._compiled: CompiledReplyLookup | None = None
        if parts.compiled:
            from kun_dns64.fastpath import reply_lookup

            self._compiled = reply_lookup.CompiledReplyLookup(self._udp_memo, own.hot_bytes, own.sources)
        # What answers a datagram.
        self.quick: Quick = self.udp if self._compiled is None else self._compiled.udp
        self.renew(rules, secrets, most)

    def resize(self, own: MemoryShare) -> None:
        """Use other memory limits. Call `renew` after it."""
        self._reply_store.resize(own.reply_entries, own.reply_bytes)

    def renew(self, rules: Rules, secrets: tuple[bytes, ...], most: int = OWN_PAYLOAD) -> None:
        self._rules, self._secrets = rules, secrets
        self._memos = self._reply_store.memos(rules, self.cookie if secrets else None, most)
        self._by_source: dict[tuple[Source, Transport], ReplyCache] = {}
        self._udp: dict[Source, ReplyCache] = {}
        self._cookies.clear()
        if self._compiled is not None:
            self._compiled.renew(self._classes())

    def forget_members(self, *, networks: bool = True) -> None:
        """Other clients are in the classes: which one a source is in is looked up again. All replies stay.

        `networks` False: only single addresses of the followed table are others, which the look-up sees by itself.
        """
        self._memos.forget_members()
        self._by_source, self._udp = {}, {}
        if self._compiled is not None:
            self._compiled.forget_members(self._classes() if networks else None)

    def _classes(self) -> "ClientLookup":
        """Return the class of a source from its bytes."""
        from kun_dns64.fastpath.client_lookup import ClientLookup

        prepared = prepare(self._rules)
        pairs = (index_networks([self._rules.allow_clients]), index_networks([self._rules.trust_ecs_from]))
        clients = prepared.clients
        return ClientLookup(*pairs, clients.networks, clients.followed, clients.followed_from)

    def udp(self, wire: bytes, source: Source) -> bytes | None:
        """Return the finished reply to a datagram, if there is one."""
        return self._udp_memo(source).quick(wire, int(time.monotonic()), source)

    def _udp_memo(self, source: Source) -> ReplyCache:
        return self._udp.get(source) or self._memo(source, Transport.UDP)

    def stream(self, wire: bytes, source: Source, transport: Transport) -> bytes | None:
        return self._memo(source, transport).quick(wire, int(time.monotonic()), source)

    def remember(
        self,
        wire: bytes,
        packet: bytes,
        reply: Reply,
        heard: Sequence[Heard],
        source: Source,
        transport: Transport,
        rules: Rules,
        at_most: bool = False,
        members: int = 0,
    ) -> None:
        """Keep `packet`, which answered `wire` under `rules`, for as long as nothing else would be said.

        `at_most`: it was made for the largest limit, whatever `wire` offers. `members`: `members` when `wire` came; a
        client that is in another class since then must not leave its reply to that.
        """
        if rules is self._rules and members == self.members:
            self._memo(source, transport).remember(wire, packet, reply, heard, int(time.monotonic()), at_most)

    @property
    def members(self) -> int:
        """The number of changes of client classes."""
        return prepare(self._rules).clients.version

    def place(self, source: Source) -> tuple[Generations[bytes], bytes]:
        """Return where the miss path keeps UDP replies to this address, until the next `renew`."""
        return self._udp_memo(source).place()

    def cookie(self, data: bytes, source: Source) -> bytes:
        """Return the COOKIE option for a reply to this data and address. Both paths use it."""
        now = time.monotonic()
        if now >= self._cookies_until or len(self._cookies) >= self.most_sources:
            self._cookies.clear()
            self._cookies_until = now + COOKIE_MEMO_S
        made = self._cookies.get((data, source))
        if made is None:
            made = answering_cookie(data, address_of(source), self._secrets, int(time.time()))
            self._cookies[data, source] = made
        return made

    def hits(self) -> dict[str, int]:
        """Replies sent so far, by the rule that decided them."""
        return {rule.value: cell[0] for rule, cell in zip(RULES, self._reply_store.hits, strict=True) if cell[0]}

    def __len__(self) -> int:
        return len(self._reply_store)

    @property
    def size_bytes(self) -> int:
        return self._reply_store.size_bytes

    def _memo(self, source: Source, transport: Transport) -> ReplyCache:
        memo = self._by_source.get((source, transport))
        if memo is None:
            if len(self._by_source) >= self.most_sources:
                self._by_source.clear()
                self._udp.clear()
            memo = self._by_source[source, transport] = self._memos.of(address_of(source), transport)
            if transport is Transport.UDP:
                self._udp[source] = memo
        return memo
