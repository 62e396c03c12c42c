"""plan, apply and teardown on a machine made of facts: what they print, what they leave, how they end."""

import json
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from kun_base.errors import ConfigError
from kun_nat64.agent.announcer import last_announced
from kun_nat64.cli import withdraw
from kun_nat64.cli.apply import _apply
from kun_nat64.cli.exit_codes import CHANGES, DONE, FAILED, REFUSED
from kun_nat64.cli.plan import _show
from kun_nat64.cli.teardown import _tear_down
from kun_nat64.cli.withdraw import withdraw_now
from kun_nat64.drivers import runfiles
from kun_nat64.model.announcement import WITHDRAWN, Announcement, LastAnnounced
from kun_nat64.model.area import Area
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import Address, BgpPath, Facts, JoolInstance, LinkState, Module, Pool4, Sysctl, Tunnel
from kun_nat64.model.observation import Foreign, Observation, Scope
from kun_nat64.model.plan import Change
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.traffic import Traffic
from kun_nat64.policy.desired import desired
from tests.nat64.conftest import SHIPPED
from tests.nat64.fake_host import FakeHost, hung

Output = pytest.CaptureFixture[str]
REFUSING = DriverError(FailureKind.EXIT_CODE, ("jool", "pool4", "add"), "no, thanks", 22)


def bare() -> FakeHost:
    return FakeHost(frozenset({Sysctl("net.ipv4.ip_forward", "0"), LinkState("sit0", up=True)}))


def settled(spec: AgentSpec) -> FakeHost:
    return FakeHost(desired(spec, WITHDRAWN))


async def test_a_plan_lists_every_change_and_its_checksum(spec: AgentSpec, capsys: Output) -> None:
    host = bare()
    assert await _show(spec, host, as_json=False) == CHANGES
    said = capsys.readouterr().out
    assert "+ tunnel kun64: sit local 203.0.113.1" in said
    assert "~ sysctl net.ipv4.ip_forward = 1   (was: sysctl net.ipv4.ip_forward = 0)" in said
    assert "changes, checksum " in said
    assert host.log == [], "looking changes nothing"


async def test_a_plan_as_json_says_the_same(spec: AgentSpec, capsys: Output) -> None:
    await _show(spec, bare(), as_json=False)
    checksum = capsys.readouterr().out.rsplit(" ", 1)[1].strip()
    assert await _show(spec, bare(), as_json=True) == CHANGES
    data = json.loads(capsys.readouterr().out)
    assert data["checksum"] == checksum
    tunnel = next(one for one in data["changes"] if one["fact"].startswith("tunnel kun64: sit"))
    assert (tunnel["action"], tunnel["before"]) == ("add", None)


async def test_nothing_to_change_ends_with_0(spec: AgentSpec, capsys: Output) -> None:
    assert await _show(spec, settled(spec), as_json=False) == DONE
    assert capsys.readouterr().out == "nothing to change\n"


async def test_what_could_not_be_looked_at_is_no_all_clear(spec: AgentSpec, capsys: Output) -> None:
    host = settled(spec)
    host.fail_observing = hung(Area.RULES)
    assert await _show(spec, host, as_json=False) == FAILED
    assert "not looked at: rules: look-at-rules" in capsys.readouterr().err


async def test_a_refused_plan_ends_with_11_and_says_what_would_force_it(
    spec: AgentSpec, capsys: Output, tmp_path: Path
) -> None:
    host = settled(spec)
    extra = {Address("lo", IPv4Address(f"203.0.113.{n}"), 32) for n in range(20, 30)}
    host.facts |= extra
    assert await _show(spec, host, as_json=False) == REFUSED
    assert "refused: too-many-removals" in capsys.readouterr().err
    assert await _apply(spec, host, tmp_path, force=False) == REFUSED
    assert "`apply --force` overrides it" in capsys.readouterr().err
    assert extra <= host.facts
    assert await _apply(spec, host, tmp_path, force=True) == DONE
    assert not extra & host.facts


async def test_no_force_moves_what_is_somebody_elses(spec: AgentSpec, capsys: Output, tmp_path: Path) -> None:
    host = bare()
    host.foreign = (Foreign("kun64 is a dummy", "Rename it."),)
    assert await _apply(spec, host, tmp_path, force=True) == REFUSED
    assert "foreign-object: kun64 is a dummy" in capsys.readouterr().err
    assert host.log == []


async def test_apply_makes_it_so_announces_nothing_and_has_looked_again(
    spec: AgentSpec, capsys: Output, tmp_path: Path
) -> None:
    host = bare()
    assert await _apply(spec, host, tmp_path, force=False) == DONE
    assert host.facts == desired(spec, WITHDRAWN)
    assert not any(isinstance(fact, BgpPath) for fact in host.facts)
    assert capsys.readouterr().out.endswith("changes made; the machine matches the file\n")
    assert await _apply(spec, host, tmp_path, force=False) == DONE
    assert capsys.readouterr().out == "nothing to change\n"


async def test_apply_leaves_a_path_that_the_agent_has_announced(spec: AgentSpec, tmp_path: Path) -> None:
    path = BgpPath(spec.bgp.prefixes[0], spec.bgp.next_hop, 10)
    host = settled(spec)
    host.facts |= {path}
    assert await _apply(spec, host, tmp_path, force=False) == DONE
    assert path in host.facts


