"""Three agents over fake hosts, all announced, that know each other by real admin ports and share a token."""

import io
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from kun_base.journal import Journal
from kun_nat64.agent.options import Options
from kun_nat64.agent.wiring import Agent
from kun_nat64.drivers import runfiles
from kun_nat64.model.drain import SERVING, Phase
from kun_nat64.model.spec import AgentSpec
from tests.nat64.admin.serving import Host, come_up

TOKEN = "0123456789abcdef0123456789abcdef"
NAMES = ("gw1", "gw2", "gw3")


class Gateways:
    def __init__(self) -> None:
        self.agents: dict[str, Agent] = {}
        self.urls: dict[str, str] = {}

    async def drain(self, http: aiohttp.ClientSession, name: str) -> int:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with http.post(f"{self.urls[name]}/drain?why=test", headers=headers) as answer:
            return answer.status

    @property
    def draining(self) -> list[str]:
        return [name for name, agent in self.agents.items() if agent.state.drain.phase is Phase.DRAINING]

    async def serve_again(self) -> None:
        for agent in self.agents.values():
            agent.drain.set(SERVING, False)
        for agent in self.agents.values():
            await agent.fleet.look_now()
            agent.state.evaluate(now=agent.state.clock())


@pytest.fixture
async def gateways(spec_with: Callable[..., AgentSpec], tmp_path: Path) -> AsyncIterator[Gateways]:
    (tmp_path / "token").write_text(TOKEN)
    made = Gateways()
    for name in NAMES:
        spec = spec_with(gateway={"name": name}, admin={"token_file": str(tmp_path / "token")}, fleet={"members": []})
        (tmp_path / name).mkdir()
        agent = Agent(spec, Options(Path("none.toml"), tmp_path / name), Journal(name, stream=io.StringIO()), Host())
        made.agents[name] = agent
        await agent.admin.start_local(str(tmp_path / name / runfiles.CONTROL))
        made.urls[name] = f"http://127.0.0.1:{await agent.admin.start_public('127.0.0.1', 0)}"
        await come_up(agent)
    for name, agent in made.agents.items():
        others = tuple(url for other, url in made.urls.items() if other != name)
        spec = replace(agent.state.spec, fleet=replace(agent.state.spec.fleet, members=others, timeout_s=5.0))
        agent.state.spec = spec
        agent.fleet.take(spec)
        await agent.fleet.look_now()
    yield made
    for agent in made.agents.values():
        await agent.admin.close()
        await agent.fleet.close()
