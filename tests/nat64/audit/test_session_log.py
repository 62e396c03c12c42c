"""The session log in the agent: lines and rows from real looks, and an agent that goes on when they cannot be kept."""

import asyncio
import io
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kun_base.journal import Journal
from kun_nat64.agent import session_log as auditing
from kun_nat64.agent.session_log import SessionLog
from kun_nat64.agent.traffic_loop import TrafficLoop
from kun_nat64.cli.who import show_who
from kun_nat64.cli.who_flags import Asked
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.traffic import Session, Traffic
from kun_nat64.policy.probepath import probe_address
from kun_nat64.policy.session_tracking import Look
from kun_nat64.state.agent_state import State
from kun_nat64.state.session_log_state import SessionLogState
from kun_nat64.views.metrics_text import exposition
from kun_nat64.views.status import snapshot
from tests.nat64.admin.test_admin import Host
from tests.nat64.audit.flows import session

Specs = Callable[..., AgentSpec]


class Logged:
    def __init__(self, spec: AgentSpec) -> None:
        self.said = io.StringIO()
        self.state = State(spec, Journal("test", stream=self.said), clock=time.monotonic, wall=time.time)
        self.host = Host()
        self.log = SessionLog(spec, self.state.audit, self.state.journal)
        self.count = TrafficLoop(self.state, self.host, self.log)

    async def look(self, *sessions: Session) -> None:
        self.host.now_flowing = Traffic((), sessions)
        await self.count.count()
        if self.log._busy is not None:
            await self.log._busy


@pytest.fixture
def spec(spec_with: Specs, tmp_path: Path) -> AgentSpec:
    return spec_with(nat64={"session_log": str(tmp_path / "sessions.jsonl")})


def lines(tmp_path: Path) -> list[dict[str, dict[str, str]]]:
    return [json.loads(line) for line in (tmp_path / "sessions.jsonl").read_text().splitlines()]


async def test_a_session_is_a_line_at_its_beginning_and_one_at_its_end(spec: AgentSpec, tmp_path: Path) -> None:
    one = Logged(spec)
    await one.look()
    await one.look(session(left=7200))
    await one.look()
    await one.count.close()
    assert [line["event"]["action"] for line in lines(tmp_path)] == ["session-started", "session-ended"]
    assert one.state.audit.sinks["log"].records == one.state.audit.sinks["database"].records == 2


async def test_who_answers_while_the_agent_writes(spec: AgentSpec, tmp_path: Path) -> None:
    one = Logged(spec)
    await one.look()
    await one.look(session(left=7200))
    asked = Asked("192.0.2.11:40000", str(time.time()), "tcp", database=tmp_path / "sessions.db")
    assert show_who(asked) == 0
    await one.count.close()


async def test_the_probes_own_sessions_are_not_logged(spec: AgentSpec, tmp_path: Path) -> None:
    probe = session(pod=int(probe_address(spec)) - int(session().inside.address))
    assert probe.inside.address == probe_address(spec)
    one = Logged(spec)
    await one.look(probe)
    await one.count.close()
    assert one.state.audit.living == 0


async def test_a_new_agent_goes_on_where_the_old_one_stopped(spec: AgentSpec, tmp_path: Path) -> None:
    for table in ([session(left=7200)], [session(left=7200), session(40001)], []):
        one = Logged(spec)
        await one.look(*table)
        await one.count.close()
    said = [(line["event"]["action"], line["source"]["nat"]["port"]) for line in lines(tmp_path)]
    assert sorted(said) == [
        ("session-ended", 40000),
        ("session-ended", 40001),
        ("session-started", 40000),
        ("session-started", 40001),
    ]


async def test_a_full_disk_is_said_and_nothing_else_happens(spec_with: Specs, tmp_path: Path) -> None:
    one = Logged(spec_with(nat64={"session_log": "/dev/full"}, audit={"database": str(tmp_path / "db")}))
    await one.look(session())
    await one.look(session(), session(40001))
    state = one.state
    assert state.flow.failed is None
    assert state.audit.sinks["log"].waiting == 2
    assert state.audit.sinks["database"].records == 2
    assert "No space left" in snapshot(state, now=state.clock(), wall=time.time())["warnings"]["session-log"]
    assert 'kun_nat64_session_log_failed{sink="log"} 1.0' in exposition(state)
    assert 'kun_nat64_session_log_failed{sink="database"} 0.0' in exposition(state)
    assert one.said.getvalue().count("No space left") == 1, "said once, not at every look"
    await one.count.close()


