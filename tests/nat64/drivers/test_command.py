import asyncio
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from kun_nat64.drivers import command
from kun_nat64.drivers.command import ProcessRunner, wait_without_threads
from kun_nat64.model.errors import DriverError, FailureKind


async def failure(*argv: str, **options: float) -> DriverError:
    with pytest.raises(DriverError) as raised:
        await ProcessRunner().run(*argv, **options)
    return raised.value


async def test_output_errors_and_exit_code_are_told_apart() -> None:
    outcome = await ProcessRunner().run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (3, "out\n", "err\n")


async def test_what_is_given_is_read() -> None:
    assert (await ProcessRunner().run("cat", stdin="a table\n")).stdout == "a table\n"


async def test_a_tool_that_does_not_read_what_it_is_given_is_no_error() -> None:
    assert (await ProcessRunner().run("true", stdin="x" * 1_000_000)).exit_code == 0


async def test_tools_speak_the_language_of_no_country() -> None:
    assert "LC_ALL=C\n" in (await ProcessRunner().run("env")).stdout


async def test_a_tool_that_is_missing_is_named() -> None:
    error = await failure("no-such-tool-anywhere", "show")
    assert error.kind is FailureKind.MISSING_TOOL
    assert error.argv == ("no-such-tool-anywhere", "show")


async def test_a_tool_that_hangs_is_ended_with_all_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    begun = time.monotonic()
    error = await failure("sh", "-c", f"sleep 300 & echo $! > {pid_file}; wait", deadline_s=0.5)
    assert error.kind is FailureKind.TIMEOUT
    assert time.monotonic() - begun < 30
    await until_gone(int(pid_file.read_text()))


async def test_a_child_that_outlives_its_tool_and_holds_its_output_is_ended_too(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    error = await failure("sh", "-c", f"sleep 300 & echo $! > {pid_file}", deadline_s=0.5)
    assert error.kind is FailureKind.TIMEOUT
    await until_gone(int(pid_file.read_text()))


async def until_gone(process: int) -> None:
    for _ in range(500):
        if not lives(process):
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"process {process} lives on")


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_output_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "LARGEST_OUTPUT", 100_000)
    error = await failure("sh", "-c", "yes")
    assert error.kind is FailureKind.GARBAGE


async def test_bytes_that_are_no_text_are_still_output() -> None:
    outcome = await ProcessRunner().run("printf", r"a\377b")
    assert outcome.stdout == "a�b"


async def test_children_are_remembered_for_those_who_see_processes_start() -> None:
    runner = ProcessRunner()
    outcome = await runner.run("sh", "-c", "echo $$")
    assert int(outcome.stdout) in runner.children


async def test_a_cancelled_run_leaves_no_process(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    task = asyncio.create_task(ProcessRunner().run("sh", "-c", f"echo $$ > {pid_file}; exec sleep 300"))
    for _ in range(500):
        if pid_file.exists() and pid_file.read_text().strip():
            break
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until_gone(int(pid_file.read_text()))


def test_tools_are_found_in_the_sbin_folders_whatever_the_path() -> None:
    assert command.environment()["PATH"].endswith(command.FOLDERS)


async def test_waiting_for_a_command_takes_no_thread() -> None:
    wait_without_threads()
    running = asyncio.create_task(ProcessRunner().run("sleep", "0.3"))
    await asyncio.sleep(0.1)
    assert [thread.name for thread in threading.enumerate() if "waitpid" in thread.name] == []
    assert (await running).exit_code == 0


async def test_a_tool_that_cannot_be_ended_is_not_started_again_until_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As one in uninterruptible sleep: no signal ends it, and one more each time would pile up."""
    with monkeypatch.context() as deaf:
        deaf.setattr(os, "killpg", lambda *_: None)
        deaf.setattr(subprocess.Popen, "kill", lambda _: None)
        error = await failure("sleep", "3", deadline_s=0.2)
        assert error.kind is FailureKind.TIMEOUT
    begun = time.monotonic()
    again = await failure("sleep", "0")
    assert "cannot be ended" in again.stderr
    assert time.monotonic() - begun < 0.2, "and is not waited for"
    assert (await ProcessRunner().run("true")).exit_code == 0, "other programs go on"
    for _ in range(100):
        await asyncio.sleep(0.05)
        if not [one for one in ProcessRunner.stuck.get("sleep", {}).values() if not one.gone.is_set()]:
            break
    assert (await ProcessRunner().run("sleep", "0")).exit_code == 0, "it has ended"


async def test_what_is_fed_to_somebody_is_not_kept() -> None:
    heard: list[bytes] = []
    done = await ProcessRunner().run("sh", "-c", "echo one; echo two >&2; echo three", feed=heard.append)
    assert (b"".join(heard), done.stdout, done.stderr) == (b"one\nthree\n", "", "two\n")


async def test_an_error_of_who_is_fed_ends_the_tool() -> None:
    def refuse(_: bytes) -> None:
        raise ValueError("no table")

    begun = time.monotonic()
    with pytest.raises(ValueError, match="no table"):
        await ProcessRunner().run("sh", "-c", "echo x; exec sleep 30", feed=refuse)
    assert time.monotonic() - begun < 10
