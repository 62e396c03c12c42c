"""A million suffixes: loaded in seconds, small, longest match."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_base.errors import Fault
from kun_dns64.formats.names import from_text
from kun_dns64.policy.suffix import SuffixSet, build_suffix_set, parse_suffix

LABEL = st.text("ab", min_size=1, max_size=2)
ODD_LINES = [
    "", ".", "#", "a.b", "A.b.", ".a.b", " a.b ", "a.b # why", "a.b#", "\ta.b\r", "b", r"a\.b", r"a\046b", "a b",
    "a..b", "*.b", "x" * 64, "y" * 63, "é.b", "a/b", "..", "..a.b", "a.b..",
]  # fmt: skip
ODD_NAMES = [b"\x00", b"\x01a\x01b\x00", b"\x03a.b\x00", b"\x01b\x00", b"\x3f" + b"y" * 63 + b"\x00", b"\x03a/b\x00"]
NAME = st.lists(LABEL, min_size=1, max_size=4).map(".".join)


def built(lists: dict[str, list[str]]) -> tuple[SuffixSet, list[Fault]]:
    """Each list in two blocks, as files come."""
    return build_suffix_set({pool: [block(lines[:2]), block(lines[2:])] for pool, lines in lists.items()})


def block(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


@given(st.lists(NAME, max_size=8), st.lists(NAME, max_size=8), NAME)
def test_the_longest_listed_suffix_wins(first: list[str], second: list[str], name: str) -> None:
    table, faults = built({"one": first, "two": second})
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
    table, faults = built({"p": lines})
    assert faults == []
    for name in ("example.org", "a.www.example.net", "dotted.example"):
        assert table.find(from_text(name)) == "p"
    assert table.find(from_text("example.net")) is None


def test_the_root_takes_everything() -> None:
    table, _ = built({"all": ["."]})
    assert table.find(from_text("a.b")) == "all"
    assert table.find(b"\x00") == "all"


@pytest.mark.parametrize("line", ["a b", "a..b", "x" * 64, "münchen.de", "*.example.org", ".".join(["x" * 63] * 4)])
def test_bad_lines_are_faults_with_their_number(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_suffix(line)
    _, faults = built({"p": ["good.example", line]})
    assert "line 2" in str(faults[0])


def test_many_bad_lines_are_told_shortly() -> None:
    _, faults = built({"p": ["a..b"] * 1000})
    assert len(faults) == 21


def test_a_dot_inside_a_label_is_none_between_labels() -> None:
    table, faults = built({"p": ["example.org", r"a\.b.example.net"]})
    assert faults == []
    assert table.find(from_text(r"x.a\.b.example.net")) == "p"
    assert table.find(from_text("x.a.b.example.net")) is None
    assert table.find(from_text(r"www\.example.org")) is None
    assert table.find(from_text(r"w\.w.example.org")) == "p"


@given(st.lists(st.sampled_from(ODD_LINES), max_size=6), st.sampled_from(ODD_LINES))
def test_a_block_with_unusual_lines_means_the_same_as_its_lines_one_by_one(lines: list[str], more: str) -> None:
    """Plain blocks are read at once, others line by line: no line may mean something else for its company."""
    table, faults = build_suffix_set({"p": [block([*lines, more])]})
    alone = [build_suffix_set({"p": [line.encode()]}) for line in [*lines, more]]
    assert [fault.value for fault in faults] == [fault.value for _, found in alone for fault in found]
    for name in ODD_NAMES:
        assert (table.find(name) == "p") == any(one.find(name) == "p" for one, _ in alone), name


def test_suffixes_listed_twice_count_once() -> None:
    table, _ = built({"one": ["a.example", "b.example", "A.example."], "two": ["a.example", "c.example"]})
    assert table.find(from_text("a.example")) == "one"
    assert len(table) == 4, "once in each pool"


def test_a_hundred_thousand_suffixes_load_quickly_and_stay_small() -> None:
    lines = [f"name{number}.example{number % 7}.org" for number in range(100_000)]
    begin = time.process_time()
    table, _ = built({"p": lines})
    assert time.process_time() - begin < 3
    assert len(table) == 100_000
    assert table.size_bytes < 1_500_000
    assert table.find(from_text("www.name99999.example4.org")) == "p"
    assert table.find(from_text("www.name99999.example5.org")) is None
