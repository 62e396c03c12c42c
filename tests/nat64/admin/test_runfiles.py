import os
import subprocess
import sys
from pathlib import Path

import pytest

from kun_nat64.drivers import runfiles
from kun_nat64.model.drain import SERVING, Drain, Phase
from kun_nat64.model.facts import LinkState, Module, Sysctl
from kun_nat64.policy.holddown import Record


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
    first, second = runfiles.Lock(tmp_path / "one"), runfiles.Lock(tmp_path / "two")
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
    first = runfiles.Lock(tmp_path / "file" / "run")
    with pytest.raises(OSError, match="file"):
        first.take()
    with pytest.raises(runfiles.AlreadyRunning):
        runfiles.Lock(tmp_path).take()
    first.release()


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
    runfiles.save_drain(tmp_path, Drain(Phase.DRAINING, 1234.5, "new kernel", left=7))
    found = runfiles.load_drain(tmp_path)
    assert (found.phase, found.since, found.why) == (Phase.DRAINING, 1234.5, "new kernel")
    runfiles.save_drain(tmp_path, SERVING)
    assert runfiles.load_drain(tmp_path) == SERVING


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"phase": "asleep"}', '{"phase": "draining", "since": "now"}', "null"]
)
def test_a_drain_file_that_makes_no_sense_is_no_drain(tmp_path: Path, text: str) -> None:
    (tmp_path / runfiles.DRAIN).write_text(text)
    assert runfiles.load_drain(tmp_path) == SERVING


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
    runfiles.save_falls(tmp_path, Record(3, 1234.5, 7))
    assert runfiles.load_falls(tmp_path) == Record(3, 1234.5, 7)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"count": "x", "at": 0, "total": 1}', '{"count": 3, "at": 0, "total": 1}',
     '{"count": -1, "at": 0, "total": 1}', '{"count": 1, "at": Infinity, "total": 1}'],
)  # fmt: skip
def test_falls_that_make_no_sense_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / runfiles.FALLS).write_text(text)
    assert runfiles.load_falls(tmp_path) == Record()
