"""Processes of a benchmark: pinned to cores, in a group of their own, and gone when the benchmark is."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

STOP_DEADLINE_S = 5.0


class BenchError(Exception):
    """A measurement that could not be made, in words for the table."""


def pinned(argv: Sequence[str], cores: Sequence[int]) -> list[str]:
    """The command on these cores only; the kernel ends it when we die (setpriv), even by kill -9."""
    cpus = ",".join(str(core) for core in cores)
    return ["setpriv", "--pdeathsig", "TERM", "taskset", "-c", cpus, *argv]


@contextmanager
def running(
    argv: Sequence[str], cores: Sequence[int], folder: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server in its own process group, its output in `folder`/log. Leaving ends the whole group."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            pinned(argv, cores),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM to the group, SIGKILL to whoever is left of it."""
    signal_group(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        signal_group(process.pid, signal.SIGKILL)
        process.wait()


def signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def output_of(argv: Sequence[str], cores: Sequence[int], deadline_s: float) -> str:
    """stdout of a command on these cores. Raises BenchError with its argv and what it said last."""
    process = subprocess.Popen(
        pinned(argv, cores), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True
    )
    try:
        out, err = process.communicate(timeout=deadline_s)
    except subprocess.TimeoutExpired as late:
        raise BenchError(f"{argv[0]} took more than {deadline_s:.0f} s") from late
    finally:
        signal_group(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode:
        raise BenchError(f"{' '.join(argv[:6])} ...: exit {process.returncode}: {last_line(err or out)}")
    return out


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no output"
