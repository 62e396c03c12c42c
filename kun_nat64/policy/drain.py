"""When a drain is over: as few live TCP sessions as the operator accepts, or the grace time."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from kun_nat64.model.drain import SERVING, Drain, Phase

# The states of RFC 6146 section 3.5.2 in which neither end has closed the connection yet.
LIVE_STATES = frozenset({"ESTABLISHED", "V4_INIT", "V6_INIT"})


@dataclass(frozen=True, slots=True)
class DrainRules:
    grace_s: float
    sessions_left: int


def requested(drain: Drain, why: str, *, now: float, wall: float) -> Drain:
    """Begin a drain. A second request changes nothing: the grace time runs from the first."""
    return drain if drain.phase is not Phase.SERVING else Drain(Phase.DRAINING, wall, now, why)


def revoked(_drain: Drain) -> Drain:
    """End a drain: the gateway serves again."""
    return SERVING


BY_TABLE = "the controller's table"


def follows(drain: Drain, order: str, *, may_leave: bool, now: float, wall: float) -> Drain:
    """Return the drain that the table's `order` leads to: serve, drain, out, or "" for none.

    The operator's own drain is only his to end. `may_leave`: another gateway carries, or the operator has said that
    the last one may be withdrawn; until then an order to leave waits.
    """
    if order not in ("drain", "out"):
        return SERVING if drain.by_table else drain
    if not may_leave and drain.phase is Phase.SERVING:
        return drain
    if order == "out" and drain.phase is not Phase.DRAINED:
        return Drain(Phase.DRAINED, wall, now, f"{BY_TABLE}: out", ended="out", by_table=_is_tables(drain))
    if drain.phase is Phase.SERVING:
        return Drain(Phase.DRAINING, wall, now, f"{BY_TABLE}: drain", by_table=True)
    return drain


def _is_tables(drain: Drain) -> bool:
    return drain.by_table or drain.phase is Phase.SERVING


def progressed(drain: Drain, rules: DrainRules, *, now: float) -> Drain:
    """End the drain where it is over at `now`, by the agent's clock: setting the time of day ends no drain."""
    if drain.phase is not Phase.DRAINING:
        return drain
    if drain.left is not None and drain.left <= rules.sessions_left:
        return replace(drain, phase=Phase.DRAINED, ended=f"{drain.left} TCP sessions left")
    if now - drain.begun >= rules.grace_s:
        left = "an unknown number of" if drain.left is None else str(drain.left)
        return replace(drain, phase=Phase.DRAINED, ended=f"grace time over with {left} TCP sessions left")
    return drain


def counted(drain: Drain, left: int, oldest_s: float | None) -> Drain:
    """Note how many live TCP sessions are left, and the age of the oldest in seconds; None: unknown."""
    return replace(drain, left=left, oldest_s=oldest_s)


# By whatever tells one session from the others.
Ages = dict[bytes, float]


def first_seen(before: Ages, live: Iterable[bytes], *, now: float) -> Ages:
    """Return when each session was first seen. Jool has no ages: a session is as old as our oldest look at it."""
    return {key: before.get(key, now) for key in live}


def oldest_s(ages: Ages, *, now: float) -> float | None:
    """Return the age of the oldest session in seconds; None without sessions."""
    return max((now - seen for seen in ages.values()), default=None)
