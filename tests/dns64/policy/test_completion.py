"""Aliases that an upstream leaves to us (RFC 1034 section 5.3.3, step 4c)."""

import itertools

import pytest

from kun_dns64.model.rules import ClientPolicy, Pool, Zone
from kun_dns64.model.step import Ask, Heard
from kun_dns64.policy.completion import MOST_FURTHER
from kun_dns64.policy.next_step import next_step

from ..world import answer, bare_nodata, error, lost, nodata, nxdomain, prefix, query, run, wire_name
from ..world import rules as changed_rules

ALONE = "w 30 CNAME x"
HERE = prefix("2001:db8::/32").network
X6, X4 = "x 60 AAAA 2001:db8::1", "x 60 A 192.0.2.33"


def test_an_a_is_completed_at_the_alias_target() -> None:
    got = run(query("w", "A"), {"w A": answer(ALONE), "x A": answer(X4)})
    assert (got.rcode, got.lines, got.asked) == ("NOERROR", [ALONE, X4], ["w A", "x A"])


@pytest.mark.parametrize("rtype", ["TXT", "MX", "HTTPS", "PTR"])
def test_every_type_is_completed(rtype: str) -> None:
    got = run(query("w", rtype), {f"w {rtype}": answer(ALONE), f"x {rtype}": nodata()})
    assert (got.rcode, got.lines, got.asked) == ("NOERROR", [ALONE], [f"w {rtype}", f"x {rtype}"])
    assert got.section("authority")


def test_a_real_aaaa_behind_the_alias_wins() -> None:
    said = {"w AAAA": answer(ALONE), "w A": answer(ALONE), "x AAAA": answer(X6)}
    got = run(query("w", "AAAA"), said, most=4)
    assert (got.lines, got.rule, got.asked) == ([ALONE, X6], "real-aaaa", list(said))


def test_both_halves_are_completed_before_there_is_synthesis() -> None:
    said = {"w AAAA": answer(ALONE), "w A": answer(ALONE), "x AAAA": nodata(), "x A": answer(X4)}
    got = run(query("w", "AAAA"), said, most=4)
    assert (got.lines, got.rule) == ([ALONE, "x 60 AAAA 2002:c633:6440::c000:221"], "synthesised-nodata")
    assert got.asked == list(said)


def test_an_alias_alone_beside_a_whole_a_is_a_denial() -> None:
    got = run(query("w", "AAAA"), {"w AAAA": answer(ALONE), "w A": answer(f"{ALONE}\n{X4}")})
    assert got.lines == [ALONE, "x 60 AAAA 2002:c633:6440::c000:221"]


def test_a_client_without_synthesis_gets_a_whole_answer_too() -> None:
    got = run(query("w", "AAAA", cd=True), {"w AAAA": answer(ALONE), "x AAAA": answer(X6)})
    assert got.lines == [ALONE, X6]


@pytest.mark.parametrize(
    ("outcome", "rcode", "lines"),
    [(nxdomain(), "NXDOMAIN", [ALONE]), (error(), "SERVFAIL", []), (lost(), "SERVFAIL", [])],
)
def test_what_the_target_says_is_what_counts(outcome: object, rcode: str, lines: list[str]) -> None:
    got = run(query("w", "A"), {"w A": answer(ALONE), "x A": outcome})  # type: ignore[dict-item]
    assert (got.rcode, got.lines) == (rcode, lines)


def test_a_denial_with_an_soa_speaks_of_the_target_already() -> None:
    assert run(query("w", "A"), {"w A": nodata(text=ALONE)}).asked == ["w A"]


def test_the_alias_itself_is_never_followed() -> None:
    assert run(query("w", "CNAME"), {"w CNAME": answer(ALONE)}).asked == ["w CNAME"]


def test_a_loop_over_several_answers_ends_in_servfail() -> None:
    got = run(query("w", "A"), {"w A": answer(ALONE), "x A": answer("x 30 CNAME w")}, most=3)
    assert (got.rcode, got.lines) == ("SERVFAIL", [])


def test_an_endless_chain_ends() -> None:
    names = ["w", *(f"c{n}" for n in range(100))]
    said = {f"{a} A": answer(f"{a} 30 CNAME {b}") for a, b in itertools.pairwise(names)}
    got = run(query("w", "A"), said, most=2 * MOST_FURTHER + 2)
    assert got.rcode == "SERVFAIL"
    assert len(got.asked) <= 2 * MOST_FURTHER + 1


def test_without_rd_nobody_is_asked_about_the_target() -> None:
    got = run(query("w", "A", rd=False), {"w A": answer(ALONE)})
    assert (got.lines, got.asked) == ([ALONE], ["w A"])


def test_the_target_is_asked_where_its_own_zone_says() -> None:
    under = changed_rules(
        zones=(Zone(wire_name("own.example"), group="zone own.example"),),
        pools=(Pool("far", (prefix("2001:db8:f::/96"),), "pool far"),),
    )
    step = next_step(query("w", "A"), (Heard(query("w", "A").question, answer("w 30 CNAME y.own.example.")),), under, 0)
    assert isinstance(step, Ask)
    assert (step.group, step.question.name) == ("zone own.example", wire_name("y.own.example"))


def test_a_client_without_a_learns_that_the_target_does_not_exist() -> None:
    filtered = changed_rules(clients=(ClientPolicy("v6", (HERE,), filter_a=True),))
    got = run(query("w", "A"), {"w A": answer(ALONE), "x A": nxdomain()}, filtered)
    assert got.rcode == "NXDOMAIN"
    assert run(query("w", "A"), {"w A": bare_nodata(ALONE), "x A": answer(X4)}, filtered).lines == []
