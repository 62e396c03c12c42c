"""Figures of all rounds: medians, spread, and what failed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from bench.rows import Target


@dataclass(frozen=True, slots=True)
class Spread:
    middle: float
    low: float
    high: float
    rounds: int


@dataclass(slots=True)
class Results:
    """Grows while the rounds run. `failures` keeps each reason once, with the row and the server."""

    samples: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    failures: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def add(self, peer: str, figures: Mapping[str, float]) -> None:
        for row, value in figures.items():
            self.samples.setdefault((row, peer), []).append(value)

    def fail(self, peer: str, step: str, reason: str) -> None:
        key = (peer, step, reason)
        self.failures[key] = self.failures.get(key, 0) + 1

    def spread(self, row: str, peer: str) -> Spread | None:
        found = self.samples.get((row, peer))
        return Spread(median(found), min(found), max(found), len(found)) if found else None

    def ratio(self, row: str, ours: str, theirs: str) -> float | None:
        own, other = self.spread(row, ours), self.spread(row, theirs)
        return own.middle / other.middle if own and other and other.middle else None

    def to_json(self) -> str:
        rows = [{"row": row, "server": peer, "rounds": found} for (row, peer), found in sorted(self.samples.items())]
        failed = [
            {"server": peer, "step": step, "reason": reason, "times": times}
            for (peer, step, reason), times in sorted(self.failures.items())
        ]
        return json.dumps({"figures": rows, "failures": failed}, indent=1) + "\n"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and what became of it; `value` is a ratio, or the figure itself where the target names no peer."""

    target: Target
    value: float | None

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        factor = self.target.factor
        return self.value >= factor if self.target.at_least else self.value <= factor


def judge(results: Results, target: Target, ours: str) -> Verdict:
    if target.peer:
        return Verdict(target, results.ratio(target.row, ours, target.peer))
    found = results.spread(target.row, ours)
    return Verdict(target, found.middle if found else None)
