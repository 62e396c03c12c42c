"""The clock of health: sends probes every `interval_s`, fails overdue ones, and renews the decision as time passes."""

import asyncio
from collections.abc import Callable

from kun_nat64.agent.timing import ticking
from kun_nat64.drivers.canary import Canary, Prober
from kun_nat64.model.health import ProbeResult
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.warnings import WarningName
from kun_nat64.state.agent_state import State
from kun_nat64.state.diagnosis import note_diagnosis

# How often the sockets are checked against the namespace they should live in.
RENEW_S = 1.0


Taker = Callable[[ProbeResult], None]
Opener = Callable[[AgentSpec, Taker], Prober]


def open_canary(spec: AgentSpec, take: Taker) -> Prober:
    return Canary(spec.health, spec.gateway.pool6, take)


class ProbeLoop:
    """`open_prober` makes a prober that hands over its results."""

    def __init__(self, state: State, open_prober: Opener = open_canary) -> None:
        self._state, self._open = state, open_prober
        self._prober = self._open(state.spec, self.take)
        self._renewed_at = float("-inf")
        self._next_fire = float("-inf")

    def reopen(self) -> None:
        """Probe the configured targets with new sockets, from the configured namespace, from now on."""
        self._prober.close()
        self._prober, self._renewed_at = self._open(self._state.spec, self.take), float("-inf")

    def take(self, result: ProbeResult) -> None:
        """Take a probe result. A result that changes a target's state is acted on at once."""
        now = self._state.clock()
        if self._state.take_probe(result, now=now):
            self._state.evaluate(now=now)
            note_diagnosis(self._state)

    async def run(self, stop: asyncio.Event) -> None:
        """Probe until `stop`, at fixed intervals; probes missed in a stall are skipped.

        The prober is always closed at the end; another run opens a new one.
        """
        try:
            await self._probe(stop)
        except OSError:
            self.reopen()
            raise

    async def _probe(self, stop: asyncio.Event) -> None:
        clock = self._state.clock
        try:
            await ticking(lambda due: self.tick(clock(), due), clock, stop)
        finally:
            self._prober.close()

    def tick(self, now: float, due: float) -> float:
        """Do what is due at `now`; return when to call again. It does not sleep, so a test can be the clock."""
        lag = now - due
        if lag > self._state.spec.health.timeout_s:
            self._state.take_stall(lag)
        self._prober.expire(now, lag)
        next_fire = self._next_fire if now < self._next_fire else self._fire(now)
        if now >= self._state.standing.quiet_until:
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
        warnings = self._state.warnings
        if problem == warnings.get(WarningName.CANARY):
            return
        warnings.warn(WarningName.CANARY, problem or "")
        if problem is None:
            self._state.journal.info("canary", ready=True)
        else:
            self._state.journal.warning("canary", ready=False, why=problem)
            # Nothing tells of a namespace that lost its name: who holds it, as we do, keeps it alive.
            self._state.wake_cycle()
