"""Every folder has a rank; a file imports its own rank or a lower one, and no import goes in a circle.

The ranks are those of docs/architecture.md. Imports under TYPE_CHECKING and inside functions count: a reader follows
them as well.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("kun_base", "kun_dns64", "kun_nat64", "kun_cluster")
PROGRAMS = PACKAGES[1:]
RANKS = {
    "model": 0,
    "policy": 1,
    "formats": 1,
    "state": 2,
    "views": 2,
    "cache": 2,
    "config": 3,
    "transport": 3,
    "drivers": 3,
    "watch": 3,
    "fastpath": 4,
    "serving": 5,
    "agent": 5,
    "control": 5,
    "processes": 5,
    "cli": 6,
}
PURE = {folder for folder, rank in RANKS.items() if rank < RANKS["config"]}
ROOT_FILES = {"__init__.py", "__main__.py"}
IO_MODULES = {
    "asyncio", "socket", "os", "time", "subprocess", "threading", "random", "secrets", "ssl", "select",
    "uvloop", "aiohttp", "pyroute2", "logging", "signal", "pathlib", "shutil", "tempfile",
}  # fmt: skip
KINDS = ("*.py", "*.pyx", "*.pxi", "*.pxd")
CYTHON_IMPORT = re.compile(r"^\s*(?:from ([\w.]+) c?import ([^\n#]+)|c?import ([\w.]+))", re.MULTILINE)


def sources(root: Path) -> list[Path]:
    return [
        path
        for package in PACKAGES
        if (root / package).is_dir()
        for kind in KINDS
        for path in (root / package).rglob(kind)
    ]


def module_of(path: Path, root: Path) -> str:
    """The module's dotted name; a Cython part (.pxi, .pxd) counts as a module of its own name."""
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> set[str]:
    if path.suffix != ".py":
        return set(_cython_imports(path.read_text()))
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _cython_imports(text: str) -> Iterator[str]:
    for package, names, plain in CYTHON_IMPORT.findall(text):
        yield package or plain
        yield from (f"{package}.{name.split()[0]}" for name in names.strip("() ").split(",") if name.strip())


def graph_of(root: Path) -> dict[str, set[str]]:
    """Each of our modules and which of our modules it imports."""
    files = sources(root)
    known = {module_of(path, root) for path in files}
    graph: dict[str, set[str]] = {module: set() for module in known}
    for path in files:
        module = module_of(path, root)
        graph[module] |= {target for target in imports_of(path) if target in known and target != module}
    return graph


def folder_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 2 or (len(parts) == 2 and parts[1] in RANKS) else ""


def faults(root: Path) -> list[str]:
    """What breaks the rules below `root`, one sentence each."""
    graph = graph_of(root)
    return [*_misplaced(root), *_upward(graph), *_foreign(graph), *_circles(graph), *_impure(root)]


def _misplaced(root: Path) -> Iterator[str]:
    for package in PROGRAMS:
        for path in (root / package).glob("*"):
            if path.suffix in (".py", ".pyx", ".pxi", ".pxd") and path.name not in ROOT_FILES:
                yield f"{package}/{path.name}: a package root holds {sorted(ROOT_FILES)} only"
            if path.is_dir() and list(path.glob("*.py")) and path.name not in RANKS:
                yield f"{package}/{path.name}/ has no rank: give it one in tests/test_layers.py"


def _upward(graph: Mapping[str, set[str]]) -> Iterator[str]:
    for module, targets in graph.items():
        for target in sorted(targets):
            own, other = folder_of(module), folder_of(target)
            if own and other and RANKS[own] < RANKS[other]:
                yield f"{module} imports {target}: {own}/ is below {other}/"


def _foreign(graph: Mapping[str, set[str]]) -> Iterator[str]:
    for module, targets in graph.items():
        package = module.split(".")[0]
        for target in sorted(targets):
            top = target.split(".")[0]
            if top not in (package, "kun_base"):
                yield f"{module} imports {target}: the programs share only kun_base"


def _circles(graph: Mapping[str, set[str]]) -> Iterator[str]:
    """One sentence for each import that closes a circle (depth-first search)."""
    done: set[str] = set()

    def visit(module: str, trail: list[str]) -> Iterator[str]:
        if module in trail:
            yield "a circle of imports: " + " -> ".join([*trail[trail.index(module) :], module])
        elif module not in done:
            for target in sorted(graph[module]):
                yield from visit(target, [*trail, module])
            done.add(module)

    for module in sorted(graph):
        yield from visit(module, [])


def _impure(root: Path) -> Iterator[str]:
    for path in sources(root):
        module = module_of(path, root)
        if folder_of(module) in PURE:
            bad = {target.split(".")[0] for target in imports_of(path)} & IO_MODULES
            if bad:
                yield f"{module} imports {sorted(bad)}: {folder_of(module)}/ does no I/O; make it an argument"


def test_no_file_breaks_the_rules() -> None:
    assert not faults(ROOT), "\n".join(faults(ROOT))


def test_imports_of_compiled_modules_are_seen() -> None:
    found = imports_of(ROOT / "kun_dns64" / "fastpath" / "miss_path.pyx")
    assert {"kun_dns64.fastpath.wire", "cpython.bytes", "kun_dns64.state.metrics"} <= found


PLANTED = {
    "an import upward": (
        {"policy/rule.py": "from kun_nat64.drivers.tool import look\n", "drivers/tool.py": "look = 1\n"},
        "policy/ is below drivers/",
    ),
    "an import upward under TYPE_CHECKING": (
        {
            "state/one.py": "import typing\nif typing.TYPE_CHECKING:\n    from kun_nat64.agent.loop import L\n",
            "agent/loop.py": "L = 1\n",
        },
        "state/ is below agent/",
    ),
    "a circle": (
        {"policy/a.py": "from kun_nat64.policy import b\n", "policy/b.py": "def f():\n    import kun_nat64.policy.a\n"},
        "a circle of imports: kun_nat64.policy.a -> kun_nat64.policy.b -> kun_nat64.policy.a",
    ),
    "I/O in a view": ({"views/page.py": "import socket\n"}, "views/ does no I/O"),
    "I/O in the state": ({"state/clock.py": "from time import monotonic\n"}, "state/ does no I/O"),
    "a module in the root": ({"told.py": ""}, "a package root holds"),
    "a folder without a rank": ({"misc/thing.py": ""}, "has no rank"),
    "the other program": ({"policy/a.py": "from kun_dns64.policy import b\n"}, "the programs share only kun_base"),
}


@pytest.mark.parametrize(("files", "sentence"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_found(files: dict[str, str], sentence: str, tmp_path: Path) -> None:
    for package in ("kun_nat64", "kun_dns64"):
        (tmp_path / package / "policy").mkdir(parents=True)
    (tmp_path / "kun_dns64" / "policy" / "b.py").touch()
    for name, text in files.items():
        place = tmp_path / "kun_nat64" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
    assert any(sentence in fault for fault in faults(tmp_path)), faults(tmp_path)
