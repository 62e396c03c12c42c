"""Sample queries while an operator looks, for `top` and `tail`. It costs nothing while nobody looks.

A sampler replaces the dnstap tap for short windows. Meanwhile each query takes the general path, which is slower than
the fast path. So a busy worker is sampled only for WINDOW_S in each PERIOD_S.
"""

import asyncio
import time
from dataclasses import dataclass
from ipaddress import ip_address

from kun_dns64.formats.dnstap import MessageType, Passed, Protocol
from kun_dns64.formats.names import to_text
from kun_dns64.formats.wire import HEADER_SIZE
from kun_dns64.model.message import Source, Transport
from kun_dns64.serving.dnstap import CLIENT_PROTOCOLS, QueryTap, Tapped
from kun_dns64.serving.front import Front
from kun_dns64.serving.reply_lookup import address_of
from kun_dns64.transport.query_handler import Send

WINDOW_S, PERIOD_S = 0.05, 0.5
# More queries than this in one window: sample in windows from then on.
BUSY = 100
MAX_KEPT = 2000
# Below the time a worker has for an answer (processes/worker_rpc.py).
MAX_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class SampledQuery:
    """One query and its reply. `at`: seconds since 1970; `took_s`: from query to reply."""

    at: float
    client: str
    transport: str
    name: str
    qtype: int
    rcode: int
    rule: str
    took_s: float


@dataclass(frozen=True, slots=True)
class Sample:
    """Queries seen, and for how many seconds the sampler really looked; `unkept` were counted and not kept."""

    queries: tuple[SampledQuery, ...]
    looked_s: float
    unkept: int


class _Collector:
    """Collect samples in place of a DnstapTap; pass all to `inner`, the tap that it replaces."""

    def __init__(self) -> None:
        self.inner: QueryTap | None = None
        self.queries: list[SampledQuery] = []
        self.seen = 0

    def client(self, wire: bytes, source: Source, transport: Transport, send: Send) -> Tapped:
        if self.inner is not None:
            send = self.inner.client(wire, source, transport, send)
        packed, protocol = address_of(source).packed, CLIENT_PROTOCOLS[transport]
        passed = Passed(MessageType.CLIENT_RESPONSE, protocol, b"", time.time_ns(), client=packed)
        return _Sampled(self, passed, send)

    def answered(self, passed: Passed) -> None:
        self.seen += 1
        if len(self.queries) < MAX_KEPT and (found := _read(passed)) is not None:
            self.queries.append(found)


class _Sampled(Tapped):
    """Pass the rule on to the inner tap."""

    __slots__ = ()

    def __call__(self, message: bytes | None) -> None:
        if isinstance(self._send, Tapped):
            self._send.rule = self.rule
        super().__call__(message)


async def sample(front: Front, seconds: float) -> Sample:
    """Sample for `seconds` (at most MAX_SECONDS). Another running sample is not disturbed."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + min(seconds, MAX_SECONDS)
    collector, looked_s = _Collector(), 0.0
    while (left := ends - loop.time()) > 0:
        before, began = collector.seen, loop.time()
        collector.inner = front.tap
        front.tell(collector)
        try:
            await asyncio.sleep(min(WINDOW_S, left))
        finally:
            _take_out(front, collector)
        looked_s += loop.time() - began
        if collector.seen - before > BUSY:
            await asyncio.sleep(min(PERIOD_S - WINDOW_S, max(0.0, ends - loop.time())))
    return Sample(tuple(collector.queries), looked_s, collector.seen - len(collector.queries))


def _take_out(front: Front, collector: _Collector) -> None:
    """Remove one collector. Other collectors stay, and a tap that was replaced meanwhile too."""
    at = front.tap
    if at is collector:
        front.tell(collector.inner)
        return
    while isinstance(at, _Collector):
        if at.inner is collector:
            at.inner = collector.inner
            return
        at = at.inner


def _read(passed: Passed) -> SampledQuery | None:
    """None for a reply without a question."""
    wire, end = passed.raw, passed.raw.find(b"\0", HEADER_SIZE) + 1
    if end == 0 or len(wire) < end + 4 or wire[4:6] != b"\0\1":
        return None
    return SampledQuery(
        at=passed.asked_ns / 1e9,
        client=str(ip_address(passed.client)),
        transport=Protocol(passed.protocol).name.lower(),
        name=to_text(wire[HEADER_SIZE:end]),
        qtype=int.from_bytes(wire[end : end + 2]),
        rcode=wire[3] & 15,
        rule=passed.extra.decode() or "fast path",
        took_s=(passed.responded_ns - passed.asked_ns) / 1e9,
    )
