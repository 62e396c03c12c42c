"""Explanations name the rule, the section and the numbers."""

from ipaddress import ip_address, ip_network

import pytest

from kun_dns64.model.message import Query
from kun_dns64.model.rules import ClientPolicy, Rules, Zone, ZoneMode
from kun_dns64.model.step import Rule
from kun_dns64.policy.explain import explain
from kun_dns64.policy.rule_text import VERDICTS

from ..world import Outcome, Run, answer, error, lost, nodata, nxdomain, query, run, wire_name
from ..world import rules as changed_rules

A33 = answer("w 3600 A 192.0.2.33\nw 3600 A 127.0.0.1")


def told(asking: Query, upstream: dict[str, Outcome], under: Rules | None = None) -> list[str]:
    under = under or changed_rules()
    got: Run = run(asking, upstream, under)
    return [f"{note.text} ({note.source})" for note in explain(asking, got.heard, got.reply, under)]


def test_every_rule_has_its_words() -> None:
    assert set(VERDICTS) == set(Rule)
    assert all(note.text and note.source for note in VERDICTS.values())


def test_synthesis_is_told_step_by_step() -> None:
    lines = told(query("w", "AAAA"), {"w AAAA": nodata(300, 60), "w A": A33})
    assert lines == [
        "pool default: 2002:c633:6440::/96 ([dns64])",
        "w.t.example. AAAA: nodata, SOA good for 60 s, upstream (RFC 2308 section 2)",
        "w.t.example. A: data, 2 records, upstream (RFC 2308 section 2)",
        "192.0.2.33 becomes 2002:c633:6440::c000:221 (RFC 6052 section 2.2)",
        "127.0.0.1 is never embedded (never_embed, map, RFC 6052 section 3.1)",
        "TTL = min(A 3600, denial 60) = 60 (RFC 6147 section 5.1.7)",
        "there is no AAAA but an A record: synthesised (RFC 6147 section 5.1.6)",
    ]


@pytest.mark.parametrize(
    ("aaaa", "word"),
    [
        (answer("w 50 AAAA ::ffff:1.2.3.4"), "TTL = min(A 3600, excluded AAAA 50, no denial 600) = 50"),
        (lost(), "TTL = min(A 3600, no SOA 600) = 600"),
        (error(5), "w.t.example. AAAA: error (rcode 5)"),
        (lost(), "w.t.example. AAAA: timeout"),
        (nodata(text="w 30 CNAME x"), "w.t.example. AAAA -> x.t.example.: nodata"),
    ],
)
def test_numbers_and_reasons(aaaa: Outcome, word: str) -> None:
    assert any(word in line for line in told(query("w", "AAAA"), {"w AAAA": aaaa, "w A": A33}))


def test_who_asked_and_which_zone() -> None:
    under = changed_rules(
        clients=(ClientPolicy("pods", (ip_network("2001:db8::/32"),), dns64=False, filter_a=True, pool="far"),),
        zones=(Zone(wire_name("example"), ZoneMode.NEVER, group="zone"),),
        pools_down=frozenset(("",)),
    )
    lines = told(query("w", "AAAA"), {"w AAAA": nodata()}, under)
    assert lines[0] == "client policy 'pods': real answers only, no A, pool far ([[client]], first match)"
    assert lines[1] == "zone example.: never, upstreams zone ([[zone]], longest suffix)"
    assert "no gateway of the pool is up: TTL at most 30" in lines[3]


@pytest.mark.parametrize(
    ("asking", "upstream"),
    [
        (query("w", "A"), {"w A": A33}),
        (query("w", "TYPE65280"), {"w TYPE65280": nxdomain()}),
        (query("ipv4only.arpa.", "AAAA"), {}),
        (query("w", "AAAA", cd=True), {"w AAAA": nodata()}),
        (query("w", "AAAA", source=ip_address("192.0.2.1")), {}),
        (query("w", "AAAA", qclass=3), {"w AAAA": nodata()}),
    ],
)
def test_every_answer_ends_with_its_verdict(asking: Query, upstream: dict[str, Outcome]) -> None:
    got = run(asking, upstream)
    assert explain(asking, got.heard, got.reply, changed_rules())[-1] == VERDICTS[Rule(got.rule)]


def test_a_malformed_subnet_is_told() -> None:
    under = changed_rules(trust_ecs_from=(ip_network("2001:db8::/32"),))
    lines = told(query("w", "AAAA", options=((8, b"x"),)), {}, under)
    assert "client subnet" in lines[0]
