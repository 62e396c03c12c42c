"""The look of the admin pages: one self-contained document without scripts. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

STYLE = """
:root { color-scheme: light dark; --good: #1a7f37; --warn: #9a6700; --bad: #cf222e; --line: #8884; --dim: #8889; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
.banner, code, h1, td { overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
header { display: flex; flex-wrap: wrap; gap: .4rem 1rem; align-items: baseline; }
.dim { color: GrayText; } code, td.num { font-family: ui-monospace, monospace; font-size: .92em; }
.badge { color: #fff; border-radius: 1rem; padding: .1rem .7rem; font-weight: 600; background: var(--bad); }
.good { background: var(--good); } .warn { background: var(--warn); }
.banner { border-left: .35rem solid var(--bad); padding: .5rem .9rem; margin: 1rem 0; background: #8881; }
.banner.good { border-color: var(--good); background: #8881; } .banner.warn { border-color: var(--warn); }
.banner.good, .banner.warn { background: #8881; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .25rem .6rem .25rem 0; }
th { font-weight: 600; border-bottom: 1px solid var(--line); } td { border-bottom: 1px solid var(--line); }
meter { width: min(9rem, 20vw); vertical-align: middle; } a { color: LinkText; }
svg { width: 8rem; height: 1.6rem; vertical-align: middle; }
polyline { fill: none; stroke: #0969da; stroke-width: 1.5; }
"""
HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
PLOT_WIDTH, PLOT_HEIGHT = 120, 24


def document(title: str, parts: Iterable[str]) -> str:
    """`title` is text, `parts` are HTML."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body>{''.join(parts)}</body></html>\n"
    )


def badge(word: object, colour: str = "") -> str:
    """`colour`: good, warn or "" for bad."""
    return f'<span class="badge {colour}">{escape(str(word))}</span>'


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """`heads` are text, cells HTML. A table that is wider than a telephone scrolls by itself."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def plot(values: Sequence[float], label: str) -> str:
    """A small line of values, the oldest first, from 0 to the largest."""
    if len(values) < 2:
        return '<span class="dim">no values yet</span>'
    most = max(values) or 1.0
    step = PLOT_WIDTH / (len(values) - 1)
    points = " ".join(
        f"{place * step:.1f},{PLOT_HEIGHT - 1 - (PLOT_HEIGHT - 2) * max(value, 0.0) / most:.1f}"
        for place, value in enumerate(values)
    )
    box = f"0 0 {PLOT_WIDTH} {PLOT_HEIGHT}"
    return (
        f'<svg viewBox="{box}" preserveAspectRatio="none" role="img" aria-label="{escape(label)}">'
        f'<title>{escape(label)}</title><polyline points="{points}"/></svg>'
    )


def clock(at: float) -> str:
    """A moment, seconds since 1970, as this machine's clock shows it."""
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")


def link(url: str, words: str) -> str:
    """Both are text."""
    return f'<a href="{escape(url)}">{escape(words)}</a>'


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86400
    return f"{minutes:.0f} min" if minutes < 120 else f"{hours:.1f} h" if hours < 48 else f"{days:.1f} d"
