"""The page /fleet: every gateway in one table, as each of them reports itself."""

from collections.abc import Iterable, Sequence
from html import escape

from kun_base.html_page import badge, clock, document, link, table
from kun_nat64.views.fleet import HEADER, FleetRow, cells, summary

COLOUR = {"full": "good", "soft": "warn", "draining": "warn"}


def render_fleet(rows: Sequence[FleetRow], *, wall: float) -> str:
    """`rows`: this gateway first; `wall`: seconds since 1970, now."""
    parts = [
        f"<header><h1>Fleet</h1>{_carrying(rows)}",
        f'<span class="dim">{escape(summary(rows))} · {clock(wall)} · {link("/", "this gateway")}</span></header>',
        *_problems(rows),
        table(HEADER, (_cells(row) for row in rows)),
    ]
    return document(f"fleet · {summary(rows)}", parts)


def _carrying(rows: Sequence[FleetRow]) -> str:
    count = sum(bool(row.announced) for row in rows)
    colour = "good" if count == len(rows) else "warn" if count > 1 else ""
    return badge(f"{count} of {len(rows)}", colour)


def _problems(rows: Sequence[FleetRow]) -> Iterable[str]:
    if silent := [row.name for row in rows if row.problem]:
        yield f'<p class="banner">No answer from {escape(", ".join(silent))}.</p>'


def _cells(row: FleetRow) -> Iterable[str]:
    name, state, *others = cells(row)
    yield link(f"{row.url}/", name) if row.url else f"<b>{escape(name)}</b>"
    yield badge(state, COLOUR.get(state, ""))
    yield from map(escape, others)