async def test_apply_stops_at_the_first_failure_and_says_what_is_left(
    spec: AgentSpec, capsys: Output, tmp_path: Path
) -> None:
    host = bare()
    host.fail_applying = {Area.JOOL: REFUSING}
    assert await _apply(spec, host, tmp_path, force=False) == FAILED
    said = capsys.readouterr()
    assert "failed: jool pool4 add: exit-code, exit code 22: no, thanks" in said.err
    left = said.err.split("not done:\n")[1]
    assert "+ Jool instance kun" in left
    assert "tunnel kun64: sit local 203.0.113.1" not in left, "that was done before"
    assert "+ tunnel kun64: sit local 203.0.113.1" in said.out
    assert not any(isinstance(fact, JoolInstance) for fact in host.facts)


class Liar(FakeHost):
    """Says that it did it."""

    async def apply(self, changes: Sequence[Change]) -> None:
        self.log.append("done!")


async def test_success_is_what_another_look_finds(spec: AgentSpec, capsys: Output, tmp_path: Path) -> None:
    assert await _apply(spec, Liar(bare().facts), tmp_path, force=False) == FAILED
    assert "not done:" in capsys.readouterr().err


async def test_flows_that_a_change_cuts_are_told_by_apply_too(spec: AgentSpec, capsys: Output, tmp_path: Path) -> None:
    host = settled(spec)
    entry = next(fact for fact in host.facts if isinstance(fact, Pool4))
    other = Pool4(entry.instance, entry.protocol, IPv4Address("192.0.2.99"), 1, 9)
    host.facts |= {other}
    host.traffic = _no_answer  # type: ignore[assignment]
    assert await _apply(spec, host, tmp_path, force=False) == DONE
    assert "! an unknown number of live flows are cut: they use " in capsys.readouterr().err


async def _no_answer(_instance: str) -> Traffic:
    raise DriverError(FailureKind.TIMEOUT, ("jool",), "no answer")


class Marked(FakeHost):
    """Shows unmarked tunnels and VIPs only to those who ask for them by name, as the kernel's drivers do."""

    theirs: Facts = frozenset()

    async def observe(self, scope: Scope, *, fresh: bool = True) -> Observation:
        seen = await super().observe(scope, fresh=fresh)
        if scope.vip or scope.tunnels:
            return seen
        return Observation(seen.facts - self.theirs, seen.foreign, seen.links, seen.neighbours, seen.failures)


async def test_teardown_removes_what_is_ours_and_puts_settings_back(spec: AgentSpec, tmp_path: Path) -> None:
    host = bare()
    assert await _apply(spec, host, tmp_path, force=False) == DONE
    assert await _tear_down(spec, host, tmp_path) == DONE
    kept = {fact for fact in host.facts if not isinstance(fact, Module | Sysctl)}
    assert kept == {LinkState("sit0", up=True)}
    assert Sysctl("net.ipv4.ip_forward", "0") in host.facts
    assert not (tmp_path / runfiles.BEFORE).exists()


async def test_teardown_leaves_a_tunnel_and_a_vip_that_the_operator_made(spec: AgentSpec, tmp_path: Path) -> None:
    host = Marked(desired(spec, WITHDRAWN))
    host.theirs = frozenset(
        fact
        for fact in host.facts
        if fact == Address("lo", spec.gateway.vip, 32)
        or (isinstance(fact, Tunnel) and fact.name == "kun64" and not fact.netns)
    )
    assert len(host.theirs) == 2
    await _tear_down(spec, host, tmp_path)
    assert host.theirs <= host.facts
    assert not any(isinstance(fact, JoolInstance) for fact in host.facts)


async def test_a_teardown_that_fails_remembers_what_it_has_to_put_back(
    spec: AgentSpec, capsys: Output, tmp_path: Path
) -> None:
    host = bare()
    await _apply(spec, host, tmp_path, force=False)
    host.fail_applying = {Area.JOOL: REFUSING}
    assert await _tear_down(spec, host, tmp_path) == FAILED
    assert "not done:" in capsys.readouterr().err
    assert (tmp_path / runfiles.BEFORE).exists()


NOTED = LastAnnounced("gobgp", "unix:///run/gobgpd/api.sock", ("198.51.100.200/32",))


@pytest.mark.parametrize("text", ["nonsense", SHIPPED.read_text()], ids=["a broken file", "a good file"])
@pytest.mark.parametrize("noted", [True, False], ids=["noted", "not noted"])
def test_a_withdrawal_goes_by_the_file_and_by_what_the_agent_noted(
    spec: AgentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, noted: bool
) -> None:
    taken: set[LastAnnounced] = set()
    monkeypatch.setattr(withdraw, "take_back", taken.add)
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    if noted:
        runfiles.save_announced(tmp_path, NOTED)
    known = {NOTED} if noted else set()
    if text == "nonsense" and not noted:
        with pytest.raises(ConfigError):
            withdraw_now(file, tmp_path)
        return
    assert withdraw_now(file, tmp_path) == DONE
    named = set() if text == "nonsense" else {last_announced(spec.bgp, Announcement(True, 0))}
    assert taken == known | named


def test_a_withdrawal_that_a_speaker_did_not_take_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    def silent(told: LastAnnounced) -> None:
        raise DriverError(FailureKind.UNREACHABLE, ("grpc", told.api), "connection refused")

    monkeypatch.setattr(withdraw, "take_back", silent)
    assert withdraw_now(SHIPPED, tmp_path) == FAILED
    assert "not withdrawn: grpc" in capsys.readouterr().err
