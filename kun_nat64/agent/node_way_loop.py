"""Checks the routes back to nodes with sessions from time to time: probes prove the route to one address only."""

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from kun_nat64.agent.timing import pause
from kun_nat64.model.errors import DriverError
from kun_nat64.model.nodeways import NodeWay
from kun_nat64.policy.nodeways import cut_off
from kun_nat64.state.agent_state import State
from kun_nat64.state.diagnosis import note_diagnosis

LOOK_S = 5.0


class Routed(Protocol):
    async def ways_to(self, nodes: Sequence[IPv4Address | IPv6Address], vip: IPv4Address | None) -> tuple[NodeWay, ...]:
        """Raises DriverError."""


class NodeWayLoop:
    def __init__(self, state: State, host: Routed) -> None:
        self._state, self._host = state, host
        self._before: tuple[str, ...] = ()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.look()
            await pause(LOOK_S, stop)

    async def look(self) -> None:
        """A finding counts only after two checks: between them the agent repairs its own objects."""
        state = self._state
        gateway = state.spec.gateway
        try:
            ways = await self._host.ways_to(state.flow.nodes, gateway.vip) if state.flow.nodes else ()
        except DriverError:
            return
        found = cut_off(ways, gateway, gateway.uplink)
        lasting = tuple(one for one in found if one in self._before)
        self._before = found
        if lasting != state.node_ways.cut_off:
            write = state.journal.warning if lasting else state.journal.info
            write("nodes", cut_off="; ".join(lasting) or "none")
            state.node_ways.cut_off = lasting
            state.evaluate(now=state.clock())
            note_diagnosis(state)
