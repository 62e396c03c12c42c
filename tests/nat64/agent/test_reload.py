"""A new file: it is taken as a whole, or changes nothing at all."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path

import pytest

from kun_base.prefix import sixtofour_prefix
from kun_nat64.agent import kept_files, wiring
from kun_nat64.agent import program as app
from kun_nat64.config.load import load
from kun_nat64.drivers import runfiles
from kun_nat64.model.facts import Tunnel
from kun_nat64.model.fleet import Fleet, Member
from kun_nat64.model.health import Verdict
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.observation import Foreign
from kun_nat64.model.spec import AgentSpec, PoolRange
from kun_nat64.model.standing import Standing
from kun_nat64.model.traffic import Endpoint4, Endpoint6, Session, Traffic
from kun_nat64.policy.filechange import RUNS, WAITS, may_change
from tests.nat64.cli.test_agent import Running, fast
from tests.nat64.conftest import SHIPPED
from tests.nat64.fake_host import FakeHost

__all__ = ["fast"]
POD = "2002:a01:2:1::10"
# As policy/probepath.py makes it of the last address of clients[0].
PROBE = "2002:aff:fffe:6b75:6e36::2"


def flows(*pods: object) -> Traffic:
    target, remote = (
        Endpoint6(IPv6Address("2002:cb00:7101::c633:6450"), 80),
        Endpoint4(IPv4Address("198.51.100.80"), 80),
    )
    outside = Endpoint4(IPv4Address("192.0.2.11"), 20000)
    ends = (Endpoint6(IPv6Address(str(pod)), 4000) for pod in pods)
    return Traffic(
        sessions=tuple(Session(Protocol.TCP, end, target, outside, remote, 7000.0, "ESTABLISHED") for end in ends)
    )


def another_vip(spec: AgentSpec) -> AgentSpec:
    vip = IPv4Address("203.0.113.2")
    gateway = replace(spec.gateway, vip=vip, pool6=sixtofour_prefix(vip))
    return replace(spec, gateway=gateway, bgp=replace(spec.bgp, prefixes=(IPv4Network(vip),)))


def another_tunnel(spec: AgentSpec) -> AgentSpec:
    return replace(spec, gateway=replace(spec.gateway, tunnel="kun65"))


def many_fewer_ports(spec: AgentSpec) -> AgentSpec:
    return replace(spec, nat64=replace(spec.nat64, pool4=spec.nat64.pool4[:1]))


def with_a_large_pool(spec: AgentSpec) -> AgentSpec:
    more = tuple(PoolRange(IPv4Address(f"192.0.2.{n}"), 20000, 60000, (Protocol.TCP,)) for n in range(20, 27))
    return replace(spec, nat64=replace(spec.nat64, pool4=(*spec.nat64.pool4, *more)))


def another_outside(spec: AgentSpec) -> AgentSpec:
    return replace(spec, gateway=replace(spec.gateway, outside="eth7"))


def also_other_health(change: Callable[[AgentSpec], AgentSpec]) -> Callable[[AgentSpec], AgentSpec]:
    return lambda spec: replace(change(spec), health=replace(spec.health, fall=spec.health.fall + 7))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param(another_vip, "live-sessions", id="vip"),
        pytest.param(another_tunnel, "live-sessions", id="tunnel"),
        pytest.param(many_fewer_ports, "too-many-removals", id="pool4"),
        pytest.param(another_outside, "gateway.outside is eth7", id="outside"),
        pytest.param(also_other_health(another_vip), "live-sessions", id="vip-among-harmless-keys"),
    ],
)
async def test_a_refused_file_changes_nothing(
    fast: AgentSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[AgentSpec], AgentSpec],
    why: str,
) -> None:
    fast = with_a_large_pool(fast)
    async with Running(fast, tmp_path) as it:
        await it.until(lambda: it.announced, "announced")
        it.host.now_flowing = flows(POD)
        before, did, decision = it.host.facts, list(it.host.log), it.agent.state.standing.decision
        monkeypatch.setattr(wiring, "RealHost", lambda spec, notice: it.host)
        monkeypatch.setattr(wiring, "load", lambda path: change(fast))
        outcome = await it.agent.reload.now()
        assert not outcome.taken
        assert why in "; ".join(outcome.refused)
        turns = it.agent.state.machine.turns
        await it.until(lambda: it.agent.state.machine.turns > turns + 2, "some turns later")
        assert it.agent.state.spec == fast
        assert (it.host.facts, it.host.log) == (before, did)
        assert it.agent.state.standing.decision.standing is decision.standing is Standing.FULL
        assert it.agent.state.machine.refusals == ()
        assert why in it.agent.state.warnings["config"], "it is said until it is mended"


async def test_the_probes_own_sessions_count_for_nothing(
    fast: AgentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Running(fast, tmp_path) as it:
        await it.until(lambda: it.announced, "announced")
        it.host.now_flowing = flows(PROBE)
        it.agent.state.take_fleet(Fleet(1, (member("gw2", Standing.FULL),)))
        monkeypatch.setattr(wiring, "RealHost", lambda spec, notice: it.host)
        monkeypatch.setattr(wiring, "load", lambda path: another_tunnel(fast))
        assert (await it.agent.reload.now()).taken
        await it.until(lambda: Tunnel("kun65", fast.gateway.vip, fast.gateway.inside_mtu) in it.host.facts, "made")
        await it.until(lambda: it.announced and it.agent.state.standing.decision.standing is Standing.FULL, "and back")


async def test_force_takes_what_the_guard_refuses(
    fast: AgentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = another_vip(fast)
    async with Running(fast, tmp_path) as it:
        await it.until(lambda: it.announced, "announced")
        it.host.now_flowing = flows(POD)
        monkeypatch.setattr(wiring, "RealHost", lambda spec, notice: it.host)
        monkeypatch.setattr(wiring, "load", lambda path: new)
        assert (await it.agent.reload.now(force=True)).taken
        await it.until(lambda: it.prefixes == {"203.0.113.2/32"}, "the new one alone is announced")


async def test_no_force_takes_what_stands_in_the_way(
    fast: AgentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Running(fast, tmp_path) as it:
        await it.until(lambda: it.announced, "announced")
        it.host.foreign = (Foreign("kun65 is a link of kind dummy", "rename it", ("link", "", "kun65")),)
        monkeypatch.setattr(wiring, "RealHost", lambda spec, notice: it.host)
        monkeypatch.setattr(wiring, "load", lambda path: another_tunnel(fast))
        assert not (await it.agent.reload.now(force=True)).taken
        assert it.agent.state.spec == fast
        assert it.announced


def member(name: str, standing: Standing, change: str = "", full_for_s: float | None = 100.0) -> Member:
    return Member(name, name, 1e9, standing, Verdict.HEALTHY, full_for_s=full_for_s, file_change=change)


@pytest.mark.parametrize(
    ("others", "may"),
    [
        pytest.param((), True, id="alone"),
        pytest.param((member("gw1", Standing.FULL),), True, id="nobody-else-changes"),
        pytest.param((member("gw1", Standing.FULL, WAITS),), False, id="a-lower-name-goes-first"),
        pytest.param((member("gw3", Standing.FULL, WAITS),), True, id="a-higher-name-waits"),
        pytest.param((member("gw3", Standing.OUT, RUNS, None),), False, id="one-is-at-it"),
        pytest.param((member("gw1", Standing.FULL, full_for_s=1.0),), False, id="one-has-just-come-back"),
    ],
)
def test_a_fleet_takes_a_dangerous_change_one_gateway_at_a_time(others: tuple[Member, ...], may: bool) -> None:
    assert may_change("gw2", Fleet(len(others), others), spacing_s=5.0) is may


async def test_a_gateway_whose_turn_does_not_come_stays_as_it_is(
    fast: AgentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(fast, fleet=replace(fast.fleet, members=("http://127.0.0.1:1",), poll_s=0.05, timeout_s=0.05))
    async with Running(spec, tmp_path) as it:
        await it.until(lambda: it.announced, "announced")
        busy = Fleet(1, (member("a", Standing.FULL, RUNS),))
        monkeypatch.setattr(it.agent.fleet._watch, "look", lambda: answered(busy))
        await it.until(lambda: it.agent.state.fleet == busy, "the other one is seen")
        monkeypatch.setattr("kun_nat64.agent.reload.LONGEST_TURN_S", 0.5)
        monkeypatch.setattr(wiring, "RealHost", lambda spec, notice: it.host)
        monkeypatch.setattr(wiring, "load", lambda path: another_tunnel(spec))
        outcome = await it.agent.reload.now()
        assert not outcome.taken
        assert "another gateway was changing" in outcome.refused[0]
        assert it.agent.state.spec == spec


async def answered(fleet: Fleet) -> Fleet:
    return fleet


@pytest.mark.parametrize(
    ("flowing", "with_the_old_one"),
    [pytest.param(flows(POD), True, id="pods"), pytest.param(flows(PROBE), False, id="probes-alone")],
)
async def test_a_restart_is_no_way_around_the_guard(
    tmp_path: Path, flowing: Traffic, *, with_the_old_one: bool
) -> None:
    text = SHIPPED.read_text()
    (tmp_path / "old.toml").write_text(text)
    (tmp_path / "new.toml").write_text(text.replace("203.0.113.1", "203.0.113.2"))
    old, new = load(tmp_path / "old.toml"), load(tmp_path / "new.toml")
    assert await app.in_force(new, tmp_path) == (new, ""), "a first start"
    runfiles.save_taken(tmp_path, old.written)
    spec, why = await app.in_force(new, tmp_path, FakeHost(now_flowing=flowing))
    assert (spec, "live-sessions" in why) == ((old, True) if with_the_old_one else (new, False))
    assert await app.in_force(old, tmp_path) == (old, ""), "the same file asks nobody"


async def test_the_file_that_was_reached_is_kept_for_the_next_start(fast: AgentSpec, tmp_path: Path) -> None:
    async with Running(replace(fast, written={"gateway": "as read"}), tmp_path) as it:
        await it.until(lambda: runfiles.load_taken(tmp_path) == {"gateway": "as read"}, "kept")


async def test_nobody_reads_the_file_who_was_not_asked_to(
    fast: AgentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    for module in (wiring, kept_files):
        monkeypatch.setattr(module, "load", lambda path: read.append(path) or fast)
    async with Running(fast, tmp_path) as it:
        await it.until(lambda: it.announced, "announced")
        await asyncio.sleep(1.5)
        before = len(read)  # what is kept of the file that was reached
        await asyncio.sleep(2.5)
    assert len(read) == before <= 1
