"""Probes the members of the ring; packets of unknown flows go only to members that answer."""

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Protocol

from kun_nat64.agent.timing import pause
from kun_nat64.drivers.ring_probe import RingProbe
from kun_nat64.model.drain import Phase
from kun_nat64.model.errors import DriverError
from kun_nat64.model.facts import RingStep
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.ringfacts import RingSpec
from kun_nat64.model.warnings import WarningName
from kun_nat64.policy.ring import silent_members
from kun_nat64.state.agent_state import State

ASK_S = 0.15
# A member is left out after so many questions without an answer, and asked for packets again after one that has come.
UNANSWERED = 3
# What it takes to hear everybody after a start.
FIRST_S = 1.0
HEAR_S, COUNT_S = 2.0, 2.0
# A member that starts is silent for a while, and that needs no warning.
PATIENCE_S = 15.0


class RingHost(Protocol):
    async def apply(self, changes: Sequence[Change]) -> None: ...
    async def borrowed(self) -> int: ...


class RingLoop:
    def __init__(self, state: State, host: RingHost) -> None:
        self._state, self._host = state, host
        self._probe = RingProbe()
        self._woken = asyncio.Event()
        self._forget()

    def _forget(self) -> None:
        """Drop all results. The rules stay until each member has had the time to answer."""
        self._spec: RingSpec | None = None
        self._seq = 0
        self._began = self._state.clock()
        self._answered: dict[IPv4Address, int] = {}
        self._received: dict[IPv4Address, int] = {}
        self._received_at = self._counted_at = float("-inf")
        self._silent_since: dict[IPv4Address, float] = {}

    def wake(self) -> None:
        self._woken.set()

    def tell_members(self) -> None:
        """Notify the members before this gateway leaves or joins, so that they hand on unknown UDP flows too."""
        if (ring := self._state.spec.fleet.ring) is not None:
            self._probe.tell(ring.members)

    async def run(self, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set():
                self._woken.clear()
                ring = self._state.spec.fleet.ring
                if ring is not self._spec:
                    self._take(ring)
                if ring is None:
                    await self._woken.wait()
                    continue
                await self.turn(ring)
                await pause(ASK_S, stop)
        finally:
            self._probe.close()

    def _take(self, ring: RingSpec | None) -> None:
        same = ring is not None and ring == self._spec
        if not same:
            self._forget()
            self._state.ring.answering = None
            self._state.ring.sending = frozenset()
            self._state.warnings.end_warning(WarningName.RING)
        self._spec = ring

    async def turn(self, ring: RingSpec) -> None:
        """Read answers first: even if this turn is late, answers that arrived in time count."""
        now = self._state.clock()
        self._answered |= self._probe.answers()
        if now - self._began >= FIRST_S:
            await self._note(ring, self._answering(ring))
        self._seq += 1
        self._probe.ask(ring.members, self._seq)
        if now - self._received_at >= HEAR_S:
            self._received_at = now
            self._note_senders(ring, now)
        if self._state.drain.phase is Phase.DRAINING and now - self._counted_at >= COUNT_S:
            self._counted_at = now
            await self._count()

    def _answering(self, ring: RingSpec) -> frozenset[IPv4Address]:
        """A sequence number has 16 bits."""
        seen = ((one, self._answered.get(one)) for one in ring.members)
        return frozenset(one for one, seq in seen if seq is not None and (self._seq - seq) & 0xFFFF < UNANSWERED)

    async def _note(self, ring: RingSpec, answering: frozenset[IPv4Address]) -> None:
        before = self._state.ring.answering
        if answering == before:
            return
        self._state.ring.answering = answering
        await self._hurry(self._state.ring_step_of(answering))
        missing = ", ".join(str(one) for one in ring.members if one not in answering)
        self._state.journal.info("ring", answering=len(answering), silent=missing or None)
        self._state.wake_cycle()
        if before is not None:
            self._probe.tell(ring.members)

    async def _hurry(self, wanted: RingStep) -> None:
        """Change the rules before the next cycle: no packet must go to a dead member. The cycle checks the result."""
        seen = self._state.machine.seen
        before = next((fact for fact in seen.facts if isinstance(fact, RingStep)), None) if seen else None
        if before is None or before == wanted:
            return
        try:
            await self._host.apply((Change(Action.REPLACE, wanted, before),))
        except DriverError as error:
            self._state.journal.warning("ring", failed=str(error))

    def _note_senders(self, ring: RingSpec, now: float) -> None:
        state, received = self._state, self._probe.received(ring.members)
        state.ring.sending = frozenset(one for one, count in received.items() if count > self._received.get(one, count))
        self._received = received
        answering = state.ring.answering
        if answering is None:
            return
        self._silent_since = {one: self._silent_since.get(one, now) for one in ring.members if one not in answering}
        lasting = {one for one, since in self._silent_since.items() if now - since >= PATIENCE_S}
        words = silent_members(ring, frozenset(ring.members) - lasting, state.ring.sending, state.fleet)
        if state.warnings.warn(WarningName.RING, "; ".join(words)):
            state.journal.warning("ring", unheard="; ".join(words))

    async def _count(self) -> None:
        try:
            self._state.ring.borrowed = await self._host.borrowed()
        except DriverError:
            self._state.ring.borrowed = None
