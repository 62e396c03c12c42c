"""From a client's packet to its reply: parsing, limits, the resolver, rendering, and metrics."""

import asyncio
import os
import time
from collections.abc import Callable
from typing import NamedTuple

from kun_dns64.config.settings import Limits
from kun_dns64.fastpath.selection import Parts
from kun_dns64.formats.cookies import CookieState, check_cookie, cookie_data
from kun_dns64.formats.query import parse_query
from kun_dns64.formats.render import SizeLimits, render
from kun_dns64.formats.self_check import answer as self_check_answer
from kun_dns64.formats.self_check import mark_of
from kun_dns64.model.message import Query, Source, Transport
from kun_dns64.model.question import Rcode
from kun_dns64.model.rules import Rules
from kun_dns64.model.step import Drop, Heard, Malformed, Reply, Rule
from kun_dns64.policy.client import answered_subnet
from kun_dns64.policy.client_share import FACTOR, ClientShare
from kun_dns64.policy.prepared import prepare
from kun_dns64.serving.admission import Admission
from kun_dns64.serving.dnstap import QueryTap, Tapped
from kun_dns64.serving.miss_path import Datagram, MissHandler
from kun_dns64.serving.reply_lookup import Quick, ReplyLookup, address_of
from kun_dns64.serving.resolution import LIMITED
from kun_dns64.serving.resolver import Resolver
from kun_dns64.state.metrics import Metrics, rcode_name
from kun_dns64.state.rate_limit import RateLimiter, Verdict
from kun_dns64.transport.query_handler import Send
from kun_dns64.transport.shared_table import RATE_SECRET, RATE_TABLE

LOOPED = Reply(Rcode.SERVFAIL, Rule.LOOP)
# To a query that only asks whether its server cookie is good, and it is not (RFC 7873 section 5.4).
UNCONFIRMED = Reply(Rcode.BADCOOKIE, Rule.BAD_COOKIE)
# Instead of the answer, so that a client behind a forged flood comes again by TCP. TC stands in the third byte.
SLIPPED = Reply(Rcode.NOERROR, Rule.RATE_LIMITED)
TC_BIT = 0x02


def truncated(packet: bytes) -> bytes:
    """Return an empty NOERROR reply with TC=1: a real client retries by TCP, which proves its address."""
    return packet[:2] + bytes((packet[2] | TC_BIT, packet[3] & 0xF0)) + packet[4:]


class Ways(NamedTuple):
    """The handlers of a datagram: `quick` returns a finished reply or None; then `datagram` takes the query."""

    quick: Quick
    datagram: Datagram


def nothing_ready(wire: bytes, source: Source) -> bytes | None:
    return None


def _limiter(limits: Limits) -> RateLimiter | None:
    return RateLimiter(limits.rate_per_s, RATE_TABLE, RATE_SECRET) if limits.rate_per_s else None


