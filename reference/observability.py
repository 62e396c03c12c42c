"""Metrics and log events, found in the source: both are written where they happen."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from kun_cluster.views.metrics_text import METRICS as CONTROLLER_METRICS
from kun_cluster.views.metrics_text import PREFIX as CONTROLLER_PREFIX
from kun_dns64.state.metrics import COUNTERS, GAUGES, HISTOGRAMS, PREFIX
from reference.markdown import row, table_head

ROOT = Path(__file__).parent.parent
METRIC_CALL = re.compile(r"(_gauge|_counts|_labelled|_histogram|_one_of|.*MetricFamily)$")
STABILITY = "The name of an event and its fields stay; an event may get more fields. Texts in fields may change."
LEVELS = {"debug", "info", "warning", "error"}


def metric_tables() -> Iterator[str]:
    yield from ("", "## Metrics of kun-dns64", "")
    yield from ("Prometheus sees counters with `_total` behind the name, and information with `_info`.", "")
    yield from table_head("metric", "type", "labels", "meaning")
    for kind, table in (("counter", COUNTERS), ("gauge", GAUGES), ("histogram", HISTOGRAMS)):
        for name, (text, labels) in table.items():
            yield row(f"`{PREFIX}{name}`", kind, ", ".join(labels), text)
    yield from ("", "## Metrics of kun-nat64", "")
    yield from table_head("metric", "meaning")
    for name, text in sorted(_written_metrics("kun_nat64", "kun_nat64_").items()):
        yield row(f"`{name}`", text)
    yield from ("", "## Metrics of kun-controller", "")
    yield from table_head("metric", "type", "labels", "meaning")
    for name, (kind, labels, text) in CONTROLLER_METRICS.items():
        yield row(f"`{CONTROLLER_PREFIX}{name}`", kind, ", ".join(labels), text)


def _written_metrics(package: str, prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text())
        texts = {node.lineno: _constant(node.value) for node in ast.walk(tree) if isinstance(node, ast.Assign)}
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if len(call.args) < 2 or not METRIC_CALL.match(_name(call.func)):
                continue
            name, text = _constant(call.args[0]), _constant(call.args[1])
            if not text and isinstance(call.args[1], ast.Name):
                # A long text stands in a variable just before.
                text = next((texts[line] for line in sorted(texts, reverse=True) if line < call.lineno), "")
            if name and text:
                found[prefix + name.removeprefix(prefix)] = text
    return found


def _constant(value: ast.expr) -> str:
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def event_tables() -> Iterator[str]:
    for program, package in (("kun-dns64", "kun_dns64"), ("kun-nat64", "kun_nat64"), ("kun-controller", "kun_cluster")):
        yield from ("", f"## Log events of {program}", "")
        yield from (
            "The name of an event and its fields stay; an event may get more fields. Texts in fields may change.",
            "",
        )
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
