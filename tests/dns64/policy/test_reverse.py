"""PTR under our prefixes (RFC 6147 section 5.3.1, RFC 8880 section 7.2.1)."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_base.prefix import WELL_KNOWN, Prefix
from kun_dns64.model.rules import PtrMode, Rules, Zone

from ..world import P, answer, error, lost, nodata, nxdomain, prefix, query, run, wire_name
from ..world import rules as changed_rules

ZONE = "0.0.0.0.0.0.0.0.0.0.0.0.0.4.4.6.3.3.6.c.2.0.0.2.ip6.arpa."
R33 = "1.2.2.0.0.0.0.c." + ZONE
TARGET = "33.2.0.192.in-addr.arpa. PTR"
HOST = answer("33.2.0.192.in-addr.arpa. 3600 PTR host.example.")
PTR_MODE = changed_rules(ptr_mode=PtrMode.PTR)


def reverse(address: str | IPv6Address) -> str:
    return IPv6Address(address).reverse_pointer + "."


def test_cname_mode_points_into_in_addr_arpa() -> None:
    got = run(query(R33, "PTR"), {TARGET: HOST})
    assert got.lines == [f"{R33} 600 CNAME 33.2.0.192.in-addr.arpa.", "33.2.0.192.in-addr.arpa. 3600 PTR host.example."]
    assert (got.rcode, got.rule) == ("NOERROR", "reverse")


def test_the_servers_of_the_zone_behind_are_asked() -> None:
    here = Zone(wire_name(ZONE), group="not those")
    behind = Zone(wire_name("2.0.192.in-addr.arpa"), group="internal")
    got = run(query(R33, "PTR"), {TARGET: HOST}, changed_rules(zones=(here, behind)))
    assert [ask.group for ask in got.asks] == ["internal"]
    assert run(query(R33, "PTR"), {TARGET: HOST}, changed_rules(zones=(here,))).asks[0].group == ""


def test_ptr_mode_copies_the_data() -> None:
    assert run(query(R33, "PTR"), {TARGET: HOST}, PTR_MODE).lines == [f"{R33} 3600 PTR host.example."]


def test_upper_case_nibbles() -> None:
    name = reverse(P.embed(IPv4Address("203.0.113.9"))).upper()
    got = run(query(name, "PTR"), {"9.113.0.203.in-addr.arpa. PTR": answer("9.113.0.203.in-addr.arpa. 60 PTR h.")})
    assert got.rcode == "NOERROR"
    assert len(got.lines) == 2


@pytest.mark.parametrize("rules", [changed_rules(), PTR_MODE], ids=["cname", "ptr"])
def test_an_absent_target_gives_no_cname(rules: Rules) -> None:
    gone = run(query(R33, "PTR"), {TARGET: nxdomain(100, 100)}, rules)
    assert (gone.rcode, gone.lines) == ("NXDOMAIN", [])
    assert gone.section("authority")[0].startswith(f"{ZONE} 100 SOA")
    empty = run(query(R33, "PTR"), {TARGET: nodata()}, rules)
    assert (empty.rcode, empty.lines) == ("NOERROR", [])


def test_a_failing_target_is_servfail() -> None:
    assert run(query(R33, "PTR"), {TARGET: error()}).rcode == "SERVFAIL"
    got = run(query(R33, "PTR"), {TARGET: lost()})
    assert (got.rcode, got.edes) == ("SERVFAIL", [22])


@pytest.mark.parametrize("rules", [changed_rules(), PTR_MODE], ids=["cname", "ptr"])
def test_no_cname_onto_a_cname(rules: Rules) -> None:
    delegated = answer(
        "33.2.0.192.in-addr.arpa. 60 CNAME 33.0-63.2.0.192.in-addr.arpa.\n"
        "33.0-63.2.0.192.in-addr.arpa. 3600 PTR host.example."
    )
    assert run(query(R33, "PTR"), {TARGET: delegated}, rules).lines == [f"{R33} 60 PTR host.example."]


def test_the_rest_of_the_slash_48_is_not_ours() -> None:
    name = reverse("2002:c633:6440:1::1")
    assert run(query(name, "PTR"), {f"{name} PTR": nxdomain()}).rule == "forwarded"


def test_the_well_known_prefix_is_ours_even_when_not_configured() -> None:
    name = reverse("64:ff9b::808:808")
    got = run(query(name, "PTR"), {"8.8.8.8.in-addr.arpa. PTR": answer("8.8.8.8.in-addr.arpa. 60 PTR dns.google.")})
    assert len(got.lines) == 2


def test_nonglobal_under_the_well_known_prefix_does_not_exist() -> None:
    assert run(query(reverse("64:ff9b::a01:203"), "PTR"), {}).rcode == "NXDOMAIN"


@pytest.mark.parametrize("depth", range(1, 8))
def test_empty_nonterminals_exist(depth: int) -> None:
    name = ".".join(R33.split(".")[8 - depth :])
    got = run(query(name, "PTR"), {})
    assert (got.rcode, got.lines, len(got.section("authority"))) == ("NOERROR", [], 1)


@pytest.mark.parametrize("name", [f"x.{R33}", f"1.{R33}", f"g.2.2.0.0.0.0.c.{ZONE}", f"12.2.0.{ZONE}", f"g.{ZONE}"])
def test_impossible_names_do_not_exist(name: str) -> None:
    got = run(query(name, "PTR"), {})
    assert (got.rcode, got.reply.aa) == ("NXDOMAIN", True)
    assert got.section("authority")[0].startswith(f"{ZONE} 600 SOA")


def test_the_apex_has_soa_and_ns_of_the_operators_choice() -> None:
    named = changed_rules(local_mname=b"\x02ns\x01k\x00", local_rname=b"\x04root\x01k\x00")
    assert run(query(ZONE, "SOA"), {}, named).lines == [f"{ZONE} 600 SOA ns.k. root.k. 1 3600 1200 604800 600"]
    assert run(query(ZONE, "NS"), {}, named).lines == [f"{ZONE} 600 NS ns.k."]
    assert run(query(ZONE, "PTR"), {}, named).lines == []
    assert run(query(ZONE, "SOA"), {}).reply.aa


@pytest.mark.parametrize("last", ["aa", "ab"])
@pytest.mark.parametrize("prefix_text", [str(P), "64:ff9b::/96"])
def test_the_discovery_addresses_have_a_local_name(last: str, prefix_text: str) -> None:
    address = Prefix.parse(prefix_text).embed(IPv4Address("192.0.0.170" if last == "aa" else "192.0.0.171"))
    got = run(query(reverse(address), "PTR"), {})
    assert [line.split()[-2:] for line in got.lines] == [["PTR", "ipv4only.arpa."]]


@pytest.mark.parametrize("length", [32, 40, 48, 56, 64, 96])
def test_every_prefix_length_finds_the_address(length: int) -> None:
    network = prefix(f"2001:db8::/{length}")
    got = run(
        query(reverse(network.embed(IPv4Address("192.0.2.33"))), "PTR"),
        {TARGET: HOST},
        changed_rules(prefixes=(network,)),
    )
    assert got.asked == [TARGET]


@pytest.mark.parametrize("byte", [8, 15])
def test_addresses_we_never_make_do_not_exist(byte: int) -> None:
    network = prefix("2001:db8::/48")
    packed = bytearray(network.embed(IPv4Address("192.0.2.33")).packed)
    packed[byte] = 1
    assert (
        run(query(reverse(IPv6Address(bytes(packed))), "PTR"), {}, changed_rules(prefixes=(network,))).rcode
        == "NXDOMAIN"
    )


def test_denied_ipv4_does_not_exist() -> None:
    assert run(query(reverse("2002:c633:6440::7f00:1"), "PTR"), {}).rcode == "NXDOMAIN"


def test_other_types_at_an_address_are_nodata() -> None:
    assert run(query(R33, "TXT"), {}).lines == []
    assert run(query(R33, "CNAME"), {TARGET: HOST}).lines == [f"{R33} 600 CNAME 33.2.0.192.in-addr.arpa."]


def test_the_signature_of_the_target_stays() -> None:
    signature = "33.2.0.192.in-addr.arpa. 3600 RRSIG PTR 8 6 3600 20300101000000 20200101000000 1 t.example. AAAA"
    signed = answer(f"33.2.0.192.in-addr.arpa. 3600 PTR host.example.\n{signature}", ad=True)
    got = run(query(R33, "PTR", do=True), {TARGET: signed})
    assert [line.split()[2] for line in got.lines] == ["CNAME", "PTR", "RRSIG"]
    assert not got.reply.ad


@pytest.mark.parametrize("ttl", [0, 1, 3600])
def test_the_cname_never_has_ttl_0(ttl: int) -> None:
    host = answer(f"33.2.0.192.in-addr.arpa. {ttl} PTR host.example.")
    cname_ttl = int(run(query(R33, "PTR"), {TARGET: host}).lines[0].split()[1])
    assert 0 < cname_ttl <= max(1, ttl)


@given(st.integers(0, 2**32 - 1), st.sampled_from([32, 40, 48, 56, 64, 96]))
def test_synthesis_and_reverse_are_inverse(number: int, length: int) -> None:
    network = prefix(f"2001:db8::/{length}")
    address = IPv4Address(number)
    everything = changed_rules(prefixes=(network,), never_embed=())
    want = f"{address.reverse_pointer}. PTR"
    got = run(query(reverse(network.embed(address)), "PTR"), {want: nodata()}, everything)
    assert got.asked in ([want], [])
    assert (got.asked == []) == (str(address) in ("192.0.0.170", "192.0.0.171"))
    assert WELL_KNOWN not in everything.prefixes
