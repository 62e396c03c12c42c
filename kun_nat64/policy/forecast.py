"""Forecasts when the public ports of an address will be used up, from their use within a window.

The slope is the median of the slopes between the samples of the older half and those of the newer half (Theil's
incomplete method): a burst that is over moves it little, up to 29 % of the samples may lie, and thousands of
addresses cost little, because there are half as many slopes as samples.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median

Key = tuple[str, str]
# (used, total) of an address and protocol.
Use = Mapping[Key, tuple[int, int]]
WINDOW_S = 900.0
SAMPLES = 60
# Fewer say nothing about the way things go.
LEAST = 6


@dataclass(frozen=True, slots=True)
class Course:
    """Samples of (time, ports in use), oldest first."""

    samples: tuple[tuple[float, int], ...] = ()
    total: int = 0


Courses = Mapping[Key, Course]


def seen(before: Courses, use: Use, *, now: float, window_s: float = WINDOW_S) -> dict[Key, Course]:
    """Add a sample, at an interval that fits the window; drop addresses that left pool4."""
    return {key: _one(before.get(key, Course()), used, total, now, window_s) for key, (used, total) in use.items()}


def _one(before: Course, used: int, total: int, now: float, window_s: float) -> Course:
    samples = before.samples
    if total != before.total or (samples and samples[-1][0] > now):
        return Course(((now, used),), total)
    if samples and now - samples[-1][0] < window_s / SAMPLES:
        return before
    return Course((*(one for one in samples if now - one[0] <= window_s), (now, used)), total)


def slope(course: Course) -> float:
    """Ports a second; 0 while too little is known."""
    if len(course.samples) < LEAST:
        return 0.0
    return median(_slopes(course.samples))


def _slopes(samples: tuple[tuple[float, int], ...]) -> Iterator[float]:
    half = len(samples) // 2
    for (then, few), (later, many) in zip(samples[:half], samples[-half:], strict=True):
        yield (many - few) / (later - then)


def exhausted_in_s(course: Course, *, now: float) -> float | None:
    """Seconds from `now`; 0 when nothing is left, None when the use does not grow."""
    if not course.samples or not course.total:
        return None
    at, used = course.samples[-1]
    if used >= course.total:
        return 0.0
    growth = slope(course)
    if growth <= 0:
        return None
    return max(0.0, (course.total - used) / growth - (now - at))


def forecasts(courses: Courses, *, now: float) -> dict[Key, float]:
    """Return forecasts of the addresses whose ports will be used up, in seconds."""
    each = ((key, exhausted_in_s(course, now=now)) for key, course in courses.items())
    return {key: left for key, left in each if left is not None}
