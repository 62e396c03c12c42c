"""CPU time and memory of a tree of processes, as /proc tells them (proc(5))."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Stat:
    """One line of /proc/PID/stat; times in clock ticks, those of children only after they were waited for."""

    pid: int
    parent: int
    own: int
    reaped: int


def parse_stat(line: str) -> Stat:
    """Raises ValueError on anything else than a stat line. The command in brackets may hold brackets and spaces."""
    head, _, rest = line.rpartition(")")
    fields = rest.split()
    if not head or len(fields) < 15:
        raise ValueError(f"not a line of /proc/PID/stat: {line[:60]!r}")
    times = [int(field) for field in fields[11:15]]
    return Stat(int(head.split(" ", 1)[0]), int(fields[1]), times[0] + times[1], times[2] + times[3])


def parse_rss_kb(status: str) -> int:
    """VmRSS of /proc/PID/status; 0 for a process that has none any more (a zombie)."""
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def tree(stats: Mapping[int, Stat], roots: Iterable[int]) -> set[int]:
    """The roots that live and all their descendants."""
    children: dict[int, list[int]] = {}
    for stat in stats.values():
        children.setdefault(stat.parent, []).append(stat.pid)
    found: set[int] = set()
    waiting = [root for root in roots if root in stats]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def busiest_ticks(before: Mapping[int, int], after: Mapping[int, int]) -> int:
    """What the busiest thread did between two looks; a thread that began in between counts from zero."""
    return max((ticks - before.get(tid, 0) for tid, ticks in after.items()), default=0)


def read_stats() -> dict[int, Stat]:
    found = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                stat = parse_stat((folder / "stat").read_text())
            except (OSError, ValueError):  # ended while we looked
                continue
            found[stat.pid] = stat
    return found


def read_threads(pids: Iterable[int]) -> dict[int, int]:
    """Clock ticks by thread id."""
    found = {}
    for pid in pids:
        for path in (PROC / str(pid) / "task").glob("*/stat"):
            try:
                stat = parse_stat(path.read_text())
            except (OSError, ValueError):
                continue
            found[stat.pid] = stat.own
    return found


@dataclass(frozen=True, slots=True)
class Usage:
    """One look at a tree of processes."""

    ticks: int
    threads: Mapping[int, int]
    rss_kb: int

    def cpu_s_since(self, earlier: "Usage") -> float:
        return (self.ticks - earlier.ticks) / TICKS_PER_S

    def busiest_s_since(self, earlier: "Usage") -> float:
        return busiest_ticks(earlier.threads, self.threads) / TICKS_PER_S


def look(roots: Iterable[int]) -> Usage:
    stats = read_stats()
    pids = tree(stats, roots)
    rss = 0
    for pid in pids:
        try:
            rss += parse_rss_kb((PROC / str(pid) / "status").read_text())
        except OSError:
            continue
    ticks = sum(stats[pid].own + stats[pid].reaped for pid in pids)
    return Usage(ticks, read_threads(pids), rss)
