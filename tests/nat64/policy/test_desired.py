from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import pytest

from kun_base.prefix import sixtofour_network
from kun_nat64.config.load import from_data
from kun_nat64.model.announcement import GRACEFUL_SHUTDOWN, Announcement
from kun_nat64.model.facts import (
    Address,
    BgpPath,
    Facts,
    JoolGlobal,
    JoolInstance,
    LinkState,
    Module,
    Netns,
    OrphanReset,
    Pool4,
    ProbeWay,
    Protocol,
    Route,
    Sysctl,
    Tunnel,
    Veth,
)
from kun_nat64.model.resetfacts import FlowWatch
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.desired import after_teardown, desired, own_prefixes, scope, teardown_scope, widened

ANNOUNCED = Announcement(wanted=True, med=10)
WITHDRAWN = Announcement(wanted=False, med=0)
VIP = IPv4Address("203.0.113.1")


def test_the_tunnel_has_the_vip_as_local_address_and_carries_the_inside_mtu(spec: AgentSpec) -> None:
    facts = desired(spec, ANNOUNCED)
    assert Tunnel("kun64", local=VIP, mtu=8800) in facts
    assert Address("lo", VIP, 32) in facts
    assert Route(IPv6Network("2002::/16"), "kun64") in facts


def test_the_fallback_tunnel_is_down_so_that_it_cannot_hide_a_missing_one(spec: AgentSpec) -> None:
    assert LinkState("sit0", up=False) in desired(spec, ANNOUNCED)


def test_the_instance_translates_the_first_96_of_the_vips_6to4_prefix(spec: AgentSpec) -> None:
    instances = [fact for fact in desired(spec, ANNOUNCED) if isinstance(fact, JoolInstance)]
    assert [str(instance.pool6) for instance in instances] == ["2002:cb00:7101::/96"]


def test_every_protocol_of_an_entry_gets_its_ports(spec_with: Callable[..., AgentSpec]) -> None:
    pool4 = [
        {"address": "192.0.2.11", "ports": "20000-29999", "protocols": ["tcp"]},
        {"address": "192.0.2.11", "ports": "30000-39999", "protocols": ["tcp", "udp"]},
    ]
    facts = desired(spec_with(nat64={"pool4": pool4}), ANNOUNCED)
    entries = {fact for fact in facts if isinstance(fact, Pool4)}
    address = IPv4Address("192.0.2.11")
    assert entries == {
        Pool4("kun", Protocol.TCP, address, 20000, 39999),
        Pool4("kun", Protocol.UDP, address, 30000, 39999),
    }


def test_timeouts_of_the_file_become_globals_in_jools_own_writing(spec_with: Callable[..., AgentSpec]) -> None:
    facts = desired(spec_with(nat64={"tcp_established_s": 7440, "udp_s": 125, "icmp_s": 5}), ANNOUNCED)
    values = {fact.name: fact.value for fact in facts if isinstance(fact, JoolGlobal)}
    assert values["tcp-est-timeout"] == "2:04:00"
    assert values["udp-timeout"] == "0:02:05"
    assert values["icmp-timeout"] == "0:00:05"
    assert values["drop-externally-initiated-tcp"] == "true"


def test_nothing_is_announced_unless_wanted(spec: AgentSpec) -> None:
    assert not [fact for fact in desired(spec, WITHDRAWN) if isinstance(fact, BgpPath)]


def test_a_path_carries_the_announcements_med_and_all_communities(spec_with: Callable[..., AgentSpec]) -> None:
    spec = spec_with(bgp={"communities": ["64512:100"], "prefixes": ["198.18.0.0/24"]})
    facts = desired(spec, Announcement(True, 1000, (GRACEFUL_SHUTDOWN,)))
    hop = IPv4Address("10.2.1.2")
    communities = ("64512:100", "65535:0")
    assert {fact for fact in facts if isinstance(fact, BgpPath)} == {
        BgpPath(IPv4Network("203.0.113.1/32"), hop, 1000, communities),
        BgpPath(IPv4Network("198.18.0.0/24"), hop, 1000, communities),
    }


