"""What an AAAA question gets, by what upstream said about AAAA and A. Ids carry number and section of the case list."""

# ruff: noqa: E501 - a row stays on one line

from typing import NamedTuple

import pytest

from kun_dns64.model.step import FailureKind

from ..world import Outcome, answer, bare_nodata, error, lost, nodata, nxdomain, query, run

S33 = "w {} AAAA 2002:c633:6440::c000:221"
A33 = answer("w 3600 A 192.0.2.33")


class Row(NamedTuple):
    id: str
    aaaa: Outcome
    a: Outcome | None
    rcode: str
    lines: list[str]
    rule: str


def synth(ttl: int) -> list[str]:
    return [S33.format(ttl)]


ROWS = [
    Row("c001-6147-5.1.6-nodata", nodata(), A33, "NOERROR", synth(300), "synthesised-nodata"),
    Row(
        "c002-6147-5.1.7-every-a",
        nodata(),
        answer("w 60 A 192.0.2.33\nw 60 A 192.0.2.34\nw 60 A 192.0.2.35"),
        "NOERROR",
        [f"w 60 AAAA 2002:c633:6440::c000:22{n}" for n in (1, 2, 3)],
        "synthesised-nodata",
    ),
    Row("c003-5.1.1-real-wins", answer("w 60 AAAA 2001:db8::1"), None, "NOERROR", ["w 60 AAAA 2001:db8::1"], "real-aaaa"),
    Row("c011-2181-5-duplicates", nodata(), answer("w 60 A 192.0.2.33\nw 60 A 192.0.2.33"), "NOERROR", synth(60), "synthesised-nodata"),
    Row("c021-5.1.2-nxdomain", nxdomain(), None, "NXDOMAIN", [], "nxdomain"),
    *(
        Row(f"c022-5.1.2-rcode-{rcode}", error(rcode), A33, "NOERROR", synth(600), "synthesised-error")
        for rcode in (1, 2, 4, 5, 6, 7, 8, 9, 10, 16, 23)
    ),
    Row("c027-5.1.3-timeout", lost(), A33, "NOERROR", synth(600), "synthesised-timeout"),
    *(
        Row(f"c027-5.1.3-{kind.value}", lost(kind), A33, "NOERROR", synth(600), "synthesised-error")
        for kind in (FailureKind.GARBAGE, FailureKind.CLOSED, FailureKind.TRUNCATED, FailureKind.UNREACHABLE)
    ),
    Row("c029-5.1.7-no-soa", bare_nodata(), A33, "NOERROR", synth(600), "synthesised-nodata"),
    Row("c030-D1-both-empty", nodata(), nodata(100, 100), "NOERROR", [], "no-a"),
    Row("c031-D3-a-nxdomain", nodata(), nxdomain(100, 100), "NXDOMAIN", [], "nxdomain"),
    Row("c032-D2-a-servfail", nodata(), error(), "SERVFAIL", [], "a-failed"),
    Row("c033-D2-a-refused", nodata(), error(5), "SERVFAIL", [], "a-failed"),
    Row("c034-D2-a-timeout", nodata(), lost(), "SERVFAIL", [], "a-failed"),
    Row("c035-D5-error-and-empty", error(), nodata(), "SERVFAIL", [], "aaaa-failed"),
    Row("c036-error-and-nxdomain", error(), nxdomain(), "NXDOMAIN", [], "nxdomain"),
    Row("c037-D2-both-errors", error(), error(), "SERVFAIL", [], "a-failed"),
    Row("c038-D20-both-time-out", lost(), lost(), "SERVFAIL", [], "a-failed"),
    Row("c040-D6-other-ede", error(2, (22,)), A33, "NOERROR", synth(600), "synthesised-error"),
    Row("c041-2308-2.2-referral", answer("", "t 300 NS ns"), A33, "NOERROR", synth(600), "synthesised-error"),
    Row("c043-5.1.6-other-types-only", nodata(), answer('w 60 TXT "x"'), "NOERROR", [], "no-a"),
    Row("c044-5.1.2-nxdomain-with-data", nxdomain(300, 300, "w 60 AAAA 2001:db8::1"), None, "NXDOMAIN", [], "nxdomain"),
    Row("c272-hinfo-is-no-aaaa", answer('w 60 HINFO "RFC8482" ""'), A33, "NOERROR", synth(600), "synthesised-nodata"),
    Row("c047-ttl-soa-smaller", nodata(300, 300), A33, "NOERROR", synth(300), "synthesised-nodata"),
    Row("c048-ttl-a-smaller", nodata(300, 300), answer("w 120 A 192.0.2.33"), "NOERROR", synth(120), "synthesised-nodata"),
    Row("c050-no-soa-a-smaller", bare_nodata(), answer("w 120 A 192.0.2.33"), "NOERROR", synth(120), "synthesised-nodata"),
    Row("c051-minimum-counts", nodata(300, 60), A33, "NOERROR", synth(60), "synthesised-nodata"),
    Row("c052-D9-soa-ttl-counts", nodata(60, 300), A33, "NOERROR", synth(60), "synthesised-nodata"),
    Row(
        "c012-2181-5.2-a-duplicates-ttl-counts",
        nodata(),
        answer("w 90 A 192.0.2.33\nw 80 A 192.0.2.33\nw 85 A 192.0.2.34"),
        "NOERROR",
        ["w 80 AAAA 2002:c633:6440::c000:221", "w 80 AAAA 2002:c633:6440::c000:222"],
        "synthesised-nodata",
    ),
    Row(
        "c053-2181-5.2-one-ttl",
        nodata(),
        answer("w 60 A 192.0.2.33\nw 70 A 192.0.2.34"),
        "NOERROR",
        ["w 60 AAAA 2002:c633:6440::c000:221", "w 60 AAAA 2002:c633:6440::c000:222"],
        "synthesised-nodata",
    ),
    Row("c055-soa-ttl-0", nodata(0, 300), A33, "NOERROR", synth(0), "synthesised-nodata"),
    Row("c054-a-ttl-0", nodata(), answer("w 0 A 192.0.2.33"), "NOERROR", synth(0), "synthesised-nodata"),
    Row("c061-soa-in-additional", answer("", "", "@ 10 SOA ns h 1 2 3 4 10"), A33, "NOERROR", synth(600), "synthesised-nodata"),
    Row(
        "c062-two-soa",
        answer("", "@ 300 SOA ns h 1 2 3 4 300\n@ 200 SOA ns h 1 2 3 4 200"),
        A33,
        "NOERROR",
        synth(200),
        "synthesised-nodata",
    ),
    *(
        Row(f"c064-bind-{ttl}", nodata(1200, 1200), answer(f"w {ttl} A 192.0.2.33"), "NOERROR", synth(want), "synthesised-nodata")
        for ttl, want in ((500, 500), (700, 700), (1100, 1100), (1300, 1200))
    ),
    Row("c065-8767-4-cap", nodata(604800, 604800), answer("w 604800 A 192.0.2.33"), "NOERROR", synth(86400), "synthesised-nodata"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_aaaa_question(row: Row) -> None:
    upstream = {"w AAAA": row.aaaa} | ({"w A": row.a} if row.a is not None else {})
    got = run(query("w", "AAAA"), upstream)
    assert (got.rcode, got.lines, got.rule) == (row.rcode, row.lines, row.rule)
    assert got.asked == list(upstream), "asked no more and no less"


def test_authority_is_the_final_answers_own() -> None:
    a = answer("w 60 A 192.0.2.33", "@ 60 NS ns", "ns 60 A 192.0.2.53")
    got = run(query("w", "AAAA"), {"w AAAA": nodata(), "w A": a})
    assert got.section("authority") == ["@ 60 NS ns"]
    assert got.section("additional") == ["ns 60 A 192.0.2.53"], "never translated there (RFC 6147 section 5.3.2)"


def test_a_denial_keeps_the_soa_of_the_aaaa() -> None:
    got = run(query("w", "AAAA"), {"w AAAA": nodata(300, 300), "w A": nodata(100, 100)})
    assert got.section("authority") == ["@ 300 SOA ns h 1 3600 600 86400 300"]


def test_a_nxdomain_for_the_a_brings_its_own_soa() -> None:
    got = run(query("w", "AAAA"), {"w AAAA": nodata(300, 300), "w A": nxdomain(100, 100)})
    assert got.section("authority") == ["@ 100 SOA ns h 1 3600 600 86400 100"]


def test_a_denials_soa_lives_no_longer_than_its_minimum() -> None:
    got = run(query("w", "MX"), {"w MX": nodata(3600, 60)})
    assert got.section("authority") == ["@ 60 SOA ns h 1 3600 600 86400 60"]


@pytest.mark.parametrize(
    ("aaaa", "a", "edes"),
    [
        (nodata(), lost(), [22]),
        (nodata(), lost(FailureKind.UNREACHABLE), [23]),
        (nodata(), error(), [22]),
        (nodata(), error(2, (9,)), [9]),
        (nodata(), A33, [29]),
        (lost(), lost(), [22]),
        (answer("w 60 AAAA 2001:db8::1"), None, []),
    ],
    ids=["timeout", "unreachable", "servfail", "upstreams-own", "synthesised", "both", "real"],
)
def test_extended_errors_say_why(aaaa: Outcome, a: Outcome | None, edes: list[int]) -> None:
    upstream = {"w AAAA": aaaa} | ({"w A": a} if a is not None else {})
    assert run(query("w", "AAAA"), upstream).edes == edes


@pytest.mark.parametrize("code", [1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 27])
def test_a_bogus_denial_is_not_papered_over(code: int) -> None:
    got = run(query("w", "AAAA"), {"w AAAA": error(2, (code,))})
    assert (got.rcode, got.edes, got.rule) == ("SERVFAIL", [code], "dnssec-failure")


def test_the_a_may_be_asked_meanwhile_only_where_synthesis_is_possible() -> None:
    plain = run(query("w", "AAAA"), {"w AAAA": nodata(), "w A": A33})
    assert plain.asks[0].meanwhile is not None
    cd = run(query("w", "AAAA", cd=True), {"w AAAA": nodata()})
    assert cd.asks[0].meanwhile is None
