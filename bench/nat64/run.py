"""The benchmark of the gateway agent from end to end."""

import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from bench.machine import describe, load_warning, share_out
from bench.nat64 import cycle, idle, look, planning
from bench.nat64.report import markdown
from bench.process import BenchError

Found = TypeVar("Found")
FACTS, ENTRIES, ADDRESSES = 10_000, 1_000, 1
SESSIONS, FLOOD = 1_000_000, 3_000_000


def bench_nat64(out: Path, *, times: int, idle_s: float, command: str) -> str:
    """Measures, writes nat64.md into `out`, and returns its text."""
    cores = share_out(sorted(os.sched_getaffinity(0)))
    warnings = load_warning(os.getloadavg()[0])
    failures: list[str] = []

    def attempt(what: str, work: Callable[[Path], Found]) -> Found | None:
        print(f"measuring {what}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="kun-bench-") as folder:
            try:
                return work(Path(folder))
            except BenchError as wrong:
                failures.append(f"{what}: {wrong}")
                return None

    timings = attempt("plans", lambda _: planning.measure(FACTS, times)) or {}
    timings |= attempt("a cycle", lambda folder: cycle.measure(ENTRIES, times, folder)) or {}
    looks = {
        "one look at {rows:,} sessions, 3 % of them new": attempt(
            "a look at many sessions", lambda folder: look.measure(SESSIONS, folder)
        ),
        "one look at {rows:,} sessions of one pod": attempt(
            "a look at a flood", lambda folder: look.measure(FLOOD, folder, flood=True)
        ),
    }
    idling = {}
    for title, members in (("idle agent", 0), ("idle agent in a fleet of three", 2)):
        idling[title] = attempt(
            f"the {title}", partial(idle.measure, ADDRESSES, idle_s, cores=cores.server, members=members)
        )
    text = markdown(command, describe(cores), warnings, timings, looks, idling, failures)
    out.mkdir(parents=True, exist_ok=True)
    (out / "nat64.md").write_text(text)
    return text
