"""Another gateway's /status, as far as we use it. A member may run another version: what is missing is unknown."""

from typing import Any

from kun_nat64.model.fleet import Member
from kun_nat64.model.health import Outcome, Verdict
from kun_nat64.model.standing import Standing


def parse(data: Any, url: str, *, seen_at: float) -> Member:
    """Raises ValueError for what is not the status of a gateway."""
    try:
        told, health = data["announcement"], data["health"]
        targets = {str(one["target"]): Outcome(one["outcome"]) for one in health["targets"]}
        return Member(
            url=url,
            name=str(data["name"]),
            seen_at=seen_at,
            standing=Standing(told["standing"]),
            verdict=Verdict(health["verdict"]),
            targets=targets,
            full_for_s=float(told["since_s"]) if told["standing"] == Standing.FULL else None,
            wants_back=bool(told.get("wants_back", False)),
            sessions=data.get("traffic", {}).get("tcp_sessions"),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not the status of a gateway: {error!r}") from error
