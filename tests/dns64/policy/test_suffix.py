"""A million suffixes: loaded in seconds, small, longest match."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_dns64.formats.names import from_text
from kun_dns64.policy.suffix import build_suffix_set, parse_suffix

LABEL = st.text("ab", min_size=1, max_size=2)
NAME = st.lists(LABEL, min_size=1, max_size=4).map(".".join)


@given(st.lists(NAME, max_size=8), st.lists(NAME, max_size=8), NAME)
def test_the_longest_listed_suffix_wins(first: list[str], second: list[str], name: str) -> None:
    table, faults = build_suffix_set({"one": first, "two": second})
    assert faults == []
    want = None
    for start in range(name.count(".") + 1):
        suffix = name.split(".", start)[-1]
        want = "one" if suffix in first else "two" if suffix in second else None
        if want:
            break
    assert table.find(from_text(name)) == want


def test_lines_as_people_write_them() -> None:
    lines = ["Example.ORG", "", "  # a comment", "www.example.net.  # another", ".dotted.example"]
    table, faults = build_suffix_set({"p": lines})
    assert faults == []
    for name in ("example.org", "a.www.example.net", "dotted.example"):
        assert table.find(from_text(name)) == "p"
    assert table.find(from_text("example.net")) is None


def test_the_root_takes_everything() -> None:
    table, _ = build_suffix_set({"all": ["."]})
    assert table.find(from_text("a.b")) == "all"
    assert table.find(b"\x00") == "all"


@pytest.mark.parametrize("line", ["a b", "a..b", "x" * 64, "münchen.de"])
def test_bad_lines_are_faults_with_their_number(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_suffix(line)
    _, faults = build_suffix_set({"p": ["good.example", line]})
    assert "line 2" in str(faults[0])


def test_many_bad_lines_are_told_shortly() -> None:
    _, faults = build_suffix_set({"p": ["a..b"] * 1000})
    assert len(faults) == 21


def test_a_hundred_thousand_suffixes_load_quickly_and_stay_small() -> None:
    lines = [f"name{number}.example{number % 7}.org" for number in range(100_000)]
    begin = time.process_time()
    table, _ = build_suffix_set({"p": lines})
    assert time.process_time() - begin < 5
    assert len(table) == 100_000
    assert table.octets < 1_500_000
    assert table.find(from_text("www.name99999.example4.org")) == "p"
    assert table.find(from_text("www.name99999.example5.org")) is None
