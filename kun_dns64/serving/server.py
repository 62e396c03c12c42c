"""One worker: listeners, the resolver behind them, and the housekeeping, from start to the last answer."""

import asyncio
import os
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kun_base.journal import Journal
from kun_dns64.config.settings import Dnstap, Limits, Settings
from kun_dns64.fastpath.selection import Parts
from kun_dns64.model.message import Query
from kun_dns64.model.rules import ClientNetworks
from kun_dns64.model.step import Drop, Heard, Reply, Rule
from kun_dns64.model.table_update import TableUpdate
from kun_dns64.policy.explain import explain
from kun_dns64.policy.prepared import prepare
from kun_dns64.serving.dns64_check import check_upstreams
from kun_dns64.serving.dnstap import DnstapTap
from kun_dns64.serving.front import Front
from kun_dns64.serving.resolver import Resolver
from kun_dns64.serving.worker_group import Explanation, UpstreamPulse, WorkerPulse, WorkerStatus
from kun_dns64.state.followed_rules import updated_rules
from kun_dns64.state.metrics import Metrics
from kun_dns64.transport.connections import Connections, SharedLimits, StreamLimits
from kun_dns64.transport.file_limit import allowed_connections
from kun_dns64.transport.sockets import Listening
from kun_dns64.transport.tcp_server import StreamServing
from kun_dns64.transport.tls_server import TlsServing
from kun_dns64.transport.udp_server import UdpServing

if TYPE_CHECKING:
    import ssl

HOUSEKEEPING_S = 1.0
# A stop, and the end of a listening address, wait for answers under way no longer than this beyond the budget; a stop
# also as long for clients to read them.
STOP_GRACE_S = 0.5
# Long enough for what stood in the sockets' queues, and for the last replies to leave.
TURN_S = 0.05


