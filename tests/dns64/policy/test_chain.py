"""CNAME and DNAME chains around synthesis (RFC 6147 section 5.1.5, RFC 1034, RFC 6672)."""

# ruff: noqa: E501 - a row stays on one line

import itertools
from typing import NamedTuple

import pytest

from kun_dns64.model.question import Question
from kun_dns64.model.rules import Zone, ZoneMode
from kun_dns64.policy.chain import MAX_LINKS, follow

from ..world import RULES, Outcome, answer, bare_nodata, error, nodata, nxdomain, query, run, wire_name
from ..world import rules as changed_rules

X33 = "x {} AAAA 2002:c633:6440::c000:221"


def links(count: int) -> str:
    names = ["w", *(f"c{n}" for n in range(1, count)), "x"]
    return "\n".join(f"{a} 30 CNAME {b}" for a, b in itertools.pairwise(names))


class Row(NamedTuple):
    id: str
    aaaa: Outcome
    a: Outcome | None
    rcode: str
    lines: list[str]


CNAME = "w 30 CNAME x"
ROWS = [
    Row("c056-cname-keeps-ttl", nodata(text=CNAME), answer(CNAME + "\nx 3600 A 192.0.2.33"), "NOERROR", [CNAME, X33.format(300)]),
    Row("c067-long-chain", nodata(text=links(8)), answer(links(8) + "\nx 3600 A 192.0.2.33"), "NOERROR", [*links(8).split("\n"), X33.format(300)]),
    Row("c068-cname-alone", answer(CNAME), answer(CNAME + "\nx 3600 A 192.0.2.33"), "NOERROR", [CNAME, X33.format(600)]),
    Row("c066-real-behind-cname", answer(CNAME + "\nx 60 AAAA 2001:db8::1"), None, "NOERROR", [CNAME, "x 60 AAAA 2001:db8::1"]),
    Row("c070-cname-to-nxdomain", nxdomain(text=CNAME), None, "NXDOMAIN", [CNAME]),
    Row("c071-different-chains", nodata(text="w 30 CNAME x1"), answer("w 30 CNAME x2\nx2 60 A 192.0.2.33"), "NOERROR", ["w 30 CNAME x2", "x2 60 AAAA 2002:c633:6440::c000:221"]),
    Row("c073-loop", answer("w 30 CNAME b\nb 30 CNAME w"), answer("w 30 CNAME b\nb 30 CNAME w"), "SERVFAIL", []),
    Row("c073-self", answer("w 30 CNAME w"), answer("w 30 CNAME w"), "SERVFAIL", []),
    Row("c074-order-repaired", nodata(text=CNAME), answer("x 60 A 192.0.2.33\n" + CNAME), "NOERROR", [CNAME, X33.format(60)]),
    Row("c076-off-chain", answer(CNAME + "\nevil 60 AAAA 2001:db8::6"), answer(CNAME + "\nx 60 A 192.0.2.33\nevil 60 A 192.0.2.66"), "NOERROR", [CNAME, X33.format(60)]),
    Row(
        "c077-dname",
        nodata(text="d 60 DNAME e\nw.d 60 CNAME w.e"),
        answer("d 60 DNAME e\nw.d 60 CNAME w.e\nw.e 60 A 192.0.2.33"),
        "NOERROR",
        ["d 60 DNAME e", "w.d 60 CNAME w.e", "w.e 60 AAAA 2002:c633:6440::c000:221"],
    ),
    Row(
        "c077-dname-without-cname",
        nodata(text="d 60 DNAME e"),
        answer("d 60 DNAME e\nw.e 60 A 192.0.2.33"),
        "NOERROR",
        ["d 60 DNAME e", "w.d 60 CNAME w.e", "w.e 60 AAAA 2002:c633:6440::c000:221"],
    ),
    Row("c080-cname-then-servfail", error(2, (), CNAME), answer(CNAME + "\nx 60 A 192.0.2.33"), "NOERROR", [CNAME, X33.format(60)]),
    Row("c082-doubled-cname", nodata(text=CNAME + "\n" + CNAME), answer(f"{CNAME}\n{CNAME}\nx 60 A 192.0.2.33"), "NOERROR", [CNAME, X33.format(60)]),
    Row("c083-100-cnames", nodata(text=links(100)), answer(links(100) + "\nx 60 A 192.0.2.33"), "SERVFAIL", []),
    Row("c072-a-chain-ends-in-nothing", nodata(text=CNAME), nodata(text=CNAME), "NOERROR", [CNAME]),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_chains(row: Row) -> None:
    owner = "w.d" if "dname" in row.id else "w"
    upstream = {f"{owner} AAAA": row.aaaa} | ({f"{owner} A": row.a} if row.a is not None else {})
    got = run(query(owner, "AAAA"), upstream)
    assert (got.rcode, got.lines) == (row.rcode, row.lines)
    assert got.asked == list(upstream)


def test_a_query_for_the_cname_itself_is_left_alone() -> None:
    got = run(query("w", "CNAME"), {"w CNAME": answer(CNAME)})
    assert (got.lines, got.rule) == ([CNAME], "forwarded")


def test_a_chain_as_long_as_allowed_is_followed() -> None:
    chain = follow(Question(wire_name("w.t.example"), 1), answer(links(MAX_LINKS)).answer)
    assert not chain.broken
    assert len(chain.links) == MAX_LINKS
    assert follow(Question(wire_name("w.t.example"), 1), answer(links(MAX_LINKS + 1)).answer).broken


def test_a_dname_that_makes_a_name_too_long_breaks_the_chain() -> None:
    label = "a" * 60
    long = ".".join([label] * 3)
    records = answer(f"d 60 DNAME {long}.e").answer
    assert follow(Question(wire_name(f"{long}.d.t.example"), 1), records).broken


def test_owner_names_match_without_case() -> None:
    got = run(query("W", "AAAA"), {"W AAAA": nodata(), "W A": answer("w 60 A 192.0.2.33")})
    assert got.rule == "synthesised-nodata"


@pytest.mark.parametrize(
    "said",
    [
        {"w AAAA": nodata(text="w 30 CNAME svc.cluster.local.")},
        {"w AAAA": bare_nodata("w 30 CNAME svc.cluster.local."), "svc.cluster.local. AAAA": nodata()},
    ],
)
def test_zone_policy_counts_for_the_end_of_the_chain(said: dict[str, Outcome]) -> None:
    never = changed_rules(zones=(Zone(wire_name("cluster.local"), ZoneMode.NEVER),))
    got = run(query("w", "AAAA"), said, never)
    assert (got.rcode, got.lines, got.rule) == ("NOERROR", ["w 30 CNAME svc.cluster.local."], "not-for-zone")
    assert RULES.zones == ()


def test_zone_policy_counts_where_only_the_a_shows_the_chain() -> None:
    never = changed_rules(zones=(Zone(wire_name("cluster.local"), ZoneMode.NEVER),))
    a = answer("w 30 CNAME svc.cluster.local.\nsvc.cluster.local. 60 A 192.0.2.33")
    got = run(query("w", "AAAA"), {"w AAAA": nodata(), "w A": a}, never)
    assert (got.rcode, got.lines, got.rule) == ("NOERROR", [], "not-for-zone")
