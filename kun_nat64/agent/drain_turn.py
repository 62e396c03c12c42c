"""Two gateways of a fleet never decide to drain from what each knew of the other before.

Whoever is about to decide says so first (`drain_asked` in its short status), and asks all members then. Of two at least
one sees the other: each says it before it asks. The one whose name comes first waits until the other has decided; the
other counts it as draining already.
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
    """`look` asks all members at once."""

    def __init__(self, state: State, look: Callable[[], Awaitable[Fleet]]) -> None:
        self._state, self._look = state, look
        self._one = asyncio.Lock()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[Fleet]:
        """The fleet as it is now. The decision is made, and acted on, before this ends."""
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
