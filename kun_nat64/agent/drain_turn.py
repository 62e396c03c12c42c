"""Keeps two gateways of a fleet from deciding to drain at the same time on old information.

A gateway that is about to decide sets `drain_asked` in its short status first, and then asks all members. So of two
gateways at least one sees the other. The one whose name comes first waits until the other has decided. The other one
counts it as draining already.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from kun_nat64.model.fleet import Fleet
from kun_nat64.policy.fleet_view import decides_later, taken_as_draining
from kun_nat64.state.agent_state import State

# A command waits for the answer; members that do not decide within it count as draining.
WAIT_S, AGAIN_S = 1.0, 0.05


class DrainTurn:
    """Give the present fleet to one decision at a time. `look` asks all members at once."""

    def __init__(self, state: State, look: Callable[[], Awaitable[Fleet]]) -> None:
        self._state, self._look = state, look
        self._one = asyncio.Lock()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[Fleet]:
        """Yield the present fleet. The caller decides and acts before the block ends."""
        async with self._one:
            self._state.drain_turn.asked = True
            try:
                yield await self._seen()
            finally:
                self._state.drain_turn.asked = False

    async def _seen(self) -> Fleet:
        state = self._state
        end = state.clock() + WAIT_S
        while True:
            fleet = await self._look()
            if not decides_later(fleet, state.spec.gateway.name) or state.clock() >= end:
                return taken_as_draining(fleet)
            await asyncio.sleep(AGAIN_S)
