"""status, drain and undrain, asking an agent over its real socket."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kun_base.adminhttp import AdminServer, Page
from kun_nat64.cli.doctor import _agent as agent_findings
from kun_nat64.cli.drain import end_drain, start_drain
from kun_nat64.cli.status import show_status
from kun_nat64.model.drain import Phase
from kun_nat64.model.fleet import Fleet, Member
from kun_nat64.model.health import ProbeResult, Symptom, Verdict
from kun_nat64.model.standing import Standing
from kun_nat64.model.warnings import WarningName
from tests.nat64.admin.serving import Served, come_up

Output = pytest.CaptureFixture[str]


@pytest.fixture
async def up(served: Served) -> Served:
    await come_up(served.agent)
    return served


async def called(work: Callable[[], int]) -> int:
    return await asyncio.wait_for(asyncio.to_thread(work), 20)


async def draining(up: Served) -> None:
    for _ in range(1000):
        if up.agent.state.drain.phase is not Phase.SERVING:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody asked for a drain")


async def test_an_announced_gateway_is_said_to_be_one_and_ends_with_0(
    up: Served, tmp_path: Path, capsys: Output
) -> None:
    assert await called(lambda: show_status(tmp_path, as_json=False)) == 0
    said = capsys.readouterr().out
    assert "gw1  VIP 203.0.113.1  prefix 2002:cb00:7101::/96" in said
    assert "announced (full, MED 10) for " in said
    assert "tcp://198.51.100.80:80" in said
    assert "BGP 10.2.1.1 AS 65000: established" in said
    assert "machine as desired, looked at " in said
    assert "0 live TCP sessions\n" in said, "no oldest one where there is none"


async def test_status_says_what_differs_what_is_wrong_and_what_was_warned_of(
    up: Served, tmp_path: Path, capsys: Output
) -> None:
    agent = up.agent
    # Sent when the way of the probes was there: else a loss proves nothing.
    lost = agent.state.clock() + agent.state.spec.health.timeout_s + 1
    for _ in range(agent.state.spec.health.fall * 2):
        for one in agent.state.spec.health.targets:
            agent.state.take_probe(ProbeResult(one, Symptom.TIMEOUT, None), now=lost)
    agent.state.evaluate(now=agent.state.clock())
    agent.state.warnings.warn(WarningName.CONFIG, "the file is wrong")
    await called(lambda: show_status(tmp_path, as_json=False))
    said = capsys.readouterr().out
    assert "│ down" in said
    assert "  diagnosis: " in said
    assert "  warning: the file is wrong" in said


async def test_status_as_json_is_the_admin_ports(up: Served, tmp_path: Path, capsys: Output) -> None:
    await called(lambda: show_status(tmp_path, as_json=True))
    here = json.loads(capsys.readouterr().out)
    there = json.loads((await up.get("/status"))[1])
    assert here.keys() == there.keys()
    assert here["announcement"]["standing"] == "full"


async def test_a_gateway_that_is_not_announced_ends_with_1(served: Served, tmp_path: Path, capsys: Output) -> None:
    assert await called(lambda: show_status(tmp_path, as_json=False)) == 1
    assert "not announced (out)" in capsys.readouterr().out


async def test_a_drain_is_waited_for_until_the_path_is_withdrawn(up: Served, tmp_path: Path, capsys: Output) -> None:
    waiting = asyncio.create_task(called(lambda: start_drain(tmp_path, wait=True, why="new kernel", **NO_FLAGS)))
    await draining(up)
    assert not waiting.done()
    assert up.agent.state.drain.why == "new kernel"
    await up.agent.traffic.count()  # none is left
    up.agent.state.evaluate(now=up.agent.state.clock())
    await up.agent.announcer.announce()
    assert await waiting == 0
    assert "withdrawn: 0 TCP sessions left" in capsys.readouterr().out


async def test_a_drain_that_is_taken_back_is_no_success(up: Served, tmp_path: Path, capsys: Output) -> None:
    waiting = asyncio.create_task(called(lambda: start_drain(tmp_path, wait=True, why="", **NO_FLAGS)))
    await draining(up)
    assert await called(lambda: end_drain(tmp_path)) == 0
    assert await waiting == 1
    assert "taken back" in capsys.readouterr().err


async def test_the_last_exit_is_drained_by_force_only(up: Served, tmp_path: Path, capsys: Output) -> None:
    silent = Fleet(configured=1)
    up.agent.state.take_fleet(silent)
    assert await called(lambda: start_drain(tmp_path, wait=False, why="", **NO_FLAGS)) == 11
    assert "`drain --force`" in capsys.readouterr().err
    assert up.agent.state.drain.phase is Phase.SERVING
    beside = Member("http://gw2", "gw2", 0.0, Standing.FULL, Verdict.HEALTHY)
    up.agent.state.take_fleet(replace(silent, members=(beside,)))
    assert await called(lambda: start_drain(tmp_path, wait=False, why="", **NO_FLAGS)) == 0
    assert up.agent.state.drain.phase is Phase.DRAINING


NO_FLAGS = {"until_start": False, "force": False}


class Older:
    """An agent of another version: its answers lack what this one wants to show."""

    def __init__(self, status: str) -> None:
        self.status = status

    async def __aenter__(self) -> "Older":
        async def page(_query: object) -> Page:
            return Page(self.status)

        self.server = AdminServer({"/status": page}, {"/drain": page})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.close()


@pytest.mark.parametrize("status", ["{}", "[]", "null", '{"announcement": null}', '{"announcement": {"announced": 1}}'])
async def test_an_agent_of_another_version_is_told_as_that(status: str, tmp_path: Path, capsys: Output) -> None:
    async with Older(status) as agent:
        await agent.server.start_unix(str(tmp_path / "control.sock"))
        assert await called(lambda: show_status(tmp_path, as_json=False)) == 1
        assert await called(lambda: start_drain(tmp_path, wait=True, why="", until_start=False, force=False)) == 1
        findings = await asyncio.to_thread(agent_findings, tmp_path)
    assert capsys.readouterr().err.count("is of another version than this command") == 2
    assert "another version" in findings[0].words


def test_status_without_an_agent_is_json_where_json_was_asked_for(tmp_path: Path, capsys: Output) -> None:
    assert show_status(tmp_path, as_json=True) == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == {"error": said.err.strip()}
