from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network

import pytest

from kun_nat64.model.facts import Chain, Family, Rule
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.ruleset import denied_networks, rules

MSS = "-p tcp -m tcp --tcp-flags SYN,RST SYN -m comment --comment kun-nat64 -j TCPMSS --set-mss 1420"


def chain(spec: AgentSpec, name: str) -> Chain:
    return next(fact for fact in rules(spec) if isinstance(fact, Chain) and fact.name == name)


def test_the_mss_is_set_before_and_after_jool_and_never_in_forward(spec: AgentSpec) -> None:
    mangle = {fact for fact in rules(spec) if isinstance(fact, Rule) and fact.table == "mangle"}
    assert mangle == {
        Rule(Family.IPV6, "mangle", "PREROUTING", f"-d 2002:cb00:7101::/96 {MSS}"),
        Rule(Family.IPV6, "mangle", "POSTROUTING", f"-s 2002:cb00:7101::/96 {MSS}"),
    }


def test_only_clients_may_send_protocol_41_and_a_probe_is_one_of_them(spec_with: Callable[..., AgentSpec]) -> None:
    spec = spec_with(gateway={"clients": ["10.0.0.0/8", "192.0.2.0/24"]})
    assert chain(spec, "KUN-NAT64-CLIENTS").rules == (
        "-s 10.0.0.0/8 -j RETURN",
        "-s 192.0.2.0/24 -j RETURN",
        "-j DROP",
    )


def test_pool6_is_reached_by_the_tunnel_and_by_the_ring_only(spec_with: Callable[..., AgentSpec]) -> None:
    spec, alone = spec_with(fleet={"ring": True}), spec_with(fleet={"ring": False})
    ring = ("-i kunr-+ -j RETURN",)
    for one, more in ((spec, ring), (alone, ())):
        assert chain(one, "KUN-NAT64-POOL6").rules == ("-i kun64 -j RETURN", *more, "-j DROP")
    jump = "-d 2002:cb00:7101::/96 -m comment --comment kun-nat64 -j KUN-NAT64-POOL6"
    assert Rule(Family.IPV6, "raw", "PREROUTING", jump) in set(rules(spec))


def test_protocol_41_never_comes_from_outside_unless_the_gateway_has_one_arm(
    spec_with: Callable[..., AgentSpec],
) -> None:
    rule = Rule(
        Family.IPV4, "raw", "PREROUTING", "-d 203.0.113.1/32 -i eth1 -p 41 -m comment --comment kun-nat64 -j DROP"
    )
    assert rule in set(rules(spec_with()))
    assert rule not in set(rules(spec_with(gateway={"one_armed": True})))


@pytest.mark.parametrize(
    "special", ["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"]
)
def test_by_default_no_private_network_is_reached(spec_with: Callable[..., AgentSpec], special: str) -> None:
    assert IPv4Network(special) in denied_networks(spec_with())
    assert IPv4Network("10.9.0.0/16") not in denied_networks(spec_with(gateway={"never_reach": []})), "on purpose"


def test_every_address_of_this_machine_is_dropped(spec: AgentSpec) -> None:
    """RFC 3964 section 5.3.1: a pod has no business with the gateway's own daemons."""
    own = IPv4Address("198.51.100.7")
    pods = next(one for one in rules(spec, {own}) if isinstance(one, Chain) and one.name == "KUN-NAT64-PODS")
    assert "-d 2002:cb00:7101::c633:6407/128 -j DROP" in pods.rules


def test_what_the_host_lets_in_is_still_the_hosts_own_decision(spec: AgentSpec) -> None:
    assert not any("ACCEPT" in str(fact) for fact in rules(spec))


def test_a_pod_reaches_neither_listed_networks_nor_the_gateway_itself(spec: AgentSpec) -> None:
    dropped = set(chain(spec, "KUN-NAT64-PODS").rules)
    for destination in (
        "2002:cb00:7101::/104",  # 0.0.0.0/8
        "2002:cb00:7101::a00:0/104",  # 10.0.0.0/8
        "2002:cb00:7101::7f00:0/104",  # 127.0.0.0/8
        "2002:cb00:7101::a9fe:0/112",  # 169.254.0.0/16
        "2002:cb00:7101::cb00:7101/128",  # the VIP
        "2002:cb00:7101::c000:20b/128",  # 192.0.2.11, of pool4
        "2002:cb00:7101::e000:0/100",  # 224.0.0.0/4
    ):
        assert f"-d {destination} -j DROP" in dropped


def test_a_network_inside_another_denied_one_makes_no_rule_of_its_own(spec: AgentSpec) -> None:
    # 10.2.1.2, the next hop, is in 10.0.0.0/8 already.
    assert "-d 2002:cb00:7101::a02:102/128 -j DROP" not in chain(spec, "KUN-NAT64-PODS").rules


def test_the_tunnel_leads_to_pool6_only_and_nothing_is_relayed(spec: AgentSpec) -> None:
    assert "! -d 2002:cb00:7101::/96 -j DROP" in chain(spec, "KUN-NAT64-PODS").rules
    forward = Rule(Family.IPV6, "filter", "FORWARD", "-i kun64 -m comment --comment kun-nat64 -j DROP")
    assert forward in set(rules(spec))


def test_sources_outside_of_6to4_are_dropped_unless_the_operator_admits_them(
    spec_with: Callable[..., AgentSpec],
) -> None:
    anti_spoof = "! -s 2002::/16 -j DROP"
    assert chain(spec_with(), "KUN-NAT64-PODS").rules[-1] == anti_spoof
    admitted = chain(spec_with(gateway={"check_source": False}), "KUN-NAT64-PODS").rules
    assert anti_spoof not in admitted
    assert admitted[-1] == "-s 2002:cb00:7101::/96 -j DROP", "it would leave with an IPv4 source that somebody made up"
