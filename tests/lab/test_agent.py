"""The guest's command server and its client, against each other on loopback, without a guest."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.channel import Address, Request, Stream, perform
from lab.errors import LabError
from lab.paths import GUEST_FILES
from lab.qemu import free_port

TOKEN = "open-sesame"


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    port = free_port()
    argv = [sys.executable, "-IS", str(GUEST_FILES / "agent.py"), TOKEN, str(port)]
    environment = {**os.environ, "LAB_AGENT_LOGS": str(tmp_path_factory.mktemp("logs"))}
    with subprocess.Popen(argv, env=environment) as process:
        address = Address(port, TOKEN)
        deadline = time.monotonic() + 20
        while True:
            try:
                perform(address, Request("ping", {}), timeout_s=5)
                break
            except OSError:
                assert time.monotonic() < deadline, "the agent does not answer"
                time.sleep(0.05)
        yield address
        process.kill()


def run(agent: Address, *argv: str, stdin: bytes = b"", **arguments: Any) -> tuple[dict[str, Any], bytes, bytes]:
    output = {b"o": b"", b"r": b""}

    def collect(kind: bytes, payload: bytes) -> None:
        output[kind] += payload

    result = perform(agent, Request("run", {"host": "", "argv": argv} | arguments, stdin), collect, 30)
    return result, output[b"o"], output[b"r"]


def spawned(agent: Address, name: str) -> Any:
    listed = perform(agent, Request("processes", {}), timeout_s=10)["processes"]
    return next(process for process in listed if process["name"] == name)


def test_output_error_and_exit_code_come_back_apart(agent: Address) -> None:
    result, out, err = run(agent, "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (result["code"], out, err) == (7, b"out\n", b"err\n")


def test_input_reaches_the_command_whole(agent: Address) -> None:
    data = os.urandom(300_000)
    _, out, _ = run(agent, "cat", stdin=data)
    assert out == data


def test_a_command_that_reads_no_input_is_no_error(agent: Address) -> None:
    result, _, _ = run(agent, "true", stdin=b"x" * 300_000)
    assert result["code"] == 0


def test_a_command_that_takes_too_long_is_ended(agent: Address) -> None:
    started = time.monotonic()
    result, _, _ = run(agent, "sleep", "60", timeout_s=0.3)
    assert result == {"code": None, "timed_out": True}
    assert time.monotonic() - started < 20


def test_a_missing_program_is_reported(agent: Address) -> None:
    with pytest.raises(LabError, match="FileNotFoundError"):
        run(agent, "no-such-program")


def test_an_unknown_host_is_reported(agent: Address) -> None:
    with pytest.raises(LabError, match="no-such-host"):
        perform(agent, Request("run", {"host": "no-such-host", "argv": ["true"]}), timeout_s=10)


def test_without_the_token_nothing_runs(agent: Address, tmp_path: Path) -> None:
    victim = tmp_path / "touched"
    stranger = Address(agent.port, "wrong")
    with pytest.raises((LabError, OSError)):
        perform(stranger, Request("run", {"host": "", "argv": ["touch", str(victim)]}), timeout_s=10)
    assert not victim.exists()


def test_a_lost_connection_ends_its_command(agent: Address, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    script = f"echo $$ >{mark}.new; mv {mark}.new {mark}; exec sleep 60"
    stream = Stream(agent, Request("run", {"host": "", "argv": ["sh", "-c", script]}))
    deadline = time.monotonic() + 20
    while not mark.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pid = int(mark.read_text())
    stream.close()
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "the command outlived its connection"
        time.sleep(0.02)


def test_a_terminal_looks_like_one(agent: Address) -> None:
    _, out, _ = run(agent, "sh", "-c", "test -t 0 && test -t 1 && echo yes", terminal=True)
    assert out == b"yes\r\n"


def test_a_spawned_command_outlives_its_request_and_is_stopped_by_name(agent: Address) -> None:
    perform(agent, Request("spawn", {"host": "", "name": "sleeper", "argv": ["sleep", "60"]}), timeout_s=10)
    assert spawned(agent, "sleeper")["code"] is None
    stop = {"host": "", "name": "sleeper", "signal": 15, "wait_s": 10}
    assert perform(agent, Request("stop", stop), timeout_s=20)["code"] == -15
    assert spawned(agent, "sleeper")["code"] == -15


def test_the_same_name_runs_once_at_a_time(agent: Address) -> None:
    request = Request("spawn", {"host": "", "name": "twice", "argv": ["sleep", "60"]})
    perform(agent, request, timeout_s=10)
    with pytest.raises(LabError, match="twice already runs"):
        perform(agent, request, timeout_s=10)
    perform(agent, Request("stop", {"host": "", "name": "twice", "signal": 9, "wait_s": 10}), timeout_s=20)


def test_stopping_what_was_never_started_is_reported(agent: Address) -> None:
    with pytest.raises(LabError, match="no such background command"):
        perform(agent, Request("stop", {"host": "", "name": "ghost", "signal": 15, "wait_s": 1}), timeout_s=10)
