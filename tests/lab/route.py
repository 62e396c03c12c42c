"""The TOR's route to the VIP over time, as `ip -ts -o monitor route` tells of it."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Change:
    """A line of `ip monitor`: the next hops of the VIP from `at` on."""

    at: float
    hops: frozenset[str]


def route_changes(text: str) -> list[Change]:
    """A time in brackets, then the route on one line."""
    found = []
    for line in text.splitlines():
        match = re.match(r"\[(\S+)\] (Deleted )?203\.0\.113\.1 ", line)
        if match:
            at = datetime.fromisoformat(match[1]).replace(tzinfo=UTC).timestamp()
            words = line.split()
            hops = {words[i + 1] for i, word in enumerate(words) if word == "via"}
            found.append(Change(at, frozenset() if match[2] else frozenset(hops)))
    return found


def left_at(text: str, hop: str, since: float) -> float | None:
    return next((one.at for one in route_changes(text) if one.at > since and hop not in one.hops), None)


def back_at(text: str, hop: str, since: float) -> float | None:
    return next((one.at for one in route_changes(text) if one.at > since and hop in one.hops), None)
