"""Each part of the agent's state is written by one module; each warning has one module that warns."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from kun_nat64.agent.serve import LOOPS
from kun_nat64.model.speakers import SPEAKERS
from kun_nat64.model.warnings import WarningName, of_loop

ROOT = Path(__file__).parents[3] / "kun_nat64"
# Attribute of State, and the module that writes it. "": only state/ itself does.
WRITERS = {
    "machine": "agent/cycle.py",
    "speaker": "agent/announcer.py",
    "flow": "agent/traffic_loop.py",
    "evidence": "agent/counter_loop.py",
    "carried": "agent/counter_loop.py",
    "ring": "agent/ring_loop.py",
    "path": "agent/pmtu_loop.py",
    "node_ways": "agent/node_way_loop.py",
    "reload": "agent/reload.py",
    "drain_turn": "agent/drain_turn.py",
    "audit": "agent/session_log.py",
    "standing": "",
    "probes": "",
    "names": "",
    "past_diagnoses": "",
}
# Methods of State that change it. evaluate() is not among them: it takes nothing but the time.
CALLERS = {
    "take_file": "agent/wiring.py",
    "take_table": "agent/wiring.py",
    "recall_falls": "agent/wiring.py",
    "take_fleet": "agent/fleet_loop.py",
    "take_drain": "agent/drain_control.py",
    "take_probe": "agent/probe_loop.py",
    "take_stall": "agent/probe_loop.py",
    "adopt": "agent/cycle.py",
}
# Parts that are handed to the module that writes them.
HANDED_ON = {("agent/wiring.py", "audit")}
COLLECTIONS = frozenset(
    ("append", "add", "pop", "popleft", "popitem", "update", "clear", "extend", "setdefault", "remove", "discard")
)


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """Those that know the state or a warning."""
    texts = {path.relative_to(ROOT).as_posix(): path.read_text() for path in sorted(ROOT.rglob("*.py"))}
    known = ("kun_nat64.state", "kun_nat64.model.warnings")
    return tuple(
        (name, ast.parse(text))
        for name, text in texts.items()
        if name.startswith("state/") or any(one in text for one in known)
    )


def classes() -> Iterator[ast.ClassDef]:
    """Of state/."""
    for name, tree in modules():
        if name.startswith("state/"):
            yield from (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def mutating(part: ast.ClassDef) -> Iterator[str]:
    """Methods that write attributes of their own object, or what these hold."""
    for method in part.body:
        if isinstance(method, ast.FunctionDef) and method.name != "__init__":
            own = {"self": "self"}
            if any(part_of(place, own) for place in places_written(method, COLLECTIONS)):
                yield method.name


def places_written(tree: ast.AST, methods: frozenset[str]) -> Iterator[ast.expr]:
    """What is assigned to, deleted from, or changed by one of `methods`: the object, without its last attribute."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets) | ast.Delete(targets=targets):
                yield from (inner for target in targets for inner in _written(target))
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
                yield from _written(target)
            case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in methods:
                yield value


def _written(target: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, ast.Tuple | ast.List):
        for one in target.elts:
            yield from _written(one)
    elif isinstance(target, ast.Attribute | ast.Subscript):
        yield target.value


def part_of(place: ast.expr, aliases: dict[str, str]) -> str:
    """The part that an expression leads to: `self._state.flow.ports` is of `flow`; "" if none."""
    while isinstance(place, ast.Attribute | ast.Subscript | ast.Call):
        if isinstance(place, ast.Attribute) and place.attr in WRITERS and is_state(place.value):
            return place.attr
        place = place.func if isinstance(place, ast.Call) else place.value
    return aliases.get(place.id, "") if isinstance(place, ast.Name) else ""


def is_state(node: ast.expr) -> bool:
    named = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return named in ("state", "_state")


def aliases_in(function: ast.AST) -> dict[str, str]:
    """Local names of parts: `flow = state.flow`, also as one of several."""
    found: dict[str, str] = {}
    for node in ast.walk(function):
        pairs: list[tuple[ast.expr, ast.expr]] = []
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = list(zip(target.elts, value.elts, strict=False))
            else:
                pairs = [(target, value)]
        elif isinstance(node, ast.NamedExpr):
            pairs = [(node.target, node.value)]
        for target, value in pairs:
            if isinstance(target, ast.Name) and isinstance(value, ast.Attribute) and part_of(value, {}) == value.attr:
                found[target.id] = value.attr
    return found


@cache
def writing_methods() -> frozenset[str]:
    return COLLECTIONS | {name for part in classes() for name in mutating(part) if part.name != "State"}


def faults(module: str, tree: ast.Module) -> Iterator[str]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for function in functions:
        aliases = aliases_in(function)
        for place in places_written(function, writing_methods()):
            if is_state(place):
                yield f"{module}:{place.lineno} replaces a part of the state"
            part = part_of(place, aliases)
            if part and WRITERS[part] != module:
                yield f"{module}:{place.lineno} writes {part}, which {WRITERS[part] or 'state/'} does"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) and is_state(node.func.value) else ""
        if CALLERS.get(called, module) != module:
            yield f"{module}:{node.lineno} calls {called}, which {CALLERS[called]} does"
        for given in node.args:
            part = part_of(given, {})
            if isinstance(given, ast.Attribute) and given.attr == part and (module, part) not in HANDED_ON:
                yield f"{module}:{node.lineno} hands {part} on"


def test_each_part_is_written_by_one_module() -> None:
    found = [fault for module, tree in modules() if not module.startswith("state/") for fault in faults(module, tree)]
    assert not found, "\n".join(found)


def test_every_method_that_changes_the_state_has_its_caller() -> None:
    (state,) = (part for part in classes() if part.name == "State")
    public = {name for name in mutating(state) if not name.startswith("_")} - {"desired", "evaluate"}
    assert public - {"take_probe", "take_stall"} == CALLERS.keys() - {"take_probe", "take_stall"}
    assert {"take_probe", "take_stall"} <= {one.name for one in state.body if isinstance(one, ast.FunctionDef)}


PLANTED = {
    "a field": ("def f(state):\n    state.machine.hard = ()\n", "writes machine"),
    "a local name": ("def f(self):\n    n, flow = 1, self._state.flow\n    flow.full = True\n", "writes flow"),
    "an entry": ("def f(state):\n    state.machine.mended['x'] += 1\n", "writes machine"),
    "a method of a part": ("def f(state):\n    state.evidence.take_ways({})\n", "writes evidence"),
    "a method of a collection": ("def f(state):\n    state.standing.changes.clear()\n", "writes standing"),
    "the state": ("def f(agent):\n    agent.state.machine = None\n", "replaces a part"),
    "a method of the state": ("def f(state):\n    state.take_drain(None)\n", "calls take_drain"),
    "a part as an argument": ("def f(state):\n    g(state.flow)\n", "hands flow on"),
}


@pytest.mark.parametrize(("text", "sentence"), PLANTED.values(), ids=PLANTED)
def test_a_planted_writer_is_found(text: str, sentence: str) -> None:
    assert any(sentence in fault for fault in faults("agent/planted.py", ast.parse(text)))


def test_each_warning_is_of_one_module() -> None:
    users: dict[str, set[str]] = {}
    for module, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "WarningName":
                users.setdefault(node.attr, set()).add(module)
    assert {name: found for name, found in users.items() if len(found) > 1} == {}
    made_up = {of_loop(name).name for name in LOOPS} | {WarningName(one.daemon).name for one in SPEAKERS.values()}
    assert users.keys() | made_up == set(WarningName.__members__)
    assert not users.keys() & made_up
