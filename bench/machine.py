"""The machine a table was measured on, and how its cores are shared out."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.process import BenchError


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where. `pair` serves the two-worker row; `shared` says that it overlaps with the load's cores."""

    server: tuple[int, ...]
    load: tuple[int, ...]
    pair: tuple[int, ...]
    pair_load: tuple[int, ...]

    @property
    def shared(self) -> bool:
        return bool(set(self.pair) & set(self.pair_load))


def share_out(allowed: Sequence[int]) -> Cores:
    """The last core serves, the first one loads; with four or more, two serve and the others load in the pair row."""
    cores = sorted(allowed)
    if len(cores) < 2:
        raise BenchError("one core for the server and one for the load are needed; this machine lets us use one")
    pair = tuple(cores[-2:])
    others = tuple(cores[:-2])
    return Cores((cores[-1],), (cores[0],), pair, others if len(others) >= 2 else tuple(cores))


def cpu_model(cpuinfo: str) -> str:
    for line in cpuinfo.splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def stolen_share(before: str, after: str) -> float:
    """Steal between two readings of /proc/stat, as a share of all CPU time (proc(5): the eighth figure)."""
    first, second = ([int(n) for n in text.splitlines()[0].split()[1:9]] for text in (before, after))
    spent = [late - early for early, late in zip(first, second, strict=True)]
    return spent[7] / sum(spent) if sum(spent) else 0.0


BUSY_LOAD = 0.5


def load_warning(load: float) -> list[str]:
    """For the head of a table whose machine had something else to do."""
    if load <= BUSY_LOAD:
        return []
    return [f"The machine was not idle at the start (load {load:.1f}): do not trust these figures."]


def describe(cores: Cores) -> list[str]:
    memory_kb = int(Path("/proc/meminfo").read_text().split()[1])
    count = len({*cores.server, *cores.load, *cores.pair, *cores.pair_load})
    return [
        f"{cpu_model(Path('/proc/cpuinfo').read_text())}, {count} cores, {memory_kb / 2**20:.0f} GiB",
        f"{distribution()}, Linux {platform.release()}, Python {platform.python_version()}",
    ]


def distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()
