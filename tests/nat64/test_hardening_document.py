"""docs/gateway-hardening.md: every test that it names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "gateway-hardening.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:tests/)?[a-z0-9_/]+/test_[a-z0-9_]+\.py)(?:::(test_\w+))?`", TEXT)))


def test_most_rows_name_a_test() -> None:
    assert len(NAMED) > 60


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_named_test_is_there(path: str, name: str) -> None:
    folder = ROOT if path.startswith("tests/") else ROOT / "tests" / ("" if path.startswith("lab/") else "nat64")
    text = (folder / path).read_text()
    assert not name or re.search(rf"^(async )?def {name}\(", text, re.MULTILINE)
