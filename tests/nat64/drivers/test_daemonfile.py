import errno
import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from time import monotonic, time

import pytest

from kun_base.journal import Journal
from kun_nat64.agent.speaker_conf_loop import SpeakerConfLoop
from kun_nat64.drivers.command import CommandResult
from kun_nat64.drivers.daemonfile import DaemonFile, refused
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.spec import AgentSpec
from kun_nat64.state.agent_state import State
from tests.nat64.drivers.scripted import ScriptedRunner, hung

Specs = Callable[..., AgentSpec]


@pytest.fixture
def managed(spec_with: Specs, tmp_path: Path) -> Callable[..., AgentSpec]:
    def make(**keys: object) -> AgentSpec:
        return spec_with(bgp={"manage_daemon": True, "daemon_file": str(tmp_path / "gobgpd.conf"), **keys})

    return make


async def test_a_first_file_is_checked_put_in_place_and_the_daemon_restarted(managed: Specs, tmp_path: Path) -> None:
    runner = ScriptedRunner()
    await DaemonFile(runner).settle(managed().bgp)
    assert runner.asked[0].startswith("gobgpd -d -f ")
    assert runner.asked[1:] == ["systemctl restart kun-gobgpd.service"]
    assert os.listdir(tmp_path) == ["gobgpd.conf"]
    assert stat.S_IMODE((tmp_path / "gobgpd.conf").stat().st_mode) == 0o644


async def test_a_file_that_is_right_is_left_alone(managed: Specs) -> None:
    runner = ScriptedRunner()
    await DaemonFile(runner).settle(managed().bgp)
    asked = len(runner.asked)
    assert await DaemonFile(runner).settle(managed().bgp) == ""
    assert len(runner.asked) == asked


@pytest.mark.parametrize(
    ("keys", "verb"),
    [({"peers": [{"address": "10.2.1.9", "as": 1}]}, "reload-or-restart"), ({"local_as": 7}, "restart")],
)
async def test_sessions_are_kept_where_a_reload_will_do(keys: dict[str, object], verb: str, managed: Specs) -> None:
    runner = ScriptedRunner()
    await DaemonFile(runner).settle(managed().bgp)
    await DaemonFile(runner).settle(managed(**keys).bgp)
    assert runner.asked[-1] == f"systemctl {verb} kun-gobgpd.service"


async def test_the_owner_of_the_file_keeps_its_mode(managed: Specs, tmp_path: Path) -> None:
    path = tmp_path / "gobgpd.conf"
    path.write_text("as the operator left it")
    path.chmod(0o604)
    await DaemonFile(ScriptedRunner()).settle(managed().bgp)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


async def test_what_gobgpd_refuses_is_not_put_in_place(managed: Specs, tmp_path: Path) -> None:
    (tmp_path / "gobgpd.conf").write_text("before")
    runner = ScriptedRunner({"gobgpd -d": CommandResult(1, "", "unknown key")})
    with pytest.raises(DriverError, match="unknown key"):
        await DaemonFile(runner).settle(managed().bgp)
    assert os.listdir(tmp_path) == ["gobgpd.conf"]
    assert (tmp_path / "gobgpd.conf").read_text() == "before"


async def test_a_password_comes_from_its_file_and_is_not_for_everybody(managed: Specs, tmp_path: Path) -> None:
    secret = tmp_path / "tor.password"
    secret.write_text("between us\n")
    peers = [{"address": "10.2.1.1", "as": 65000, "password_file": str(secret)}]
    await DaemonFile(ScriptedRunner()).settle(managed(peers=peers).bgp)
    made = tmp_path / "gobgpd.conf"
    assert 'auth-password = "between us"' in made.read_text()
    assert stat.S_IMODE(made.stat().st_mode) == 0o640


async def test_a_password_takes_a_readable_file_away_from_the_others(managed: Specs, tmp_path: Path) -> None:
    (tmp_path / "gobgpd.conf").write_text("before")
    (tmp_path / "gobgpd.conf").chmod(0o644)
    (tmp_path / "pw").write_text("between us")
    peers = [{"address": "10.2.1.1", "as": 65000, "password_file": str(tmp_path / "pw")}]
    await DaemonFile(ScriptedRunner()).settle(managed(peers=peers).bgp)
    assert stat.S_IMODE((tmp_path / "gobgpd.conf").stat().st_mode) == 0o640


async def test_the_units_sandbox_which_forbids_chown_is_no_obstacle(
    managed: Specs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chown", forbidden)
    (tmp_path / "gobgpd.conf").write_text("before")
    assert await DaemonFile(ScriptedRunner()).settle(managed().bgp)


def test_a_sealed_folder_is_named_with_what_opens_it() -> None:
    error = refused(Path("/etc/kun/gobgpd.conf"), OSError(errno.EROFS, "Read-only file system"))
    assert "`systemctl edit kun-nat64`: [Service] ReadWritePaths=/etc/kun" in str(error)


async def test_without_gobgpd_the_agent_goes_on_and_says_so(managed: Specs) -> None:
    state = State(managed(), Journal("test", stream=io.StringIO()), clock=monotonic, wall=time)
    absent = DriverError(FailureKind.MISSING_TOOL, ("gobgpd", "-d"), "gobgpd is not installed")
    runner = ScriptedRunner({"gobgpd -d": absent})
    keeping = SpeakerConfLoop(state, runner)
    await keeping.settle()
    assert "gobgpd is not installed" in state.warnings["gobgpd"]
    runner.answers.clear()
    await keeping.settle()
    assert runner.asked[-1] == "systemctl restart kun-gobgpd.service"
    assert "gobgpd" not in state.warnings


@pytest.mark.parametrize(
    "break_it",
    [
        pytest.param(
            {"peers": [{"address": "10.2.1.1", "as": 1, "password_file": "/nonexistent/pw"}]}, id="no password"
        ),
        pytest.param({"daemon_file": "/nonexistent/gobgpd.conf"}, id="no folder"),
    ],
)
async def test_what_cannot_be_written_is_a_warning_and_ends_with_its_cause(
    break_it: dict[str, object], managed: Specs
) -> None:
    state = State(managed(**break_it), Journal("test", stream=io.StringIO()), clock=monotonic, wall=time)
    keeping = SpeakerConfLoop(state, ScriptedRunner())
    await keeping.settle()
    assert "/nonexistent/" in state.warnings["gobgpd"]
    state.take_file(managed())
    await keeping.settle()
    assert "gobgpd" not in state.warnings


async def test_a_daemon_that_does_not_take_it_is_a_warning(managed: Specs) -> None:
    state = State(managed(), Journal("test", stream=io.StringIO()), clock=monotonic, wall=time)
    runner = ScriptedRunner({"systemctl": hung("systemctl")})
    keeping = SpeakerConfLoop(state, runner)
    await keeping.settle()
    assert "no answer within" in state.warnings["gobgpd"]
    runner.answers.clear()
    await keeping.settle()
    assert runner.asked[-1] == "systemctl restart kun-gobgpd.service", "told again, though the file is in place"
    assert "gobgpd" not in state.warnings


async def test_the_operators_own_file_is_not_touched(spec_with: Specs, tmp_path: Path) -> None:
    runner = ScriptedRunner()
    spec = spec_with(bgp={"daemon_file": str(tmp_path / "gobgpd.conf")})
    await SpeakerConfLoop(
        State(spec, Journal("test", stream=io.StringIO()), clock=monotonic, wall=time), runner
    ).settle()
    assert (runner.asked, os.listdir(tmp_path)) == ([], [])
