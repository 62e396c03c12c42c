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
    ports_used: float | None = None  # share of the fullest public address, 0 to 1
    mbit_in: float | None = None
    mbit_out: float | None = None
    packets_s: float | None = None
    drift: int | None = None  # objects that differ from the desired state
    drain: str | None = None  # phase of a drain
    version: str | None = None
    problem: str = ""  # why the gateway does not answer


def row_of(status: JSON, url: str) -> FleetRow:
    """Read a gateway's /status. Raises ValueError for what is not one."""
    try:
        announcement, traffic = status["announcement"], status.get("traffic", {})
        ports = [one["used"] / one["total"] for one in traffic.get("ports", ()) if one["total"]]
        rate = traffic.get("carried", {}).get("rate") or {}
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
            mbit_in=rate.get("mbit_in"),
            mbit_out=rate.get("mbit_out"),
            packets_s=rate["packets_in"] + rate["packets_out"] if rate else None,
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
HEADER = (
    "GATEWAY", "STATE", "MED", "SINCE", "SESSIONS", "PORTS", "MBIT/S IN/OUT", "PACKETS/S", "DRIFT", "VERSION", "REASON"
)  # fmt: skip
# What a narrow terminal goes without, first to last. The summary says whether versions differ.
LEFT_OUT = ("VERSION", "DRIFT", "SINCE", "PORTS", "PACKETS/S", "MED", "SESSIONS", "MBIT/S IN/OUT")
LEAST_REASON = 12
SIZES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def cells(row: FleetRow) -> tuple[str, ...]:
    """Return the row as text, in HEADER's order."""
    if row.problem:
        return (row.name, "SILENT", *[UNKNOWN] * (len(HEADER) - 3), row.problem)
    state = row.drain or row.standing or UNKNOWN
    return (
        row.name,
        state if row.announced else f"{state} (out)" if state != "out" else "out",
        UNKNOWN if row.med is None else str(row.med),
        UNKNOWN if row.since_s is None else _since(row.since_s),
        UNKNOWN if row.sessions is None else str(row.sessions),
        UNKNOWN if row.ports_used is None else f"{row.ports_used:.0%}",
        _throughput(row),
        UNKNOWN if row.packets_s is None else short_number(row.packets_s),
        UNKNOWN if row.drift is None else str(row.drift),
        row.version or UNKNOWN,
        row.reason,
    )


def one_line_each(rows: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """Header and rows, so that a line has `width` columns: what scrolls away is not seen.

    Columns are left out, then names and reasons cut.
    """
    lines = fitting(rows, width)
    room = max(width - _used(lines), len(HEADER[-1]))
    return [[*line[:-1], _cut(line[-1], room)] for line in lines]


def fitting(rows: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """Header and rows with names cut, and without the columns that leave no room for a reason."""
    lines = [list(HEADER), *([_cut(row[0], LONGEST_NAME), *row[1:]] for row in rows)]
    for title in LEFT_OUT:
        if width - _used(lines) >= LEAST_REASON:
            break
        place = lines[0].index(title)
        lines = [[*line[:place], *line[place + 1 :]] for line in lines]
    return lines


def _used(lines: Sequence[Sequence[str]]) -> int:
    """Columns of all but the last cell."""
    return sum(max(map(len, column)) + GAP for column in zip(*(line[:-1] for line in lines), strict=True))


def _throughput(row: FleetRow) -> str:
    if row.mbit_in is None or row.mbit_out is None:
        return UNKNOWN
    return f"{short_number(row.mbit_in)}/{short_number(row.mbit_out)}"


def short_number(value: float) -> str:
    """Three digits and a letter: 0.42, 17, 1.2k."""
    size, letter = next(((size, letter) for size, letter in SIZES if value >= size * 0.9995), (1.0, ""))
    scaled = value / size
    return f"{scaled:.3g}{letter}" if scaled < 99.95 else f"{scaled:.0f}{letter}"


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
