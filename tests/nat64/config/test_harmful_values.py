"""Values that are well formed and would cut a gateway off, open it to strangers or take traffic that is not ours."""

import re
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

import pytest

from kun_nat64.config.listeners import notes
from kun_nat64.model.spec import AgentSpec
from tests.nat64.config.faults import faults

ROUTER = {"address": "10.2.1.1", "as": 65000}
MEMBERS = ["http://10.2.2.2:9465"]
NEXT6 = {"prefixes": ["2002:cb00:7102::/48"]}

# Section, keys, and the one fault that is told.
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("gateway", {"vip": "::ffff:203.0.113.1"}, "gateway.vip = '::ffff:203.0.113.1': must be an IPv4 address"),
    ("gateway", {"vip": "224.0.0.5", "allow_nonglobal_vip": True}, "gateway.vip = '224.0.0.5': is a multicast group"),
    ("gateway", {"vip": "127.0.0.1", "allow_nonglobal_vip": True}, "gateway.vip = '127.0.0.1': is the loopback"),
    ("gateway", {"vip": "203.000.113.001"}, "gateway.vip = '203.000.113.001': must be an IPv4 address"),
    ("gateway", {"clients": ["10.0.0.0/8", "224.0.0.0/8"]}, "gateway.clients[1] = '224.0.0.0/8': is no network of"),
    ("gateway", {"clients": ["10.0.0.0/8", "127.0.0.0/8"]}, "gateway.clients[1] = '127.0.0.0/8': is no network of"),
    ("gateway", {"clients": ["128.0.0.0/3"]}, "gateway.clients = ['128.0.0.0/3']: together are 536870912 addresses"),
    ("gateway", {"clients": [f"{n}.0.0.0/8" for n in (10, 11, 12, 13, 14)]}, "gateway.clients = ["),
    ("gateway", {"clients": ["10.0.0.0/8", "::ffff:10.0.0.0/104"]}, "gateway.clients[1] = '::ffff:10.0.0.0/104'"),
    ("gateway", {"clients": ["10.0.0.0/0.0.0.0"]}, "gateway.clients[0] = '10.0.0.0/0.0.0.0': has host bits set"),
    ("gateway", {"routes": ["::/0"]}, "gateway.routes[0] = '::/0': is not inside 2002::/16"),
    ("gateway", {"routes": ["2002::/15"]}, "gateway.routes[0] = '2002::/15': is not inside 2002::/16"),
    ("gateway", {"routes": ["2002::/16", "fe80::/9"]}, "gateway.routes[1] = 'fe80::/9': is not inside 2002::/16"),
    ("gateway", {"outside": "sit0"}, "gateway.outside = 'sit0': is the kernel's fallback tunnel"),
    ("gateway", {"uplink": "sit0"}, "gateway.uplink = 'sit0': must be the interface towards the nodes"),
    ("gateway", {"outside": "kunr-1"}, "gateway.outside = 'kunr-1': is a name of a tunnel to another gateway"),
    ("gateway", {"tunnel": "kunr-0a020202"}, "gateway.tunnel = 'kunr-0a020202': is a name of a tunnel to another"),
    ("gateway", {"tunnel": "default"}, "gateway.tunnel = 'default': is a word of the kernel's settings"),
    ("gateway", {"sysctls": {"net.ipv4.ip_forward": 0}}, "gateway.sysctls.net.ipv4.ip_forward = 0: must be text"),
    ("gateway", {"sysctls": {"net.ipv4.ip_forward": False}}, "gateway.sysctls.net.ipv4.ip_forward = False: must be"),
    ("gateway", {"sysctls": {"net.ipv4.ip_forward": "00"}}, "gateway.sysctls.net.ipv4.ip_forward = '00': must be 1"),
    ("gateway", {"sysctls": {"net/ipv4/ip_forward": "0"}}, "gateway.sysctls.net/ipv4/ip_forward = '0': must be a name"),
    (
        "gateway",
        {"sysctls": {"net.ipv4.conf.eth0.accept_local": "1"}},
        "gateway.sysctls.net.ipv4.conf.eth0.accept_local = '1': must be 0: others could send packets with the VIP",
    ),
    (
        "gateway",
        {"sysctls": {"net.ipv4.conf.all.route_localnet": "1"}},
        "gateway.sysctls.net.ipv4.conf.all.route_localnet = '1': must be 0",
    ),
    ("gateway", {"inside_mtu": 1500.0}, "gateway.inside_mtu = 1500.0"),
    ("nat64", {"pool4": [{"address": "169.254.1.1"}]}, "nat64.pool4[0].address = '169.254.1.1': is not an address"),
    ("nat64", {"pool4": [{"address": "::ffff:192.0.2.11"}]}, "nat64.pool4[0].address = '::ffff:192.0.2.11': must be"),
    ("nat64", {"pool4": [{"address": "192.0.2.11", "ports": "２0000-60000"}]}, "nat64.pool4[0].ports = '２0000-60000'"),
    ("nat64", {"pool4": [{"address": "192.0.2.11", "ports": True}]}, "nat64.pool4[0].ports = True: must be text"),
    ("nat64", {"tcp_established_s": 2**63}, "nat64.tcp_established_s = 9223372036854775808"),
    ("nat64", {"globals": {"manually-enabled": False}}, "nat64.globals.manually-enabled = 'False': pauses the"),
    ("nat64", {"globals": {"manually-enabled": "off"}}, "nat64.globals.manually-enabled = 'off': pauses the"),
    ("nat64", {"globals": {"mtu-plateaus": "1500,1"}}, "nat64.globals.mtu-plateaus = '1500,1': must be from 68"),
    ("nat64", {"globals": {"maximum-simultaneous-opens": 2**40}}, "nat64.globals.maximum-simultaneous-opens = "),
    ("bgp", {"router_id": "0.0.0.5"}, "bgp.router_id = '0.0.0.5': is not an address of a machine"),
    ("bgp", {"next_hop": "10.2.1.2/32"}, "bgp.next_hop = '10.2.1.2/32': must be an IPv4 address"),
    ("bgp", {"next_hop6": "::ffff:10.2.1.2", **NEXT6}, "bgp.next_hop6 = '::ffff:10.2.1.2': is 10.2.1.2 in the form of"),
    ("bgp", {"next_hop6": "::10.2.1.2", **NEXT6}, "bgp.next_hop6 = '::a02:102': is 10.2.1.2 in the form of IPv6"),
    ("bgp", {"next_hop6": "2002:cb00:7101::1", **NEXT6}, "bgp.next_hop6 = '2002:cb00:7101::1': is in the VIP's own"),
    ("bgp", {"next_hop6": "fe80::1", **NEXT6}, "bgp.prefixes[0] = '2002:cb00:7102::/48': needs a bgp.next_hop6 that"),
    ("bgp", {"peers": [{"address": "::ffff:10.2.1.1", "as": 65000}]}, "bgp.peers[0].address = '::ffff:10.2.1.1': is"),
    ("bgp", {"peers": [{"address": "::ffff:10.2.1.2", "as": 65000}]}, "bgp.peers[0].address = '::ffff:10.2.1.2': is"),
    ("bgp", {"peers": [{"address": "192.0.2.11", "as": 1}]}, "bgp.peers[0].address = '192.0.2.11': is this gateway's"),
    ("bgp", {"peers": [{"address": "10.2.1.1", "as": 23456}]}, "bgp.peers[0].as = 23456: is reserved"),
    ("bgp", {"peers": [{"address": "10.2.1.1", "as": True}]}, "bgp.peers[0].as = True"),
    ("bgp", {"local_as": 4294967295}, "bgp.local_as = 4294967295: is reserved"),
    ("bgp", {"prefixes": ["0.0.0.0/0"]}, "bgp.prefixes[0] = '0.0.0.0/0': is too large a part of the Internet"),
    ("bgp", {"prefixes": ["128.0.0.0/1"]}, "bgp.prefixes[0] = '128.0.0.0/1': is too large a part of the Internet"),
    ("bgp", {"prefixes": ["224.0.0.0/8"]}, "bgp.prefixes[0] = '224.0.0.0/8': is no network of hosts"),
    ("bgp", {"prefixes": ["10.0.0.0/8"]}, "bgp.prefixes[0] = '10.0.0.0/8': contains gateway.clients[0] = 10.0.0.0/8"),
    ("bgp", {"prefixes": ["10.2.1.0/24"]}, "bgp.prefixes[0] = '10.2.1.0/24': contains bgp.peers[0].address = 10.2.1.1"),
    ("bgp", {"prefixes": ["198.51.100.80/32"]}, "bgp.prefixes[0] = '198.51.100.80/32': contains health.targets[0]"),
    ("bgp", {"prefixes": ["192.0.2.11/32", "192.0.2.11/32"]}, "bgp.prefixes[1] = '192.0.2.11/32': is listed twice"),
    ("bgp", {"prefixes": ["2000::/3"], "next_hop6": "fd00::2"}, "bgp.prefixes[0] = '2000::/3': is too large a part"),
    ("bgp", {"prefixes": ["ff00::/16"], "next_hop6": "fd00::2"}, "bgp.prefixes[0] = 'ff00::/16': is multicast"),
    ("health", {"probe_network": "127.0.0.0/30"}, "health.probe_network = '127.0.0.0/30': is no network of hosts"),
    ("health", {"probe_network": "224.0.0.0/30"}, "health.probe_network = '224.0.0.0/30': is no network of hosts"),
    ("health", {"probe_network": "10.2.2.0/30"}, "health.probe_network = '10.2.2.0/30': contains fleet.members[0]"),
    ("health", {"probe_network": "10.255.255.252/30"}, "health.probe_network = '10.255.255.252/30': contains health."),
    ("health", {"targets": ["icmp://[::ffff:198.51.100.80]"]}, "health.targets[0] = 'icmp://[::ffff:198.51.100.80]'"),
    ("health", {"interval_s": float("nan")}, "health.interval_s = nan"),
    ("health", {"pool_limit": True}, "health.pool_limit = True: must be a number"),
    ("fleet", {"members": ["http://203.0.113.1:9465"]}, "fleet.members[0] = 'http://203.0.113.1:9465': is the VIP"),
    ("fleet", {"members": MEMBERS, "ring_members": ["224.0.0.1"]}, "fleet.ring_members[0] = '224.0.0.1': is a multi"),
    ("fleet", {"members": MEMBERS, "ring_members": ["0.0.0.0"]}, "fleet.ring_members[0] = '0.0.0.0': is not an"),
    ("fleet", {"members": MEMBERS, "ring_members": ["192.0.2.11"]}, "fleet.ring_members[0] = '192.0.2.11': is this"),
    ("fleet", {"members": MEMBERS, "ring_address": "127.0.0.1"}, "fleet.ring_address = '127.0.0.1': is the loopback"),
    ("admin", {"listen": "224.0.0.1:9465"}, "admin.listen = '224.0.0.1:9465': is a group of machines"),
    ("admin", {"listen": "127.0.0.1:９465"}, "admin.listen = '127.0.0.1:９465': must be ADDRESS:PORT"),
    ("admin", {"listen": "127.0.0.1:9_465"}, "admin.listen = '127.0.0.1:9_465': must be ADDRESS:PORT"),
    ("guard", {"max_removals": 1e9}, "guard.max_removals = 1000000000.0"),
]


