"""Read from the source which fields a function's dictionary, or a data class, has as JSON.

Nothing runs: the dictionaries stand as literals in the functions that make them. A comment behind a field is its
meaning.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMMENT = re.compile(r"""^[^#]*["\w\])},:]\s+#\s(?P<text>[^"']+)$""")
NUMBERS = {"round", "len", "sum", "int", "float", "max", "min", "time"}
LISTS = {"list", "sorted", "tuple"}
# Calls of objects' methods, and where those stand.
ELSEWHERE = {
    "state.table_status": ("kun_base.table_follower", "TableFollower.status"),
    "control.feed.status": ("kun_base.table_follower", "TableFollower.status"),
    "standing.workers": ("kun_dns64.serving.server", "Server.standing"),
}
# They make the answers of what failed.
REFUSALS = {"_refused", "_name"}
ANNOTATED = {
    "null": "null",
    "str": "text",
    "int": "number",
    "float": "number",
    "bool": "true or false",
    "JSON": "object",
}
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Field:
    """`path`: keys with dots between them, `[]` behind a list, NAME for keys that are names. `kind`: "" if unknown."""

    path: str
    kind: str
    meaning: str = ""


@cache
def parsed(module: str) -> tuple[ast.Module, tuple[str, ...]]:
    text = ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text()
    return ast.parse(text), tuple(text.splitlines())


def definition(module: str, name: str) -> tuple[str, Definition] | None:
    """The function, method or class of that name, and the module it stands in: an import is followed."""
    outer, _, inner = name.partition(".")
    for node in parsed(module)[0].body:
        if isinstance(node, Definition) and node.name == outer:
            if not inner:
                return module, node
            return next(((module, one) for one in node.body if isinstance(one, Definition) and one.name == inner), None)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kun_"):
            for alias in node.names:
                if (alias.asname or alias.name) == outer:
                    return definition(node.module or "", f"{alias.name}.{inner}".removesuffix("."))
    return None


def fields_of(module: str, name: str, at: str = "") -> Iterator[Field]:
    """Each field below `at`. Raises KeyError where there is no such function or class."""
    found = definition(module, name)
    if found is None:
        raise KeyError(f"{module}:{name}")
    seen: dict[str, Field] = {}
    for one in Walk(*found).all(at):
        if not (known := seen.get(one.path)) or not known.kind:
            seen[one.path] = one
    yield from seen.values()


@dataclass(frozen=True, slots=True)
class Walk:
    module: str
    node: Definition

    def all(self, at: str) -> Iterator[Field]:
        if isinstance(self.node, ast.ClassDef):
            for one in self.node.body:
                if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
                    kinds = [ANNOTATED.get(part, "list" if "[" in part else "text") for part in _parts(one.annotation)]
                    yield Field(f"{at}{one.target.id}", " or ".join(kinds), self._meaning(one))
            return
        for returned in ast.walk(self.node):
            if isinstance(returned, ast.Return) and returned.value is not None:
                yield from self._inside(returned.value, at)

    def _inside(self, value: ast.expr, at: str) -> Iterator[Field]:
        """The fields of what `value` is: a dictionary, a list of them, or what a function returns."""
        match value:
            case ast.Dict():
                yield from self._keys(value, at)
            case ast.ListComp(elt=ast.Name(id=name), generators=[one]) if name == ast.unparse(one.target):
                yield from self._inside(one.iter, at)
            case ast.ListComp(elt=element) | ast.List(elts=[element]):
                yield from self._inside(element, f"{at.removesuffix('.')}[]." if at else "[].")
            case ast.DictComp(value=element):
                yield from self._inside(element, f"{at}NAME.")
            case ast.IfExp(body=body, orelse=other):
                yield from self._inside(other if _is_none(body) else body, at)
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                yield from self._inside(left, at)
                yield from self._inside(right, at)
            case ast.Name(id=name):
                for assigned in ast.walk(self.node):
                    if isinstance(assigned, (ast.Assign, ast.AnnAssign)) and name in _targets(assigned):
                        yield from self._inside(assigned.value or value, at)
                        return
            case ast.Tuple(elts=[element]):
                yield from self._inside(element, at)
            case ast.Attribute() if ast.unparse(value) in ELSEWHERE:
                yield from fields_of(*ELSEWHERE[ast.unparse(value)], f"{at.removesuffix('.')}[].")
            case ast.Call(func=function, args=arguments):
                yield from self._returned(function, arguments, at)

    def _returned(self, function: ast.expr, arguments: list[ast.expr], at: str) -> Iterator[Field]:
        name = ast.unparse(function).removeprefix("self.")
        if name in ELSEWHERE:
            yield from fields_of(*ELSEWHERE[name], at)
        if name in REFUSALS:
            return
        if name in LISTS | {"json_page"} or name[0].isupper():
            for argument in arguments[:2]:
                yield from self._inside(argument, at)
        found = definition(self.module, name)
        if found is None and "." not in name:
            classes = [one for one in parsed(self.module)[0].body if isinstance(one, ast.ClassDef)]
            owner = next((one.name for one in classes if self.node in one.body), "")
            found = definition(self.module, f"{owner}.{name}") if owner else None
        if found is not None and not isinstance(found[1], ast.ClassDef) and found[1] is not self.node:
            yield from Walk(*found).all(at)

    def _keys(self, value: ast.Dict, at: str) -> Iterator[Field]:
        for key, one in zip(value.keys, value.values, strict=True):
            if key is None:
                yield from self._inside(one, at)
                continue
            name = str(key.value) if isinstance(key, ast.Constant) else "NAME"
            inner = list(self._inside(one, f"{at}{name}."))
            if not inner:
                yield Field(f"{at}{name}", _kind(one), self._meaning(one))
            yield from inner

    def _meaning(self, one: ast.stmt | ast.expr) -> str:
        found = COMMENT.match(parsed(self.module)[1][(one.end_lineno or one.lineno) - 1])
        return found["text"] if found else ""


def _targets(one: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = one.targets if isinstance(one, ast.Assign) else [one.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _parts(annotation: ast.expr) -> list[str]:
    return ["null" if part == "None" else part for part in ast.unparse(annotation).split(" | ")]


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _kind(value: ast.expr) -> str:
    match value:
        case ast.IfExp(body=body, orelse=other) if _is_none(body) or _is_none(other):
            kind = _kind(other if _is_none(body) else body)
            return f"{kind} or null" if kind else ""
        case ast.BoolOp(op=ast.Or(), values=[first, *_, last]) if _is_none(last):
            kind = _kind(first)
            return f"{kind} or null" if kind else ""
        case ast.Constant(value=bool()) | ast.Compare() | ast.UnaryOp(op=ast.Not()):
            return "true or false"
        case ast.JoinedStr() | ast.Constant(value=str()):
            return "text"
        case ast.List() | ast.ListComp():
            return "list"
        case ast.Dict() | ast.DictComp():
            return "object"
        case ast.Call(func=function):
            return _kind_of_call(ast.unparse(function).rpartition(".")[2])
    return ""


def _kind_of_call(name: str) -> str:
    if name in ("str", "to_text", "hex", "iso"):
        return "text"
    if name in ("any", "all", "bool"):
        return "true or false"
    return "number" if name in NUMBERS else "list" if name in LISTS else "object" if name == "dict" else ""
