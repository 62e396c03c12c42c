"""Hold-down: how long a gateway stays out after a failure. Each failure doubles it, a quiet time halves it again.

Coming back moves up to half of the flows in a hash-threshold ECMP set, so a gateway that flaps does more harm by its
returns than by its absence.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HoldDownRules:
    """`base_s` after the first fall, never more than `max_s`; one fall is forgotten every `memory_s` without one."""

    base_s: float
    max_s: float
    memory_s: float


@dataclass(frozen=True, slots=True)
class Falls:
    """`count`: falls not forgotten; `since`: the last fall, or the last time that one was forgotten."""

    count: int = 0
    since: float = 0.0


NO_FALLS = Falls()


def fell(falls: Falls, rules: HoldDownRules, *, now: float) -> Falls:
    return Falls(forgiven(falls, rules, now=now).count + 1, now)


def forgiven(falls: Falls, rules: HoldDownRules, *, now: float) -> Falls:
    periods = int((now - falls.since) // rules.memory_s) if falls.count else 0
    kept = max(0, falls.count - periods)
    return falls if periods <= 0 else Falls(kept, falls.since + periods * rules.memory_s)


@dataclass(frozen=True, slots=True)
class FallRecord:
    """Falls as they outlive an agent. `at`: wall clock of `Falls.since`; `total`: with those forgotten."""

    count: int = 0
    at: float = 0.0
    total: int = 0


def recorded(falls: Falls, total: int, *, now: float, wall: float) -> FallRecord:
    return FallRecord(falls.count, wall - (now - falls.since), total)


def recalled(record: FallRecord, *, now: float, wall: float) -> Falls:
    """Restore a record. A record from the future (the clock was set back) counts as one of now."""
    return Falls(record.count, now - max(0.0, wall - record.at)) if record.count else NO_FALLS


def hold_s(falls: Falls, rules: HoldDownRules) -> float:
    """0 for a gateway that has not fallen, else `base_s` doubled for every fall after the first, bounded."""
    if not falls.count or rules.base_s <= 0:
        return 0.0
    # 2**60 seconds is beyond any bound; a larger exponent only costs time.
    return min(rules.base_s * float(2 ** min(falls.count - 1, 60)), max(rules.max_s, rules.base_s))
