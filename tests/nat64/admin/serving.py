"""An agent over a fake host whose admin port is served for real."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path

import aiohttp

from kun_nat64.agent.wiring import Agent
from kun_nat64.model.foreign_objects import UNSEEN, Surroundings
from kun_nat64.model.health import ProbeResult, Symptom
from kun_nat64.model.nodeways import NodeWay
from kun_nat64.model.observation import Observation, Scope
from kun_nat64.model.probefacts import Passed
from kun_nat64.model.publiccounts import CountedTraffic, PublicCounts
from kun_nat64.model.spec import AgentSpec
from tests.nat64.fake_host import FakeHost


class Host(FakeHost):
    def listen(self) -> None:
        return

    async def observe(self, scope: Scope, *, fresh: bool = True) -> Observation:
        seen = await super().observe(scope, fresh=fresh)
        return replace(seen, counted=(("ip kun-nat64-fragments", "early", 0),))

    def withdraw_blocking(self) -> None:
        return

    def close(self) -> None:
        return

    async def stats(self, instance: str) -> dict[str, int]:
        return {"RECEIVED6": 7, "SESSIONS": 2**64 - 1}

    async def passed(self, spec: AgentSpec) -> Passed | None:
        return None

    async def ways_to(self, nodes: Sequence[IPv4Address], vip: IPv4Address) -> tuple[NodeWay, ...]:
        return ()

    async def carried(self) -> CountedTraffic:
        return {("192.0.2.11", "tcp"): PublicCounts(7, 4900, 5, 300)}

    def doubt_flows(self) -> None:
        return

    async def surroundings(self, spec: AgentSpec) -> Surroundings:
        return UNSEEN


@dataclass
class Served:
    agent: Agent
    url: str
    http: aiohttp.ClientSession
    control: Path

    async def get(self, path: str) -> tuple[int, str]:
        async with self.http.get(self.url + path) as answer:
            return answer.status, await answer.text()

    async def post(self, path: str) -> tuple[int, str]:
        """By the unix socket, as the commands do."""
        connector = aiohttp.UnixConnector(str(self.control))
        async with aiohttp.ClientSession(connector=connector) as http, http.post(f"http://localhost{path}") as answer:
            return answer.status, await answer.text()


async def come_up(agent: Agent) -> None:
    await agent.cycle.turn()
    for _ in range(agent.state.spec.health.rise):
        for target in agent.state.spec.health.targets:
            agent.state.take_probe(ProbeResult(target, Symptom.ANSWERED, 0.003), now=agent.state.clock())
    agent.state.evaluate(now=agent.state.clock())
    await agent.announcer.announce()
    await agent.traffic.count()
    await agent.counters.sample()
