"""The Markdown table: figures, targets, terms, failures."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.results import Results, Verdict, judge
from bench.rows import ROW_BY_KEY, ROWS, TARGETS, Row
from bench.session import Contender

OURS = "kun"
BASE = "unbound"


@dataclass(frozen=True, slots=True)
class Heading:
    """What a reader needs to judge and to repeat the figures."""

    command: str
    machine: Sequence[str]
    terms: Sequence[str]
    warnings: Sequence[str]
    missing: Sequence[str]


def number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"


def cell(results: Results, row: Row, peer: str) -> str:
    """Median, with the lowest and highest round behind it."""
    found = results.spread(row.key, peer)
    if not found:
        return "–"
    middle = number(found.middle, row.digits)
    if found.rounds == 1:
        return middle
    return f"{middle} ({number(found.low, row.digits)}–{number(found.high, row.digits)})"


def figures(results: Results, contenders: Sequence[Contender]) -> list[str]:
    titles = [item.name for item in contenders]
    compare = {OURS, BASE} <= {item.peer.key for item in contenders}
    head = ["", *titles, *([f"{OURS} ÷ Unbound"] if compare else [])]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in ROWS:
        cells = [cell(results, row, item.peer.key) for item in contenders]
        if set(cells) == {"–"}:
            continue
        ratio = results.ratio(row.key, OURS, BASE)
        last = [f"{ratio:.2f}" if ratio else "–"] if compare else []
        lines.append("| " + " | ".join([f"{row.title} [{row.unit}]", *cells, *last]) + " |")
    return lines


def target_lines(results: Results) -> list[str]:
    lines = ["| target | measured | met |", "|---|---|---|"]
    for target in TARGETS:
        verdict = judge(results, target, OURS)
        lines.append(f"| {wish(verdict)} | {reached(verdict)} | {words(verdict)} |")
    return lines


def wish(verdict: Verdict) -> str:
    target, row = verdict.target, ROW_BY_KEY[verdict.target.row]
    sign = "≥" if target.at_least else "≤"
    limit = f"{target.factor:g} × {target.peer}" if target.peer else f"{number(target.factor, row.digits)} {row.unit}"
    return f"{row.title} {sign} {limit}"


def reached(verdict: Verdict) -> str:
    if verdict.value is None:
        return "–"
    row = ROW_BY_KEY[verdict.target.row]
    return f"{verdict.value:.2f} ×" if verdict.target.peer else f"{number(verdict.value, row.digits)} {row.unit}"


def words(verdict: Verdict) -> str:
    return {None: "not measured", True: "yes", False: "**no**"}[verdict.met]


def failure_lines(results: Results) -> list[str]:
    return [
        f"- {peer}, {step}: {reason}" + (f" ({times} times)" if times > 1 else "")
        for (peer, step, reason), times in sorted(results.failures.items())
    ]


def markdown(heading: Heading, results: Results, contenders: Sequence[Contender]) -> str:
    """The whole page."""
    blocks = [
        ["# DNS64 servers side by side"],
        ["```", heading.command, "```"],
        [f"- {line}" for line in heading.machine],
        [f"**{line}**" for line in heading.warnings],
        ["Median of the rounds, lowest and highest in brackets. A dash: not measured, or it failed (below)."],
        figures(results, contenders),
        ["## Targets"],
        target_lines(results),
        ["## Terms"],
        [f"- {line}" for line in heading.terms],
        [f"- {item.name}: {item.peer.note}" for item in contenders],
        *section("## Not on this machine", [f"- {line}" for line in heading.missing]),
        *section("## Failed measurements", failure_lines(results)),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def section(title: str, lines: list[str]) -> list[list[str]]:
    return [[title], lines] if lines else []