def test_the_probe_is_to_the_gateway_what_a_node_is(spec: AgentSpec) -> None:
    facts = desired(spec, ANNOUNCED)
    inside = "kun-probe-gw1"
    here, node = IPv4Address("169.254.64.1"), IPv4Address("10.255.255.254")
    assert {
        Netns(inside),
        Veth("kunprobe", "eth0", inside, 8820),
        Tunnel("kun64", local=node, mtu=8800, netns=inside),
        Route(IPv4Network("203.0.113.1/32"), "eth0", here, inside, source=node),
    } <= facts


def test_probes_come_from_a_6to4_network_of_a_node_and_their_answers_take_the_pods_way(spec: AgentSpec) -> None:
    facts = desired(spec, ANNOUNCED)
    (way,) = (fact for fact in facts if isinstance(fact, ProbeWay))
    assert way.node in spec.gateway.clients[0]
    assert way.answer_to in sixtofour_network(way.node)
    out = [fact for fact in facts if isinstance(fact, Route) and not fact.netns and way.answer_to in fact.dst]
    assert [fact.dev for fact in out] == [spec.gateway.tunnel]
    sources = {fact.source for fact in facts if isinstance(fact, Route) and fact.netns and fact.dst.version == 6}
    assert sources == {way.answer_to}


def test_there_is_no_way_past_the_tunnel_for_a_probe(spec: AgentSpec) -> None:
    inside = [fact for fact in desired(spec, ANNOUNCED) if isinstance(fact, Route) and fact.netns]
    assert {fact.dev for fact in inside if fact.dst.version == 6} == {spec.gateway.tunnel}


def test_where_others_route_back_to_the_pods_answers_to_probes_come_by_the_cable(
    spec_with: Callable[..., AgentSpec],
) -> None:
    facts = desired(spec_with(gateway={"routes": []}), ANNOUNCED)
    (way,) = (fact for fact in facts if isinstance(fact, ProbeWay))
    assert Route(IPv6Network(way.answer_to), "kunprobe") in facts


@pytest.mark.parametrize(
    ("clients", "node"),
    [("10.0.0.0/8", "10.255.255.254"), ("10.1.2.0/24", "10.1.2.254"), ("10.1.2.3/32", "10.1.2.3")],
)
def test_the_probes_node_is_the_last_of_the_first_clients(
    spec_with: Callable[..., AgentSpec], clients: str, node: str
) -> None:
    spec = spec_with(gateway={"clients": [clients, "192.0.2.0/24"]})
    assert spec.health.probe_node == IPv4Address(node)


def test_the_operator_names_node_uplink_and_way_back(spec_with: Callable[..., AgentSpec]) -> None:
    spec = spec_with(gateway={"uplink": "bond0"}, health={"probe_node": "10.7.0.9", "way_back": "uplink"})
    (way,) = (fact for fact in desired(spec, ANNOUNCED) if isinstance(fact, ProbeWay))
    assert (way.uplink, str(way.node), way.by_router) == ("bond0", "10.7.0.9", False)
    assert str(way.answer_to) == "2002:a07:9:6b75:6e36::2"


def test_errors_of_this_host_come_from_an_address_of_the_vips_own_network(spec: AgentSpec) -> None:
    """RFC 4291 section 2.5.5.1: an IPv4-compatible address is no source that a strict node takes."""
    (address,) = (fact for fact in desired(spec, ANNOUNCED) if isinstance(fact, Address) and fact.ifname == "kun64")
    assert address == Address("kun64", IPv6Address("2002:cb00:7101:1::1"), 128)
    assert address.address in sixtofour_network(VIP)
    assert address.address not in spec.gateway.pool6.network


@pytest.mark.parametrize(
    ("kernel", "own", "override"),
    [
        ((6, 1), {}, "true"),
        ((6, 12), {}, "false"),
        ((), {}, "false"),
        ((6, 1), {"override-tos": False}, "false"),
    ],
    ids=["an old kernel", "a new one", "an unknown one", "the operator's own"],
)
def test_on_an_old_kernel_no_packet_is_sent_with_its_class(
    shipped_data: dict[str, Any], kernel: tuple[int, ...], own: dict[str, bool], override: str
) -> None:
    """There bit 0 of a class is a flag of the route look-up: every packet with ECT(1) or CE would find no route."""
    data = {**shipped_data, "nat64": {**shipped_data["nat64"], "globals": own}}
    facts = desired(from_data(data, "test", kernel), ANNOUNCED)
    values = {fact.name: fact.value for fact in facts if isinstance(fact, JoolGlobal)}
    assert values["override-tos"] == override


