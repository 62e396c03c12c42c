"""Lines over the number of gateways, as plain SVG: one panel a figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import log2

COLOURS = ("#1f6feb", "#d29922", "#2da44e", "#cf222e")
WIDTH, HEIGHT, MARGIN, LEGEND = 420, 220, 48, 150


@dataclass(frozen=True, slots=True)
class Line:
    """A named line; points are (number of gateways, value)."""

    name: str
    points: tuple[tuple[int, float], ...]


Panel = tuple[str, Sequence[Line]]


def plot(panels: Sequence[Panel]) -> str:
    """Draw the panels below each other. The x axis is logarithmic to base 2."""
    step = HEIGHT + MARGIN * 2
    bodies = "".join(
        f'<g transform="translate({MARGIN},{MARGIN + place * step})">{draw(*panel)}</g>'
        for place, panel in enumerate(panels)
    )
    width, height = WIDTH + MARGIN * 2 + LEGEND, step * len(panels) + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' font-family="sans-serif" font-size="12"><rect width="{width}" height="{height}" fill="#ffffff"/>'
        f"{bodies}</svg>\n"
    )


def draw(title: str, lines: Sequence[Line]) -> str:
    points = [point for line in lines for point in line.points]
    left, right = log2(min(x for x, _ in points)), log2(max(x for x, _ in points))
    top = max(y for _, y in points) or 1.0

    def place(x: int, y: float) -> tuple[float, float]:
        return (log2(x) - left) / (right - left or 1.0) * WIDTH, HEIGHT - y / top * HEIGHT

    parts = [
        f'<text x="0" y="-14" font-weight="bold">{escape(title)}</text>',
        f'<path d="M0 0V{HEIGHT}H{WIDTH}" fill="none" stroke="#30363d"/>',
        f'<text x="-6" y="8" text-anchor="end">{top:.2f}</text><text x="-6" y="{HEIGHT}" text-anchor="end">0</text>',
    ]
    parts.extend(
        f'<text x="{place(x, 0)[0]:.0f}" y="{HEIGHT + 16}" text-anchor="middle">{x}</text>'
        for x in sorted({x for x, _ in points})
    )
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line.points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{WIDTH + 8}" y="{14 + number * 18}" fill="{colour}">{escape(line.name)}</text>')
    return "".join(parts)
