"""CD, DO, AD and signatures (RFC 6147 sections 3 and 5.5, RFC 4035 section 3, RFC 6840 section 5)."""

import pytest

from ..world import answer, nodata, query, run
from ..world import rules as changed_rules

SIG = "20300101000000 20200101000000 1 t.example. AAAA"
A_SIGNED = answer(f"w 60 A 192.0.2.33\nw 60 RRSIG A 8 3 60 {SIG}", ad=True)
DENIAL = nodata(ad=True)
UPSTREAM = {"w AAAA": DENIAL, "w A": A_SIGNED}


@pytest.mark.parametrize(
    ("do", "trust", "ad"), [(False, False, False), (False, True, False), (True, False, False), (True, True, True)]
)
def test_ad_on_synthesis_needs_do_trust_and_both_halves(do: bool, trust: bool, ad: bool) -> None:
    assert run(query("w", "AAAA", do=do), UPSTREAM, changed_rules(trust_ad=trust)).reply.ad is ad


def test_ad_needs_both_halves() -> None:
    for upstream in ({"w AAAA": nodata(), "w A": A_SIGNED}, {"w AAAA": DENIAL, "w A": answer("w 60 A 192.0.2.33")}):
        assert not run(query("w", "AAAA", do=True), upstream, changed_rules(trust_ad=True)).reply.ad


def test_the_signature_of_the_a_is_removed() -> None:
    assert run(query("w", "AAAA", do=True), UPSTREAM).lines == ["w 60 AAAA 2002:c633:6440::c000:221"]


def test_the_signature_of_the_cname_stays_beside_it() -> None:
    a = answer(f"w 60 CNAME x\nw 60 RRSIG CNAME 8 3 60 {SIG}\nx 60 A 192.0.2.33\nx 60 RRSIG A 8 3 60 {SIG}")
    got = run(query("w", "AAAA", do=True), {"w AAAA": nodata(text="w 60 CNAME x"), "w A": a})
    assert [line.split()[2:4] for line in got.lines] == [
        ["CNAME", "x"],
        ["RRSIG", "CNAME"],
        ["AAAA", "2002:c633:6440::c000:221"],
    ]


def test_the_proof_of_the_aaaa_denial_is_not_in_the_synthesised_reply() -> None:
    denial = answer("", "@ 300 SOA ns h 1 2 3 4 300\nw 300 NSEC x A RRSIG NSEC")
    got = run(query("w", "AAAA", do=True), {"w AAAA": denial, "w A": A_SIGNED})
    assert got.section("authority") == []


def test_a_denial_passed_on_keeps_its_proof_for_do_only() -> None:
    denial = answer("", f"@ 300 SOA ns h 1 2 3 4 300\n@ 300 RRSIG SOA 8 2 300 {SIG}\nw 300 NSEC x TXT RRSIG NSEC")
    got = run(query("w", "AAAA", do=True), {"w AAAA": denial, "w A": nodata()})
    assert [line.split()[2] for line in got.section("authority")] == ["SOA", "RRSIG", "NSEC"]
    got = run(query("w", "AAAA"), {"w AAAA": denial, "w A": nodata()})
    assert [line.split()[2] for line in got.section("authority")] == ["SOA"]


@pytest.mark.parametrize("do", [False, True])
def test_cd_gets_the_truth_as_it_is(do: bool) -> None:
    got = run(query("w", "AAAA", cd=True, do=do), {"w AAAA": DENIAL})
    assert (got.lines, got.rule) == ([], "not-for-cd")
    assert got.asks[0].flags.cd


@pytest.mark.parametrize(("do", "asked_ad", "want"), [(True, False, True), (False, True, True), (False, False, False)])
def test_ad_of_real_data_is_for_those_who_understand_it(do: bool, asked_ad: bool, want: bool) -> None:
    real = answer("w 60 AAAA 2001:db8::1", ad=True)
    assert run(query("w", "AAAA", do=do, ad=asked_ad), {"w AAAA": real}).reply.ad is want


@pytest.mark.parametrize("qtype", ["RRSIG", "NSEC", "ANY"])
def test_dnssec_records_asked_by_type_are_given_without_do(qtype: str) -> None:
    text = f"w 60 RRSIG A 8 3 60 {SIG}" if qtype != "NSEC" else "w 60 NSEC x A"
    assert len(run(query("w", qtype), {f"w {qtype}": answer(text)}).lines) == 1


def test_do_goes_upstream_and_is_kept_apart() -> None:
    assert run(query("w", "AAAA", do=True), UPSTREAM).asks[0].flags.do
    assert not run(query("w", "AAAA"), UPSTREAM).asks[0].flags.do


def test_strict_mode_leaves_signed_names_alone() -> None:
    strict = changed_rules(strict_dnssec=True)
    got = run(query("w", "AAAA", do=True), UPSTREAM, strict)
    assert (got.lines, got.rule) == ([], "not-signed-over")
    assert run(query("w", "AAAA"), UPSTREAM, strict).rule == "synthesised-nodata"
    unsigned = {"w AAAA": nodata(), "w A": answer("w 60 A 192.0.2.33")}
    assert run(query("w", "AAAA", do=True), unsigned, strict).rule == "synthesised-nodata"


def test_strict_mode_does_not_filter_a_signed_rrset() -> None:
    signed = f"w 60 AAAA ::ffff:1.2.3.4\nw 60 AAAA 2001:db8::4\nw 60 RRSIG AAAA 8 3 60 {SIG}"
    got = run(query("w", "AAAA", do=True), {"w AAAA": answer(signed)}, changed_rules(strict_dnssec=True))
    assert [line.split()[2] for line in got.lines] == ["AAAA", "AAAA", "RRSIG"]
