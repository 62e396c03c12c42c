"""Drains that are asked of several gateways at the same moment, over real admin ports."""

import asyncio
import io
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from kun_base.journal import Journal
from kun_nat64.agent.program import Agent, Options
from kun_nat64.model.drain import SERVING, Phase
from kun_nat64.model.fleet import Fleet, Member
from kun_nat64.model.health import Verdict
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Standing
from kun_nat64.policy import fleet_view
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
            agent.set_drain(SERVING, False)
        for agent in self.agents.values():
            await agent.fleet.look_now()
            agent.state.evaluate(now=agent.state.clock())


@pytest.fixture
async def gateways(spec_with: Callable[..., AgentSpec], tmp_path: Path) -> AsyncIterator[Gateways]:
    """Three, all announced, that know each other."""
    (tmp_path / "token").write_text(TOKEN)
    made = Gateways()
    for name in NAMES:
        spec = spec_with(gateway={"name": name}, admin={"token_file": str(tmp_path / "token")}, fleet={"members": []})
        (tmp_path / name).mkdir()
        agent = Agent(spec, Options(Path("none.toml"), tmp_path / name), Journal(name, stream=io.StringIO()), Host())
        made.agents[name] = agent
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


@pytest.mark.parametrize("asked", [*itertools.combinations(NAMES, 2), NAMES], ids=" ".join)
async def test_of_drains_asked_at_once_one_is_taken(gateways: Gateways, asked: tuple[str, ...]) -> None:
    async with aiohttp.ClientSession() as http:
        for order in (asked, tuple(reversed(asked))):
            answers = await asyncio.gather(*(gateways.drain(http, name) for name in order))
            assert sorted(answers) == [200, *[409] * (len(asked) - 1)], answers
            assert len(gateways.draining) == 1
            await gateways.serve_again()


async def test_a_drain_within_the_poll_after_another_one_is_refused(gateways: Gateways) -> None:
    """Nobody has polled since: the agent asks."""
    async with aiohttp.ClientSession() as http:
        assert await gateways.drain(http, "gw2") == 200
        assert await gateways.drain(http, "gw1") == 409
        assert await gateways.drain(http, "gw2") == 200, "asking twice is no second drain"
    assert gateways.draining == ["gw2"]


async def test_the_table_may_drain_several_and_never_the_last_one(gateways: Gateways) -> None:
    """Whoever is asked at the same moment, one stays."""
    await asyncio.gather(*(agent.table.obey("drain") for agent in gateways.agents.values()))
    assert len(gateways.draining) == len(NAMES) - 1


def member(name: str, *, asked: bool) -> Member:
    return Member(f"http://{name}", name, 0.0, Standing.FULL, Verdict.HEALTHY, drain_asked=asked)


@pytest.mark.parametrize(
    ("own", "waits"), [("gw1", True), ("gw2", False), ("gw3", False)], ids=["first", "same name", "last"]
)
def test_the_first_name_waits_for_the_others_to_decide(own: str, waits: bool) -> None:
    fleet = Fleet(1, (member("gw2", asked=True),))
    assert fleet_view.decides_later(fleet, own) is waits
    assert fleet_view.drain_refused(fleet_view.taken_as_draining(fleet), told=True)
    serving = Fleet(1, (member("gw2", asked=False),))
    assert not fleet_view.drain_refused(fleet_view.taken_as_draining(serving), told=True)
