"""Metrics and log events, found in the source: both are written where they happen."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from kun_dns64.state.metrics import COUNTERS, GAUGES, HISTOGRAMS, PREFIX
from reference.markdown import row, table_head

ROOT = Path(__file__).parent.parent
METRIC_CALL = re.compile(r"(_?gauge|_?counter|_?histogram|_?info|.*MetricFamily)$")
LEVELS = {"debug", "info", "warning", "error"}


def metric_tables() -> Iterator[str]:
    yield from ("", "## Metrics of kun-dns64", "")
    yield from table_head("metric", "type", "labels", "meaning")
    for kind, table in (("counter", COUNTERS), ("gauge", GAUGES), ("histogram", HISTOGRAMS)):
        for name, (text, labels) in table.items():
            yield row(f"`{PREFIX}{name}`", kind, ", ".join(labels), text)
    yield from ("", "## Metrics of kun-nat64", "")
    yield from table_head("metric", "meaning")
    for name, text in sorted(_written_metrics("kun_nat64", "kun_nat64_").items()):
        yield row(f"`{name}`", text)


def _written_metrics(package: str, prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for call in _calls(package):
        texts = [one.value for one in call.args[:2] if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if len(texts) == 2 and METRIC_CALL.match(_name(call.func)):
            found[prefix + texts[0].removeprefix(prefix)] = texts[1]
    return found


def event_tables() -> Iterator[str]:
    for program, package in (("kun-dns64", "kun_dns64"), ("kun-nat64", "kun_nat64"), ("kun-controller", "kun_cluster")):
        yield from ("", f"## Log events of {program}", "")
        yield from table_head("event", "level", "fields")
        for event, (levels, fields) in sorted(_events(package).items()):
            shown = ", ".join(f"`{one}`" for one in sorted(fields))
            yield row(f"`{event}`", ", ".join(sorted(levels)), shown)


def _events(package: str) -> dict[str, tuple[set[str], set[str]]]:
    found: defaultdict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for call in _calls(package):
        event = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
        level = _name(call.func)
        if level not in LEVELS or not isinstance(event, str) or "journal" not in ast.unparse(call.func).lower():
            continue
        levels, fields = found[event]
        levels.add(level)
        fields |= {word.arg for word in call.keywords if word.arg}
    return dict(found)


def _calls(package: str) -> Iterator[ast.Call]:
    for path in sorted((ROOT / package).rglob("*.py")):
        yield from (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
