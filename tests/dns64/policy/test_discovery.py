"""ipv4only.arpa is answered here, and only here (RFC 7050, RFC 8880 section 7.1)."""

from ipaddress import IPv4Network, ip_network

import pytest

from kun_base.prefix import WELL_KNOWN
from kun_dns64.model.rules import ClientPolicy, GatewayDown, Mapping, Rules

from ..world import P, answer, nodata, prefix, query, run
from ..world import rules as changed_rules

NAME = "ipv4only.arpa."
BOTH = ["2002:c633:6440::c000:aa", "2002:c633:6440::c000:ab"]


def data(lines: list[str]) -> list[str]:
    return [line.split()[-1] for line in lines]


def test_aaaa_is_synthesised_without_asking() -> None:
    got = run(query(NAME, "AAAA"), {})
    assert data(got.lines) == BOTH
    assert got.reply.aa
    assert len({line.split()[1] for line in got.lines}) == 1
    assert got.rule == "local-discovery"


def test_a_is_answered_without_asking() -> None:
    assert data(run(query(NAME, "A"), {}).lines) == ["192.0.0.170", "192.0.0.171"]


def test_the_name_compares_without_case() -> None:
    assert data(run(query("IPv4Only.ARPA.", "AAAA"), {}).lines) == BOTH


@pytest.mark.parametrize("qtype", ["TXT", "MX", "PTR", "DNSKEY", "RRSIG"])
def test_other_types_are_nodata_with_a_local_soa(qtype: str) -> None:
    got = run(query(NAME, qtype), {})
    assert (got.rcode, got.lines) == ("NOERROR", [])
    assert got.section("authority")[0].startswith("ipv4only.arpa. 600 SOA localhost.")


@pytest.mark.parametrize("qtype", ["SOA", "NS"])
def test_the_apex_has_soa_and_ns(qtype: str) -> None:
    assert f" {qtype} localhost." in run(query(NAME, qtype), {}).lines[0]


def test_its_ds_is_resolved_like_any_other() -> None:
    got = run(query(NAME, "DS"), {"ipv4only.arpa. DS": answer("", "arpa. 60 SOA ns h 1 2 3 4 5")})
    assert got.rule == "forwarded"


@pytest.mark.parametrize("name", ["x.ipv4only.arpa.", "a.b.ipv4only.arpa."])
@pytest.mark.parametrize("qtype", ["A", "AAAA", "DS"])
def test_names_below_do_not_exist(name: str, qtype: str) -> None:
    got = run(query(name, qtype), {})
    assert (got.rcode, got.lines) == ("NXDOMAIN", [])
    assert len(got.section("authority")) == 1


def test_a_name_that_only_ends_like_it_is_another_name() -> None:
    asked = run(query("xipv4only.arpa.", "A"), {"xipv4only.arpa. A": answer("xipv4only.arpa. 60 A 192.0.2.1")})
    assert asked.rule == "forwarded"
    raw = r"a\008ipv4only.arpa."  # one label that holds the bytes of a shorter name
    assert run(query(raw, "TXT"), {r"a\008ipv4only.arpa. TXT": answer()}).rule == "forwarded"


def test_several_prefixes_give_four_addresses() -> None:
    two = changed_rules(prefixes=(P, prefix("2001:db8:a::/96")))
    assert len(run(query(NAME, "AAAA"), {}, two).lines) == 4


def test_the_well_known_prefix_carries_the_discovery_addresses() -> None:
    assert data(run(query(NAME, "AAAA"), {}, changed_rules(prefixes=(WELL_KNOWN,))).lines) == [
        "64:ff9b::c000:aa", "64:ff9b::c000:ab",
    ]  # fmt: skip


RANGE = IPv4Network("192.0.0.0/24")


@pytest.mark.parametrize(
    ("under", "addresses"),
    [
        (changed_rules(never_embed=(RANGE,)), BOTH),
        (changed_rules(mappings=(Mapping(RANGE, None),)), BOTH),
        (
            changed_rules(mappings=(Mapping(RANGE, prefix("2001:db8:a::/96")),)),
            ["2001:db8:a::c000:aa", "2001:db8:a::c000:ab"],
        ),
    ],
    ids=["never-embed", "map-none", "map"],
)
def test_no_refusal_hides_the_prefix_and_other_names_are_refused_all_the_same(
    under: Rules, addresses: list[str]
) -> None:
    assert data(run(query(NAME, "AAAA"), {}, under).lines) == addresses
    other = run(
        query("w", "AAAA"), {"w AAAA": nodata(), "w A": answer("w 60 A 192.0.0.170\nw 60 A 192.0.0.171")}, under
    )
    assert data(other.lines) == [address for address in addresses if address not in BOTH]


@pytest.mark.parametrize("do", [True, False])
def test_cd_gets_no_synthesis(do: bool) -> None:
    got = run(query(NAME, "AAAA", cd=True, do=do), {})
    assert (got.rcode, got.lines) == ("NOERROR", [])


def test_do_changes_nothing_and_ad_is_not_claimed() -> None:
    got = run(query(NAME, "AAAA", do=True), {})
    assert data(got.lines) == BOTH
    assert not got.reply.ad


def test_clients_without_dns64_and_stopped_gateways_see_no_prefix() -> None:
    dual = ClientPolicy("dual", (ip_network("2001:db8::/32"),), dns64=False)
    assert run(query(NAME, "AAAA"), {}, changed_rules(clients=(dual,))).lines == []
    stopped = changed_rules(on_gateway_down=GatewayDown.STOP, pools_down=frozenset(("",)))
    assert run(query(NAME, "AAAA"), {}, stopped).lines == []
