"""Counts what flows through the translator: for the metrics, for the pool's use, and for the end of a drain."""

import asyncio
from collections.abc import Callable
from time import time

from kun_nat64.agent.session_log import SessionLog
from kun_nat64.agent.timing import woken
from kun_nat64.formats.sessionlisting import MOST_OF_A_CLIENT
from kun_nat64.model.drain import Phase
from kun_nat64.model.errors import DriverError
from kun_nat64.model.host import Host
from kun_nat64.model.sessionlist import SessionList
from kun_nat64.model.warnings import WarningName
from kun_nat64.policy import drain, forecast
from kun_nat64.policy.drain import Ages
from kun_nat64.policy.exhaustion import is_full
from kun_nat64.policy.limits import limited
from kun_nat64.policy.nodeways import nodes_of, pods_of
from kun_nat64.policy.port_use import port_use, tenant_port_use
from kun_nat64.policy.probepath import probe_address
from kun_nat64.policy.session_tracking import Look
from kun_nat64.policy.tenants import at_their_limit, sessions_of
from kun_nat64.state.agent_state import Clock, State

DRAIN_S = 1.0
# Counting many sessions costs time: it may take one part in this many, but is done every minute.
SHARE, LONGEST_S = 500, 60.0
# Of a million sessions even that is dear: then rarely enough for a seventh of a core, and short ones are missed.
LEAST_SHARE = 6


class TrafficLoop:
    """`note_sessions`: takes the number of live TCP sessions and the age of the oldest, for a drain."""

    def __init__(
        self,
        state: State,
        host: Host,
        log: SessionLog | None = None,
        wall: Clock = time,
        note_sessions: Callable[[int, float | None], None] = lambda _left, _oldest_s: None,
    ) -> None:
        self._state, self._host, self.log, self._wall = state, host, log, wall
        self._note_sessions = note_sessions
        self._ages: Ages = {}
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Count now instead of after the pause."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Count again and again until `stop`, paced by what a count costs."""
        while not stop.is_set():
            self._woken.clear()
            begun = self._state.clock()
            await self.count()
            await self._rest(self._state.clock() - begun)

    def _paced(self, look_s: float) -> float:
        """The pause after a count of this length, the session log's comparison included."""
        flow, audit, draining = self._state.flow, self._state.audit, self._state.drain.phase is Phase.DRAINING
        cost_s = look_s + audit.took_s
        least_s = DRAIN_S if draining else self._state.spec.nat64.session_poll_s
        pause = max(least_s, min(cost_s * (5 if draining else SHARE), LONGEST_S))
        if self.log is not None and self.log.wanted:
            # A session that comes and goes between two looks would be missing from the log.
            pause = min(pause, max(1.0, self._state.spec.audit.timeouts.shortest_s / 2))
        if not draining:
            pause = max(pause, cost_s * LEAST_SHARE)
        flow.look_s, flow.pause_s = cost_s, pause
        return pause

    async def count(self) -> None:
        """Read the sessions once; note ports in use, limits and the sessions that a drain has left."""
        state, begun = self._state, self._wall()
        try:
            listed = await self._host.flows(state.spec.nat64.instance, probe_address(state.spec))
        except DriverError as error:
            if str(error) != str(state.flow.failed):
                state.journal.warning("sessions", failed=str(error))
            state.flow.failed = error
            return
        self._take(listed, self._state.clock())
        if self.log is not None:
            self.log.offer(Look(listed.pages, begun, self._wall(), listed.whole))

    def _take(self, listed: SessionList, now: float) -> None:
        state, flow = self._state, self._state.flow
        flow.ports = port_use(listed, state.spec)
        self._note_full(is_full(flow.ports, flow.full))
        flow.courses = forecast.seen(flow.courses, flow.ports, now=now)
        flow.exhausted_in_s = forecast.forecasts(flow.courses, now=now)
        flow.tenant_ports = tenant_port_use(listed, state.spec)
        self._limit(listed)
        self._limit_tenants(listed)
        flow.counted_at, flow.failed = now, None
        flow.tcp, flow.sessions, flow.bindings = listed.live_tcp, listed.sessions, listed.bindings
        flow.nodes = (pods_of if state.spec.gateway.is_native else nodes_of)(listed.held)
        self._note_what_is_not_listed(listed)
        self._ages = drain.first_seen(self._ages, listed.live or (), now=now)
        flow.oldest_tcp_s = drain.oldest_s(self._ages, now=now)
        self._note_sessions(flow.tcp, flow.oldest_tcp_s)
        state.evaluate(now=now)

    def _note_full(self, full: bool) -> None:
        """While TCP has no ports left, pods get an ICMPv6 error (policy/exhaustion.py)."""
        if full is not self._state.flow.full:
            self._state.flow.full = full
            self._state.journal.warning("pool4", full=full)
            self._state.wake_cycle()

    def _note_what_is_not_listed(self, listed: SessionList) -> None:
        words = []
        if more := sum(listed.left_out.values()):
            address, count = max(listed.left_out.items(), key=lambda one: one[1])
            words.append(
                f"{more} sessions are counted, and not in the session log: their clients hold more than "
                f"{MOST_OF_A_CLIENT} each; {address} has {count} of them (see nat64.sessions_per_client)"
            )
        if listed.partial:
            words.append("the list of sessions did not come to its end in time: what was seen is counted")
        warnings, text = self._state.warnings, "; ".join(words)
        if text and WarningName.SESSIONS not in warnings:
            self._state.journal.warning("sessions", partly=text)
        warnings.warn(WarningName.SESSIONS, text)

    def _limit(self, listed: SessionList) -> None:
        state, flow = self._state, self._state.flow
        before, flow.limited = flow.limited, limited(listed.held, flow.limited, state.spec.nat64.limit)
        if flow.limited.keys() != before.keys():
            fresh = sorted(flow.limited.keys() - before.keys())
            flow.limited_total += len(fresh)
            released = len(before.keys() - flow.limited.keys())
            named = " ".join(map(str, fresh[:5])) or None
            state.journal.info("client-limit", limited=len(flow.limited), new=named, released=released)
            state.wake_cycle()

    def _limit_tenants(self, listed: SessionList) -> None:
        state, flow = self._state, self._state.flow
        flow.tenants = sessions_of(listed.held, state.spec.clients)
        before, now = flow.limited_tenants, at_their_limit(state.spec.tenants, flow.tenants, flow.limited_tenants)
        if now != before:
            flow.limited_tenants = now
            named = " ".join(sorted(now - before)[:5]) or None
            state.journal.info("tenant-limit", limited=len(now), new=named, released=len(before - now))
            state.wake_cycle()

    def replace_log(self, log: SessionLog) -> None:
        """Start the new session log when the old one has ended."""
        before, self.log = self.log, log
        log.after(before)

    async def close(self) -> None:
        if self.log is not None:
            await self.log.close()

    async def _rest(self, look_s: float) -> None:
        await woken(self._woken, self._paced(look_s))
