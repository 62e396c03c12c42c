"""What vtysh of FRR 8.4 and 10.3 printed on a gateway with the shipped configuration, and commands for it."""

import contextlib
import json
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.formats import frrcommands, frrjson
from kun_nat64.formats.table import FormatError
from kun_nat64.model.bgpfacts import BgpPath
from tests.nat64.formats.golden import golden

EACH = pytest.mark.parametrize("version", ["8.4.4", "10.3"])
VIP = BgpPath(ip_network("203.0.113.1/32"), ip_address("10.2.1.2"), 2000, ("64512:100", "65535:0"))
SIX = BgpPath(ip_network("2002:cb00:7101::/48"), ip_address("fd00:11::2"), 10)


def said(version: str, name: str) -> Any:
    return json.loads(golden(f"vtysh-{version}-{name}.json"))


@EACH
def test_a_neighbour_has_session_hold_time_bfd_and_our_as(version: str) -> None:
    (peer,) = frrjson.neighbours(said(version, "neighbours"))
    assert (peer.address, peer.asn, peer.state, peer.established) == ("10.2.1.1", 65000, "established", True)
    assert (peer.hold_s, peer.bfd, peer.local_as, peer.restart_s) == (3, "up", 65001, 0)


@EACH
def test_paths_of_both_families_are_read_with_their_attributes(version: str) -> None:
    assert frrjson.local_path(said(version, "vip")) == VIP
    assert frrjson.local_path(said(version, "ipv6")) == SIX
    assert frrjson.local_path(said(version, "nothing")) is None


@EACH
def test_what_the_neighbour_was_sent_is_read(version: str) -> None:
    assert list(frrjson.sent(said(version, "adj-out"))) == ["203.0.113.1/32"]


@EACH
def test_our_lines_are_told_from_those_of_others(version: str) -> None:
    found = frrcommands.read_configuration(golden(f"vtysh-{version}-running-config.txt"))
    assert found.asn == 65001
    assert found.networks == {str(path.prefix): frrcommands.route_map(path.prefix) for path in (VIP, SIX)}
    assert found.maps == {frrcommands.route_map(path.prefix) for path in (VIP, SIX)}
    assert not found.foreign(str(VIP.prefix))


def test_a_network_line_without_our_route_map_is_somebody_elses() -> None:
    text = (
        "router bgp 65001 vrf red\n network 198.51.100.0/24\nexit\n!\nrouter bgp 65001\n"
        " address-family ipv4 unicast\n  network 203.0.113.1/32\n  network 192.0.2.0/24 route-map theirs\nexit\n"
    )
    found = frrcommands.read_configuration(text)
    assert found.networks == {"203.0.113.1/32": "", "192.0.2.0/24": "theirs"}
    assert found.foreign("203.0.113.1/32")
    assert found.foreign("192.0.2.0/24")
    assert not found.foreign("198.51.100.0/24")


def test_without_an_instance_there_is_no_as() -> None:
    assert frrcommands.read_configuration("frr version 10.3\n!\nend\n").asn is None


def test_every_attribute_is_set_so_that_none_of_an_earlier_path_stays() -> None:
    assert frrcommands.announce(replace(VIP, communities=())) == (
        "configure terminal",
        "route-map kun-nat64-203.0.113.1/32 permit 10",
        "set metric 2000",
        "set community none",
        "set origin igp",
        "set ip next-hop 10.2.1.2",
        "exit",
        "router bgp",
        "address-family ipv4 unicast",
        "network 203.0.113.1/32 route-map kun-nat64-203.0.113.1/32",
    )


def test_a_path_that_is_not_valid_is_none() -> None:
    text = golden("vtysh-8.4.4-vip.json").replace('"valid":true', '"valid":false')
    assert frrjson.local_path(json.loads(text)) is None


def test_a_path_of_a_neighbour_is_none_of_ours() -> None:
    text = golden("vtysh-8.4.4-vip.json").replace('"sourced":true', '"sourced":false')
    assert frrjson.local_path(json.loads(text.replace('"local":true', '"local":false'))) is None


def test_graceful_restart_counts_where_it_is_on_and_not_where_we_only_help() -> None:
    text = golden("vtysh-8.4.4-neighbours.json").replace('"localGrMode":"Disable*"', '"localGrMode":"Restart*"')
    (on,) = frrjson.neighbours(json.loads(text))
    assert on.restart_s == 120
    (helper,) = frrjson.neighbours(json.loads(text.replace("Restart*", "Helper*")))
    assert helper.restart_s == 0


def test_answers_to_several_commands_are_told_apart() -> None:
    assert frrjson.documents('{\n}\n% a word of vtysh\n{"a":{"b":1}}\n') == [{}, {"a": {"b": 1}}]
    with pytest.raises(FormatError):
        frrjson.documents('{"a":')


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.dictionaries(
                st.sampled_from(
                    ["paths", "prefix", "nexthops", "ip", "valid", "local", "metric", "bgpState", "peerBfdInfo", "x"]
                ),
                inner,
            )
            | st.lists(inner)
        ),
        max_leaves=12,
    )
)
def test_no_json_makes_a_reader_fail_in_another_way(data: Any) -> None:
    for read in (frrjson.neighbours, frrjson.local_path, lambda found: list(frrjson.sent(found))):
        with contextlib.suppress(FormatError):
            read(data)


@given(st.text())
def test_no_text_makes_the_reader_of_the_configuration_fail(text: str) -> None:
    frrcommands.read_configuration(text)
