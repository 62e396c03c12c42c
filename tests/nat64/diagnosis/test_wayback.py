"""What stands in the way of answers on their way back to the pods: how it is seen, named, and told by `doctor`."""

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from kun_nat64.drivers.command import CommandResult
from kun_nat64.drivers.wayback import look_back
from kun_nat64.model.foreign_objects import Surroundings, WayBack
from kun_nat64.model.inspection import Level
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.blocking_rules import tunnel_obstructions, way_out_obstructions
from kun_nat64.policy.diagnosis import Cause, diagnose
from kun_nat64.policy.diagnosis_input import DiagnosisInput
from kun_nat64.policy.foreign_checks import surroundings_judged
from tests.nat64.diagnosis.test_diagnosis import FLOWING, LOST, SILENT, WELL, probes
from tests.nat64.diagnosis.test_obstructions import Tools, saved

VIP, NODE = IPv4Address("203.0.113.1"), IPv4Address("10.255.255.254")
IPV4, IPV6 = ("ip", "-o", "-4", "route", "get"), ("ip", "-o", "-6", "route", "get")
RULES4 = "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n"
RULES6 = "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n"
NOQUEUE = '[{"kind":"noqueue","handle":"0:","root":true,"refcnt":2,"options":{}}]'
NETEM = '[{"kind":"netem","handle":"8001:","root":true,"options":{"limit":1000,"loss-random":{"loss":1}}}]'
DROPPING = (
    '[{"protocol":"all","pref":1,"kind":"matchall","options":{"actions":[{"kind":"gact",'
    '"control_action":{"type":"drop"}}]}}]'
)


def said(text: str) -> CommandResult:
    return CommandResult(0, text, "")


def refused(why: str) -> CommandResult:
    return CommandResult(2, "", f"RTNETLINK answers: {why}\n")


RIGHT = {
    IPV4: said("10.255.255.254 from 203.0.113.1 via 10.2.1.1 dev eth0 uid 0 \\    cache "),
    IPV6: said("2002:aff:fffe:6b75:6e36:: from 2002:cb00:7101::1 dev kun64 proto 164 metric 1024 pref medium"),
    ("ip", "-4", "rule"): said(RULES4),
    ("ip", "-6", "rule"): said(RULES6),
    ("ip", "-4", "neigh"): said("10.2.1.1 lladdr 02:00:00:00:00:01 PERMANENT\n"),
    ("tc", "-j", "qdisc", "show", "dev", "kun64"): said(NOQUEUE),
    ("tc", "-j", "qdisc", "show", "dev", "eth0"): said('[{"kind":"fq_codel","root":true}]'),
    ("tc", "-j", "filter"): said("[]"),
}
BLACKHOLE = "5:\tfrom 203.0.113.1 blackhole\n"
WRONG: dict[str, tuple[dict[tuple[str, ...], CommandResult], str]] = {
    "no route to the nodes": ({IPV4: refused("Network is unreachable")}, "nodes"),
    "a blackhole in the way": ({IPV4: refused("Invalid argument")}, "nodes"),
    "the nodes are routed outside": ({IPV4: said("10.255.255.254 via 192.0.2.1 dev eth1 src 192.0.2.11")}, "nodes"),
    "the nodes are routed by another interface": ({IPV4: said("10.255.255.254 via 10.9.0.1 dev eth7")}, "nodes"),
    "no route to the pods": ({IPV6: refused("Network is unreachable")}, "pods"),
    "the pods are routed elsewhere": ({IPV6: said("2002:aff:fffe:: via fe80::1 dev eth0")}, "pods"),
    "a foreign rule": ({("ip", "-4", "rule"): said(BLACKHOLE + RULES4)}, "rules"),
    "a foreign rule of IPv6": ({("ip", "-6", "rule"): said("9:\tfrom all lookup 99\n" + RULES6)}, "rules"),
    "the main rule of IPv6 is lost": ({("ip", "-6", "rule"): said("0:\tfrom all lookup local\n")}, "rules"),
    "netem on the tunnel": ({("tc", "-j", "qdisc", "show", "dev", "kun64"): said(NETEM)}, "queues"),
    "a shaper on the tunnel": ({("tc", "-j", "qdisc", "show", "dev", "kun64"): said('[{"kind":"tbf"}]')}, "queues"),
    "netem on the uplink": ({("tc", "-j", "qdisc", "show", "dev", "eth0"): said(NETEM)}, "queues"),
    "a filter drops on the tunnel": ({("tc", "-j", "filter", "show", "dev", "kun64"): said(DROPPING)}, "queues"),
    "the router is silent": ({("ip", "-4", "neigh"): said("10.2.1.1  FAILED\n")}, "silent"),
}


