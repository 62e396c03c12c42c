"""RFC 6052 and 6to4 prefixes."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_base.prefix import LENGTHS, WELL_KNOWN, Prefix, sixtofour_network, sixtofour_prefix, vip_problem

# RFC 6052 section 2.4, table 1.
RFC6052_EXAMPLES = [
    ("2001:db8::/32", "2001:db8:c000:221::"),
    ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
    ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
    ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
    ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
    ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
    ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
]


@pytest.mark.parametrize(("prefix", "wanted"), RFC6052_EXAMPLES, ids=[row[0] for row in RFC6052_EXAMPLES])
def test_embedding_follows_rfc6052_section_2_4(prefix: str, wanted: str) -> None:
    assert Prefix.parse(prefix).embed(IPv4Address("192.0.2.33")) == IPv6Address(wanted)


@given(st.sampled_from(LENGTHS), st.integers(0, 2**32 - 1))
def test_extracting_gives_back_what_was_embedded(length: int, number: int) -> None:
    prefix = Prefix(IPv6Network(("2001:db8::", length)))
    address = IPv4Address(number)
    embedded = prefix.embed(address)
    assert prefix.extract(embedded) == address
    assert embedded.packed[8] == 0 or length == 96, "the u byte stays zero (RFC 6052 section 2.2)"


def test_an_address_outside_the_prefix_embeds_nothing() -> None:
    assert WELL_KNOWN.extract(IPv6Address("2001:db8::1")) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("::/0", "one of /32"),
        ("2001:db8::/33", "one of /32"),
        ("2001:db8::/72", "one of /32"),
        ("2001:db8::/128", "one of /32"),
        ("2002:c633:6440::1/96", "host bits"),
        ("2001:db8:0:0:100::/96", "bits 64 to 71"),
        ("2001:db8::", "needs its length"),
        ("10.0.0.0/8", "10.0.0.0"),
    ],
)
def test_an_illegal_prefix_is_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Prefix.parse(text)


def test_a_vip_gives_its_6to4_prefix() -> None:
    vip = IPv4Address("203.0.113.1")
    assert str(sixtofour_network(vip)) == "2002:cb00:7101::/48"
    assert str(sixtofour_prefix(vip)) == "2002:cb00:7101::/96"


@pytest.mark.parametrize(
    "vip",
    ["10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.1.1", "192.88.99.1", "224.0.0.1", "0.0.0.0", "255.255.255.255"],
)
def test_a_nonglobal_vip_is_refused_unless_allowed(vip: str) -> None:
    problem = vip_problem(IPv4Address(vip), allow_nonglobal=False)
    assert problem is not None
    assert vip in problem
    assert vip_problem(IPv4Address(vip), allow_nonglobal=True) is None


@pytest.mark.parametrize("vip", ["203.0.113.1", "198.51.100.64", "192.0.2.1", "8.8.8.8", "192.0.0.9"])
def test_global_and_documentation_vips_pass(vip: str) -> None:
    assert vip_problem(IPv4Address(vip), allow_nonglobal=False) is None
