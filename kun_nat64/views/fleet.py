"""A fleet as one table: each gateway's status, its own or a member's, as one row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

JSON = dict[str, Any]
UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class FleetRow:
    """One gateway. Fields of a gateway that does not answer, or of an older version, are None."""

    name: str
    url: str
    standing: str | None = None
    announced: bool | None = None
    med: int | None = None
    reason: str = ""
    since_s: float | None = None
    sessions: int | None = None
    ports_used: float | None = None
    drift: int | None = None
    drain: str | None = None
    version: str | None = None
    problem: str = ""


def row_of(status: JSON, url: str) -> FleetRow:
    """Read a gateway's /status. Raises ValueError for what is not one."""
    try:
        announcement, traffic = status["announcement"], status.get("traffic", {})
        ports = [one["used"] / one["total"] for one in traffic.get("ports", ()) if one["total"]]
        drain = status.get("drain", {}).get("phase")
        return FleetRow(
            name=str(status["name"]),
            url=url,
            standing=announcement["standing"],
            announced=announcement.get("announced"),
            med=announcement.get("med"),
            reason=str(announcement.get("words", "")),
            since_s=announcement.get("since_s"),
            sessions=traffic.get("sessions", traffic.get("tcp_sessions")),
            ports_used=max(ports, default=None),
            drift=len(status["machine"]["drift"]) if "machine" in status else None,
            drain=drain if drain != "serving" else None,
            version=status.get("version"),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not the status of a gateway: {error!r}") from error


def rows_of(own: JSON, members: Mapping[str, Any]) -> list[FleetRow]:
    """This gateway first. `members`: each one's status by URL, or why there is none, as a string."""
    rows = [row_of(own, "")]
    for url, status in sorted(members.items()):
        try:
            rows.append(FleetRow(_place(url), url, problem=status) if isinstance(status, str) else row_of(status, url))
        except ValueError as error:
            rows.append(FleetRow(_place(url), url, problem=str(error)))
    return rows


def _place(url: str) -> str:
    return urlsplit(url).netloc or url


LONGEST_NAME, GAP = 16, 2
HEADER = ("GATEWAY", "STATE", "MED", "SINCE", "SESSIONS", "PORTS", "DRIFT", "VERSION", "REASON")


def cells(row: FleetRow) -> tuple[str, ...]:
    """Return the row as text, in HEADER's order."""
    if row.problem:
        return (row.name, "SILENT", *[UNKNOWN] * 6, row.problem)
    state = row.drain or row.standing or UNKNOWN
    return (
        row.name,
        state if row.announced else f"{state} (out)" if state != "out" else "out",
        UNKNOWN if row.med is None else str(row.med),
        UNKNOWN if row.since_s is None else _since(row.since_s),
        UNKNOWN if row.sessions is None else str(row.sessions),
        UNKNOWN if row.ports_used is None else f"{row.ports_used:.0%}",
        UNKNOWN if row.drift is None else str(row.drift),
        row.version or UNKNOWN,
        row.reason,
    )


def one_line_each(rows: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """The rows with names and reasons cut so that a line has `width` columns: what scrolls away is not seen."""
    names = [_cut(row[0], LONGEST_NAME) for row in rows]
    middle = [max(map(len, column)) for column in zip(*(row[1:-1] for row in [HEADER, *rows]), strict=True)]
    used = max(map(len, [HEADER[0], *names])) + sum(middle) + GAP * (len(HEADER) - 1)
    return [
        [name, *row[1:-1], _cut(row[-1], max(width - used, len(HEADER[-1])))]
        for name, row in zip(names, rows, strict=True)
    ]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def summary(rows: Sequence[FleetRow]) -> str:
    """Say in one line how many carry, and whether versions differ."""
    carrying = sum(bool(row.announced) for row in rows)
    versions = sorted({row.version for row in rows if row.version})
    differ = f"; versions differ: {', '.join(versions)}" if len(versions) > 1 else ""
    return f"{carrying} of {len(rows)} announced{differ}"


def _since(seconds: float) -> str:
    for size, letter in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.0f}{letter}"
    return f"{seconds:.0f}s"
