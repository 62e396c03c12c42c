"""The whole agent on a machine made of facts: its tasks, its signals, its end."""

import asyncio
import io
import os
import re
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from kun_base.journal import Journal
from kun_nat64.agent import admin_loop as adminkeeping
from kun_nat64.agent import former_paths, wiring
from kun_nat64.agent import serve as serving
from kun_nat64.agent.announcer import last_announced
from kun_nat64.agent.options import Options
from kun_nat64.agent.program import handle_signals
from kun_nat64.agent.serve import serve
from kun_nat64.agent.wiring import Agent
from kun_nat64.cli.agent_client import ask
from kun_nat64.drivers import runfiles
from kun_nat64.model.announcement import Announcement, LastAnnounced
from kun_nat64.model.area import Area
from kun_nat64.model.drain import Drain, Phase
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import BgpPath, Pool4
from kun_nat64.model.health import ProbeResult, Symptom
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Reason, Standing
from tests.nat64.admin.test_admin import Host
from tests.nat64.conftest import SHIPPED
from tests.ports import free_port


class Answering:
    """A prober whose every probe comes back at once, while `symptom` says so."""

    def __init__(self, agent: Agent) -> None:
        self.agent, self.symptom = agent, Symptom.ANSWERED

    def fire(self, now: float) -> None:
        for target in self.agent.state.spec.health.targets:
            self.agent.state.take_probe(ProbeResult(target, self.symptom, 0.001), now=now)

    def expire(self, now: float, lag_s: float) -> None: ...

    def next_expiry(self) -> float | None:
        return None

    def renew(self) -> str | None:
        return None

    def close(self) -> None: ...


class Running:
    def __init__(self, spec: AgentSpec, run_dir: Path, config: Path = SHIPPED, host: Host | None = None) -> None:
        self.host, self.log = host or Host(), io.StringIO()
        self.agent = Agent(spec, Options(config, run_dir), Journal("test", stream=self.log), self.host)
        self.prober = Answering(self.agent)
        self.agent.probes._open = lambda _spec, _take: self.prober
        self.agent.probes.reopen()

    async def __aenter__(self) -> "Running":
        handle_signals(self.agent)
        self.task = asyncio.create_task(serve(self.agent))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.agent.stop.set()
        await asyncio.wait_for(self.task, 10)

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        for _ in range(500):
            if holds():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"never: {what}\n{self.log.getvalue()}")

    @property
    def prefixes(self) -> set[str]:
        """In BGP."""
        return {str(fact.prefix) for fact in self.host.facts if isinstance(fact, BgpPath)}

    @property
    def announced(self) -> bool:
        return f"{self.agent.state.spec.gateway.vip}/32" in self.prefixes


@pytest.fixture
def fast(spec_with: Callable[..., AgentSpec]) -> AgentSpec:
    return spec_with(
        gateway={"observe_s": 0.3},
        health={"interval_s": 0.03, "timeout_s": 0.03, "rise": 3, "hold_down_s": 0.2},
        fleet={"members": []},
        admin={"listen": "127.0.0.1:0"},
    )


async def test_it_comes_up_falls_and_comes_back(fast: AgentSpec, tmp_path: Path) -> None:
    async with Running(fast, tmp_path) as it:
        await it.until(lambda: it.announced, "announced")
        it.prober.symptom = Symptom.TIMEOUT
        await it.until(lambda: it.agent.state.speaker.announced.med == fast.bgp.soft_fail_med, "the MED was raised")
        it.prober.symptom = Symptom.ANSWERED
        await it.until(lambda: it.agent.state.speaker.announced.med == fast.bgp.med, "back in the ECMP set")


async def test_sigterm_keeps_data_plane_and_announcement(fast: AgentSpec, tmp_path: Path) -> None:
    it = Running(fast, tmp_path)
    async with it:
        await it.until(lambda: it.announced, "announced")
        before = it.host.facts
        os.kill(os.getpid(), 15)
        await asyncio.wait_for(it.task, 10)
    assert it.host.facts == before
    assert it.announced


async def test_a_restart_touches_nothing_of_a_running_gateway(fast: AgentSpec, tmp_path: Path) -> None:
    async with Running(fast, tmp_path) as first:
        await first.until(lambda: first.announced, "announced")
    done = [line for line in first.host.log if "gobgp" not in line]
    async with Running(fast, tmp_path, host=first.host) as again:
        await again.until(lambda: again.agent.state.machine.turns > 1, "two turns")
        assert again.agent.state.standing.decision.standing is Standing.FULL
        assert again.announced
    assert [line for line in first.host.log if "gobgp" not in line] == done


async def test_drift_is_mended_within_one_cycle(fast: AgentSpec, tmp_path: Path) -> None:
    async with Running(fast, tmp_path) as it:
        await it.until(lambda: it.announced, "announced")
        entry = next(fact for fact in it.host.facts if isinstance(fact, Pool4))
        it.host.break_by_hand(entry)
        await it.until(lambda: entry in it.host.facts, "mended")
        assert it.announced


