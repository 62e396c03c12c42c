"""One worker: listeners, the resolver behind them, and the housekeeping, from start to the last answer."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from kun_base.journal import Journal
from kun_dns64.config.settings import Settings, TlsListen
from kun_dns64.front import Front
from kun_dns64.metrics import Metrics
from kun_dns64.model.rules import Rules
from kun_dns64.resolver import Resolver
from kun_dns64.transport.sockets import Listening
from kun_dns64.transport.tcp_server import Connections, StreamLimits, StreamServing
from kun_dns64.transport.udp_server import UdpServing

if TYPE_CHECKING:
    import ssl

HOUSEKEEPING_S = 1.0
# A stop waits for answers under way no longer than this beyond the budget.
STOP_GRACE_S = 0.5


class Server:
    """Serves on sockets that are already bound. `start`, then `stop`; `change` in between."""

    def __init__(
        self, settings: Settings, sockets: Sequence[Listening], journal: Journal, cookie_secret: bytes
    ) -> None:
        self.settings, self._sockets, self._journal = settings, sockets, journal
        self.metrics = Metrics()
        self.resolver = Resolver(settings, settings.rules, self.metrics, journal)
        self.front = Front(self.resolver, settings.limits, self.metrics, (cookie_secret,))
        limits = settings.limits
        self._connections = Connections(
            StreamLimits(limits.tcp_idle_s, limits.tcp_max_connections, limits.tcp_max_per_client)
        )
        self._udp: list[UdpServing] = []
        self._streams: list[StreamServing] = []
        self._housekeeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises OSError when TLS files cannot be used."""
        for listening in self._sockets:
            context = None
            if listening.tls:
                context = _tls_context(self.settings.tls)
            self._streams.append(StreamServing(self.front, self._connections, listening.tcp, context))
            if listening.udp is not None:
                self._udp.append(UdpServing(self.front, listening.endpoint, listening.udp))
        for stream in self._streams:
            await stream.start()
        for udp in self._udp:
            await udp.start()
        self._housekeeping = asyncio.get_running_loop().create_task(self._keep_house())

    def use_rules(self, rules: Rules) -> None:
        self.resolver.rules = rules

    async def stop(self) -> None:
        """Answers what has been taken, and ends."""
        for udp in self._udp:
            udp.stop_taking()
        for stream in self._streams:
            stream.close()
        # One turn for datagrams that wait in the sockets, then time for what is under way.
        await asyncio.sleep(0.05)
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.limits.budget_s + STOP_GRACE_S):
                while self.front.pending:
                    await asyncio.sleep(0.01)
        self._connections.finish_all()
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        await asyncio.sleep(0.02)
        self._connections.close_all()
        for udp in self._udp:
            udp.close()
        await self.resolver.close()
        await asyncio.sleep(0)

    def snapshot(self) -> Metrics:
        """The numbers of now."""
        metrics, upstreams = self.metrics, self.resolver.upstreams
        observed = upstreams.observed
        metrics.set_count("upstream_wrong_replies", observed.wrong_replies)
        metrics.set_count("upstream_case_fallbacks", observed.case_fallbacks)
        metrics.set_count("upstream_tcp_fallbacks", observed.tcp_fallbacks)
        metrics.set_count("upstream_edns_fallbacks", observed.edns_fallbacks)
        metrics.set_count("upstream_stream_retries", observed.stream_retries)
        metrics.set_count("upstream_overflows", upstreams.overflows)
        metrics.set_count("coalesced", upstreams.coalesced)
        metrics.set_count("tcp_closed_for_limit", self._connections.closed_for_limit)
        metrics.gauge("tcp_connections", len(self._connections))
        metrics.gauge("upstream_outstanding", upstreams.outstanding)
        metrics.gauge("config_generation", self.resolver.rules.generation)
        metrics.gauge("workers", 1)
        for address, upstream in upstreams.all.items():
            metrics.gauge("upstream_srtt_seconds", upstream.health.srtt_s, str(address))
            metrics.gauge("upstream_up", float(not upstream.health.down), str(address))
        return metrics

    async def _keep_house(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            self._connections.close_idle(loop.time())


def _tls_context(tls: TlsListen | None) -> "ssl.SSLContext":
    if tls is None:
        raise OSError("a TLS socket was handed over, but [server.tls] names no certificate")
    from kun_dns64.transport.tls import server_context

    return server_context(tls.certificate, tls.key)
