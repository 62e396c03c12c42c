import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kun_nat64.drivers import runfiles
from kun_nat64.model.announcement import LastAnnounced
from kun_nat64.model.drain import SERVING, Drain, Phase
from kun_nat64.model.facts import LinkState, Module, Sysctl
from kun_nat64.policy.holddown import FallRecord


def test_two_agents_do_not_share_a_gateway(tmp_path: Path) -> None:
    first, second = runfiles.Lock(tmp_path), runfiles.Lock(tmp_path)
    first.take()
    with pytest.raises(runfiles.AlreadyRunning) as caught:
        second.take()
    assert caught.value.pid == str(os.getpid())
    assert runfiles.running_pid(tmp_path) == os.getpid()
    first.release()
    second.take()
    second.release()


def test_nor_do_two_of_different_run_directories(tmp_path: Path) -> None:
    first, second = (runfiles.Lock(tmp_path / one, tmp_path / "common") for one in ("one", "two"))
    first.take()
    with pytest.raises(runfiles.AlreadyRunning) as caught:
        second.take()
    assert caught.value.pid == str(os.getpid())
    assert not (tmp_path / "two").exists()
    first.release()
    second.take()
    second.release()


def test_where_nothing_can_be_written_it_still_keeps_a_second_one_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    first = runfiles.Lock(tmp_path / "file" / "run", tmp_path / "common")
    with pytest.raises(OSError, match="file"):
        first.take()
    with pytest.raises(runfiles.AlreadyRunning):
        runfiles.Lock(tmp_path, tmp_path / "common").take()
    first.release()


def test_nobody_else_can_keep_an_agent_from_starting(tmp_path: Path) -> None:
    """An abstract socket is whoever's binds it first, and a lock whoever's can open its file."""
    squatter = socket.socket(socket.AF_UNIX)
    squatter.bind("\0kun-nat64")
    (tmp_path / runfiles.LOCK).touch(0o644)
    lock = runfiles.Lock(tmp_path, tmp_path / "common")
    lock.take()
    files = [tmp_path / runfiles.LOCK, *(tmp_path / "common").iterdir()]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
    lock.release()
    squatter.close()


def test_a_killed_agent_leaves_no_lock(tmp_path: Path) -> None:
    code = "import os,sys,pathlib\nfrom kun_nat64.drivers.runfiles import Lock\n"
    code += "Lock(pathlib.Path(sys.argv[1])).take()\nos.kill(os.getpid(), 9)"
    died = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert died.returncode == -9
    assert runfiles.running_pid(tmp_path) is None
    lock = runfiles.Lock(tmp_path)
    lock.take()
    lock.release()


def test_a_drain_outlives_the_agent(tmp_path: Path) -> None:
    runfiles.save_drain(tmp_path, Drain(Phase.DRAINING, 1234.5, 10.0, "new kernel", left=7))
    found = runfiles.load_drain(tmp_path, now=500.0, wall=1244.5)
    assert (found.phase, found.since, found.why) == (Phase.DRAINING, 1234.5, "new kernel")
    assert found.begun == 490.0, "ten seconds ago, by whatever clock"
    assert runfiles.load_drain(tmp_path, now=500.0, wall=1000.0).begun == 500.0, "never in the future"
    runfiles.save_drain(tmp_path, SERVING)
    assert runfiles.load_drain(tmp_path, now=0.0, wall=0.0) == SERVING


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"phase": "asleep"}', '{"phase": "draining", "since": "now"}', "null"]
)
def test_a_drain_file_that_makes_no_sense_is_no_drain(tmp_path: Path, text: str) -> None:
    (tmp_path / runfiles.DRAIN).write_text(text)
    assert runfiles.load_drain(tmp_path, now=0.0, wall=0.0) == SERVING


TOLD = LastAnnounced("gobgp", "127.0.0.1:50051", ("203.0.113.1/32", "2001:db8::/32"))


def test_what_bgp_was_told_outlives_the_agent_until_it_is_taken_back(tmp_path: Path) -> None:
    runfiles.save_announced(tmp_path, TOLD)
    assert runfiles.load_announced(tmp_path) == TOLD
    runfiles.save_announced(tmp_path, replace(TOLD, prefixes=()))
    assert runfiles.load_announced(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", '{"speaker": "gobgp"}', '{"prefixes": ["x"]}', '{"prefixes": 1}'])
def test_a_note_of_what_bgp_was_told_that_makes_no_sense_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / runfiles.ANNOUNCED).write_text(text)
    assert runfiles.load_announced(tmp_path) is None


def test_only_the_settings_before_the_first_change_are_kept(tmp_path: Path) -> None:
    before = frozenset({Sysctl("net.ipv4.ip_forward", "0"), LinkState("sit0", up=True), Module("sit")})
    runfiles.remember_before(tmp_path, before)
    runfiles.remember_before(tmp_path, frozenset({Sysctl("net.ipv4.ip_forward", "1")}))
    assert runfiles.load_before(tmp_path) == before - {Module("sit")}
    runfiles.forget_before(tmp_path)
    assert runfiles.load_before(tmp_path) == frozenset()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"sysctls": [], "links": {}}'])
def test_settings_that_make_no_sense_are_not_put_back(tmp_path: Path, text: str) -> None:
    (tmp_path / runfiles.BEFORE).write_text(text)
    assert runfiles.load_before(tmp_path) == frozenset()


def test_falls_outlive_the_agent(tmp_path: Path) -> None:
    runfiles.save_falls(tmp_path, FallRecord(3, 1234.5, 7))
    assert runfiles.load_falls(tmp_path) == FallRecord(3, 1234.5, 7)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"count": "x", "at": 0, "total": 1}', '{"count": 3, "at": 0, "total": 1}',
     '{"count": -1, "at": 0, "total": 1}', '{"count": 1, "at": Infinity, "total": 1}'],
)  # fmt: skip
def test_falls_that_make_no_sense_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / runfiles.FALLS).write_text(text)
    assert runfiles.load_falls(tmp_path) == FallRecord()
