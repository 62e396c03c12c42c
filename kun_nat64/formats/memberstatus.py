"""Another gateway's /status, as far as we use it. A member may run another version: what is missing is unknown."""

import json
import math
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from kun_nat64.model.fleet import Member, MemberRing
from kun_nat64.model.health import ProbeOutcome, Verdict
from kun_nat64.model.standing import Standing


def read(body: bytes, url: str, *, seen_at: float) -> Member:
    """Raises ValueError for what is not the status of a gateway."""
    try:
        data = json.loads(body)
    except RecursionError as error:
        raise ValueError("JSON nested too deep") from error
    return parse(data, url, seen_at=seen_at)


def parse(data: Any, url: str, *, seen_at: float) -> Member:
    """Raises ValueError for what is not the status of a gateway."""
    try:
        announcement, health = data["announcement"], data["health"]
        targets = {str(one["target"]): ProbeOutcome(one["outcome"]) for one in health["targets"]}
        return Member(
            url=url,
            name=str(data["name"]),
            seen_at=seen_at,
            standing=Standing(announcement["standing"]),
            verdict=Verdict(health["verdict"]),
            targets=targets,
            full_for_s=_seconds(announcement["since_s"]) if announcement["standing"] == Standing.FULL else None,
            wants_back=bool(announcement.get("wants_back", False)),
            sessions=_count(data.get("traffic", {}).get("tcp_sessions")),
            vip=str(data.get("vip") or ""),
            prefix=str(data.get("prefix", "")),
            identity=str(data.get("id", "")),
            file_change=str(announcement.get("file_change", "")),
            router_id=str(data.get("router_id", "")),
            pool4=tuple(map(IPv4Network, data.get("pool4", ()))),
            ring=_ring(data.get("ring")),
            drain_asked=bool(announcement.get("drain_asked", False)),
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"not the status of a gateway: {error!r}") from error


def _ring(data: Any) -> MemberRing | None:
    if not data:
        return None
    members, sending = (frozenset(map(IPv4Address, data.get(name, ()))) for name in ("members", "heard"))
    return MemberRing(IPv4Address(data["own"]), members, sending)


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"{value!r} is not a time")
    return seconds


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