async def test_its_metrics_pass_promtool(spec: AgentSpec) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool (Debian package prometheus) is not installed")
    one = Logged(spec)
    await one.look(session())
    text = exposition(one.state)
    assert 'kun_nat64_session_log_records_total{sink="database"} 1.0' in text
    checked = await asyncio.to_thread(
        subprocess.run, ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    await one.count.close()


async def test_what_waited_for_the_disk_is_written_when_there_is_room(spec: AgentSpec, tmp_path: Path) -> None:
    blocked = tmp_path / "sessions.jsonl"
    blocked.mkdir()
    one = Logged(spec)
    await one.look(session())
    assert one.state.audit.sinks["log"].waiting == 1
    blocked.rmdir()
    await one.look(session(), session(40001))
    assert one.state.audit.problem == ""
    assert len(lines(tmp_path)) == 2
    assert "works=True" in one.said.getvalue()
    await one.count.close()


async def test_what_waits_is_bounded_and_what_is_given_up_is_counted(
    spec_with: Specs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "MOST_WAITING", 5)
    one = Logged(spec_with(nat64={"session_log": "/dev/full"}, audit={"database": str(tmp_path / "db")}))
    for port in range(0, 12, 3):
        await one.look(*(session(40000 + n) for n in range(port + 3)))
    sink = one.state.audit.sinks["log"]
    assert (sink.waiting, sink.dropped) == (3, 9)
    await one.count.close()


async def test_two_agents_do_not_write_one_database(spec: AgentSpec) -> None:
    first, second = Logged(spec), Logged(spec)
    await first.look(session())
    await second.look(session())
    assert "another agent writes there" in second.state.audit.failed
    await first.count.close()
    await second.look(session())
    assert second.state.audit.failed == ""
    await second.count.close()


async def test_without_a_session_log_nothing_is_made(spec_with: Specs) -> None:
    one = Logged(spec_with())
    await one.look(session())
    assert not one.log.wanted
    assert one.log.offer(Look({}, 0, 0)) is None
    assert "session_log" not in exposition(one.state)
    await one.count.close()


async def test_a_look_that_comes_too_soon_is_left_out(spec: AgentSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = asyncio.Event()
    loop = asyncio.get_running_loop()
    log = SessionLog(spec, SessionLogState(), Journal("test", stream=io.StringIO()))
    monkeypatch.setattr(log, "_take", lambda _look: asyncio.run_coroutine_threadsafe(slow.wait(), loop).result())
    first = log.offer(Look({}, 1000, 1000))
    assert log.offer(Look({}, 1010, 1010)) is first
    assert log._report.skipped == 1
    slow.set()
    assert first is not None
    await first
    await log.close()


async def test_looks_come_often_enough_for_the_shortest_session(spec_with: Specs, tmp_path: Path) -> None:
    one = Logged(spec_with(nat64={"session_log": str(tmp_path / "x.jsonl"), "icmp_s": 2, "session_poll_s": 30}))
    begun = time.monotonic()
    await one.count._rest(0.0)
    assert time.monotonic() - begun < 5
    await one.count.close()


@pytest.mark.parametrize(
    ("look_s", "log_s", "pause_s"),
    [
        pytest.param(0.02, 0.0, 15.0, id="cheap: as often as the file says"),
        pytest.param(0.1, 0.0, 30.0, id="dearer: but often enough for the shortest session"),
        pytest.param(4.0, 1.0, 30.0, id="a million: at most a seventh of a core"),
        pytest.param(6.0, 3.0, 54.0, id="more: at most a seventh, whatever is missed"),
    ],
)
async def test_looks_become_rarer_as_they_cost_more(
    spec: AgentSpec, look_s: float, log_s: float, pause_s: float
) -> None:
    one = Logged(spec)
    one.state.audit.took_s = log_s
    assert one.count._paced(look_s) == pytest.approx(pause_s)
    said = snapshot(one.state, now=one.state.clock(), wall=time.time())["traffic"]
    assert (said["look_s"], said["pause_s"]) == (pytest.approx(look_s + log_s, abs=0.06), pytest.approx(pause_s))
    await one.count.close()


async def test_a_log_that_is_moved_by_a_reload_ends_the_old_one_first(spec: AgentSpec, tmp_path: Path) -> None:
    one = Logged(spec)
    await one.look(session())
    one.log = SessionLog(spec, one.state.audit, one.state.journal)
    one.count.replace_log(one.log)
    await one.look(session(), session(40001))
    assert one.state.audit.problem == ""
    assert len(lines(tmp_path)) == 2
    await one.count.close()


def test_a_log_that_is_turned_off_takes_its_trouble_with_it(spec_with: Specs) -> None:
    report = SessionLogState(failed="the folder is gone")
    report.sinks["log"].failed = "no room"
    SessionLog(spec_with(nat64={"session_log": ""}), report, Journal("test", stream=io.StringIO()))
    assert report.problem == ""
