"""What a gateway without a tunnel consists of, and what of it is refused, named and announced."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.agent.announcer import last_announced, removals
from kun_nat64.agent.cycle import found_announcement
from kun_nat64.formats import gobgpconf
from kun_nat64.model.announcement import Announcement
from kun_nat64.model.diagnosis import Cause
from kun_nat64.model.facts import (
    Address,
    BgpPath,
    Chain,
    Facts,
    JoolInstance,
    LinkState,
    Module,
    NativeProbeWay,
    NodeRouter,
    OwnTable,
    Route,
    Rule,
    Tunnel,
)
from kun_nat64.model.health import Symptom
from kun_nat64.model.nodeways import NodeWay
from kun_nat64.model.observation import LinkReport, Observation
from kun_nat64.model.spec import AgentSpec, TargetKind
from kun_nat64.model.standing import Reason
from kun_nat64.model.traffic import Traffic
from kun_nat64.policy.desired import desired, own_prefixes, scope
from kun_nat64.policy.diagnosis import diagnose
from kun_nat64.policy.diagnosis_input import DiagnosisInput
from kun_nat64.policy.diff import plan
from kun_nat64.policy.explain import explain
from kun_nat64.policy.filechange import change_of, refusals
from kun_nat64.policy.hard_failure import hard_faults
from kun_nat64.policy.neutral import neutral_to, sum_of
from kun_nat64.policy.nodeways import cut_off
from kun_nat64.policy.probepath import probe_address

ANNOUNCED = Announcement(wanted=True, med=10)
POOL6 = IPv6Network("2001:db8:64::/96")
OWN = IPv6Address("2001:db8:2:1::2")


@pytest.fixture
def facts(native: AgentSpec) -> Facts:
    return desired(native, ANNOUNCED)


def test_nothing_of_a_tunnel_is_there(native: AgentSpec, facts: Facts) -> None:
    of_a_tunnel = Tunnel | NodeRouter | LinkState
    assert not [fact for fact in facts if isinstance(fact, of_a_tunnel)]
    assert Module("sit") not in facts
    assert not [fact for fact in facts if isinstance(fact, Route) and not fact.netns], "ways back are the operator's"
    assert not [fact for fact in facts if isinstance(fact, Address) and not fact.netns]
    asked = scope(native)
    assert (asked.tunnels, asked.vip, asked.clients) == (frozenset(), "", ())
    assert not [str(fact) for fact in facts if "kun64" in str(fact) or "2002:" in str(fact)]


def test_pool6_is_announced_over_ipv6(facts: Facts) -> None:
    assert [fact for fact in facts if isinstance(fact, BgpPath)] == [BgpPath(POOL6, OWN, 10)]
    assert [fact.pool6 for fact in facts if isinstance(fact, JoolInstance)]


def test_a_path_that_is_there_is_adopted(facts: Facts, native: AgentSpec) -> None:
    found = found_announcement(Observation(facts), native.gateway.announced)
    assert found == ANNOUNCED
    assert str(POOL6) in own_prefixes(facts), "also of a pool6 that the file names no more"


def test_a_path_of_ipv6_is_taken_back_with_a_next_hop_of_its_family(native: AgentSpec) -> None:
    (change,) = removals(last_announced(native.bgp, ANNOUNCED), ())
    assert isinstance(change.fact, BgpPath)
    assert (change.fact.prefix, change.fact.next_hop.version) == (POOL6, 6)


def rules_of(facts: Facts, table: str, chain: str) -> list[str]:
    found = [fact.spec for fact in facts if isinstance(fact, Rule) and (fact.table, fact.chain) == (table, chain)]
    return sorted(found)


def chain_of(facts: Facts, name: str) -> tuple[str, ...]:
    (found,) = (fact.rules for fact in facts if isinstance(fact, Chain) and fact.name == name)
    return found


def test_pool6_is_let_in_by_the_uplink_alone(facts: Facts) -> None:
    assert chain_of(facts, "KUN-NAT64-POOL6") == ("-i eth0 -j RETURN", "-j DROP")
    assert [spec.split(" ")[:4] for spec in rules_of(facts, "raw", "PREROUTING")] == [
        ["-d", str(POOL6), "-i", "eth0"],
        ["-d", str(POOL6), "-m", "comment"],
    ]
    assert rules_of(facts, "filter", "FORWARD")[0].startswith(f"-d {POOL6} ")


def test_sources_are_clients_and_never_pool6(facts: Facts) -> None:
    rules = chain_of(facts, "KUN-NAT64-PODS")
    assert rules[-3:] == (f"-s {POOL6} -j DROP", "-s 2001:db8:a1::/48 -j RETURN", "-j DROP")
    assert "-d 2001:db8:64::7f00:0/104 -j DROP" in rules, "127.0.0.0/8"
    assert "-d 2001:db8:64::c000:20b/128 -j DROP" in rules, "pool4"
    assert "-d 2001:db8:64::/104 -j DROP" in rules, "0.0.0.0/8"


def test_the_well_known_prefix_is_never_for_addresses_that_are_not_global(
    native_with: Callable[..., AgentSpec],
) -> None:
    """RFC 6052 section 3.1."""
    spec = native_with(nat64={"pool6": "64:ff9b::/96"}, gateway={"never_reach": []})
    assert "-d 64:ff9b::a00:0/104 -j DROP" in chain_of(desired(spec, ANNOUNCED), "KUN-NAT64-PODS")
    other = native_with(gateway={"never_reach": []})
    assert "-d 2001:db8:64::a00:0/104 -j DROP" not in chain_of(desired(other, ANNOUNCED), "KUN-NAT64-PODS")


def test_mss_and_tables_are_for_what_comes_by_the_uplink(facts: Facts) -> None:
    assert [spec for spec in rules_of(facts, "mangle", "PREROUTING") if "--set-mss 1440" in spec]
    tables = [str(table.chains) for table in facts if isinstance(table, OwnTable) and table.name.endswith("-ecn")]
    assert [text for text in tables if 'iifname "eth0"' in text]


@pytest.mark.parametrize(("inside", "fits"), [(8800, 1440), (1500, 1440), (1280, 1220)])
def test_mss_auto_leaves_room_for_two_headers(inside: int, fits: int, native_with: Callable[..., AgentSpec]) -> None:
    assert native_with(gateway={"mss": "auto", "inside_mtu": inside}).gateway.mss == fits


def test_a_probe_is_to_the_gateway_what_a_pod_is(native: AgentSpec, facts: Facts) -> None:
    (way,) = (fact for fact in facts if isinstance(fact, NativeProbeWay))
    assert way.answer_to == probe_address(native)
    assert way.answer_to in IPv6Network("2001:db8:a1:ffff::/64"), "the last of clients[0]"
    assert (way.home, way.pool6, way.uplink) == (OWN, POOL6, "eth0")
    assert Address("eth0", way.answer_to, 128, "kun-probe-gw1") in facts
    assert Route(POOL6, "eth0", netns="kun-probe-gw1", source=way.answer_to) in facts


@pytest.mark.parametrize(
    ("clients", "node", "network"),
    [
        (["2001:db8:a1::/48"], "2001:db8:a1:7::1", "2001:db8:a1:7::/64"),
        (["2001:db8:a1::/112", "2001:db8:b1::/48"], "2001:db8:b1:2::9", "2001:db8:b1:2::/64"),
        (["2001:db8:a1::/120", "2001:db8:b1::/80"], "", "2001:db8:b1::/80"),
    ],
)
def test_probes_come_from_the_network_that_is_named(
    clients: list[str], node: str, network: str, native_with: Callable[..., AgentSpec]
) -> None:
    spec = native_with(gateway={"clients": clients}, health={"probe_node": node})
    assert probe_address(spec) in IPv6Network(network)
    assert sum_of(probe_address(spec)) == sum_of(OWN)


@given(st.ip_addresses(v=6), st.ip_addresses(v=6), st.integers(0, 112))
def test_an_address_is_found_with_any_checksum(other: IPv6Address, base: IPv6Address, length: int) -> None:
    network = IPv6Network((int(base), length), strict=False)
    found = neutral_to(other, network, 0x6B75_6E36_0002)
    assert found in network
    assert sum_of(found) == sum_of(other)
    assert int(found) != int(network.network_address)


def test_a_plan_for_what_is_there_is_empty(facts: Facts) -> None:
    assert not plan(facts, Observation(facts))
    assert plan(facts, Observation())


def test_a_reload_does_not_switch_the_way_inside(native: AgentSpec, spec: AgentSpec) -> None:
    seen = Observation(links=(LinkReport("eth1", present=True, up=True, carrier=True),))
    for old, new in ((spec, native), (native, spec)):
        change = change_of(old, new, ANNOUNCED, Traffic())
        found = refusals(old, new, change, seen, other_exit=True)
        (refusal,) = [one for one in found if "gateway.inside" in one.reason]
        assert not refusal.forcible
        assert f"gateway.inside is {old.gateway.inside}, the new file has {new.gateway.inside}" in refusal.reason


def test_other_keys_can_change(native: AgentSpec, native_with: Callable[..., AgentSpec]) -> None:
    new = native_with(gateway={"mss": 1400})
    assert not refusals(native, new, change_of(native, new, ANNOUNCED), Observation(), other_exit=True)


def test_a_vip_that_is_gone_stops_nothing(native_with: Callable[..., AgentSpec]) -> None:
    spec = native_with(gateway={"vip": "203.0.113.1"})
    wanted = desired(spec, ANNOUNCED)
    vip = Address("lo", IPv4Address("203.0.113.1"), 32)
    assert vip in wanted
    assert Reason.VIP_MISSING not in hard_faults(wanted, Observation(wanted - {vip}), "eth1")
    gone = frozenset(fact for fact in wanted if isinstance(fact, JoolInstance))
    assert Reason.INSTANCE_MISSING in hard_faults(wanted, Observation(wanted - gone), "eth1")


FAILING = {TargetKind.ICMP: frozenset({Symptom.TIMEOUT})}
COUNTED = {"RECEIVED6": 9, "POOL6_MISMATCH": 6, "UNKNOWN_ICMP6_TYPE": 3}


def test_the_hosts_own_packets_are_no_sign_of_another_prefix() -> None:
    signs = DiagnosisInput(FAILING, counters=COUNTED, native=True)
    assert diagnose(signs).cause is Cause.DROPPED_BEFORE_TRANSLATOR
    assert "tunnel" not in diagnose(signs).words + diagnose(signs).remedy
    some = replace(signs, counters=COUNTED | {"RECEIVED6": 12, "SUCCESS": 3})
    assert diagnose(some).cause is Cause.REPLIES_MISSING
    with_a_tunnel = DiagnosisInput(FAILING, counters=COUNTED, tunnel_rx=9)
    assert diagnose(with_a_tunnel).cause is Cause.DROPPED_BEFORE_TRANSLATOR


def test_a_pod_is_cut_off_when_its_route_leads_elsewhere(native: AgentSpec) -> None:
    pod = IPv6Address("2001:db8:a1:1::10")
    well = NodeWay(pod, link="eth0", pods_link="eth0")
    assert cut_off([well], native.gateway, "eth0") == ()
    assert "routed by eth1" in cut_off([replace(well, link="eth1")], native.gateway, "eth0")[0]
    assert "no route" in cut_off([NodeWay(pod, error="no route: unreachable")], native.gateway, "eth0")[0]
    lost = cut_off([replace(well, link="eth7")], native.gateway, "eth0")
    assert lost == (f"{pod}: routed by eth7, not by eth0",)


def test_explain_says_who_is_let_in(native: AgentSpec) -> None:
    to = IPv6Address("2001:db8:64::c633:6450")
    inside = explain(to, native, Traffic(), IPv6Address("2001:db8:a1:1::10"))
    assert inside.reachable
    other = explain(to, native, Traffic(), IPv6Address("2001:db8:b1:1::10"))
    assert other.sender is not None
    assert "gateway.clients" in other.sender.dropped


def test_gobgpd_conf_speaks_ipv6_alone(native: AgentSpec) -> None:
    text = gobgpconf.document(native.bgp, {})
    assert 'afi-safi-name = "ipv6-unicast"' in text
    assert "ipv4-unicast" not in text
    assert f'local-address = "{OWN}"' in text
    assert f'ip-prefix = "{POOL6}"' in text
