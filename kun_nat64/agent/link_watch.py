"""A glance at the links the moment the kernel tells of a change: what is broken there is not left to wait for a turn.

A turn may be long under way: it waits for every tool's answer, up to its deadline. A glance only makes things worse;
that they are well again is for a turn to find.
"""

import asyncio
from typing import Protocol

from kun_nat64.agent.timing import pause
from kun_nat64.model.observation import Observation, Scope
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
    """`poke`: something has changed among the links."""

    def __init__(self, state: State, host: Visible) -> None:
        self._state, self.host = state, host
        self.poked = asyncio.Event()

    def poke(self) -> None:
        self.poked.set()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.poked.wait()
            self.poked.clear()
            if not stop.is_set():
                await self.glance()
                await pause(LEAST_PAUSE_S, stop)

    async def glance(self) -> None:
        state, machine = self._state, self._state.machine
        seen = await self.host.glimpse(state.scope) if machine.settled else None
        if seen is None:
            return
        found = {*machine.hard, *hard_faults(state.desired(), seen, state.spec.gateway.outside)}
        if found == set(machine.hard):
            return
        machine.hard = tuple(reason for reason in ORDER if reason in found)
        state.journal.warning("hard", faults=", ".join(machine.hard), seen="at a glance")
        state.evaluate(now=state.clock())
        note_diagnosis(state)
