"""Sweeps the path MTU from time to time while the gateway is healthy: do full TCP segments make the round trip?"""

import asyncio
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Protocol

from kun_nat64.agent.timing import pause
from kun_nat64.drivers.pathsweep import PathSweep
from kun_nat64.model.health import Verdict
from kun_nat64.model.spec import Target, TargetKind
from kun_nat64.policy.pathmtu import Swept, largest_passing, needed_for, possible_with
from kun_nat64.state.agent_state import State
from kun_nat64.state.diagnosis import note_diagnosis
from kun_nat64.state.parts import NARROW_SWEEPS

# Paths outside change without a word to us; a sweep of a good path costs two packets.
SWEEP_S = 20.0
CHECK_S = 5.0


class Sweep(Protocol):
    def passes(self, size: int) -> bool: ...
    def close(self) -> None: ...


Opener = Callable[[str, IPv6Address, float], Sweep]


class PmtuLoop:
    """`open_sweep` raises OSError where there is no way to send."""

    def __init__(self, state: State, open_sweep: Opener = PathSweep) -> None:
        self._state, self._open = state, open_sweep
        self.check_s = CHECK_S

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            state = self._state
            due = self._doubted() or state.clock() - state.path.swept_at >= SWEEP_S
            if due and state.standing.verdict is Verdict.HEALTHY:
                await self.sweep()
            await pause(self.check_s, stop)

    def _doubted(self) -> bool:
        """Whether nothing is known, or one sweep has found a narrow path."""
        return self._state.path.swept is None or 0 < self._state.path.narrow_sweeps < NARROW_SWEEPS

    async def sweep(self) -> None:
        """Measure the path once. Does nothing if no target is of kind ICMP."""
        state = self._state
        target = next((one for one in state.spec.health.targets if one.kind is TargetKind.ICMP), None)
        if target is None:
            return
        swept = await asyncio.to_thread(self._measure, target)
        if state.standing.verdict is not Verdict.HEALTHY or swept is None:
            return  # what failed in a failing gateway says nothing about sizes
        state.path.swept_at = state.clock()
        if swept != state.path.swept:
            write = state.journal.info if swept.mss_fits else state.journal.warning
            write("path", words=swept.words)
        state.path.swept = swept
        self._draw_conclusions(swept)

    def _draw_conclusions(self, swept: Swept) -> None:
        """Set the MSS that fits, if the file allows it; else note the narrow path as a soft failure."""
        state = self._state
        mss = self._fitting(swept.largest)
        if mss != state.path.mss:
            state.path.mss = mss
            state.journal.info("mss", now=mss or state.spec.gateway.mss)
            state.wake_cycle()
        before = state.path.narrow_sweeps
        state.path.narrow_sweeps = 0 if swept.mss_fits else before + 1
        if before != state.path.narrow_sweeps:
            state.evaluate(now=state.clock())
            note_diagnosis(state)

    def _fitting(self, largest: int | None) -> int | None:
        """The MSS of a narrower path, if `mss = "auto"`; None: the file's MSS."""
        gateway = self._state.spec.gateway
        if not gateway.mss_auto or largest is None or largest >= needed_for(gateway.mss):
            return None
        return largest - needed_for(0)

    def _measure(self, target: Target) -> Swept | None:
        """Measure in a thread; None if no packet could be sent."""
        spec = self._state.spec
        needed = needed_for(spec.gateway.mss)
        most = max(needed, possible_with(self._outside_mtu()))
        try:
            sweep = self._open(
                spec.health.probe_netns, spec.gateway.pool6.embed(target.address), 2 * spec.health.timeout_s
            )
        except OSError:
            return None
        try:
            largest = largest_passing(sweep.passes, most)
            mss = self._fitting(largest)
            return Swept(str(target), largest, needed if mss is None else needed_for(mss), most)
        finally:
            sweep.close()

    def _outside_mtu(self) -> int:
        gateway, seen = self._state.spec.gateway, self._state.machine.seen
        return (seen.link(gateway.outside).mtu if seen else 0) or gateway.outside_mtu
