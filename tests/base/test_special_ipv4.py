"""The one list of IPv4 networks that neither program lets be reached by default."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from kun_base.special_ipv4 import NEVER_TRANSLATED, is_nonglobal, without_global


@pytest.mark.parametrize(
    ("address", "nonglobal"),
    [
        ("192.0.0.170", True),
        ("192.0.0.9", False),
        ("192.31.196.1", False),
        ("192.52.193.1", False),
        ("192.175.48.1", False),
    ],
)
def test_special_purpose_addresses_follow_the_iana_registry(address: str, nonglobal: bool) -> None:
    assert is_nonglobal(IPv4Address(address)) is nonglobal


def test_the_default_holds_what_must_not_be_reached_and_no_documentation_network() -> None:
    assert [str(network) for network in NEVER_TRANSLATED] == [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
    ]


@pytest.mark.parametrize("address", ["192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.0.171"])
def test_the_default_leaves_what_is_globally_reachable_and_what_is_for_discovery(address: str) -> None:
    assert not any(IPv4Address(address) in network for network in without_global(NEVER_TRANSLATED))


@pytest.mark.parametrize(
    "address", ["192.0.0.0", "192.0.0.8", "192.0.0.11", "192.0.0.169", "192.0.0.172", "192.0.0.255"]
)
def test_the_rest_of_the_protocol_assignments_stays_denied(address: str) -> None:
    assert any(IPv4Address(address) in network for network in without_global(NEVER_TRANSLATED))


def test_a_network_that_names_those_addresses_itself_means_them() -> None:
    named = (IPv4Network("192.0.0.9/32"), IPv4Network("192.0.0.0/16"))
    assert tuple(without_global(named)) == named
