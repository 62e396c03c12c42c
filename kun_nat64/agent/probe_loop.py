"""The health clock: fires the canary every `interval_s`, ends what is overdue, and has the decision made with time."""

import asyncio

from kun_nat64.agent.timing import ticking
from kun_nat64.drivers.canary import Prober
from kun_nat64.state.agent_state import State

# How often the sockets are checked against the namespace they should live in.
RENEW_S = 1.0


class ProbeLoop:
    def __init__(self, state: State, prober: Prober) -> None:
        self._state, self._prober = state, prober
        self._renewed_at = float("-inf")
        self._next_fire = float("-inf")

    def replace(self, prober: Prober) -> None:
        """Probes other targets, or from another namespace, from now on."""
        self._prober.close()
        self._prober, self._renewed_at = prober, float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. Keeps its rhythm whatever a tick costs, and skips what a stall made it miss."""
        clock = self._state.clock
        try:
            await ticking(lambda due: self.tick(clock(), due), clock, stop)
        finally:
            self._prober.close()

    def tick(self, now: float, due: float) -> float:
        """What is due at `now`; returns when to come back. Pure of sleeping, so that a test can be the clock."""
        lag = now - due
        if lag > self._state.spec.health.timeout_s:
            self._state.stood_still(lag)
        self._prober.expire(now, lag)
        next_fire = self._next_fire if now < self._next_fire else self._fire(now)
        if now >= self._state.quiet_until:
            self._state.evaluate(now=now)
        expiry = self._prober.next_expiry()
        return next_fire if expiry is None else min(next_fire, max(expiry, now))

    def _fire(self, now: float) -> float:
        interval = self._state.spec.health.interval_s
        if now - self._renewed_at >= RENEW_S:
            self._renewed_at = now
            self._note_renewal(self._prober.renew())
        self._prober.fire(now)
        missed = now - self._next_fire > interval
        self._next_fire = now + interval if missed else self._next_fire + interval
        return self._next_fire

    def _note_renewal(self, problem: str | None) -> None:
        before = self._state.warnings.get("canary")
        if problem == before:
            return
        if problem is None:
            self._state.warnings.pop("canary", None)
            self._state.journal.info("canary", ready=True)
        else:
            self._state.warnings["canary"] = problem
            self._state.journal.warning("canary", ready=False, why=problem)
            # Nothing tells of a namespace that lost its name: who holds it, as we do, keeps it alive.
            self._state.wake_cycle()
