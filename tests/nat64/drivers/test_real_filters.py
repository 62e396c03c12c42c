"""Our rules, loaded by the real tools and met by real packets, in two namespaces."""

import socket
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network

from kun_nat64.drivers.netns import make_inside
from kun_nat64.drivers.rules import RulesDriver
from kun_nat64.model.announcement import WITHDRAWN
from kun_nat64.model.area import Area
from kun_nat64.model.facts import Facts
from kun_nat64.model.observation import Observation
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.desired import desired
from kun_nat64.policy.diff import plan
from tests.nat64.drivers.filter_bed import GATEWAY, GREEDY, POD_HOST, SYN, Inside, raw_tcp, send
from tests.nat64.drivers.namespaces import THERE_MAC, ip

OUTSIDE_MAC = "02:00:00:00:00:03"
FORBIDDEN, FORBIDDEN_RULE = IPv6Address("2002:cb00:7101::a00:1"), "-d 2002:cb00:7101::a00:0/104 -j DROP"


async def test_our_rules_are_read_back_as_they_were_wanted(wire: socket.socket, spec: AgentSpec) -> None:
    driver = RulesDriver(Inside())
    wanted = rules_of(spec)
    await load(driver, wanted)
    assert not plan(wanted, Observation(await driver.observe()))


async def test_a_client_at_its_limit_is_marked_and_no_other(
    wire: socket.socket, spec_with: Callable[..., AgentSpec]
) -> None:
    spec = spec_with(nat64={"sessions_per_client": 10})
    driver = RulesDriver(Inside())
    await load(driver, rules_of(spec, IPv6Network(GREEDY)))
    send(wire, 40000, SYN)
    assert await met("KUN-NAT64-LIMIT") == [0], "a pod like any other"
    with make_inside(POD_HOST, lambda: raw_tcp(GREEDY)) as greedy:
        send(greedy, 40000, SYN)
    assert await met("KUN-NAT64-LIMIT") == [1]
    before = rules_of(spec, IPv6Network(GREEDY))
    todo = plan(rules_of(spec), Observation(before))
    await driver.apply(todo.changes)
    assert await met("KUN-NAT64-LIMIT") == [], "released"


async def test_what_must_not_be_reached_is_dropped_before_translation(wire: socket.socket, spec: AgentSpec) -> None:
    await load(RulesDriver(Inside()), rules_of(spec))
    send(wire, 40000, SYN)
    assert await met("KUN-NAT64-PODS", FORBIDDEN_RULE) == [0]
    send(wire, 40000, SYN, to=FORBIDDEN)
    assert await met("KUN-NAT64-PODS", FORBIDDEN_RULE) == [1]


async def test_a_chain_of_somebody_that_accepts_all_does_not_open_the_way(wire: socket.socket, spec: AgentSpec) -> None:
    """As a firewall's reload puts it: jumped to before ours, in every table."""
    driver = RulesDriver(Inside())
    wanted = rules_of(spec)
    await load(driver, wanted)
    for table in ("raw", "mangle"):
        for words in (("-N", "FW"), ("-A", "FW", "-j", "ACCEPT"), ("-I", "PREROUTING", "1", "-j", "FW")):
            assert (await Inside().run("ip6tables", "-t", table, *words)).exit_code == 0
    send(wire, 40000, SYN, to=FORBIDDEN)
    assert await met("KUN-NAT64-PODS", FORBIDDEN_RULE) == [0], "past our rules"
    todo = plan(wanted, Observation(await driver.observe()))
    assert todo.changes, "that is drift"
    await driver.apply(todo.changes)
    assert not plan(wanted, Observation(await driver.observe()))
    send(wire, 40000, SYN, to=FORBIDDEN)
    assert await met("KUN-NAT64-PODS", FORBIDDEN_RULE) == [1]


def another_way_in(wire: socket.socket) -> None:
    """The gateway's outside interface; the pod's host sends there from now on what is for pool6 and for the VIP."""
    ip("link", "add", "eth1", "netns", GATEWAY, "type", "veth", "peer", "name", "eth9", "netns", POD_HOST)
    for name, link, mac, number in ((GATEWAY, "eth1", OUTSIDE_MAC, 1), (POD_HOST, "eth9", THERE_MAC, 2)):
        ip("-n", name, "link", "set", link, "address", mac, "up")
        ip("-n", name, "address", "add", f"fd00:7::{number}/64", "dev", link, "nodad")
        ip("-n", name, "address", "add", f"10.7.7.{number}/24", "dev", link)
    ip("-n", POD_HOST, "neigh", "add", "fd00:7::1", "lladdr", OUTSIDE_MAC, "dev", "eth9")
    ip("-n", POD_HOST, "route", "replace", "2002:cb00:7101::/96", "via", "fd00:7::1", "dev", "eth9")
    ip("-n", POD_HOST, "route", "replace", "203.0.113.1", "via", "10.7.7.1", "dev", "eth9")


async def test_pool6_by_another_interface_than_the_tunnel_is_dropped(wire: socket.socket, spec: AgentSpec) -> None:
    """Jool would translate it, past every rule for pods."""
    await load(RulesDriver(Inside()), rules_of(spec))
    send(wire, 40000, SYN)
    assert await met("KUN-NAT64-POOL6", "-j DROP") == [0]
    another_way_in(wire)
    send(wire, 40000, SYN)
    assert await met("KUN-NAT64-POOL6", "-j DROP") == [1]


async def test_protocol_41_from_outside_is_dropped_whoever_it_says_it_is_from(
    wire: socket.socket, spec: AgentSpec
) -> None:
    await load(RulesDriver(Inside()), rules_of(spec))
    another_way_in(wire)
    with make_inside(POD_HOST, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 41)) as node:
        node.sendto(bytes(40), ("203.0.113.1", 0))
    # By its name only where /etc/protocols is: a minimal system has none.
    named = [
        await met("PREROUTING", f"-d 203.0.113.1/32 -i eth1 -p {protocol}", "iptables-save")
        for protocol in ("ipv6", "41")
    ]
    assert sorted(named) == [[], [1]]


def rules_of(spec: AgentSpec, *limited: IPv6Network) -> Facts:
    return frozenset(fact for fact in desired(spec, WITHDRAWN, limited) if fact.area is Area.RULES)


async def load(driver: RulesDriver, wanted: Facts) -> None:
    await driver.apply(plan(wanted, Observation()).changes)


async def met(chain: str, rule: str = "", save: str = "ip6tables-save") -> list[int]:
    """Packets that the rules of our chain have met, or those of them that say `rule`."""
    saved = (await Inside().run(save, "-c")).stdout.splitlines()
    lines = [line for line in saved if f" -A {chain} " in line and rule in line]
    return [int(line[1 : line.index(":")]) for line in lines]
