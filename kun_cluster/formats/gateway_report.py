"""What a gateway's agent says in its /status, as far as it is used here."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class GatewayReport:
    """`last_packet_s_ago`: since a packet came back through its translator; None: none has yet.

    `since_s`: how long it has had its standing.
    """

    version: str
    announced: bool
    withdrawn: bool
    healthy: bool
    standing: str
    words: str
    diagnosis: str
    last_packet_s_ago: float | None
    drain: str
    table_version: str
    since_s: float = 0.0


def read_report(data: Any) -> GatewayReport:
    """Read a /status. Raises ValueError for what is none."""
    try:
        told, health = data["announcement"], data["health"]
        proven = [one.get("proven_s_ago") for one in health["targets"]]
        ages = [float(age) for age in proven if isinstance(age, int | float)]
        return GatewayReport(
            version=str(data.get("version", "")),
            announced=told["announced"] is True,
            withdrawn=told["withdrawn"] is True,
            healthy=health["verdict"] == "healthy",
            standing=str(told["standing"]),
            words=str(told.get("words", "")),
            diagnosis=str((data.get("diagnosis") or {}).get("words", "")),
            last_packet_s_ago=min(ages, default=None),
            drain=str((data.get("drain") or {}).get("phase", "")),
            table_version=str((data.get("follow") or {}).get("version", "")),
            since_s=float(told.get("since_s") or 0.0),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no /status of a gateway: {error!r}") from None
