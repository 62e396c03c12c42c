"""A file imports its own rank or a lower one (README, "How the code is laid out")."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RANKS = {
    "model": 0,
    "policy": 1,
    "formats": 1,
    "config": 2,
    "transport": 2,
    "drivers": 2,
}
TOP_RANK = 3  # app.py, cli.py and the other modules directly in a package
IMPURE = {
    "asyncio", "socket", "os", "time", "subprocess", "threading", "random", "secrets", "ssl", "select",
    "uvloop", "aiohttp", "pyroute2", "logging", "signal", "pathlib", "shutil", "tempfile",
}  # fmt: skip
KINDS = ("*.py", "*.pyx", "*.pxi")
SOURCES = [
    p
    for package in ("kun_base", "kun_dns64", "kun_nat64")
    for kind in KINDS
    for p in sorted((ROOT / package).rglob(kind))
]
CYTHON_IMPORT = re.compile(r"^\s*(?:from ([\w.]+) c?import |c?import ([\w.]+))", re.MULTILINE)


def rank_of(module: str) -> int:
    parts = module.split(".")
    return RANKS.get(parts[1], TOP_RANK) if len(parts) > 1 else TOP_RANK


def imports_of(path: Path) -> list[str]:
    if path.suffix != ".py":
        return [first or second for first, second in CYTHON_IMPORT.findall(path.read_text())]
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def test_imports_of_compiled_modules_are_seen() -> None:
    found = imports_of(ROOT / "kun_dns64" / "misspath.pyx")
    assert {"kun_dns64.fastpath.wire", "libc.time", "kun_dns64.state.metrics"} <= set(found)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_go_down_the_ranks(path: Path) -> None:
    own = module_name(path)
    package, rank = own.split(".")[0], rank_of(own)
    for target in imports_of(path):
        top = target.split(".")[0]
        if top not in ("kun_base", "kun_dns64", "kun_nat64"):
            continue
        assert top in (package, "kun_base"), f"{own} imports {target}: the two programs share only kun_base"
        if top == package and package != "kun_base":
            assert rank_of(target) <= rank, f"{own} imports {target}, which is a higher rank"


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if rank_of(module_name(p)) < 2 and p.parts[-2] in RANKS], ids=module_name
)
def test_pure_ranks_touch_no_clock_socket_or_file(path: Path) -> None:
    bad = {target.split(".")[0] for target in imports_of(path)} & IMPURE
    assert not bad, f"{module_name(path)} is pure by rank, yet imports {sorted(bad)}: make it an argument"
