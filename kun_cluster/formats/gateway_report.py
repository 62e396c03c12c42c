"""What a gateway's agent says in its /status, as far as it is used here."""

from dataclasses import dataclass
from typing import Any

MAX_TEXT = 1024
LONGEST_S = 100 * 366 * 86400


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
    """Read a /status. Raises ValueError for what is none.

    What an agent says ends in objects of the API server: texts are visible and bounded, times are finite.
    """
    try:
        told, health = data["announcement"], data["health"]
        proven = [one.get("proven_s_ago") for one in health["targets"]]
        ages = [_seconds(age) for age in proven if isinstance(age, int | float)]
        return GatewayReport(
            version=_text(data.get("version", "")),
            announced=told["announced"] is True,
            withdrawn=told["withdrawn"] is True,
            healthy=health["verdict"] == "healthy",
            standing=_text(told["standing"]),
            words=_text(told.get("words", "")),
            diagnosis=_text((data.get("diagnosis") or {}).get("words", "")),
            last_packet_s_ago=min(ages, default=None),
            drain=_text((data.get("drain") or {}).get("phase", "")),
            table_version=_text((data.get("follow") or {}).get("version", "")),
            since_s=_seconds(told.get("since_s") or 0.0),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no /status of a gateway: {error!r}") from None


def _text(value: object) -> str:
    """Text as a status may have it: half a letter (a lone surrogate) is no UTF-8, and cannot be sent."""
    text = str(value)[:MAX_TEXT]
    return text if text.isprintable() else "".join(one if one.isprintable() else "?" for one in text)


def _seconds(value: Any) -> float:
    """A time that can be; two looks at a clock may leave it a little below 0. Raises ValueError for NaN and others."""
    if isinstance(value, int | float) and -LONGEST_S <= value <= LONGEST_S:
        return max(0.0, float(value))
    raise ValueError(f"{value!r:.40} is not a number of seconds")
