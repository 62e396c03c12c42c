"""From a client's packet to its reply: parsing, limits, the resolver, rendering, and the numbers about all that."""

import asyncio
import time
from functools import lru_cache
from ipaddress import ip_address

from kun_dns64.config.settings import Limits
from kun_dns64.formats.cookies import reply_cookie
from kun_dns64.formats.query import parse_query
from kun_dns64.formats.render import Limits as RenderLimits
from kun_dns64.formats.render import render
from kun_dns64.metrics import Metrics, rcode_name
from kun_dns64.model.message import IPAddress, Query, Transport
from kun_dns64.model.question import Rcode
from kun_dns64.model.step import Drop, Heard, Malformed, Reply, Rule
from kun_dns64.ratelimit import RateLimiter, Verdict
from kun_dns64.resolver import Resolver
from kun_dns64.transport.port import Send

LOOPED = Reply(Rcode.SERVFAIL, Rule.LOOP)
# Header bits of a TC=1 reply made from the query itself: QR and TC, beside the client's opcode and RD.
QR_TC, RD_BIT = 0x82, 0x01


@lru_cache(maxsize=65536)
def address_of(source: str) -> IPAddress:
    return ip_address(source.partition("%")[0])


class Front:
    """What all listeners of a worker share."""

    def __init__(self, resolver: Resolver, limits: Limits, metrics: Metrics, cookie_secrets: tuple[bytes, ...]) -> None:
        self._resolver, self._metrics, self._cookie_secrets = resolver, metrics, cookie_secrets
        self._limits = RenderLimits(limits.udp_payload_max)
        self._rate_per_s = limits.rate_per_s
        self._limiter = RateLimiter(limits.rate_per_s) if limits.rate_per_s else None
        self.pending = 0
        self._idle: asyncio.Event | None = None

    def change(self, limits: Limits, cookie_secret: bytes | None) -> None:
        """New settings; queries under way end under the old ones. The last secret's cookies stay good (RFC 9018 5)."""
        self._limits = RenderLimits(limits.udp_payload_max)
        if limits.rate_per_s != self._rate_per_s:
            self._rate_per_s = limits.rate_per_s
            self._limiter = RateLimiter(limits.rate_per_s) if limits.rate_per_s else None
        if cookie_secret is not None and cookie_secret != self._cookie_secrets[0]:
            self._cookie_secrets = cookie_secret, self._cookie_secrets[0]

    async def idle(self) -> None:
        """Returns when no query is under way."""
        self._idle = asyncio.Event()
        if self.pending:
            await self._idle.wait()

    def quick(self, wire: bytes, source: str) -> bytes | None:
        return None

    def handle(self, wire: bytes, source: str, transport: Transport, send: Send) -> None:
        self._metrics.count("queries", transport.value)
        if self._limiter is not None and transport is Transport.UDP:
            verdict = self._limiter.judge(source, time.monotonic())
            if verdict is not Verdict.ANSWER:
                self._limited(wire, verdict, send)
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
            self._reply(query, LOOPED, send)
        else:
            self._resolve(query, send)

    def _resolve(self, query: Query, send: Send) -> None:
        began = time.monotonic()
        self.pending += 1

        def decided(step: Reply | Drop, heard: tuple[Heard, ...]) -> None:
            self.pending -= 1
            if self._idle is not None and not self.pending:
                self._idle.set()
            self._metrics.observe("reply_seconds", time.monotonic() - began)
            if isinstance(step, Drop):
                self._metrics.count("dropped", step.rule.value)
                send(None)
            else:
                self._reply(query, step, send)

        self._resolver.resolve(query, decided)

    def _reply(self, query: Query, reply: Reply, send: Send) -> None:
        self._metrics.count("replies", reply.rule.value, rcode_name(reply.rcode))
        edns = query.edns
        cookie = reply_cookie(query, self._cookie_secrets, int(time.time())) if edns and edns.options else b""
        send(render(query, reply, self._limits, cookie))

    def _limited(self, wire: bytes, verdict: Verdict, send: Send) -> None:
        if verdict is Verdict.DROP or len(wire) < 12 or wire[2] & 0x80:
            self._metrics.count("dropped", Rule.RATE_LIMITED.value)
            send(None)
            return
        query = parse_query(wire, Transport.UDP, address_of("::1"))
        if isinstance(query, Query):
            self._metrics.count("replies", Rule.RATE_LIMITED.value, rcode_name(Rcode.NOERROR))
            end = 12 + len(query.question.name) + 4
            head = wire[:2] + bytes((QR_TC | wire[2] & RD_BIT, 0x80, 0, 1, 0, 0, 0, 0, 0, 0))
            send(head + wire[12:end])
        else:
            send(None)
