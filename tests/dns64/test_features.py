"""docs/dns64-features.md claims nothing that no test shows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dns64.conformance import test_config, test_conformance

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "dns64-features.md"
TABLES = {"Features": 93, "What none of the six has": 21, "What went wrong elsewhere": 62}
ROW = re.compile(r"^\| (\d+) \| ([^|]*) \|(?: (yes|no|partly) \|)? (.*?) ?\|$", re.MULTILINE)
REFERENCE = re.compile(r"`((?:\w+/)*\w+\.py::\w+|c\d{3}[a-z]*-[^`]+)`")
WORDS_OF_A_REASON = 8


def tables() -> Iterator[tuple[str, list[tuple[str, str, str, str]]]]:
    text = DOCUMENT.read_text()
    for part in text.split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        yield title, ROW.findall(body)


def rows() -> list[tuple[str, tuple[str, str, str, str]]]:
    return [(title, row) for title, found in tables() for row in found]


def row_ids() -> set[str]:
    """Of the conformance table and of the files that are judged."""
    marks: list[pytest.Mark] = getattr(test_config.test_file_is_judged_rightly, "pytestmark")  # noqa: B009
    judged = {
        parameter.id
        for mark in marks
        if mark.name == "parametrize"
        for parameter in mark.args[1]
        if parameter.id is not None
    }
    return {case.id for case in test_conformance.CASES} | judged


def functions_of(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def exists(reference: str, ids: set[str]) -> bool:
    file, separator, name = reference.partition("::")
    if separator:
        return (HERE / file).is_file() and name in functions_of(HERE / file)
    if reference.endswith("*"):
        return any(known.startswith(reference[:-1]) for known in ids)
    return reference in ids


@pytest.mark.parametrize(("title", "count"), TABLES.items(), ids=TABLES)
def test_no_row_is_missing(title: str, count: int) -> None:
    assert [int(row[0]) for row in dict(tables())[title]] == list(range(1, count + 1))


def test_every_test_that_is_named_exists() -> None:
    ids = row_ids()
    named = {reference for _, row in rows() for reference in REFERENCE.findall(row[3])}
    assert len(named) > 150
    assert [reference for reference in sorted(named) if not exists(reference, ids)] == []


@pytest.mark.parametrize(("title", "row"), rows(), ids=lambda value: value[0] if isinstance(value, tuple) else value)
def test_a_yes_names_a_test_and_a_no_its_reason(title: str, row: tuple[str, str, str, str]) -> None:
    number, feature, verdict, shown = row
    if verdict != "no" and title != "":
        assert REFERENCE.search(shown), f"{title} {number} ({feature}) names no test"
    if verdict in ("no", "partly"):
        words = REFERENCE.sub("", shown).split()
        assert len(words) >= WORDS_OF_A_REASON, f"{title} {number} ({feature}) does not say why"


def test_the_check_would_notice() -> None:
    ids = row_ids()
    assert exists("c001-rfc6147-5.1.6-only-a-gives-aaaa", ids)
    assert not exists("c001-rfc6147-5.1.6-only-a-gives", ids)
    assert not exists("c999-*", ids)
    assert exists("test_features.py::test_the_check_would_notice", ids)
    assert not exists("test_features.py::test_that_nobody_wrote", ids)
    assert not exists("nowhere.py::test_that_nobody_wrote", ids)
