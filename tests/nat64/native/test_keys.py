"""Keys of a gateway with inside = "native": those that it needs, and those that mean nothing there."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Any

import pytest

from kun_base.errors import ConfigError
from kun_nat64.config.load import from_data
from kun_nat64.model.spec import AgentSpec, Inside

Data = Callable[..., dict[str, Any]]


def faults(data: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        from_data(data, "test")
    return [str(fault) for fault in raised.value.faults]


def test_the_shipped_native_file_loads(native: AgentSpec) -> None:
    gateway = native.gateway
    assert gateway.inside is Inside.NATIVE
    assert gateway.vip is None
    assert gateway.pods == (IPv6Network("2001:db8:a1::/48"),)
    assert (gateway.clients, gateway.routes) == ((), ())
    assert native.bgp.prefixes == (IPv6Network("2001:db8:64::/96"),)
    assert gateway.announced == IPv6Network("2001:db8:64::/96")


def test_a_vip_is_announced_beside_pool6(native_with: Callable[..., AgentSpec]) -> None:
    spec = native_with(gateway={"vip": "10.9.9.9"}, bgp={"prefixes": ["198.18.0.0/24"]})
    assert spec.gateway.vip == IPv4Address("10.9.9.9"), "6to4 alone wants a global one"
    assert spec.bgp.prefixes == (
        IPv6Network("2001:db8:64::/96"),
        IPv4Network("10.9.9.9/32"),
        IPv4Network("198.18.0.0/24"),
    )


@pytest.mark.parametrize("pool6", ["64:ff9b::/96", "2001:db8:64::/96", "64:ff9b:1::/96", "fd00:64::/96"])
def test_any_96_will_do(pool6: str, native_with: Callable[..., AgentSpec]) -> None:
    assert str(native_with(nat64={"pool6": pool6}).gateway.pool6) == pool6


MEANINGLESS = {
    "tunnel": ("gateway", "kun64", "no tunnel exists"),
    "routes": ("gateway", ["2002::/16"], "the routes to the pods"),
    "check_source": ("gateway", True, "gateway.clients lists"),
    "near_by_router": ("gateway", False, "by this host's own routes"),
    "allow_nonglobal_vip": ("gateway", False, "only 6to4"),
    "probe_network": ("health", "169.254.64.0/30", "probes come by IPv6"),
}


@pytest.mark.parametrize(("key", "row"), MEANINGLESS.items(), ids=MEANINGLESS.keys())
def test_a_key_of_the_tunnel_is_refused(key: str, row: tuple[str, object, str], native_data: Data) -> None:
    section, value, why = row
    (found,) = faults(native_data(**{section: {key: value}}))
    assert found.startswith(f"{section}.{key} = ")
    assert 'has no effect with inside = "native"' in found
    assert why in found


WRONG = {
    "no uplink": ({"gateway": {"uplink": None}}, "gateway.uplink: is required with inside"),
    "the uplink is outside": ({"gateway": {"uplink": "eth1"}}, "gateway.uplink = 'eth1': is also gateway.outside"),
    "no pool6": ({"nat64": {"pool6": None}}, "nat64.pool6: is required with inside"),
    "a pool6 of multicast": ({"nat64": {"pool6": "ff05::/96"}}, "nat64.pool6 = 'ff05::/96': "),
    "a pool6 that is no /96": ({"nat64": {"pool6": "2001:db8:64::/64"}}, "nat64.pool6 = '2001:db8:64::/64': must be a"),
    "no next hop": ({"bgp": {"next_hop6": None}}, "bgp.next_hop6: is required with inside"),
    "a link-local next hop": ({"bgp": {"next_hop6": "fe80::2"}}, "bgp.next_hop6 = 'fe80::2': is link-local"),
    "a next hop of pool6": ({"bgp": {"next_hop6": "2001:db8:64::2"}}, "bgp.next_hop6 = '2001:db8:64::2': is of nat64"),
    "the next hop is the peer": (
        {"bgp": {"next_hop6": "2001:db8:2:1::1"}},
        "bgp.peers[0].address = '2001:db8:2:1::1': is this gateway's own address",
    ),
    "no clients": ({"gateway": {"clients": None}}, "gateway.clients: is required with inside"),
    "clients of IPv4": (
        {"gateway": {"clients": ["2001:db8:a1::/48", "10.0.0.0/8"]}},
        "gateway.clients[1] = '10.0.0.0/8': must be an IPv6 network of pods",
    ),
    "everybody": (
        {"gateway": {"clients": ["::/0"]}},
        "gateway.clients = ['::/0']: is everybody, which makes an open relay",
    ),
    "everybody in two parts": (
        {"gateway": {"clients": ["2000::/4", "3000::/4"]}},
        "gateway.clients = ['2000::/4', '3000::/4']: is everybody",
    ),
    "clients of pool6": (
        {"gateway": {"clients": ["2001:db8:64::/112"]}},
        "gateway.clients[0] = '2001:db8:64::/112': is of nat64.pool6",
    ),
    "link-local clients": ({"gateway": {"clients": ["fe80::/64"]}}, "gateway.clients[0] = 'fe80::/64': is link-local"),
    "clients too few for a probe": (
        {"gateway": {"clients": ["2001:db8:a1::/120"]}},
        "gateway.clients = ['2001:db8:a1::/120']: must have a network of a /112",
    ),
    "a node of IPv4": ({"health": {"probe_node": "10.1.0.2"}}, "health.probe_node = '10.1.0.2': must be an IPv6"),
    "a node elsewhere": (
        {"health": {"probe_node": "2001:db8:b1::1"}},
        "health.probe_node = '2001:db8:b1::1': must be in gateway.clients",
    ),
    "pool6 among the prefixes": (
        {"bgp": {"prefixes": ["2001:db8:64::/96"]}},
        "bgp.prefixes[0] = '2001:db8:64::/96': pool6 is always announced",
    ),
    "an unknown way inside": ({"gateway": {"inside": "6in4"}}, "gateway.inside = '6in4': must be '6to4' or 'native'"),
}


@pytest.mark.parametrize(("sections", "told"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said(sections: dict[str, Any], told: str, native_data: Data) -> None:
    found = faults(native_data(**sections))
    assert [line for line in found if line.startswith(told)], found


def test_one_run_tells_all(native_data: Data) -> None:
    data = native_data(
        gateway={"uplink": None, "clients": None, "tunnel": "up"}, nat64={"pool6": None}, bgp={"next_hop6": None}
    )
    keys = {line.split(" ")[0].rstrip(":") for line in faults(data)}
    assert {"gateway.uplink", "gateway.clients", "gateway.tunnel", "nat64.pool6", "bgp.next_hop6"} <= keys


def test_one_armed_admits_one_interface(native_with: Callable[..., AgentSpec]) -> None:
    assert native_with(gateway={"uplink": "eth1", "one_armed": True}).gateway.inside_link == "eth1"


OF_6TO4 = {
    "no VIP": ({"vip": None}, {}, "gateway.vip: is required"),
    "clients of IPv6": ({"clients": ["2001:db8::/32"]}, {}, "gateway.clients[0] = '2001:db8::/32': must be an IPv4"),
    "a node of IPv6": ({}, {"probe_node": "2001:db8::1"}, "health.probe_node = '2001:db8::1': must be an IPv4"),
}


@pytest.mark.parametrize(("gateway", "health", "told"), OF_6TO4.values(), ids=OF_6TO4.keys())
def test_with_a_tunnel_its_own_keys_are_asked_for(
    gateway: dict[str, Any], health: dict[str, Any], told: str, shipped_data: dict[str, Any]
) -> None:
    data = {**shipped_data, "gateway": {**shipped_data["gateway"], **gateway}}
    data["gateway"] = {key: value for key, value in data["gateway"].items() if value is not None}
    data["health"] = {**shipped_data["health"], **health}
    found = faults(data)
    assert [line for line in found if line.startswith(told)], found
