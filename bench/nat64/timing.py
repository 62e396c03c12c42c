"""Wall time of one call, as the median of many."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds."""

    middle: float
    low: float
    high: float


def spread(samples: list[float]) -> Timing:
    return Timing(median(samples), min(samples), max(samples))


def timed(work: Callable[[], object], times: int) -> Timing:
    samples = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        samples.append((time.perf_counter() - begun) * 1e3)
    return spread(samples)
