"""Which prefix, which addresses: RFC 6052, RFC 6147 sections 5.1.7 and 5.2."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_base.prefix import WELL_KNOWN
from kun_dns64.model.rules import Mapping, Rules
from kun_dns64.policy.mapping import EmbeddingTable, ways

from ..world import NEVER, P, answer, nodata, prefix, query, run
from ..world import rules as changed_rules


def lines(ipv4: str, under: Rules, owner: str = "w") -> list[str]:
    a = answer("\n".join(f"{owner} 60 A {address}" for address in ipv4.split()))
    got = run(query(owner, "AAAA"), {f"{owner} AAAA": nodata(), f"{owner} A": a}, under)
    return [line.split()[-1] for line in got.lines]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("2001:db8::/32", "2001:db8:c000:221::"),
        ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
        ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100:0"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::c000:221"),
    ],
    ids=["c102-32", "c103-40", "c104-48", "c105-56", "c106-64", "c107-96"],
)
def test_every_prefix_length(text: str, want: str) -> None:
    assert lines("192.0.2.33", changed_rules(prefixes=(prefix(text),))) == [want]


WKP = changed_rules(prefixes=(WELL_KNOWN,))


@pytest.mark.parametrize(
    "ipv4",
    [
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.1.1",
        "172.16.5.5",
        "192.0.2.33",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.9",
        "240.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "192.0.0.1",
        "192.0.0.170",
    ],
)
def test_the_well_known_prefix_carries_no_nonglobal_ipv4(ipv4: str) -> None:
    assert lines(ipv4, WKP) == []


@pytest.mark.parametrize("ipv4", ["8.8.8.8", "192.0.0.9", "192.0.0.10", "192.31.196.1", "192.52.193.1", "192.175.48.1"])
def test_the_well_known_prefix_carries_global_ipv4(ipv4: str) -> None:
    assert len(lines(ipv4, WKP)) == 1


def test_discovery_addresses_behind_a_cname_go_under_the_well_known_prefix() -> None:
    a = answer("w 60 CNAME ipv4only.arpa.\nipv4only.arpa. 60 A 192.0.0.170\nipv4only.arpa. 60 A 192.0.0.171")
    got = run(query("w", "AAAA"), {"w AAAA": nodata(text="w 60 CNAME ipv4only.arpa."), "w A": a}, WKP)
    assert [line.split()[-1] for line in got.lines] == ["ipv4only.arpa.", "64:ff9b::c000:aa", "64:ff9b::c000:ab"]


def test_never_unicast_is_dropped_from_a_mixed_set() -> None:
    assert lines("0.0.0.0 192.0.2.33", changed_rules()) == ["2002:c633:6440::c000:221"]


@pytest.mark.parametrize(
    "ipv4", ["0.0.0.0", "127.0.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255", "198.51.100.64"]
)
def test_only_denied_addresses_are_nodata_with_the_aaaas_soa(ipv4: str) -> None:
    got = run(query("w", "AAAA"), {"w AAAA": nodata(), "w A": answer(f"w 60 A {ipv4}")})
    assert (got.rcode, got.lines, got.edes, got.rule) == ("NOERROR", [], [17], "ipv4-denied")
    assert got.section("authority") == ["@ 300 SOA ns h 1 3600 600 86400 300"]


PA, PB = prefix("2001:db8:a::/96"), prefix("2001:db8:b::/96")


def test_a_range_goes_to_its_own_prefix() -> None:
    mapped = changed_rules(mappings=(Mapping(IPv4Network("10.0.0.0/8"), PA),))
    assert lines("10.1.2.3 192.0.2.33", mapped) == ["2001:db8:a::a01:203", "2002:c633:6440::c000:221"]


def test_the_longest_range_wins() -> None:
    mapped = changed_rules(
        mappings=(Mapping(IPv4Network("10.0.0.0/8"), PA), Mapping(IPv4Network("10.1.0.0/16"), PB)),
    )
    assert lines("10.1.2.3 10.2.2.3", mapped) == ["2001:db8:b::a01:203", "2001:db8:a::a02:203"]


def test_a_range_mapped_to_none_is_never_embedded() -> None:
    assert lines("10.1.2.3", changed_rules(mappings=(Mapping(IPv4Network("10.0.0.0/8"), None),))) == []


def test_several_prefixes_give_every_address_the_first_prefix_first() -> None:
    both = changed_rules(prefixes=(P, PA))
    assert lines("192.0.2.33 192.0.2.34", both) == [
        "2002:c633:6440::c000:221", "2002:c633:6440::c000:222", "2001:db8:a::c000:221", "2001:db8:a::c000:222",
    ]  # fmt: skip


@given(st.integers(0, 2**32 - 1), st.sampled_from([P, WELL_KNOWN]))
def test_denied_networks_are_never_embedded(number: int, under: object) -> None:
    assert under is P or under is WELL_KNOWN
    table = EmbeddingTable(changed_rules(), (P,))
    address = IPv4Address(number)
    denied = any(address in network for network in (*NEVER, IPv4Network("198.51.100.64/32")))
    assert (table.ways(address.packed, ways((P,)), b"\x01w\x00") == ()) == denied
