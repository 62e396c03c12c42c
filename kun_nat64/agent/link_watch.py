"""Looks at the links the moment the kernel reports a change: a broken link does not wait for the next cycle.

A cycle may take long: it waits for every tool's answer, up to its deadline. This look only adds hard failures; that a
link works again is for a cycle to find.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from kun_nat64.agent.timing import pause
from kun_nat64.model.observation import Observation, Scope
from kun_nat64.model.standing import Reason
from kun_nat64.policy.hard_failure import ORDER, hard_faults
from kun_nat64.state.agent_state import State
from kun_nat64.state.diagnosis import note_diagnosis

# What happens in a burst is one reason to look, not ten.
LEAST_PAUSE_S = 0.05


class Visible(Protocol):
    async def glimpse(self, scope: Scope) -> Observation | None:
        """The links and what hangs on them; every other area stands in `failures`. Never raises.

        None: it could not be looked at, or we were changing it ourselves.
        """


class LinkWatch:
    """`poke`: something has changed among the links. `note_hard`: the cycle's, the one writer of the host's state."""

    def __init__(self, state: State, host: Visible, note_hard: Callable[[tuple[Reason, ...]], None]) -> None:
        self._state, self._host, self._note_hard = state, host, note_hard
        self.poked = asyncio.Event()

    def poke(self) -> None:
        """Look at the links soon."""
        self.poked.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Look whenever poked, until `stop`."""
        while not stop.is_set():
            await self.poked.wait()
            self.poked.clear()
            if not stop.is_set():
                await self.look()
                await pause(LEAST_PAUSE_S, stop)

    async def look(self) -> None:
        """Look at links and tunnel once, and note hard failures."""
        state, machine = self._state, self._state.machine
        seen = await self._host.glimpse(state.scope) if machine.settled else None
        if seen is None:
            return
        found = {*machine.hard, *hard_faults(state.desired(), seen, state.spec.gateway.outside)}
        if found == set(machine.hard):
            return
        self._note_hard(tuple(reason for reason in ORDER if reason in found))
        state.journal.warning("hard", faults=", ".join(machine.hard), seen="between cycles")
        state.evaluate(now=state.clock())
        note_diagnosis(state)