def mapped(text: str) -> str:
    """The text with IPv4-mapped addresses as Python 3.13 writes them: `::ffff:10.2.1.1`, not `::ffff:a02:101`."""
    return re.sub(
        "::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})",
        lambda found: f"::ffff:{IPv4Address(int(found[1], 16) << 16 | int(found[2], 16))}",
        text,
    )


@pytest.mark.parametrize(
    ("section", "keys", "expected"), REFUSED, ids=[f"{key} {expected[:60]}" for key, _, expected in REFUSED]
)
def test_a_harmful_value_is_refused_with_its_reason(
    section: str, keys: dict[str, Any], expected: str, changed: Callable[..., dict[str, Any]]
) -> None:
    found = faults(changed(section, **keys))
    assert len(found) == 1, found
    assert mapped(found[0]).startswith(expected), found


@pytest.mark.parametrize(
    ("section", "keys"),
    [
        ("gateway", {"clients": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]}),
        ("gateway", {"routes": ["2002:a00::/24", "2002:ac10::/28"]}),
        ("gateway", {"routes": []}),
        ("bgp", {"prefixes": ["192.0.2.0/24"]}),
        ("bgp", {"prefixes": ["2002::/16"], "next_hop6": "fd00:11::2"}),
        ("health", {"probe_network": "10.1.0.0/30"}),
    ],
    ids=["all private nodes", "two ways back", "ways of others", "the network of pool4", "6to4", "a piece of clients"],
)
def test_what_operators_rightly_write_is_taken(
    section: str, keys: dict[str, Any], spec_with: Callable[..., AgentSpec]
) -> None:
    spec_with(**{section: keys})


@pytest.mark.parametrize(
    ("f_args", "addresses", "noted"),
    [
        (11, ("192.0.2.11", "192.0.2.12"), True),
        (4, ("192.0.2.11", "192.0.2.12"), True),
        (8, ("192.0.2.11", "192.0.2.12"), False),
        (11, ("192.0.2.11",), False),
    ],
)
def test_what_ends_paired_pooling_is_noted(
    f_args: int, addresses: tuple[str, ...], noted: bool, spec_with: Callable[..., AgentSpec]
) -> None:
    spec = spec_with(nat64={"pool4": [{"address": one} for one in addresses], "globals": {"f-args": f_args}})
    assert any("f-args spreads the flows of one pod" in note for note in notes(spec)) is noted
