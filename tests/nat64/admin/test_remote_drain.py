"""Draining another gateway by its name: its own agent's guard decides, and a token lets one ask."""

import asyncio
import io
import urllib.request
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError

import pytest

from kun_base.journal import Journal
from kun_nat64.agent.options import Options
from kun_nat64.agent.wiring import Agent
from kun_nat64.cli.drain import end_drain, start_drain
from kun_nat64.model.drain import Phase
from kun_nat64.model.fleet import Fleet, Member
from kun_nat64.model.health import Verdict
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Standing
from tests.nat64.admin.serving import Host, Served, come_up

Specs = Callable[..., AgentSpec]
TOKEN = "0123456789abcdef0123456789abcdef"
FLAGS = {"wait": False, "why": "new kernel", "until_start": False}


def member(name: str, url: str = "http://127.0.0.1:1", standing: Standing = Standing.FULL) -> Member:
    return Member(url, name, 0.0, standing, Verdict.HEALTHY)


@pytest.fixture
async def other(spec_with: Specs, tmp_path: Path, served: Served) -> AsyncIterator[Agent]:
    """gw2, announced, with gw1 beside it; gw1 is `served`, and knows gw2."""
    (tmp_path / "token").write_text(TOKEN)
    spec = spec_with(gateway={"name": "gw2"}, admin={"token_file": str(tmp_path / "token")}, fleet={"members": []})
    folder = tmp_path / "gw2"
    folder.mkdir()
    agent = Agent(spec, Options(Path("none.toml"), folder), Journal("test", stream=io.StringIO()), Host())
    port = await agent.admin.start_public("127.0.0.1", 0)
    await come_up(served.agent)
    await come_up(Served(agent, "", served.http, folder).agent)
    served.agent.state.take_fleet(Fleet(1, (member("gw2", f"http://127.0.0.1:{port}"),)))
    agent.state.take_fleet(Fleet(1, (member("gw1"),)))
    yield agent
    await agent.admin.close()
    await agent.fleet.close()


async def drain(run_dir: Path, name: str, token: Path | None, *, force: bool = False) -> int:
    return await asyncio.to_thread(lambda: start_drain(run_dir, **FLAGS, force=force, name=name, token_file=token))


async def test_another_gateway_is_drained_and_undrained_by_name(other: Agent, served: Served, tmp_path: Path) -> None:
    assert await drain(tmp_path, "gw2", tmp_path / "token") == 0
    assert other.state.drain.phase is Phase.DRAINING
    assert other.state.drain.why == "new kernel"
    assert served.agent.state.drain.phase is Phase.SERVING
    assert await asyncio.to_thread(lambda: end_drain(tmp_path, "gw2", tmp_path / "token")) == 0
    assert other.state.drain.phase is Phase.SERVING


async def test_its_own_agent_guards_the_last_exit(
    other: Agent, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever asks, and by which way: not only the command looks."""
    other.state.take_fleet(Fleet(1, ()))
    assert await drain(tmp_path, "gw2", tmp_path / "token") == 11
    assert "no other gateway is known to carry" in capsys.readouterr().err
    assert other.state.drain.phase is Phase.SERVING
    assert await drain(tmp_path, "gw2", tmp_path / "token", force=True) == 0
    assert other.state.drain.phase is Phase.DRAINING


async def test_the_guard_holds_against_a_plain_request(other: Agent, served: Served, tmp_path: Path) -> None:
    other.state.take_fleet(Fleet(1, ()))
    url = served.agent.state.fleet.members[0].url
    request = urllib.request.Request(f"{url}/drain", method="POST", headers={"Authorization": f"Bearer {TOKEN}"})

    def ask() -> int:
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code

    assert await asyncio.to_thread(ask) == 409
    assert other.state.drain.phase is Phase.SERVING


async def test_one_gateway_at_a_time(other: Agent, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other.state.take_fleet(Fleet(2, (member("gw1"), member("gw3", standing=Standing.DRAINING))))
    assert await drain(tmp_path, "gw2", tmp_path / "token") == 11
    assert "gw3 is draining" in capsys.readouterr().err


async def test_without_the_right_token_nothing_is_drained(
    other: Agent, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await drain(tmp_path, "gw2", None) == 1
    assert "token_file" in capsys.readouterr().err
    (tmp_path / "wrong").write_text("another-word-of-many-characters")
    assert await drain(tmp_path, "gw2", tmp_path / "wrong") == 1
    assert "HTTP status 401" in capsys.readouterr().err
    assert other.state.drain.phase is Phase.SERVING


async def test_an_unknown_name_is_said_with_those_that_are_known(
    other: Agent, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await drain(tmp_path, "gw9", None) == 1
    assert "besides this one: gw2" in capsys.readouterr().err


async def test_the_own_name_is_this_gateway(other: Agent, served: Served, tmp_path: Path) -> None:
    assert await drain(tmp_path, served.agent.state.spec.gateway.name, None) == 0
    assert served.agent.state.drain.phase is Phase.DRAINING


async def test_where_no_fleet_is_named_the_operator_decides(served: Served, tmp_path: Path) -> None:
    await come_up(served.agent)
    served.agent.state.take_fleet(replace(served.agent.state.fleet, configured=0))
    assert await drain(tmp_path, "", None) == 0
