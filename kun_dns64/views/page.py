"""The status page: one self-contained HTML document, from the same data as the commands show."""

from collections.abc import Iterable
from html import escape
from typing import Any

from kun_base.html_page import badge, clock, document, duration, plot, table

JSON = dict[str, Any]


def render(status: JSON) -> str:
    ready = status["ready"]
    parts = [
        _head(status),
        _banner(ready),
        *(f'<p class="banner warn">The file is refused: {escape(one)}</p>' for one in status["config"]["problems"]),
        _load(status),
        _upstreams(status["upstreams"]),
        _pools(status["pools"]),
        _cache(status),
        _events(status["events"]),
    ]
    return document(f"kun-dns64 · {_word(ready)}", parts)


def _word(ready: JSON) -> str:
    if not ready["forward"] or not ready["answer"]:
        return "not ready"
    return "ready" if ready["synthesise"] else "no gateway"


def _head(status: JSON) -> str:
    colour = {"ready": "good", "no gateway": "warn"}.get(_word(status["ready"]), "")
    prefixes = " ".join(f"<code>{escape(one)}</code>" for one in status["prefixes"])
    return (
        f"<header><h1>kun-dns64</h1>{badge(_word(status['ready']), colour)}"
        f'<span class="dim">prefix {prefixes} · up {duration(status["uptime_s"])} · {escape(status["version"])} · '
        f"{clock(status['time'])}</span></header>"
    )


def _banner(ready: JSON) -> str:
    if not ready["forward"]:
        return '<p class="banner">No upstream of the default group answers: what is not cached is SERVFAIL.</p>'
    if not ready["answer"]:
        return f'<p class="banner">Sockets that give no answer: {escape(", ".join(ready["silent"]))}</p>'
    if not ready["synthesise"]:
        return '<p class="banner warn">No gateway of the default pool is up.</p>'
    return ""


def _load(status: JSON) -> str:
    listen = " ".join(f"<code>{escape(one)}</code>" for one in (*status["listen"], *status["tls_listen"]))
    rate = status["queries_per_s"]
    now = f"{rate[-1]:.0f}" if rate else "–"
    return (
        f"<h2>Queries: {now} per second</h2>{plot(rate, 'queries per second, ten minutes')}"
        f'<p class="dim">{len(status["workers"])} workers on {listen}; '
        f"file <code>{escape(status['config']['file'])}</code>, generation {status['config']['generation']}</p>"
    )


def _upstreams(upstreams: list[JSON]) -> str:
    rows = (
        (
            f"<code>{escape(one['upstream'])}</code>",
            _up(one["up"]),
            escape(", ".join(one["groups"])),
            f"{one['srtt_ms']:.1f} ms",
            plot(one["latencies_ms"], "smoothed time, ten minutes"),
            str(one["answers"]),
        )
        for one in upstreams
    )
    return "<h2>Upstreams</h2>" + table(("upstream", "state", "groups", "time", "", "answers"), rows)


def _pools(pools: list[JSON]) -> str:
    rows = (
        (
            escape(one["pool"]),
            "<br>".join(f"<code>{escape(prefix)}</code>" for prefix in one["prefixes"]),
            _gateways(one["gateways"]),
            escape(one["effect"]),
        )
        for one in pools
    )
    return "<h2>Pools</h2>" + table(("pool", "prefixes", "gateways", "answers"), rows)


def _gateways(gateways: Iterable[JSON]) -> str:
    lines = [f"{_up(not one['why'])} <code>{escape(one['url'])}</code> {escape(one['why'])}" for one in gateways]
    return "<br>".join(lines) or '<span class="dim">not watched</span>'


def _up(up: bool) -> str:
    return badge("up", "good") if up else badge("down")


def _cache(status: JSON) -> str:
    entries = sum(one["cache_entries"] for one in status["workers"])
    size_bytes = sum(one["cache_bytes"] for one in status["workers"])
    return f"<h2>Cache: {entries} answers, {size_bytes / 1e6:.1f} MB</h2>"


def _events(events: list[JSON]) -> str:
    rows = (
        (escape(clock(one["at"])), escape(one["event"]), f"<code>{escape(one['words'])}</code>")
        for one in reversed(events)
    )
    return "<h2>Last events</h2>" + (table(("when", "event", ""), rows) if events else '<p class="dim">none</p>')