def test_modules_are_left_alone_when_the_operator_says_so(spec_with: Callable[..., AgentSpec]) -> None:
    facts = desired(spec_with(gateway={"manage_modules": False}), ANNOUNCED)
    assert not [fact for fact in facts if isinstance(fact, Module)]


def test_sysctls_of_the_file_are_added_and_win(spec_with: Callable[..., AgentSpec]) -> None:
    own = {"net.ipv4.conf.all.rp_filter": "0", "net.core.netdev_max_backlog": "10000"}
    facts = desired(spec_with(gateway={"sysctls": own}), ANNOUNCED)
    values = {fact.name: fact.value for fact in facts if isinstance(fact, Sysctl)}
    assert values == {
        "net.ipv4.ip_forward": "1",
        "net.ipv6.conf.all.forwarding": "1",
        "net.ipv4.conf.all.rp_filter": "0",
        "net.ipv4.conf.all.send_redirects": "0",
        "net.core.netdev_max_backlog": "10000",
    }


def test_what_is_looked_for_covers_everything_that_carries_no_mark(spec: AgentSpec) -> None:
    asked, facts = scope(spec), desired(spec, ANNOUNCED)
    assert asked.sysctls == {fact.name for fact in facts if isinstance(fact, Sysctl)}
    assert asked.globals == {fact.name for fact in facts if isinstance(fact, JoolGlobal)}
    assert asked.prefixes == {"203.0.113.1/32"}
    assert asked.links == {"eth1", "kun64"}


def test_a_path_of_an_earlier_vip_is_found_by_the_address_it_left_on_the_loopback(spec: AgentSpec) -> None:
    observed: Facts = frozenset({Address("lo", IPv4Address("203.0.113.9"), 32)})
    assert own_prefixes(observed) == {"203.0.113.9/32"}
    assert widened(scope(spec), observed).prefixes == {"203.0.113.1/32", "203.0.113.9/32"}


def test_a_teardown_does_not_count_unmarked_tunnels_and_addresses_as_ours(spec: AgentSpec) -> None:
    asked = teardown_scope(spec)
    assert asked.tunnels == frozenset()
    assert asked.vip == ""


def test_a_teardown_restores_settings_and_unloads_only_what_was_not_there_before() -> None:
    observed: Facts = frozenset(
        {Sysctl("net.ipv4.ip_forward", "1"), Module("jool"), Module("sit"), Address("lo", VIP, 32)}
    )
    before: Facts = frozenset({Sysctl("net.ipv4.ip_forward", "0"), Module("sit")})
    assert after_teardown(before, observed) == {Sysctl("net.ipv4.ip_forward", "0"), Module("sit")}


def test_a_teardown_that_remembers_nothing_leaves_settings_and_modules_as_they_are() -> None:
    observed: Facts = frozenset({Sysctl("net.ipv4.ip_forward", "1"), Module("jool"), Address("lo", VIP, 32)})
    assert after_teardown(frozenset(), observed) == {Sysctl("net.ipv4.ip_forward", "1"), Module("jool")}


def test_orphaned_flows_are_watched_for_longer_than_jool_remembers_any(spec_with: Callable[..., AgentSpec]) -> None:
    nat64 = {"tcp_established_s": 9000, "tcp_transitory_s": 300, "reset_orphans_flows": 2048}
    spec = spec_with(nat64=nat64, fleet={"ring": False})
    watch = FlowWatch("kun", spec.gateway.pool6, 9330, 330, 2048, longest_s=9000, new_flows_s=1000, udp_s=330)
    assert OrphanReset(watch) in desired(spec, ANNOUNCED)
    assert scope(spec).watch == watch


def test_orphaned_flows_time_out_by_themselves_when_the_operator_says_so(spec_with: Callable[..., AgentSpec]) -> None:
    spec = spec_with(nat64={"reset_orphans": False})
    assert not any(isinstance(fact, OrphanReset) for fact in desired(spec, ANNOUNCED))
    assert scope(spec).watch is None