class Server:
    """Serves on sockets that are already bound. `start`, then `stop`; `change` in between."""

    def __init__(
        self,
        settings: Settings,
        sockets: Iterable[Listening],
        journal: Journal,
        cookie_secrets: Sequence[bytes],
        parts: Parts,
        shared: SharedLimits | None = None,
    ) -> None:
        """`shared`: the connections of the other workers; None: there are no others."""
        settings = settings.of_one_worker()
        self.settings, self._parts = settings, parts
        self._sockets = list(sockets)
        self.metrics = Metrics()
        self.resolver = Resolver(settings, self.metrics, journal, parts)
        self.front = Front(self.resolver, settings.limits, self.metrics, tuple(cookie_secrets), parts)
        self._connections = Connections(self._stream_limits(settings.limits), shared)
        self._udp: dict[Listening, UdpServing] = {}
        self._streams: dict[Listening, StreamServing | TlsServing] = {}
        self._tls: ssl.SSLContext | None = None
        self._tap: DnstapTap | None = None
        self._journal = journal
        self._background: set[asyncio.Task[None]] = set()
        self._longest_budget_s = settings.limits.budget_s

    async def start(self) -> None:
        """Raises OSError when TLS files cannot be used."""
        if self._sockets:
            await self._tap_as(self.settings.dnstap)
        for listening in self._sockets:
            await self._listen(listening)
        self._in_background(self._keep_house())
        if self.settings.asking.check_not_dns64 and self._sockets:
            upstreams = self.resolver.upstreams.all
            self._in_background(check_upstreams(upstreams, self.metrics, self._journal))

    async def change(self, settings: Settings) -> None:
        """New queries are answered by `settings`. Raises OSError, with nothing changed, when TLS files are bad."""
        settings = settings.of_one_worker()
        if self._tls is not None and settings.tls is not None:
            # The running context: new handshakes get the new certificate.
            self._tls.load_cert_chain(settings.tls.certificate, settings.tls.key)
        # Queries under way end under the old one.
        self._longest_budget_s = max(self.settings.limits.budget_s, settings.limits.budget_s)
        self.settings = settings
        self.resolver.change(settings)
        self.front.change(settings.limits, settings.cookie_secret)
        self._connections.limits = self._stream_limits(settings.limits)
        self._journal.change(as_json=settings.log_format == "json", level=settings.log_level)
        await self._tap_as(settings.dnstap)

    async def _tap_as(self, wanted: Dnstap | None) -> None:
        """dnstap as these settings say; where they are the old ones, a file that was moved away is begun anew."""
        if self._tap is not None and self._tap.settings == wanted:
            await self._tap.reopen()
            return
        before, self._tap = self._tap, None
        if wanted is not None:
            self._tap = DnstapTap(wanted, self._count, shared_file=self.settings.workers > 1)
        self.front.tell(self._tap)
        self.resolver.tell(self._tap)
        if before is not None:
            await before.close()

    def set_log_level(self, level: str) -> None:
        """Until the next reload, which sets what the file says."""
        self._journal.change(as_json=self.settings.log_format == "json", level=level)

    def _count(self, metric: str, label: str, by: int) -> None:
        self.metrics.count(metric, label, by=by)

    def use_gateways(self, pools_down: frozenset[str], generation: int) -> None:
        rules = replace(self.settings.rules, pools_down=pools_down, generation=generation)
        self.settings = replace(self.settings, rules=rules)
        self.resolver.rules = rules
        self.front.renew()

    def use_clients(self, networks: ClientNetworks) -> None:
        """Other clients in the classes of the same rules: nothing that is kept for others is forgotten."""
        prepare(self.resolver.rules).clients.change(networks)
        # For the rules to come; those in force stay the same object.
        self.settings = replace(self.settings, rules=replace(self.settings.rules, client_networks=networks))
        self.front.forget_members()

    def use_table(self, update: TableUpdate) -> None:
        """The followed table has changed. Without new rules nothing that is kept for others is forgotten."""
        followed = self.settings.rules.followed
        if followed is None:
            return
        networks = followed.apply(update.members)
        if update.rules is not None:
            rules = updated_rules(self.settings.rules, update.rules)
            self.settings = replace(self.settings, rules=rules)
            self.resolver.rules = rules
            self.front.renew()
            return
        prepare(self.resolver.rules).clients.followed_changed()
        self.front.forget_members(networks=networks)

    async def explain(self, query: Query) -> Explanation:
        """The query answered as for its client, with everything heard on the way."""
        future: asyncio.Future[Explanation] = asyncio.get_running_loop().create_future()
        rules = self.resolver.rules

        def decided(step: Reply | Drop, heard: tuple[Heard, ...]) -> None:
            if not future.done():
                future.set_result(Explanation(query, heard, step, explain(query, heard, step, rules)))

        self.resolver.resolve(query, decided)
        async with asyncio.timeout(self.settings.limits.budget_s + STOP_GRACE_S):
            return await future

    async def listen_on(self, sockets: Sequence[Listening]) -> None:
        """Other sockets instead of those served so far; what stays the same is not touched.

        Those that go take nothing more, and are closed when what they have taken is answered.
        """
        for listening in [known for known in self._sockets if known not in sockets]:
            self._streams.pop(listening).close()
            if listening in self._udp:
                udp = self._udp.pop(listening)
                udp.stop_taking()
                self._in_background(self._close_later(udp))
        for listening in [new for new in sockets if new not in self._sockets]:
            await self._listen(listening)
        self._sockets = list(sockets)

    async def _close_later(self, udp: UdpServing) -> None:
        try:
            await asyncio.sleep(self._longest_budget_s + STOP_GRACE_S)
        finally:
            udp.close()

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def stop(self, *, for_good: bool = True) -> None:
        """Answers what has been taken, and ends. Not `for_good`: somebody will serve on the same sockets."""
        for udp in self._udp.values():
            udp.stop_taking(for_good=for_good)
        for stream in self._streams.values():
            stream.close()
        await asyncio.sleep(TURN_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._longest_budget_s + STOP_GRACE_S):
                await self.front.idle()
        self._connections.finish_all()
        await asyncio.sleep(TURN_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_GRACE_S):
                await self._connections.gone()
        self._connections.close_all()
        for udp in self._udp.values():
            udp.close()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.resolver.close()
        await self._tap_as(None)
        # Transports close in the next turn of the loop.
        await asyncio.sleep(0)

    def standing(self) -> WorkerStatus:
        upstreams = self.resolver.upstreams
        upstreams.freshen()
        known = [
            {
                "upstream": str(address),
                "up": not upstream.health.down,
                "srtt_s": round(upstream.health.round_trip.srtt_s, 6),
                "answers": upstream.health.answers,
            }
            for address, upstream in upstreams.all.items()
        ]
        worker: dict[str, Any] = {
            "pid": os.getpid(),
            "generation": self.resolver.rules.generation,
            "pending": self.front.pending,
            "queries": self.front.taken,
            "cache_entries": len(self.resolver.cache),
            "cache_bytes": self.resolver.cache.size_bytes,
            "tcp_connections": len(self._connections),
            "upstreams": known,
        }
        return WorkerStatus(upstreams.usable(), (worker,))

    def pulse(self) -> WorkerPulse:
        upstreams, cache, own = self.resolver.upstreams, self.resolver.cache, self.resolver.memory
        counted = self.metrics.counters
        limited = {
            "queries": _limited(counted["replies"]) + _limited(counted["dropped"]),
            "connections": self._connections.closed_for_limit,
            "upstream questions": upstreams.overflows + upstreams.displaced + upstreams.refused,
        }
        shares = (len(cache) / max(1, own.answer_entries), cache.size_bytes / max(1, own.answer_bytes))
        return WorkerPulse(
            tuple(
                UpstreamPulse(str(at), not one.health.down, one.health.why, one.health.round_trip.srtt_s)
                for at, one in upstreams.all.items()
            ),
            limited,
            max(shares) if own.answer_entries else 0.0,
            self.front.taken,
        )

    def snapshot(self) -> Metrics:
        """The numbers of now."""
        metrics, upstreams = self.metrics, self.resolver.upstreams
        observed = upstreams.observed
        self.front.count_quick()
        metrics.gauge("memo_entries", len(self.front.reply_lookup))
        metrics.set_count("upstream_wrong_replies", observed.wrong_replies)
        metrics.set_count("upstream_case_fallbacks", observed.case_fallbacks)
        metrics.set_count("upstream_tcp_fallbacks", observed.tcp_fallbacks)
        metrics.set_count("upstream_edns_fallbacks", observed.edns_fallbacks)
        metrics.set_count("upstream_stream_retries", observed.stream_retries)
        metrics.set_count("upstream_overflows", upstreams.overflows)
        metrics.set_count("upstream_displaced", upstreams.displaced)
        metrics.set_count("upstream_refused", upstreams.refused)
        metrics.set_count("coalesced", upstreams.coalesced)
        metrics.set_count("tcp_closed_for_limit", self._connections.closed_for_limit)
        metrics.gauge("tcp_connections", len(self._connections))
        metrics.gauge("upstream_outstanding", upstreams.outstanding)
        metrics.gauge("cache_entries", len(self.resolver.cache))
        metrics.gauge("cache_bytes", self.resolver.cache.size_bytes)
        metrics.gauge("workers", 1)
        for address, check in upstreams.checks.items():
            metrics.set_count("upstream_checks", check.passed, str(address), "answered")
            metrics.set_count("upstream_checks", check.failed, str(address), "failed")
        for address, upstream in upstreams.all.items():
            metrics.gauge("upstream_srtt_seconds", upstream.health.round_trip.srtt_s, str(address))
            metrics.gauge("upstream_up", float(not upstream.health.down), str(address))
        return metrics

    async def _listen(self, listening: Listening) -> None:
        stream = self._streams[listening] = self._stream(listening)
        await stream.start()
        if listening.udp is not None:
            udp = UdpServing(self.front, listening.endpoint, listening.udp, self._parts.batch, handed=listening.handed)
            self._udp[listening] = udp
            await udp.start()

    def _stream(self, listening: Listening) -> StreamServing | TlsServing:
        if listening.tls:
            return TlsServing(self.front, self._connections, listening.tcp, self._tls_context())
        return StreamServing(self.front, self._connections, listening.tcp)

    def _tls_context(self) -> "ssl.SSLContext":
        if self.settings.tls is None:
            raise OSError("a TLS socket was handed over, but [server.tls] names no certificate")
        if self._tls is None:
            from kun_dns64.transport.tls import server_context

            self._tls = server_context(self.settings.tls.certificate, self.settings.tls.key)
        return self._tls

    async def _keep_house(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            self._connections.keep_house(loop.time())

    def _stream_limits(self, limits: Limits) -> StreamLimits:
        return StreamLimits(
            limits.tcp_idle_s,
            limits.tcp_max_connections,
            limits.tcp_max_per_client,
            limits.budget_s,
            self.front.admission.is_forwarder,
            allowed_connections(),
        )


def _limited(numbers: Mapping[tuple[str, ...], float]) -> int:
    """Those of a counter whose first label is the rule of limits."""
    return int(sum(count for labels, count in numbers.items() if labels[0] == Rule.RATE_LIMITED.value))
