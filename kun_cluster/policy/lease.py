"""Who may write. A Lease is judged by the own clock: it is free when it has not changed for its whole duration."""

from dataclasses import dataclass
from enum import StrEnum

DURATION_S = 15.0
RENEW_WITHIN_S = 10.0
RETRY_S = 2.0
LONGEST_S = 60.0
"""A newer release may hold its Lease for longer, up to this. Edited by hand, a Lease must not be held for ever."""


class Step(StrEnum):
    CREATE = "create"
    TAKE = "take"
    RENEW = "renew"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class SeenLease:
    """A Lease and since when it has looked like this, on the own monotonic clock. `version`: its resourceVersion."""

    holder: str
    version: str
    since: float
    duration_s: float = DURATION_S


def seen(before: SeenLease | None, holder: str, version: str, duration_s: float, now: float) -> SeenLease:
    """Note what a Lease looks like at `now`; the time stays while nothing of it changes.

    `duration_s`: as the Lease says. Its holder may write for RENEW_WITHIN_S, so a shorter one counts as DURATION_S.
    """
    if before is not None and before.version == version:
        return before
    return SeenLease(holder, version, now, min(max(duration_s, DURATION_S), LONGEST_S))


def next_step(lease: SeenLease | None, identity: str, now: float) -> Step:
    """Decide what to do about a Lease; None: there is none."""
    if lease is None:
        return Step.CREATE
    if lease.holder == identity:
        return Step.RENEW
    if not lease.holder or now >= lease.since + lease.duration_s:
        return Step.TAKE
    return Step.WAIT


def may_write(renewed_at: float | None, now: float) -> bool:
    """Tell whether this one leads: it stops 5 s before another may begin. `renewed_at`: before the request went out."""
    return renewed_at is not None and now < renewed_at + RENEW_WITHIN_S
