"""What is passed on is tidy: RFC 2181 section 5, RFC 6147 section 5.3.3."""

import pytest

from ..world import answer, query, rtype, run


@pytest.mark.parametrize(
    "line",
    [
        'w 77 TXT "a" "b"',
        "w 77 MX 10 m",
        "w 77 SRV 1 2 3 s",
        "w 77 NS ns",
        'w 77 CAA 0 issue "ca"',
        'w 77 NAPTR 1 1 "u" "E2U" "!x!y!" .',
        "w 77 TYPE65280 \\# 3 010203",
        'w 77 HTTPS 1 . ipv4hint="192.0.2.33" key65333="abc"',
        "w 77 HTTPS 0 alias",
        'w 77 HINFO "RFC8482" ""',
    ],
)
def test_other_types_pass_unchanged(line: str) -> None:
    kind = line.split()[2]
    got = run(query("w", kind), {f"w {kind}": answer(line)})
    assert got.lines == [line]
    assert got.asked == [f"w {kind}"]


def test_any_is_forwarded_with_all_its_types() -> None:
    text = 'w 60 A 192.0.2.33\nw 60 TXT "x"\nw 60 MX 1 m'
    got = run(query("w", "ANY"), {"w ANY": answer(text)})
    assert got.lines == text.split("\n")


def test_one_ttl_per_rrset_in_every_section() -> None:
    reply = answer(
        "w 60 A 192.0.2.1\nw 70 A 192.0.2.2", "@ 9 NS a\n@ 8 NS b", "a 5 A 192.0.2.3\na 4 A 192.0.2.4\na 3 AAAA ::1"
    )
    got = run(query("w", "A"), {"w A": reply})
    assert got.lines == ["w 60 A 192.0.2.1", "w 60 A 192.0.2.2"]
    assert got.section("authority") == ["@ 8 NS a", "@ 8 NS b"]
    assert got.section("additional") == ["a 4 A 192.0.2.3", "a 4 A 192.0.2.4", "a 3 AAAA ::1"]


def test_duplicates_go_once_in_every_section() -> None:
    reply = answer("w 60 A 192.0.2.1\nw 60 A 192.0.2.1", "@ 9 NS a\n@ 9 NS a", "a 5 A 192.0.2.3\na 5 A 192.0.2.3")
    got = run(query("w", "A"), {"w A": reply})
    assert [len(got.section(name)) for name in ("answer", "authority", "additional")] == [1, 1, 1]


@pytest.mark.parametrize("line", ["evil 60 A 192.0.2.66", "w 60 CH A 192.0.2.66", 'w 60 TXT "x"'])
def test_answers_hold_only_what_was_asked(line: str) -> None:
    if " CH " in line:
        line = "w 60 CH TXT x"
    assert run(query("w", "A"), {"w A": answer(f"w 60 A 192.0.2.1\n{line}")}).lines == ["w 60 A 192.0.2.1"]


def test_ttls_are_capped() -> None:
    assert run(query("w", "A"), {"w A": answer("w 604800 A 192.0.2.1")}).lines == ["w 86400 A 192.0.2.1"]


def test_signatures_of_different_types_keep_their_own_ttl() -> None:
    sig = "20300101000000 20200101000000 1 t.example. AAAA"
    text = f"w 60 RRSIG A 8 3 60 {sig}\nw 70 RRSIG TXT 8 3 70 {sig}"
    assert [line.split()[1] for line in run(query("w", "RRSIG"), {"w RRSIG": answer(text)}).lines] == ["60", "70"]
    assert rtype("RRSIG") == 46
