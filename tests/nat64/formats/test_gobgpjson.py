import json
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.formats import gobgpjson
from kun_nat64.formats.table import FormatError
from kun_nat64.model.facts import BgpPath, Neighbour
from tests.nat64.formats.golden import golden

V3, V4 = "gobgp-3.10.0", "gobgp-4.8.0"
VIP, HOP = IPv4Network("203.0.113.1/32"), IPv4Address("10.2.1.2")
# Shapes of version 4, with the fields that differ.
V4_LOCAL = {
    "Family": 0,
    "nlri": {"prefix": "203.0.113.1/32"},
    "attrs": [
        {"type": 1, "value": 0},
        {"type": 3, "nexthop": "0.0.0.0"},
        {"type": 4, "metric": 10},
        {"type": 8, "communities": [4227858532, 4294901760]},
    ],
    "peer-id": "invalid IP",
    "peer-address": "invalid IP",
    "RemoteID": 0,
    "LocalID": 0,
}
V4_SIX = {
    "nlri": {"prefix": "2002:cb00:7101::/48"},
    "attrs": [
        {"type": 1, "value": 2},
        {"type": 14, "nexthop": "fd00:11::2", "afi": 2, "safi": 1, "value": [{"NLRI": {}, "ID": 0}]},
    ],
}


def test_our_path_is_read_with_its_attributes() -> None:
    (found,) = gobgpjson.parse_rib(golden(f"{V3}-global_rib_-a_ipv4.json"), "10.2.1.2")
    assert found == gobgpjson.Path(BgpPath(VIP, HOP, 10), local=True)


def test_version_4_writes_the_same_path_with_other_fields() -> None:
    (found,) = gobgpjson.parse_rib(json.dumps({str(VIP): [V4_LOCAL]}), "10.2.1.2")
    assert found == gobgpjson.Path(BgpPath(VIP, HOP, 10, ("64512:100", "65535:0")), local=True)


def test_a_path_of_version_4_is_read_as_the_real_one_prints_it() -> None:
    (found,) = gobgpjson.parse_rib(golden(f"{V4}-global_rib_-a_ipv4.json"), "10.2.1.2")
    assert found == gobgpjson.Path(BgpPath(VIP, HOP, 10, ("64512:100", "65535:0")), local=True)


def test_what_a_peer_sent_stands_beside_ours_in_version_4() -> None:
    found = gobgpjson.parse_rib(golden(f"{V4}-received.json"), "10.2.1.2")
    assert {str(one.path.prefix): one.local for one in found} == {"198.18.0.0/24": False, "203.0.113.1/32": True}


def test_a_next_hop_of_nobody_is_the_speaker_itself() -> None:
    (found,) = gobgpjson.parse_rib(json.dumps({str(VIP): [V4_LOCAL]}), "192.0.2.7")
    assert found.path.next_hop == IPv4Address("192.0.2.7")


def test_an_ipv6_path_has_its_next_hop_in_another_attribute() -> None:
    (found,) = gobgpjson.parse_rib(json.dumps({"2002:cb00:7101::/48": [V4_SIX]}), "10.2.1.2")
    expected = BgpPath(IPv6Network("2002:cb00:7101::/48"), IPv6Address("fd00:11::2"), None, origin="incomplete")
    assert found.path == expected


@pytest.mark.parametrize("key", ["neighbor-ip", "peer-address"])
def test_a_path_that_a_peer_sent_is_not_ours(key: str) -> None:
    text = json.dumps({str(VIP): [{**V4_LOCAL, key: "10.2.1.1"}]})
    assert [one.local for one in gobgpjson.parse_rib(text, "10.2.1.2")] == [False]


def test_an_empty_table_has_no_paths() -> None:
    for version in (V3, V4):
        assert gobgpjson.parse_rib(golden(f"{version}-global_rib_-a_ipv6.json"), "10.2.1.2") == []
    assert gobgpjson.parse_rib("", "10.2.1.2") == []


def test_an_established_neighbour_is_read() -> None:
    (found,) = gobgpjson.parse_neighbours(golden(f"{V3}-neighbor.json"))
    up_since = found.up_since
    assert up_since
    assert found == Neighbour("10.2.1.1", 65000, "established", established=True, hold_s=3, up_since=up_since)


def test_an_established_neighbour_of_version_4_is_read() -> None:
    """Its admin_state and type have other numbers than in version 3; its session_state has not."""
    (found,) = gobgpjson.parse_neighbours(golden(f"{V4}-neighbor.json"))
    expected = Neighbour("127.0.0.1", 65000, "established", established=True, hold_s=9, up_since=found.up_since)
    assert found == expected
    assert found.up_since


def test_a_password_is_not_taken_over() -> None:
    data = json.loads(golden(f"{V3}-neighbor.json"))
    data[0]["conf"]["auth_password"] = "secret-of-the-lab"
    assert "secret" not in repr(gobgpjson.parse_neighbours(json.dumps(data)))


@pytest.mark.parametrize(("number", "state"), list(enumerate(gobgpjson.STATES)))
def test_only_state_6_is_established(number: int, state: str) -> None:
    data = [{"conf": {"neighbor_address": "10.2.1.1"}, "state": {"session_state": number} if number else {}}]
    (found,) = gobgpjson.parse_neighbours(json.dumps(data))
    assert (found.state, found.established) == (state, number == 6)


@pytest.mark.parametrize("name", [f"{V3}-neighbor_10.2.1.1", f"{V4}-neighbor_127.0.0.1"])
def test_what_was_sent_to_a_neighbour_is_listed(name: str) -> None:
    assert list(gobgpjson.prefixes(golden(f"{name}_adj-out_-a_ipv4.json"))) == ["203.0.113.1/32"]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        (f"{V3}-neighbor_10.9.9.9", "not found neighbor 10.9.9.9"),
        (f"{V4}-neighbor_10.9.9.9", "not found neighbor 10.9.9.9"),
        (f"{V3}-nobody", "context deadline exceeded"),
        (f"{V4}-nobody", "code = Unavailable"),
    ],
)
def test_complaints_are_found_on_standard_output(name: str, complaint: str) -> None:
    assert complaint in (gobgpjson.error_in(golden(f"{name}.json")) or "")


def test_what_is_no_complaint_is_none() -> None:
    for text in ("", "{}", "[]", "garbage", golden(f"{V3}-global_rib_-a_ipv4.json")):
        assert gobgpjson.error_in(text) is None


BROKEN = ["garbage", "[]", '{"203.0.113.1/32":[{}]}', '{"x":[{"attrs":[]}]}', '{"203.0.113.1/32":[{"attrs":[7]}]}', "3"]


@pytest.mark.parametrize("text", BROKEN)
def test_garbage_is_said_to_be_garbage(text: str) -> None:
    with pytest.raises(FormatError):
        gobgpjson.parse_rib(text, "10.2.1.2")
    with pytest.raises(FormatError):
        gobgpjson.parse_neighbours(text if text != "[]" else "{}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["attrs", "type", "nexthop", "203.0.113.1/32", "conf", "state", "session_state"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_no_json_makes_a_parser_fail_in_another_way(data: object) -> None:
    for parse in (lambda text: gobgpjson.parse_rib(text, "10.2.1.2"), gobgpjson.parse_neighbours):
        try:
            parse(json.dumps(data))
        except FormatError:
            continue
