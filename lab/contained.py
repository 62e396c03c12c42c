"""Runs a step of the image build: its output goes to a log and measures the progress, and nothing outlives it.

Each command runs in mount and PID namespaces of its own: however a build ends, its mounts and processes end with it.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError
from lab.progress import Reporter, Silent


def contained(argv: list[str]) -> list[str]:
    """Return the command wrapped in namespaces that die with it; it dies with us."""
    return [
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private", "--"),
        *argv,
    ]


@contextmanager
def child(argv: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Start the command, contained; it is dead when the block ends."""
    started = subprocess.Popen(
        contained(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the child in an orderly way
    )
    try:
        yield started
        started.wait()
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()
        if started.stdout:
            started.stdout.close()


def run_counting(argv: list[str], log: Path, expected_lines: int, reporter: Reporter) -> None:
    """Run the command to its end; the lines that it prints are the measure of its progress. Raises LabError."""
    with log.open("w") as file, child(argv) as started:
        assert started.stdout
        for count, line in enumerate(started.stdout, 1):
            file.write(line)
            reporter.within(min(0.97, count / expected_lines), line.removeprefix("I: ").strip()[:60])
    check(argv, started.returncode, log)


def run(argv: list[str], log: Path) -> None:
    """Run the command to its end. Raises LabError with the end of its output."""
    run_counting(argv, log, 1, Silent())


def check(argv: list[str], code: int, log: Path) -> None:
    """Raise LabError with the end of the log, unless the exit code is 0."""
    if code != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        raise LabError(f"{argv[0]} failed with exit code {code}; the end of its output:\n{tail}")
