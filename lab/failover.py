"""What continuous requests tell about the death of a gateway. Pure: the lines of guest/requests.py in, figures out."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fetch:
    """One request: when it began (seconds of the epoch), how long it took, whom the server saw, what went wrong."""

    at: float
    took_s: float
    seen: str
    error: str


@dataclass(frozen=True, slots=True)
class Death:
    """One gateway's death. `withdrawn_s`: until the TOR had no next hop to it any more."""

    gateway: str
    how: str
    at: float
    withdrawn_s: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Requests between a death and the next (or the end). `outage_s`: from the death to the last one that failed."""

    gateway: str
    how: str
    requests: int
    failed: int
    outage_s: float
    slowest_s: float
    withdrawn_s: float


def parse_fetches(text: str) -> list[Fetch]:
    """In the order in which they began; a line cut off at the end is left out."""
    fetches = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        fetches.append(Fetch(record["at"], record["took_s"], record["seen"], record["error"]))
    return sorted(fetches, key=lambda fetch: fetch.at)


def spread(fetches: list[Fetch]) -> dict[str, int]:
    """How many successful requests each public address served."""
    counts: dict[str, int] = {}
    for fetch in fetches:
        if not fetch.error:
            counts[fetch.seen] = counts.get(fetch.seen, 0) + 1
    return dict(sorted(counts.items()))


def figures(fetches: list[Fetch], deaths: list[Death]) -> list[Figures]:
    """One entry per death. A request counts for the death it overlapped, even if it began a moment before it."""
    results = []
    ends = [death.at for death in deaths[1:]] + [float("inf")]
    for death, end in zip(deaths, ends, strict=True):
        window = [fetch for fetch in fetches if fetch.at + fetch.took_s >= death.at and fetch.at < end]
        failed = [fetch for fetch in window if fetch.error]
        outage = max((fetch.at - death.at for fetch in failed), default=0.0)
        slowest = max((fetch.took_s for fetch in window if not fetch.error), default=0.0)
        results.append(
            Figures(death.gateway, death.how, len(window), len(failed), max(0.0, outage), slowest, death.withdrawn_s)
        )
    return results
