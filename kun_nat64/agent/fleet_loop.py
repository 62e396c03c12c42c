"""Asks the other gateways in turn, and reports configured members that cannot be other gateways."""

import asyncio
from typing import Any

from kun_nat64.agent.timing import pause
from kun_nat64.drivers.fleet import FleetWatch, Own
from kun_nat64.model.fleet import Fleet
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.warnings import WarningName
from kun_nat64.policy.fleet_view import contradictions
from kun_nat64.state.agent_state import State


class FleetLoop:
    def __init__(self, state: State) -> None:
        self._state = state
        self._woken = asyncio.Event()
        self._watch = self._made(state.spec)

    def _made(self, spec: AgentSpec) -> FleetWatch:
        return FleetWatch(spec.fleet.members, spec.fleet.timeout_s, self._own(spec), spec.fleet.ca_file)

    def _own(self, spec: AgentSpec) -> Own:
        return Own(self._state.identity, str(spec.gateway.vip or ""), str(spec.gateway.pool6))

    def take(self, spec: AgentSpec) -> None:
        self._watch.take(spec.fleet.members, spec.fleet.timeout_s, self._own(spec))
        self.wake()

    def wake(self) -> None:
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        state = self._state
        while not stop.is_set():
            self._woken.clear()
            state.take_fleet(await self._watch.look())
            self._warn()
            state.evaluate(now=state.clock())
            if state.spec.fleet.members:
                await pause(state.spec.fleet.poll_s, stop)
            else:
                await self._woken.wait()

    async def look_now(self) -> Fleet:
        """Ask all members now, instead of using results up to `poll_s` old."""
        state = self._state
        if state.spec.fleet.members:
            state.take_fleet(await self._watch.look())
            state.evaluate(now=state.clock())
        return state.fleet

    def _warn(self) -> None:
        state, wrong = self._state, self._watch.misnamed
        named = [f"[fleet] members names {url}, which {why}" for url, why in wrong.items()]
        words = "; ".join([*named, *contradictions(state.spec, state.fleet)])
        if state.warnings.warn(WarningName.FLEET, words):
            state.journal.error("fleet", failed=words)

    async def whole(self) -> dict[str, Any]:
        """Return each member's whole status by URL, or a string with the reason why there is none."""
        return await self._watch.whole()

    async def close(self) -> None:
        await self._watch.close()
