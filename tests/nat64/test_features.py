"""docs/nat64-features.md claims nothing that no test shows, and names no file that is not there."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
DOCUMENT = ROOT / "docs" / "nat64-features.md"
ROW = re.compile(r"^\| (\d+) \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
REFERENCE = re.compile(r"`((?:\w+/)*\w+\.py)::(\w+)`")
PLACE = re.compile(r"`([^`]+)`")
OTHER_FOLDERS = ("lab/", "gateway_config/", "base/")
LEAST_ROWS = 70


def rows() -> list[tuple[str, str, str, str]]:
    return ROW.findall(DOCUMENT.read_text())


def functions_of(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def is_there(file: str, name: str) -> bool:
    path = TESTS / file if file.startswith(OTHER_FOLDERS) else TESTS / "nat64" / file
    return path.is_file() and name.startswith("test_") and name in functions_of(path)


def place_exists(place: str) -> bool:
    below = ROOT if place.startswith(("gateway-config/", "kun_base/")) else ROOT / "kun_nat64"
    return (below / place).exists()


def test_no_row_is_missing() -> None:
    assert [int(number) for number, *_ in rows()] == list(range(1, len(rows()) + 1))
    assert len(rows()) >= LEAST_ROWS


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_feature_names_its_place_and_its_tests(row: tuple[str, str, str, str]) -> None:
    number, feature, where, shown = row
    places, references = PLACE.findall(where), REFERENCE.findall(shown)
    assert places, f"{number} ({feature}) names no place"
    assert references, f"{number} ({feature}) names no test"
    assert len(references) == len(PLACE.findall(shown)), f"{number} ({feature}): something there is no test"
    assert [place for place in places if not place_exists(place)] == []
    assert [f"{file}::{name}" for file, name in references if not is_there(file, name)] == []


def test_the_check_would_notice() -> None:
    assert is_there("test_features.py", "test_the_check_would_notice")
    assert not is_there("test_features.py", "test_that_nobody_wrote")
    assert not is_there("nowhere.py", "test_that_nobody_wrote")
    assert not is_there("test_features.py", "functions_of")
    assert not place_exists("policy/nowhere.py")
