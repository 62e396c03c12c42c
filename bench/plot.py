"""A plot as plain SVG: one panel a row, one bar a server, the spread as a line over the bar."""

from collections.abc import Sequence
from html import escape

from bench.results import Results, Spread
from bench.rows import ROW_BY_KEY, Row
from bench.session import Contender

PANELS = ("hot_cpu", "hot", "cold", "cold_cpu", "mixed", "p99", "tcp", "rss_big", "start")
WIDTH, LABEL, VALUE, BAR, GAP, TITLE, COLUMNS = 470, 130, 90, 16, 4, 26, 2
MARGIN = 16
OURS_COLOUR, THEIR_COLOUR, LINE = "#1f6feb", "#9aa4b2", "#30363d"


def svg(results: Results, contenders: Sequence[Contender]) -> str:
    """Panels without a figure are left out."""
    panels = [panel for key in PANELS if (panel := draw_panel(results, ROW_BY_KEY[key], contenders))]
    heights = [height for _, height in panels]
    tallest = max(heights, default=0) + MARGIN
    lines = -(-len(panels) // COLUMNS)
    width, height = WIDTH * COLUMNS + MARGIN * 2, tallest * lines + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for place, (body, _) in enumerate(panels):
        x, y = MARGIN + place % COLUMNS * WIDTH, MARGIN + place // COLUMNS * tallest
        parts.append(f'<g transform="translate({x},{y})">{body}</g>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def draw_panel(results: Results, row: Row, contenders: Sequence[Contender]) -> tuple[str, int] | None:
    found = [(item, spread) for item in contenders if (spread := results.spread(row.key, item.peer.key))]
    if not found:
        return None
    longest = max(spread.high for _, spread in found) or 1
    better = "more is better" if row.more_is_better else "less is better"
    title = f"{row.title} [{row.unit}], {better}"
    parts = [f'<text x="0" y="14" font-weight="bold">{escape(title)}</text>']
    for place, (item, spread) in enumerate(found):
        y = TITLE + place * (BAR + GAP)
        parts.append(draw_bar(item.peer.title, item.peer.key == "kun", spread, row, y, longest))
    return "".join(parts), TITLE + len(found) * (BAR + GAP)


def draw_bar(title: str, ours: bool, spread: Spread, row: Row, y: int, longest: float) -> str:
    scale = (WIDTH - LABEL - VALUE - MARGIN) / longest
    end, middle = LABEL + spread.middle * scale, y + BAR / 2
    low, high = LABEL + spread.low * scale, LABEL + spread.high * scale
    colour = OURS_COLOUR if ours else THEIR_COLOUR
    text = f"{spread.middle:,.{row.digits}f}"
    return (
        f'<text x="{LABEL - 6}" y="{y + 12}" text-anchor="end">{escape(title)}</text>'
        f'<rect x="{LABEL}" y="{y}" width="{end - LABEL:.1f}" height="{BAR}" fill="{colour}"/>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" stroke="{LINE}"/>'
        f'<text x="{max(end, high) + 5:.1f}" y="{y + 12}">{text}</text>'
    )
