import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from kun_base.journal import Journal
from kun_nat64.agent.options import Options
from kun_nat64.agent.wiring import Agent
from kun_nat64.drivers import runfiles
from kun_nat64.model.spec import AgentSpec
from tests.nat64.admin.serving import Host, Served

Specs = Callable[..., AgentSpec]


@pytest.fixture
async def served(spec_with: Specs, tmp_path: Path) -> AsyncIterator[Served]:
    spec = spec_with(admin={"listen": "127.0.0.1:0"}, fleet={"members": []})
    agent = Agent(spec, Options(Path("none.toml"), tmp_path), Journal("test", stream=io.StringIO()), Host())
    port = await agent.admin.start_public("127.0.0.1", 0)
    await agent.admin.start_local(str(tmp_path / runfiles.CONTROL))
    async with aiohttp.ClientSession() as http:
        yield Served(agent, f"http://127.0.0.1:{port}", http, tmp_path / runfiles.CONTROL)
    await agent.admin.close()
    await agent.fleet.close()
