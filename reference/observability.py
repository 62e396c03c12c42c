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
STABILITY = "Names of events and fields stay. A new version may add fields. Texts in fields may change."
LEVELS = {"debug", "info", "warning", "error"}
# What falls and returns by one function of kun_dns64/state/server_events.py.
TURNS = {"upstream": ("upstream", "why", "down_in"), "group": ("group", "upstreams", "effect")}


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
        yield from (STABILITY, "")
        yield from table_head("event", "level", "fields")
        for event, (levels, fields) in sorted(_events(package).items()):
            shown = ", ".join(f"`{one}`" for one in sorted(fields))
            yield row(f"`{event}`", ", ".join(sorted(levels)), shown)


def _events(package: str) -> dict[str, tuple[set[str], set[str]]]:
    found: defaultdict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    shared = () if package == "kun_cluster" else _in_functions("kun_base")
    for function, call in (*_in_functions(package), *shared):
        for event in _names(call):
            levels, fields = found[event]
            levels |= _levels(call)
            fields |= {word.arg for word in call.keywords if word.arg}
            if _name(call.func) == "Event":
                fields |= {*_keys(function), *TURNS.get(event.rpartition("-")[0], ())}
    return dict(found)


def _names(call: ast.Call) -> list[str]:
    """The events of a call: journal.LEVEL(NAME, ...), events.write(LEVEL, NAME, ...) or Event(LEVEL, NAME, {})."""
    written, arguments = ast.unparse(call.func), call.args
    if _name(call.func) in LEVELS and "journal" in written.lower():
        place = 0
    elif written == "Event" or written.endswith("events.write"):
        place = 1
    else:
        return []
    match arguments[place] if len(arguments) > place else None:
        case ast.Constant(value=str() as name):
            return [name]
        case ast.JoinedStr(values=[ast.FormattedValue(), ast.Constant(value=end)]):
            return [f"{what}{end!s}" for what in TURNS]
    return []


def _levels(call: ast.Call) -> set[str]:
    if _name(call.func) in LEVELS:
        return {_name(call.func)}
    words = {str(one.value) for one in ast.walk(call.args[0]) if isinstance(one, ast.Constant)}
    return words & LEVELS


def _keys(function: ast.AST) -> set[str]:
    """Of all dictionaries in a function: where an event's fields are put together."""
    found = (key for one in ast.walk(function) if isinstance(one, ast.Dict) for key in one.keys)
    return {key.value for key in found if isinstance(key, ast.Constant) and isinstance(key.value, str)}


def _in_functions(package: str) -> Iterator[tuple[ast.AST, ast.Call]]:
    """Each call, with the innermost function that it stands in."""
    for path in sorted((ROOT / package).rglob("*.py")):
        waiting: list[tuple[ast.AST, ast.AST]] = [(tree := ast.parse(path.read_text()), tree)]
        while waiting:
            function, node = waiting.pop()
            if isinstance(node, ast.Call):
                yield function, node
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                function = node
            waiting += [(function, one) for one in ast.iter_child_nodes(node)]


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
