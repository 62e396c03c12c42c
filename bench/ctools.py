"""Our two C programs, compiled when first needed: echo (the socket limit) and load (what dnsperf lacks)."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.process import BenchError

SOURCES = Path(__file__).parent / "c"
FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror")


def compiled(name: str, folder: Path) -> Path:
    """The program, built into `folder` if it is not there yet."""
    program = folder / name
    if program.exists():
        return program
    if not shutil.which("gcc"):
        raise BenchError("gcc is missing: apt-get install gcc libc6-dev")
    argv = ["gcc", *FLAGS, "-o", str(program), str(SOURCES / f"{name}.c")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return program


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What bench/c/load.c prints. Latencies count from the moment a query was due, in microseconds.

    `wrong` is counted where prefixes are given.
    """

    sent: int
    answered: int
    empty: int
    failed: int
    lost: int
    strays: int
    wrong: int
    seconds: float
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float

    @property
    def good(self) -> int:
        return self.answered - self.empty - self.failed

    @property
    def bad_share(self) -> float:
        """Queries lost, answered with an error, or answered with nothing."""
        return 1 - self.good / self.sent if self.sent else 1.0


def parse_load(text: str) -> LoadReport:
    try:
        return LoadReport(**json.loads(text))
    except (ValueError, TypeError) as wrong:
        raise BenchError(f"load printed something else: {text[:80]!r}") from wrong