class Front:
    """Handle queries for all listeners of a worker."""

    def __init__(
        self,
        resolver: Resolver,
        limits: Limits,
        metrics: Metrics,
        cookie_secrets: tuple[bytes, ...],
        parts: Parts,
    ) -> None:
        self._resolver, self._metrics, self._cookie_secrets = resolver, metrics, cookie_secrets
        self.reply_lookup = ReplyLookup(resolver.rules, cookie_secrets, parts, limits.udp_payload_max, resolver.memory)
        self._limits = SizeLimits(limits.udp_payload_max, limits.tcp_idle_s)
        self._rate_per_s = limits.rate_per_s
        self._limiter = _limiter(limits)
        self._tap: QueryTap | None = None
        self._pending = 0
        self._idle: asyncio.Event | None = None
        self._handled_hits = self._counted_quick = 0
        self._self_check = mark_of(cookie_secrets[0])
        self.admission = Admission(metrics)
        self.admission.change(resolver.rules, limits, cookie_secrets)
        resolver.is_proven = self.admission.is_proven
        self._misses = MissHandler(resolver, self.reply_lookup, parts, self.awaited, self.settled, self.admission)
        self._misses.renew(self._limits.udp_payload_max)
        # By whether each query is counted.
        self._ways = {
            False: Ways(self.reply_lookup.quick, self._misses.way(self._datagram)),
            True: Ways(nothing_ready, self._datagram),
        }

    @property
    def _counts_each(self) -> bool:
        """Whether each query must be counted or logged by itself, so the fast paths, which only sum, cannot be used."""
        return self._limiter is not None or self._tap is not None

    @property
    def _way(self) -> Ways:
        return self._ways[self._counts_each]

    @property
    def quick(self) -> Quick:
        """The handler that returns a finished reply to a datagram, or None."""
        return self._way.quick

    @property
    def handle_datagram(self) -> Datagram:
        """The handler of a datagram for which `quick` has no reply."""
        return self._way.datagram

    @property
    def tap(self) -> QueryTap | None:
        return self._tap

    def tell(self, tap: QueryTap | None) -> None:
        """Log all queries and replies in this tap, cached replies too; None: end it."""
        self._tap = tap

    def change(self, limits: Limits, cookie_secret: bytes | None) -> None:
        """Use new settings; pending queries end with the old ones. The last cookie secret stays valid (RFC 9018 5)."""
        self._limits = SizeLimits(limits.udp_payload_max, limits.tcp_idle_s)
        if limits.rate_per_s != self._rate_per_s:
            self._rate_per_s = limits.rate_per_s
            self._limiter = _limiter(limits)
        if cookie_secret is not None and cookie_secret != self._cookie_secrets[0]:
            self._cookie_secrets = cookie_secret, self._cookie_secrets[0]
            self._self_check = mark_of(cookie_secret)
        self.admission.change(self._resolver.rules, limits, self._cookie_secrets)
        self.renew()

    def renew(self) -> None:
        """Drop finished replies: rules or secrets have changed."""
        self.reply_lookup.resize(self._resolver.memory)
        self.reply_lookup.renew(self._resolver.rules, self._cookie_secrets, self._limits.udp_payload_max)
        self._misses.renew(self._limits.udp_payload_max)

    def forget_members(self, *, networks: bool = True) -> None:
        """Drop known client classes: clients have changed class. `networks` False: only single followed addresses."""
        self.reply_lookup.forget_members(networks=networks)
        self._misses.forget_members()

    def count_quick(self) -> None:
        """Add the hits of `quick` to the metrics: it counts hits by rule, and each hit is a query by UDP."""
        hits = self.reply_lookup.hits()
        for rule, count in hits.items():
            self._metrics.set_count("fast_replies", count, rule)
        quick = sum(hits.values()) - self._handled_hits
        self._metrics.count("queries", Transport.UDP.value, by=quick - self._counted_quick)
        self._counted_quick = quick
        self._misses.count(self._metrics)

    @property
    def pending(self) -> int:
        """The number of pending queries."""
        return self._pending + self._misses.pending

    @property
    def taken(self) -> int:
        """The number of queries taken so far."""
        counted = sum(self._metrics.counters["queries"].values())
        return int(counted) + sum(self.reply_lookup.hits().values()) + self._misses.taken

    async def idle(self) -> None:
        """Wait until no query is pending."""
        self._idle = asyncio.Event()
        if self.pending:
            await self._idle.wait()

    def settled(self) -> None:
        """Count a pending query as finished."""
        if self._idle is not None and not self.pending:
            self._idle.set()

    def _datagram(self, wire: bytes, source: Source, send: Send) -> None:
        self.handle(wire, source, Transport.UDP, send)

    def handle(self, wire: bytes, source: Source, transport: Transport, send: Send) -> None:
        """Answer a packet by `send`, at once or later; drop what gets no reply."""
        if wire.endswith(self._self_check):
            send(self_check_answer(wire, str(os.getpid()).encode()))
            return
        self._metrics.count("queries", transport.value)
        if self._tap is not None:
            send = self._tap.client(wire, source, transport, send)
        if self._limiter is not None and transport is Transport.UDP:
            times = FACTOR if self.admission.share_of(source).is_forwarder else 1
            verdict = self._limiter.judge(source, time.monotonic(), times)
            if verdict is not Verdict.ANSWER:
                self._limited(wire, verdict, send)
                return
        if transport is not Transport.UDP or self._counts_each:
            finished = self.reply_lookup.stream(wire, source, transport)
            if finished is not None:
                self._handled_hits += 1
                send(finished)
                return
        query = parse_query(wire, transport, address_of(source))
        if query is None:
            self._metrics.count("dropped", Rule.MALFORMED.value)
            send(None)
        elif isinstance(query, Malformed):
            self._metrics.count("replies", query.rule.value, rcode_name(query.rcode))
            send(query.wire)
        elif self._resolver.upstreams.is_own(wire):
            self._metrics.count("loops")
            self._reply(query, LOOPED, source, send)
        else:
            self._resolve(wire, query, source, send)

    def _resolve(self, wire: bytes, query: Query, source: Source, send: Send) -> None:
        rules, share, now = self._resolver.rules, self.admission.share_of(source), time.monotonic()
        if not self.admission.has_room(query, share, now):
            self._reply(query, LIMITED, source, send)
            return
        decided = self.awaited(wire, query, source, send, now, rules, share)
        self._resolver.resolve(query, decided, share)

    def awaited(
        self, wire: bytes, query: Query, source: Source, send: Send, began: float, rules: Rules, share: ClientShare
    ) -> Callable[[Reply | Drop, tuple[Heard, ...]], None]:
        """Count a query as pending; return the function to call once with its decision."""
        self._pending += 1
        share.waiting += 1
        members = self.reply_lookup.members

        def decided(step: Reply | Drop, heard: tuple[Heard, ...]) -> None:
            self._pending -= 1
            share.waiting -= 1
            self.settled()
            waited_s = time.monotonic() - began
            self._metrics.observe("reply_seconds", waited_s)
            if isinstance(step, Drop):
                self._metrics.count("dropped", step.rule.value)
                send(None)
                return
            packet = self._reply(query, step, source, self.admission.leaving(query, share, send, waited_s))
            self._remember(wire, query, packet, step, heard, source, rules, members)

        return decided

    def _remember(
        self,
        wire: bytes,
        query: Query,
        packet: bytes,
        reply: Reply,
        heard: tuple[Heard, ...],
        source: Source,
        rules: Rules,
        members: int,
    ) -> None:
        """Cache the reply. A truncated one is made for the largest limit, so that smaller ones can be cut from it."""
        at_most = False
        if packet[2] & TC_BIT and query.edns is not None and reply.rule is not Rule.RATE_LIMITED:
            largest = query._replace(edns=query.edns._replace(payload=self._limits.udp_payload_max))
            whole = self._rendered(largest, reply, source)
            at_most = whole[2] & TC_BIT > 0
            packet = whole if at_most else packet
        self.reply_lookup.remember(wire, packet, reply, heard, source, query.transport, rules, at_most, members)

    def _reply(self, query: Query, reply: Reply, source: Source, send: Send) -> bytes:
        if reply.rule is Rule.COOKIE_ONLY and self._cookie_is_bad(query):
            reply = UNCONFIRMED
        self._metrics.count("replies", reply.rule.value, rcode_name(reply.rcode))
        if reply.shadow and reply.shadow != reply.answer:
            self._metrics.count("shadowed", reply.rule.value)
        packet = self._rendered(query, reply, source)
        if reply.rule is Rule.RATE_LIMITED and query.transport is Transport.UDP:
            packet = truncated(packet)
        if self._tap is not None and isinstance(send, Tapped):
            send.rule = reply.rule.value
        send(packet)
        return packet

    def _rendered(self, query: Query, reply: Reply, source: Source) -> bytes:
        data = cookie_data(query)
        cookie = b"" if data is None else self.reply_lookup.cookie(data, source)
        subnet = answered_subnet(query, prepare(self._resolver.rules)) if query.edns and query.edns.options else b""
        return render(query, reply, self._limits, cookie, subnet)

    def _cookie_is_bad(self, query: Query) -> bool:
        return check_cookie(query, self._cookie_secrets, int(time.time())) is CookieState.BAD

    def _limited(self, wire: bytes, verdict: Verdict, send: Send) -> None:
        if verdict is Verdict.DROP or len(wire) < 12 or wire[2] & 0x80:
            self._metrics.count("dropped", Rule.RATE_LIMITED.value)
            send(None)
            return
        query = parse_query(wire, Transport.UDP, address_of("::1"))
        if isinstance(query, Query):
            self._metrics.count("replies", Rule.RATE_LIMITED.value, rcode_name(Rcode.NOERROR))
            send(truncated(render(query, SLIPPED, self._limits)))
        else:
            send(None)
