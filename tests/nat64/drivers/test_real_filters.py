"""Our rules and the table of resets, loaded by the real tools and met by real packets, in two namespaces."""

import os
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest

from kun_nat64.drivers.command import CommandResult, ProcessRunner
from kun_nat64.drivers.netns import make_inside
from kun_nat64.drivers.orphan_table import ResetsDriver
from kun_nat64.drivers.rules import RulesDriver
from kun_nat64.model.announcement import WITHDRAWN
from kun_nat64.model.area import Area
from kun_nat64.model.facts import Facts, OrphanReset
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.traffic import Endpoint4, Endpoint6, Session
from kun_nat64.policy.desired import desired, flow_watch
from kun_nat64.policy.diff import plan

GATEWAY, POD_HOST = f"kunreal-{os.getpid()}-g", f"kunreal-{os.getpid()}-p"
POD, GREEDY = IPv6Address("2002:a01:2:1::10"), IPv6Address("2002:a01:2:1::11")
NODE, HERE_MAC, THERE_MAC = IPv6Address("2002:a01:2:1::1"), "02:00:00:00:00:01", "02:00:00:00:00:02"
OUTSIDE_MAC = "02:00:00:00:00:03"
SERVER = IPv6Address("2002:cb00:7101::c633:6450")
FORBIDDEN, FORBIDDEN_RULE = IPv6Address("2002:cb00:7101::a00:1"), "-d 2002:cb00:7101::a00:0/104 -j DROP"
SYN, RST, ACK = 0x02, 0x04, 0x10
SOON_S, NEVER_S = 3.0, 0.4


class Inside:
    """Commands in the gateway's namespace."""

    async def run(self, *argv: str, stdin: str = "", deadline_s: float = 20.0) -> CommandResult:
        words = ("ip", "netns", "exec", GATEWAY, *argv)
        return await ProcessRunner().run(*words, stdin=stdin, deadline_s=deadline_s)


class Jool:
    """Knows these sessions."""

    def __init__(self, *sessions: Session) -> None:
        self._sessions = sessions

    async def sessions(self, _instance: str, _protocol: Protocol) -> tuple[Session, ...]:
        return self._sessions


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def wire(tool: Callable[[str, str], str]) -> Iterator[socket.socket]:
    """The pod's raw socket: what it sends comes out of the gateway's "tunnel"."""
    for name, package in (("ip", "iproute2"), ("nft", "nftables"), ("ip6tables-restore", "iptables")):
        tool(name, package)
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, for network namespaces")
    try:
        for name in (GATEWAY, POD_HOST):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "kun64", "netns", GATEWAY, "type", "veth", "peer", "name", "eth0", "netns", POD_HOST)
        ends = ((GATEWAY, "kun64", HERE_MAC, (NODE,)), (POD_HOST, "eth0", THERE_MAC, (POD, GREEDY)))
        for name, link, mac, addresses in ends:
            ip("-n", name, "link", "set", link, "address", mac, "up")
            for address in addresses:
                ip("-n", name, "address", "add", f"{address}/64", "dev", link, "nodad")
        # A tunnel has no neighbours to discover, and the rules let nothing of that kind in.
        ip("-n", POD_HOST, "neigh", "add", str(NODE), "lladdr", HERE_MAC, "dev", "eth0")
        for address in (POD, GREEDY):
            ip("-n", GATEWAY, "neigh", "add", str(address), "lladdr", THERE_MAC, "dev", "kun64")
        ip("-n", POD_HOST, "route", "add", "2002::/16", "via", str(NODE))
        with make_inside(POD_HOST, raw_tcp) as raw:
            yield raw
    finally:
        for name in (GATEWAY, POD_HOST):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def raw_tcp(address: IPv6Address = POD) -> socket.socket:
    made = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_TCP)
    made.setsockopt(socket.IPPROTO_IPV6, 7, 16)  # IPV6_CHECKSUM: where the kernel shall put it
    made.bind((str(address), 0))
    return made


def send(wire: socket.socket, port: int, flags: int, to: IPv6Address = SERVER) -> None:
    wire.sendto(struct.pack("!HHIIBBHHH", port, 443, 1, 1, 5 << 4, flags, 1024, 0, 0), (str(to), 0))


def is_reset(wire: socket.socket, port: int, within_s: float) -> bool:
    end = time.monotonic() + within_s
    while (left := end - time.monotonic()) > 0:
        wire.settimeout(left)
        try:
            packet = wire.recv(2048)
        except TimeoutError:
            return False
        if struct.unpack_from("!H", packet, 2)[0] == port and packet[13] & RST:
            return True
    return False


def session(port: int) -> Session:
    outside, remote = Endpoint4(IPv4Address("192.0.2.11"), port), Endpoint4(IPv4Address("198.51.100.80"), 443)
    return Session(Protocol.TCP, Endpoint6(POD, port), Endpoint6(SERVER, 443), outside, remote, 7200.0, "ESTABLISHED")


async def test_an_orphan_gets_a_reset_and_a_flow_that_is_known_does_not(wire: socket.socket, spec: AgentSpec) -> None:
    watch = flow_watch(spec)
    assert watch is not None
    driver = ResetsDriver(Inside(), Jool(session(40001)))  # type: ignore[arg-type]
    wanted = OrphanReset(watch)
    await driver.apply(Change(Action.ADD, wanted))
    assert await driver.observe(watch) == {wanted}, "what nft lists is what was wanted"
    send(wire, 40000, ACK)
    assert is_reset(wire, 40000, SOON_S), "nobody knows it"
    send(wire, 40001, ACK)
    assert not is_reset(wire, 40001, NEVER_S), "Jool knew it when the table was made"
    send(wire, 40002, SYN)
    send(wire, 40002, ACK)
    assert not is_reset(wire, 40002, NEVER_S), "it began here"
    await driver.observe(watch)
    assert driver.given == 1
    await driver.apply(Change(Action.REMOVE, wanted))
    assert await driver.observe(watch) == set()
    send(wire, 40003, ACK)
    assert not is_reset(wire, 40003, NEVER_S), "nobody answers any more"


async def test_more_flows_than_the_account_holds_arm_it_and_reset_nothing(wire: socket.socket, spec: AgentSpec) -> None:
    watch = replace(flow_watch(spec), flows=1024)  # type: ignore[type-var]
    driver = ResetsDriver(Inside(), Jool(*map(session, range(30000, 31025))))  # type: ignore[arg-type]
    wanted = OrphanReset(watch)
    await driver.apply(Change(Action.ADD, wanted))
    assert await driver.observe(watch) == {wanted}, "or it would be made anew with every turn"
    send(wire, 40000, ACK)
    assert not is_reset(wire, 40000, NEVER_S)


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
    assert await met("PREROUTING", "-i eth1 -p ipv6", "iptables-save") == [1]


def rules_of(spec: AgentSpec, *limited: IPv6Network) -> Facts:
    return frozenset(fact for fact in desired(spec, WITHDRAWN, limited) if fact.area is Area.RULES)


async def load(driver: RulesDriver, wanted: Facts) -> None:
    await driver.apply(plan(wanted, Observation()).changes)


async def met(chain: str, rule: str = "", save: str = "ip6tables-save") -> list[int]:
    """Packets that the rules of our chain have met, or those of them that say `rule`."""
    saved = (await Inside().run(save, "-c")).stdout.splitlines()
    lines = [line for line in saved if f" -A {chain} " in line and rule in line]
    return [int(line[1 : line.index(":")]) for line in lines]
