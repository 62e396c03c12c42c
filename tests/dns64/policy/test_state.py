"""Stale data, remembered errors, queries without RD, cookies without a question."""

import pytest

from kun_dns64.model.message import Edns, Query
from kun_dns64.model.question import NO_QUESTION, Rcode
from kun_dns64.model.step import FailureKind, Heard, Reply
from kun_dns64.policy.next_step import next_step

from ..world import CLIENT, RULES, Outcome, answer, error, lost, nodata, nxdomain, query, run

ANY = NO_QUESTION
A33 = answer("w 3600 A 192.0.2.33")


def stale(outcome: Outcome) -> Heard:
    return Heard(ANY, outcome, stale=True, cached=True)


@pytest.mark.parametrize(
    ("aaaa", "a", "ttl"),
    [
        (stale(nodata(0, 300)), stale(answer("w 0 A 192.0.2.33")), 30),
        (stale(nodata(1, 1)), stale(answer("w 1 A 192.0.2.33")), 30),
        (stale(nodata(0, 300)), Heard(ANY, A33), 30),
        (stale(nodata(0, 300)), Heard(ANY, answer("w 10 A 192.0.2.33")), 10),
        (Heard(ANY, nodata(200, 300), cached=True), stale(answer("w 0 A 192.0.2.33")), 30),
    ],
    ids=["c290-both", "c290-short-lived", "c293-denial", "c293-denial-short-a", "a"],
)
def test_stale_halves_synthesise_for_thirty_seconds(aaaa: Heard, a: Heard, ttl: int) -> None:
    got = run(query("w", "AAAA"), {"w AAAA": aaaa, "w A": a})
    assert got.lines == [f"w {ttl} AAAA 2002:c633:6440::c000:221"]
    assert got.edes == [29, 3]
    assert isinstance(got.reply, Reply)
    assert got.reply.stale


def test_stale_real_aaaa_beats_synthesis() -> None:
    got = run(query("w", "AAAA"), {"w AAAA": stale(answer("w 0 AAAA 2001:db8::1"))})
    assert (got.lines, got.edes) == (["w 30 AAAA 2001:db8::1"], [3])


def test_stale_nxdomain_has_its_own_code() -> None:
    got = run(query("w", "A"), {"w A": stale(nxdomain(0, 300))})
    assert (got.rcode, got.edes) == ("NXDOMAIN", [19])


def test_stale_data_is_not_called_authentic() -> None:
    assert not run(query("w", "A", do=True), {"w A": stale(answer("w 0 A 192.0.2.33", ad=True))}).reply.ad


@pytest.mark.parametrize("outcome", [lost(), error()], ids=["timeout", "servfail"])
@pytest.mark.parametrize("qtype", ["A", "AAAA", "TXT"])
def test_a_remembered_failure_says_so(outcome: Outcome, qtype: str) -> None:
    heard = Heard(ANY, outcome, cached=True)
    upstream: dict[str, Outcome | Heard] = {f"w {qtype}": heard}
    if qtype == "AAAA":
        upstream["w A"] = heard
    got = run(query("w", qtype), upstream)
    assert (got.rcode, 13 in got.edes) == ("SERVFAIL", True)


def test_an_upstream_that_refuses_is_passed_on_for_other_types() -> None:
    assert run(query("w", "MX"), {"w MX": error(5)}).rcode == "REFUSED"


@pytest.mark.parametrize("rcode", [Rcode.BADVERS, Rcode.BADCOOKIE, 4095])
def test_what_concerns_the_hop_to_the_upstream_is_not_passed_on(rcode: int) -> None:
    for kind in ("MX", "A"):
        assert run(query("w", kind), {f"w {kind}": error(rcode)}).rcode == "SERVFAIL"


def test_without_rd_only_the_cache_is_asked() -> None:
    got = run(query("w", "AAAA", rd=False), {"w AAAA": nodata(), "w A": A33})
    assert got.rule == "synthesised-nodata"
    assert all(ask.cached_only and ask.meanwhile is None for ask in got.asks)


@pytest.mark.parametrize("cached", [{}, {"w AAAA": nodata()}], ids=["nothing", "denial"])
@pytest.mark.parametrize("qtype", ["AAAA", "A", "MX"])
def test_without_rd_and_cache_the_query_is_refused(cached: dict[str, Outcome], qtype: str) -> None:
    missing: dict[str, Outcome] = {f"w {kind}": lost(FailureKind.NOT_CACHED) for kind in ("AAAA", "A", "MX")}
    got = run(query("w", qtype, rd=False), {**missing, **cached})
    assert (got.rcode, got.edes, got.rule) == ("REFUSED", [20], "not-recursive")


def test_local_zones_are_answered_without_rd() -> None:
    assert run(query("ipv4only.arpa.", "AAAA", rd=False), {}).rcode == "NOERROR"


def test_a_query_for_a_cookie_alone_is_answered_empty() -> None:
    asking = Query(1, NO_QUESTION, edns=Edns(1232, options=((10, bytes(8)),)), source=CLIENT)
    reply = next_step(asking, (), RULES, 0.0)
    assert isinstance(reply, Reply)
    assert (reply.rcode, reply.answer, reply.authority) == (0, (), ())
