"""Lines of keys, found beside tomllib."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_base.toml_positions import positions

LINES = {
    "a table": ("[a]\nb = 1\n", "a.b", 2),
    "an array over lines": ('[a]\nb = [\n  "x", # first\n\n  "y",\n]\nc = 1\n', "a.b[1]", 5),
    "behind an array": ('[a]\nb = [\n  "x",\n]\nc = 1\n', "a.c", 5),
    "an inline table": ('a = { b = 1, c = [{ d = "}" }] }\n', "a.c[0].d", 1),
    "an array of inline tables over lines": ("a = [\n{ b = 1 },\n{ b = 2, c = 3 }]\n", "a[1].c", 3),
    "an array of tables": ("[[a]]\nb = 1\n[[a]]\nb = 2\n", "a[1].b", 4),
    "a table below an array of tables": ("[[a]]\n[[a]]\n[a.c]\nd = 1\n", "a[1].c.d", 4),
    "an array below an array of tables": ("[[a]]\n[[a.b]]\nc = 1\n[[a.b]]\nc = 2\n", "a[0].b[1].c", 5),
    "a dotted key": ("a.b.c = 1\na.b.d = 2\n", "a.b.d", 2),
    "a quoted key": ('[a]\n"net.ipv4.ip_forward" = "1"\n"x\\"y" = 2\n', 'a.x"y', 3),
    "a literal key": ("[a]\n'b#c' = 1\n", "a.b#c", 2),
    "a text with marks": ('a = "# [x] \\" = "\nb = \'# "\'\nc = 1\n', "c", 3),
    "a text over lines": ('a = """\nb = 1\n\\""" c = 2\n"""\nd = 1\n', "d", 5),
    "a literal over lines": ("a = '''\nb = 1\n'''\nd = 1\n", "d", 4),
    "three quotes behind quotes": ('a = """x"""""\nd = 1\n', "d", 2),
    "lines that end with CRLF": ("[a]\r\nb = 1\r\nc = 2\r\n", "a.c", 3),
    "a key that is missing": ("[a]\nb = 1\n[c]\nd = 1\n", "c.e", 3),
    "an entry that is missing": ("x = 1\n[c]\nd = [\n1]\n", "c.d[5].f", 3),
    "a section that is missing": ("[a]\n", "z", 0),
    "dates and numbers": ("a = 1979-05-27 07:32:00\nb = -inf # x\nc = 0x_f\nd = 1\n", "d", 4),
}


@pytest.mark.parametrize(("text", "path", "line"), LINES.values(), ids=LINES)
def test_a_key_is_found_on_its_line(text: str, path: str, line: int) -> None:
    assert positions(text).line_of(path) == line


NOT_CLOSED = {
    "a quote": ('[a]\nb = "x\nc = 1\n', "quote", 2),
    "a single quote": ("a = 'x\n", "quote", 1),
    "a quote in an array": ('a = [\n  "x",\n  "y,\n]\n', "quote", 3),
    "three quotes": ('a = 1\nb = """x\ny\n', "quote", 2),
    "a bracket before the next key": ('a = [\n  "x",\n  "y"\nb = 1\n', "bracket [", 1),
    "a bracket at the end": ("[a]\nb = [1,\n2\n", "bracket [", 2),
    "a brace": ("a = { b = 1\nc = 2\n", "brace {", 1),
    "a key in quotes": ('[a]\n"b = 1\n', "quote", 2),
}


@pytest.mark.parametrize(("text", "what", "line"), NOT_CLOSED.values(), ids=NOT_CLOSED)
def test_what_is_not_closed_is_named_with_its_line(text: str, what: str, line: int) -> None:
    found = positions(text).not_closed
    assert found is not None
    assert (found.what, found.line) == (what, line)


@pytest.mark.parametrize("text", ["a = x y", "a = [1 2]", "= 1", "a = {b = 1 c = 2}", "[a\nb = 1", "a b = 1"])
def test_other_mistakes_are_not_called_unclosed(text: str) -> None:
    assert positions(text).not_closed is None


def test_keys_and_tables_that_are_there_twice_are_all_found() -> None:
    text = "[a]\nb = 1\nb = 2\n[c]\n[a]\n[[d]]\ne = 1\n[[d]]\ne = 1\n"
    assert positions(text).repeated == [("a.b", 2, 3), ("a", 1, 5)]


KEYS = st.sampled_from(["a", "b-c", "d.e", 'f"g', "h#i", "j k", "ä"])
SCALARS = st.one_of(st.integers(), st.booleans(), st.text(alphabet="ab\"\\\n'#[]{}=,\t", max_size=8))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))


def written(value: Any, gap: str) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{quoted(key)} = {written(one, '')}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + gap + f",{gap}".join(written(one, gap) for one in value) + gap + "]"
    return quoted(value) if isinstance(value, str) else str(value).lower()


def quoted(text: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}
    return '"' + "".join(escapes.get(char, char) for char in text) + '"'


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.sampled_from(["", "\n", "\n# x = [\n"]))
def test_whatever_tomllib_reads_is_indexed_to_its_end(data: dict[str, Any], gap: str) -> None:
    text = "".join(f"{quoted(key)} = {written(value, gap)}\n" for key, value in data.items()) + "last = 1\n"
    assert tomllib.loads(text) == {**data, "last": 1}
    found = positions(text)
    assert found.not_closed is None
    assert found.lines["last"] == text.count("\n")
    assert {key for key in data} <= found.lines.keys()


@given(st.text(alphabet="ab\"\\\n'#[]{}=,. \t\r1", max_size=40))
def test_no_text_breaks_the_index(text: str) -> None:
    found = positions(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in found.lines.values())
