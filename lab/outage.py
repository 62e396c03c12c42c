"""What continuous requests tell about one gateway's trouble. Pure: the lines of guest/flows.py in, figures out.

A request without an answer names no gateway. It belongs to the one that answered its flow last before it: flows keep
their way until the router has another choice of gateways.
"""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """`at`: seconds of the epoch; `seen`: the address that the server saw, "" where no answer came."""

    at: float
    flow: str
    seen: str


@dataclass(frozen=True, slots=True)
class Outage:
    """Requests of some time by one gateway. `seconds`: from the first that was lost to the last; 0.0 also for one."""

    sent: int
    lost: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s, {self.lost} of {self.sent} lost" if self.lost else f"none, {self.sent} sent"


def parse_requests(text: str) -> list[Request]:
    """In the order in which they were sent; a line that is cut off at either end is left out."""
    found = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
            found.append(Request(record["at"], record["flow"], record["seen"]))
        except (ValueError, TypeError, KeyError):
            continue
    return sorted(found, key=lambda request: request.at)


def outage(requests: list[Request], gateway: str, since: float, until: float, protocol: str = "") -> Outage:
    """Of requests by the gateway with that public address, sent from `since` to `until`; `protocol`: only of that."""
    mine = [
        (request.at, bool(request.seen))
        for request, way in _by_way(requests)
        if way == gateway and since <= request.at <= until and request.flow.startswith(protocol)
    ]
    lost = [at for at, answered in mine if not answered]
    return Outage(len(mine), len(lost), lost[-1] - lost[0] if lost else 0.0)


def _by_way(requests: list[Request]) -> list[tuple[Request, str]]:
    """Each request with the gateway it went by; "" before the first answer of its flow."""
    ways: dict[str, str] = {}
    found = []
    for request in requests:
        ways[request.flow] = request.seen or ways.get(request.flow, "")
        found.append((request, ways[request.flow]))
    return found
