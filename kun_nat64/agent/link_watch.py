"""Reads the links as soon as the kernel reports a change: a broken link does not wait for the next cycle.

A cycle may take long, because it waits for each tool up to its deadline. The link watch only adds hard failures; a
cycle finds out that a link works again.
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
        """Observe links, addresses and routes; all other areas are in `failures`. Never raises.

        None: they could not be read, or the agent was changing them.
        """


class LinkWatch:
    """Watch the links. `note_hard` is a method of the cycle, which is the only writer of the host's state."""

    def __init__(self, state: State, host: Visible, note_hard: Callable[[tuple[Reason, ...]], None]) -> None:
        self._state, self._host, self._note_hard = state, host, note_hard
        self.poked = asyncio.Event()

    def poke(self) -> None:
        """Read the links soon."""
        self.poked.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Read the links after each `poke`, until `stop`."""
        while not stop.is_set():
            await self.poked.wait()
            self.poked.clear()
            if not stop.is_set():
                await self.look()
                await pause(LEAST_PAUSE_S, stop)

    async def look(self) -> None:
        """Read links and tunnel once, and note hard failures."""
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