async def test_a_drain_survives_a_restart_and_ends_withdrawn(fast: AgentSpec, tmp_path: Path) -> None:
    runfiles.save_drain(tmp_path, Drain(Phase.DRAINING, 1.0, why="before the restart"))
    async with Running(fast, tmp_path) as it:
        await it.until(lambda: it.agent.state.drain.phase is Phase.DRAINED, "drained")
        assert not it.announced


def as_is(text: str) -> str:
    """The shipped file with the admin port that these agents have: another one would need a restart."""
    text = text.replace('listen = "10.2.1.2:9465"', 'listen = ""')
    return text.replace('listen = "127.0.0.1:9465"', 'listen = "127.0.0.1:0"')


async def test_sighup_takes_a_good_file_and_leaves_a_bad_one(fast: AgentSpec, tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(SHIPPED.read_text().replace("fall = 3", "fall = 5"))
    async with Running(fast, tmp_path, config) as it:
        await it.until(lambda: it.agent.state.machine.turns > 0, "a turn")
        config.write_text("nonsense")
        os.kill(os.getpid(), 1)
        await it.until(lambda: "config" in it.agent.state.warnings, "a warning")
        assert it.agent.state.spec == fast
        config.write_text(as_is(SHIPPED.read_text()).replace("fall = 3", "fall = 5"))
        os.kill(os.getpid(), 1)
        await it.until(lambda: it.agent.state.spec.health.fall == 5, "the new file")
        assert "config" not in it.agent.state.warnings


async def test_a_taken_admin_port_stops_neither_the_gateway_nor_its_commands(
    fast: AgentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adminkeeping, "RETRY_S", 0.1)
    taken = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    it = Running(fast, tmp_path)
    object.__setattr__(it.agent.state.spec.admin, "port", port)
    async with it:
        await it.until(lambda: it.announced, "announced")
        assert "admin" in it.agent.state.warnings
        assert (await asyncio.to_thread(ask, tmp_path, "/status"))["announcement"]["announced"], "the commands work"
        taken.close()
        await taken.wait_closed()
        await it.until(lambda: "admin" not in it.agent.state.warnings, "the port is there when it is free")
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()


async def test_without_a_run_directory_the_gateway_works_and_says_what_is_lost(fast: AgentSpec, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    async with Running(fast, tmp_path / "file" / "run") as it:
        await it.until(lambda: it.announced, "announced")
        it.prober.symptom = Symptom.TIMEOUT
        await it.until(lambda: it.agent.state.standing.falls_total == 1, "a fall")
        it.prober.symptom = Symptom.ANSWERED
        await it.until(lambda: it.agent.state.speaker.announced.med == fast.bgp.med, "back in the ECMP set")
        assert "earlier falls" in it.agent.state.warnings["falls"]
        assert "admin" in it.agent.state.warnings, "the commands have no socket"


async def test_a_gateway_that_was_told_itself_as_a_member_says_so(fast: AgentSpec, tmp_path: Path) -> None:
    port = free_port()
    own = f"http://127.0.0.1:{port}"
    spec = replace(
        fast,
        fleet=replace(fast.fleet, members=(own,), poll_s=0.1, timeout_s=1.0),
        admin=replace(fast.admin, port=port),
    )
    async with Running(spec, tmp_path) as it:
        await it.until(lambda: "fleet" in it.agent.state.warnings, "a warning")
        assert it.agent.state.warnings["fleet"] == f"[fleet] members names {own}, which is this gateway itself"
        assert it.agent.state.fleet.members == ()


async def test_what_bgp_did_not_take_is_said_once_more_at_the_end(fast: AgentSpec, tmp_path: Path) -> None:
    async with Running(fast, tmp_path) as it:
        await it.until(lambda: it.announced, "announced")
        it.host.fail_applying[Area.BGP] = DriverError(FailureKind.TIMEOUT, ("gobgp",), "no answer within 2 s")
        it.agent.drain.set(Drain(Phase.DRAINED, 1.0), False)
        await it.until(lambda: it.agent.state.speaker.failed is not None, "the speaker hangs")
        told = (await asyncio.to_thread(ask, tmp_path, "/status"))["announcement"]
        assert (told["standing"], told["announced"], told["withdrawn"]) == ("out", True, False)
        it.host.fail_applying.clear()
        it.agent.stop.set()
        await asyncio.wait_for(asyncio.shield(it.task), 10)
        assert not it.announced


def with_prefixes(spec: AgentSpec, *more: str, api: str = "") -> AgentSpec:
    prefixes = (*spec.bgp.prefixes, *map(ip_network, more))
    return replace(spec, bgp=replace(spec.bgp, prefixes=prefixes, api=api or spec.bgp.api))


async def test_a_prefix_that_the_file_lost_is_withdrawn(
    fast: AgentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = "198.51.100.200/32"
    async with Running(with_prefixes(fast, extra), tmp_path) as it:
        await it.until(lambda: extra in it.prefixes, "both are announced")
        monkeypatch.setattr(wiring, "RealHost", lambda spec, notice: it.host)
        monkeypatch.setattr(wiring, "load", lambda path: fast)
        await it.agent.reload.now()
        await it.until(lambda: extra not in it.prefixes, "the other one is withdrawn")
        assert it.announced


async def test_nor_does_it_stay_when_the_file_lost_it_before_a_restart(fast: AgentSpec, tmp_path: Path) -> None:
    extra = "198.51.100.200/32"
    async with Running(with_prefixes(fast, extra), tmp_path) as first:
        await first.until(lambda: extra in first.prefixes, "both are announced")
    async with Running(fast, tmp_path, host=first.host) as again:
        again.prober.symptom = Symptom.NOT_SENT
        await again.until(lambda: extra not in again.prefixes, "the other one is withdrawn")
        assert again.announced, "what an earlier agent announced stays until it is known to be wrong"


async def test_another_speaker_leaves_nothing_with_the_old_one(
    fast: AgentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[LastAnnounced] = []
    monkeypatch.setattr(former_paths, "take_back", taken.append)
    async with Running(fast, tmp_path) as it:
        await it.until(lambda: it.announced, "announced")
        monkeypatch.setattr(wiring, "RealHost", lambda spec, notice: it.host)
        monkeypatch.setattr(wiring, "load", lambda path: with_prefixes(fast, api="127.0.0.2:50051"))
        await it.agent.reload.now()
        await it.until(lambda: bool(taken), "taken back")
        await it.until(lambda: runfiles.load_announced(tmp_path).api == "127.0.0.2:50051", "the new one is noted")
    assert taken == [last_announced(fast.bgp, Announcement(True, 0))]


async def test_another_instance_name_is_not_taken_while_flows_go_through_the_old_one(
    fast: AgentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed = replace(fast, nat64=replace(fast.nat64, instance="other"))
    async with Running(fast, tmp_path) as it:
        await it.until(lambda: it.announced, "announced")
        monkeypatch.setattr(wiring, "load", lambda path: renamed)
        await it.agent.reload.now()
        assert it.agent.state.spec == fast
        assert "nat64.instance is kun" in it.agent.state.warnings["config"]
        assert it.announced


async def test_other_targets_are_proven_before_anything_moves(fast: AgentSpec, tmp_path: Path) -> None:
    text = as_is(SHIPPED.read_text())
    config = tmp_path / "gateway.toml"
    config.write_text(text)
    async with Running(fast, tmp_path, config) as it:
        await it.until(lambda: it.agent.state.standing.decision.reason is Reason.HEALTHY, "healthy")
        others = re.sub(r"^targets = .*$", 'targets = ["icmp://198.51.100.99"]', text, flags=re.MULTILINE)
        assert others != text
        config.write_text(others)
        it.prober.symptom = Symptom.NOT_SENT
        await it.agent.reload.now()
        assert it.agent.state.probes.health.targets[0].last is None
        await asyncio.sleep(0.5)
        assert it.announced
        assert it.agent.state.standing.decision.standing is Standing.FULL
        assert it.agent.state.standing.falls_total == 0
        it.prober.symptom = Symptom.TIMEOUT
        await it.until(lambda: it.agent.state.standing.decision.standing is not Standing.FULL, "what fails is acted on")


async def test_a_file_with_another_admin_port_is_refused_as_a_whole_by_that_name(
    fast: AgentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(
        fast, admin=replace(fast.admin, port=free_port()), health=replace(fast.health, fall=fast.health.fall + 1)
    )
    async with Running(fast, tmp_path) as it:
        monkeypatch.setattr(wiring, "load", lambda path: other)
        for _ in range(2):
            assert not (await it.agent.reload.now()).taken
            assert "admin.listen" in it.agent.state.warnings["config"]
            assert it.agent.state.spec == fast
        monkeypatch.setattr(wiring, "load", lambda path: fast)
        await it.agent.reload.now()
        assert "config" not in it.agent.state.warnings


async def test_one_parts_failure_is_not_the_agents_end(
    fast: AgentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As without descriptors: whichever part needs one first fails, and the others go on."""
    monkeypatch.setattr(serving, "AGAIN_S", 0.05)
    it = Running(fast, tmp_path)
    fails = dict.fromkeys(("stats", "traffic"), 2)

    def failing(name: str) -> Callable[..., object]:
        works = getattr(it.host, name)

        def call(*words: object) -> object:
            if fails[name]:
                fails[name] -= 1
                raise OSError(24, "Too many open files")
            return works(*words)

        return call

    for name in fails:
        monkeypatch.setattr(it.host, name, failing(name))
    async with it:
        await it.until(lambda: it.announced, "announced")
        await it.until(lambda: not any(fails.values()), "every failure was met")
        assert "Too many open files" in it.log.getvalue()
        assert it.agent.state.standing.decision.standing is Standing.FULL