def looked(spec: AgentSpec, changed: dict[tuple[str, ...], CommandResult], rules: str = "") -> WayBack:
    return asyncio.run(
        look_back(Tools({**changed, **{k: v for k, v in RIGHT.items() if k not in changed}}), spec, "eth0", rules)
    )


def test_a_right_way_back_shows_nothing(spec: AgentSpec) -> None:
    assert looked(spec, {}) == WayBack()


def test_without_the_tools_nothing_is_known_and_nothing_said(spec: AgentSpec) -> None:
    assert asyncio.run(look_back(Tools({}), spec, "eth0", "")) == WayBack()


@pytest.mark.parametrize("garbage", ["garbage", "{}", "[5]", '[{"options": 3}]', '[{"options": {"actions": [7]}}]'])
def test_what_tc_never_prints_is_passed_over(spec: AgentSpec, garbage: str) -> None:
    assert looked(spec, {("tc", "-j"): said(garbage)}) == WayBack()


@pytest.mark.parametrize(("changed", "where"), WRONG.values(), ids=WRONG.keys())
def test_each_obstacle_on_the_way_back_is_seen_where_it_is(
    spec: AgentSpec, changed: dict[tuple[str, ...], CommandResult], where: str
) -> None:
    found = looked(spec, changed)
    assert getattr(found, where), found
    assert replace(found, **{where: getattr(WayBack(), where)}) == WayBack()


def test_pods_that_are_routed_by_other_means_need_no_route_of_ours(spec: AgentSpec) -> None:
    elsewhere = replace(spec, gateway=replace(spec.gateway, routes=()))
    assert looked(elsewhere, {IPV6: refused("Network is unreachable")}).pods == ""


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("-A INPUT -i eth0 -p ipv6 -j DROP", True),
        ("-A INPUT -i eth+ -p ipv6 -j DROP", True),
        ("-A INPUT -i eth7 -p ipv6 -j DROP", False),
        ("-A INPUT -s 10.0.0.0/8 -p ipv6 -j DROP", True),
        ("-A INPUT -s 10.1.0.0/16 -p ipv6 -j DROP", False),
        ("-A INPUT -s 10.1.0.0/16 -p ipv6 -j ACCEPT\n-A INPUT -p ipv6 -j DROP", False),
        ("-A INPUT -i eth0 -p ipv6 -j ACCEPT\n-A INPUT -p ipv6 -j DROP", False),
    ],
)
def test_a_rule_for_the_uplink_or_for_nodes_is_one_for_every_packet(rule: str, found: bool) -> None:
    text = saved("mangle", *rule.split("\n"))
    assert bool(tunnel_obstructions(text, VIP, "eth0", NODE)) is found


@pytest.mark.parametrize(
    ("table", "line", "found"),
    [
        ("filter", "-A OUTPUT -p ipv6 -j DROP", True),
        ("raw", "-A OUTPUT -s 203.0.113.1/32 -j DROP", True),
        ("mangle", "-A POSTROUTING -o eth0 -p ipv6 -j DROP", True),
        ("mangle", ":OUTPUT DROP [0:0]", True),
        ("filter", "-A OUTPUT -o eth1 -p ipv6 -j DROP", False),
        ("filter", "-A OUTPUT -d 192.0.2.0/24 -p ipv6 -j DROP", False),
        ("filter", "-A OUTPUT -d 10.0.0.0/8 -p ipv6 -j REJECT --reject-with icmp-port-unreachable", True),
        ("filter", "-A FORWARD -p ipv6 -j DROP", False),
        ("filter", "-A OUTPUT -p ipv6 -m comment --comment kun-nat64 -j DROP", False),
    ],
)
def test_what_keeps_answers_in_is_found(table: str, line: str, found: bool) -> None:
    assert bool(way_out_obstructions(saved(table, line), VIP, NODE, "eth0")) is found


