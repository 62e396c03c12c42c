"""Reads Jool's counters and the tunnel's, more often while something fails: evidence for the diagnosis."""

import asyncio
from typing import Protocol

from kun_nat64.agent.timing import pause, woken
from kun_nat64.drivers.kernel import module_version
from kun_nat64.drivers.linkcount import link_counts
from kun_nat64.model.errors import DriverError
from kun_nat64.model.foreign_objects import UNSEEN, Surroundings
from kun_nat64.model.health import Verdict
from kun_nat64.model.linkcounts import LinkCounts
from kun_nat64.model.probefacts import Passed
from kun_nat64.model.publiccounts import CountedTraffic
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.health import TargetState
from kun_nat64.state.agent_state import State
from kun_nat64.state.diagnosis import note_diagnosis

CHECK_S = 1.0
# Looking around takes some commands; what others have put in the way does not change by the second.
AROUND_S = 5.0
# Traffic is counted once in this time, however often something else is looked at.
CARRIED_S = 10.0
# Jool's gauges: what they show is no event. After an update they may wrap around below zero.
GAUGES = frozenset({"BIB_ENTRIES", "SESSIONS"})
LARGEST = 1 << 63


class Counters(Protocol):
    async def stats(self, instance: str) -> dict[str, int]: ...
    async def surroundings(self, spec: AgentSpec) -> Surroundings: ...
    async def passed(self, spec: AgentSpec) -> Passed | None: ...
    async def carried(self) -> CountedTraffic: ...
    def doubt_flows(self) -> None: ...


class CounterLoop:
    def __init__(self, state: State, host: Counters) -> None:
        self._state, self._host = state, host
        self._around_at = float("-inf")
        self._failed_before = False
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Sample now: a fault has begun or ended."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._woken.clear()
            await self.sample()
            note_diagnosis(self._state)
            await pause(CHECK_S, stop)
            await self._rest()

    async def _rest(self) -> None:
        """The pause between samples; none during a fault."""
        rest_s = self._state.spec.nat64.session_poll_s - CHECK_S
        if rest_s <= 0 or self._fails():
            return
        await woken(self._woken, rest_s)

    def _fails(self) -> bool:
        state = self._state
        return state.standing.verdict is not Verdict.HEALTHY or any(
            one.state is TargetState.DOWN for one in state.probes.health.targets
        )

    async def _look_around(self) -> None:
        state = self._state
        if not self._fails():
            state.evidence.around, self._around_at = UNSEEN, float("-inf")
        elif state.clock() - self._around_at >= AROUND_S:
            state.evidence.around = await self._host.surroundings(state.spec)
            self._around_at = state.clock()

    async def _count_traffic(self) -> None:
        """Count traffic. If that fails, the last count stays, with its age."""
        state, now = self._state, self._state.clock()
        if state.carried.at is not None and now - state.carried.at < CARRIED_S:
            return
        try:
            counted = await self._host.carried()
        except DriverError:
            return
        state.carried.take_traffic(counted, now=now)

    async def _ways(self, failing: bool) -> dict[str, int]:
        """Count the packets at each point of the way back, during a fault."""
        tunnel = self._tunnel()
        passed = await self._host.passed(self._state.spec) if failing else None
        ways = {"tunnel errors": tunnel.send_errors} if tunnel else {}
        return ways | ({"left": passed.left, "back": passed.back} if passed else {})

    def _tunnel(self) -> LinkCounts | None:
        gateway = self._state.spec.gateway
        return None if gateway.is_native else self._state.evidence.links.get(gateway.tunnel)

    async def sample(self) -> None:
        """Read counters and obstacles once. If Jool does not answer, drop the evidence of the last sample too."""
        state, failing = self._state, self._fails()
        state.evidence.is_evidence, self._failed_before = failing and self._failed_before, failing
        state.evidence.jool_version = module_version("jool")
        gateway = state.spec.gateway
        counted = {name: link_counts(name) for name in (gateway.inside_link, gateway.outside)}
        state.evidence.links = {name: counts for name, counts in counted.items() if counts is not None}
        await self._count_traffic()
        await self._look_around()
        state.evidence.take_ways(await self._ways(failing))
        try:
            stats = await self._host.stats(state.spec.nat64.instance)
        except DriverError:
            state.evidence.risen = {}
            return
        counters = {name: value for name, value in stats.items() if name not in GAUGES and value < LARGEST}
        if _began_anew(state.evidence.counters, counters):
            # Its sessions may be gone with it: `jool file handle` keeps them, another instance does not.
            self._host.doubt_flows()
            state.wake_cycle()
        tunnel = self._tunnel()
        state.evidence.take_counters(counters, tunnel.received if tunnel else None)


def _began_anew(before: dict[str, int], now: dict[str, int]) -> bool:
    """Whether counters restarted. They only rise; without any, the instance is new or missing."""
    return any(now.get(name, 0) < before.get(name, 0) for name in ("RECEIVED6", "RECEIVED4"))
