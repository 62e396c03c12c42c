"""One thing for one word: within a program a public class name stands for one class."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("program", ["kun_dns64", "kun_nat64", "kun_cluster"])
def test_public_class_names_are_unique_within_a_program(program: str) -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path in [*(ROOT / program).rglob("*.py"), *(ROOT / "kun_base").glob("*.py")]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