def back(**found: object) -> Surroundings:
    return Surroundings(True, back=replace(WayBack(), **found), uplink="eth0")


ANSWERED_OUTSIDE = replace(WELL, symptoms=probes(LOST, LOST), counters=FLOWING)


@pytest.mark.parametrize(
    ("signs", "cause"),
    [
        pytest.param(replace(SILENT, around=back(nodes="no route")), Cause.NODES_ROUTE_MISSING, id="no route"),
        pytest.param(
            replace(SILENT, around=back(nodes="no route", rules=("5: from VIP blackhole",))),
            Cause.FOREIGN_RULE,
            id="a rule leads elsewhere",
        ),
        pytest.param(
            replace(ANSWERED_OUTSIDE, around=back(pods="by eth0", rules=("9: lookup 99",))),
            Cause.FOREIGN_RULE,
            id="a rule of IPv6 leads elsewhere",
        ),
        pytest.param(
            replace(ANSWERED_OUTSIDE, around=back(pods="by eth0")),
            Cause.RETURN_ROUTE_MISSING,
            id="another route of IPv6",
        ),
        pytest.param(
            replace(ANSWERED_OUTSIDE, around=back(queues=("tc qdisc netem on kun64",))), Cause.QUEUE_DROPS, id="netem"
        ),
        pytest.param(
            replace(ANSWERED_OUTSIDE, around=back(drops=("-A OUTPUT -p 41 -j DROP",))),
            Cause.PROTOCOL_41_KEPT_IN,
            id="OUTPUT drops",
        ),
        pytest.param(
            replace(ANSWERED_OUTSIDE, around=back(silent=("10.2.1.1",))), Cause.NODES_ROUTER_SILENT, id="router silent"
        ),
        pytest.param(
            replace(ANSWERED_OUTSIDE, ways={"left": 10, "back": 0}),
            Cause.ROUTER_RETURNS_NOTHING,
            id="left and not returned",
        ),
        pytest.param(
            replace(ANSWERED_OUTSIDE, ways={"left": 0, "back": 0}), Cause.ANSWERS_DO_NOT_LEAVE, id="nothing leaves"
        ),
        pytest.param(
            replace(ANSWERED_OUTSIDE, ways={"left": 0, "back": 0, "tunnel errors": 9}),
            Cause.NODES_ROUTE_MISSING,
            id="the tunnel counts errors",
        ),
        pytest.param(
            replace(WELL, around=back(rules=("5: lookup 99",), queues=("tc qdisc tbf on kun64",))),
            Cause.NONE,
            id="what hurts nobody has no name",
        ),
        pytest.param(replace(WELL, cut_off=("10.1.0.2",)), Cause.NODES_CUT_OFF, id="one node is cut off"),
        pytest.param(replace(WELL, too_narrow=True), Cause.PATH_TOO_NARROW, id="large packets are lost"),
    ],
)
def test_each_fault_of_the_way_back_has_its_name(signs: DiagnosisInput, cause: Cause) -> None:
    assert diagnose(signs).cause is cause


@pytest.mark.parametrize(
    ("around", "level"),
    [
        (back(), Level.GOOD),
        (back(nodes="no route"), Level.BAD),
        (back(rules=("5: from 10.9.0.0/16 lookup 9",)), Level.NOTE),
        (back(rules=("ip -6 rule missing: 32766: from all lookup main",)), Level.BAD),
        (back(queues=("tc qdisc netem on kun64",)), Level.BAD),
        (back(drops=("-A OUTPUT -p 41 -j DROP",)), Level.BAD),
        (back(silent=("10.2.1.1",)), Level.BAD),
    ],
)
def test_doctor_tells_of_the_way_back(spec: AgentSpec, around: Surroundings, level: Level) -> None:
    assert [one.level for one in surroundings_judged(around, spec) if one.check == "way back"] == [level]
