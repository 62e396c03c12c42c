"""Our rules and the table of resets, loaded by the real tools and met by real packets, in two namespaces."""

import asyncio
import json
import os
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest

from kun_nat64.drivers.command import CommandResult, Feed, ProcessRunner
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
from tests.nat64.tcp_states import EST, NONE, OPENING, TRANS, after, sequences

GATEWAY, POD_HOST = f"kunreal-{os.getpid()}-g", f"kunreal-{os.getpid()}-p"
POD, GREEDY = IPv6Address("2002:a01:2:1::10"), IPv6Address("2002:a01:2:1::11")
NODE, HERE_MAC, THERE_MAC = IPv6Address("2002:a01:2:1::1"), "02:00:00:00:00:01", "02:00:00:00:00:02"
OUTSIDE_MAC = "02:00:00:00:00:03"
SERVER = IPv6Address("2002:cb00:7101::c633:6450")
FORBIDDEN, FORBIDDEN_RULE = IPv6Address("2002:cb00:7101::a00:1"), "-d 2002:cb00:7101::a00:0/104 -j DROP"
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
IPV6_FREEBIND = 78
SOON_S, NEVER_S = 3.0, 0.4


class Inside:
    """Commands in the gateway's namespace."""

    async def run(
        self, *argv: str, stdin: str = "", deadline_s: float = 20.0, feed: Feed | None = None
    ) -> CommandResult:
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
        silence = (
            "table ip6 t { chain o { type filter hook output priority 0; tcp window 0 tcp flags & rst == rst drop; }; }"
        )
        subprocess.run(["ip", "netns", "exec", POD_HOST, "nft", "-f", "-"], input=silence, text=True, check=True)
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


def resets(observed: Facts) -> Facts:
    """Without the ring's step, which is a fact of its own."""
    return frozenset(fact for fact in observed if isinstance(fact, OrphanReset))


async def test_an_orphan_gets_a_reset_and_a_flow_that_is_known_does_not(wire: socket.socket, spec: AgentSpec) -> None:
    watch = flow_watch(spec)
    assert watch is not None
    driver = ResetsDriver(Inside(), Jool(session(40001)))
    wanted = OrphanReset(watch)
    await driver.apply(Change(Action.ADD, wanted))
    assert resets(await driver.observe(watch)) == {wanted}, "what nft lists is what was wanted"
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


SENT = {"S": SYN, "SA": SYN | ACK, "A": ACK, "F": FIN | ACK, "R": RST}


def server_side() -> socket.socket:
    """What leaves the gateway for a pod, as Jool's packets do: by POSTROUTING, from an address of pool6."""
    made = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_TCP)
    made.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    made.setsockopt(socket.IPPROTO_IPV6, 7, 16)
    made.bind((str(SERVER), 0))
    return made


def play(wire: socket.socket, server: socket.socket, courses: dict[int, tuple[str, ...]]) -> None:
    for port, events in courses.items():
        for event in events:
            side, flags = event.split()
            if side == "pod":
                send(wire, port, SENT[flags])
            else:
                segment = struct.pack("!HHIIBBHHH", 443, port, 1, 1, 5 << 4, SENT[flags], 1024, 0, 0)
                server.sendto(segment, (str(POD), 0))


async def left_s(*names: str) -> dict[int, float]:
    """Seconds that each flow is still known for, by the pod's port."""
    found: dict[int, float] = {}
    for name in names:
        listed = json.loads((await Inside().run("nft", "-j", "list", "set", "ip6", "kun-nat64", name)).stdout)
        for held in next(one["set"] for one in listed["nftables"] if "set" in one).get("elem", ()):
            port = held["elem"]["val"]["concat"][1]
            found[port] = max(found.get(port, 0.0), held["elem"]["expires"])
    return found


async def test_the_account_follows_jools_state_machine(wire: socket.socket, spec: AgentSpec) -> None:
    """Every course of three packets after the opening: known at least as long as Jool knows it, and hardly longer."""
    watch = flow_watch(spec)
    assert watch is not None
    await ResetsDriver(Inside(), Jool()).apply(Change(Action.ADD, OrphanReset(watch)))
    courses = dict(enumerate(sequences(3), start=20000))
    with make_inside(GATEWAY, server_side) as server:
        play(wire, server, courses)
    known = await left_s("flows", "init", "ended")
    jools = {NONE: 0.0, TRANS: 240.0, EST: 7200.0}
    slack = {NONE: 0.0, TRANS: watch.longer_s, EST: 240.0 + watch.longer_s}
    wrong = {
        events: (after(events), known.get(port, 0.0))
        for port, events in courses.items()
        if not jools[after(events).timer]
        <= known.get(port, 0.0)
        <= jools[after(events).timer] + slack[after(events).timer]
    }
    assert not wrong


async def test_a_port_used_again_after_a_close_ends_when_jool_ends_it(wire: socket.socket, spec: AgentSpec) -> None:
    """Jool keeps V4 FIN + V6 FIN for its time whatever comes then, and forgets it in the middle of the new flow."""
    watch = replace(flow_watch(spec), closed_s=2)
    await ResetsDriver(Inside(), Jool()).apply(Change(Action.ADD, OrphanReset(watch)))
    closed = (*OPENING, "pod F", "server F", "pod A")
    with make_inside(GATEWAY, server_side) as server:
        play(wire, server, {20000: (*closed, *OPENING)})
        await asyncio.sleep(1.0)
        play(wire, server, {20000: ("pod A", "server A")})
        assert not is_reset(wire, 20000, NEVER_S), "Jool still has it"
        await asyncio.sleep(1.0)
        play(wire, server, {20000: ("pod A",)})
        assert is_reset(wire, 20000, SOON_S), "Jool has it no more"


async def test_an_old_fin_says_nothing_about_a_new_flow_by_the_same_ports(wire: socket.socket, spec: AgentSpec) -> None:
    watch = replace(flow_watch(spec), closed_s=1)
    await ResetsDriver(Inside(), Jool()).apply(Change(Action.ADD, OrphanReset(watch)))
    with make_inside(GATEWAY, server_side) as server:
        play(wire, server, {20000: (*OPENING, "pod F", "server F")})
        await asyncio.sleep(1.5)
        play(wire, server, {20000: (*OPENING, "server F", "pod A")})
    assert (await left_s("flows"))[20000] > 7000, "half-closed, and not over"


async def test_sessions_of_jool_are_taken_over_in_their_states(wire: socket.socket, spec: AgentSpec) -> None:
    watch = flow_watch(spec)
    assert watch is not None
    states = {"ESTABLISHED": 5000.0, "V6_FIN_RCV": 6000.0, "V4_FIN_V6_FIN_RCV": 100.0, "TRANS": 50.0, "V6_INIT": 200.0}
    sessions = [
        replace(session(20000 + place), state=state, expires_s=expires)
        for place, (state, expires) in enumerate(states.items())
    ]
    await ResetsDriver(Inside(), Jool(*sessions)).apply(Change(Action.ADD, OrphanReset(watch)))
    known = await left_s("flows", "init", "ended")
    for one in sessions:
        assert one.expires_s <= known[one.inside.port] <= one.expires_s + 240 + watch.longer_s + 1, one.state
    with make_inside(GATEWAY, server_side) as server:
        play(wire, server, {20001: ("server F",), 20002: ("pod A",), 20003: ("pod A",)})
    known = await left_s("flows", "init", "ended")
    assert known[20001] <= watch.closed_s, "the other FIN ends it"
    assert known[20002] <= 100 + watch.longer_s + 1, "nothing renews what has ended"
    assert known[20003] > 7000, "a packet makes TRANS established again"


async def test_more_flows_than_the_account_holds_arm_it_and_reset_nothing(wire: socket.socket, spec: AgentSpec) -> None:
    watch = replace(flow_watch(spec), flows=1024)
    driver = ResetsDriver(Inside(), Jool(*map(session, range(30000, 31025))))
    wanted = OrphanReset(watch)
    await driver.apply(Change(Action.ADD, wanted))
    assert resets(await driver.observe(watch)) == {wanted}, "or it would be made anew with every turn"
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
    # By its name only where /etc/protocols is: a minimal system has none.
    named = [
        await met("PREROUTING", f"-d 203.0.113.1/32 -i eth1 -p {protocol}", "iptables-save")
        for protocol in ("ipv6", "41")
    ]
    assert sorted(named) == [[], [1]]


def raw_udp(address: IPv6Address = POD) -> socket.socket:
    made = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_UDP)
    made.setsockopt(socket.IPPROTO_IPV6, 7, 6)
    made.bind((str(address), 0))
    return made


def send_udp(wire: socket.socket, port: int) -> None:
    wire.sendto(struct.pack("!HHHH", port, 53, 8, 0), (str(SERVER), 0))


async def dropped_as_fresh() -> int:
    listed = json.loads((await Inside().run("nft", "-j", "list", "chain", "ip6", "kun-nat64", "fresh")).stdout)
    rule = next(one["rule"] for one in listed["nftables"] if "rule" in one)
    return int(next(part["counter"]["packets"] for part in rule["expr"] if "counter" in part))


async def test_a_client_that_begins_more_flows_than_it_may_keeps_those_that_it_has(
    wire: socket.socket, spec_with: Callable[..., AgentSpec]
) -> None:
    """In the packets' path, at once: the list of sessions is looked at too late for a flood."""
    watch = flow_watch(spec_with(nat64={"new_flows_per_client_s": 10}))
    assert watch is not None
    driver = ResetsDriver(Inside(), Jool())
    await driver.apply(Change(Action.ADD, OrphanReset(watch)))
    assert resets(await driver.observe(watch)) == {OrphanReset(watch)}
    with make_inside(POD_HOST, raw_udp) as pod, make_inside(POD_HOST, lambda: raw_udp(GREEDY)) as other:
        for port in range(20000, 20300):
            send_udp(pod, port)
        dropped = await dropped_as_fresh()
        assert 150 <= dropped <= 200, "a hundred at once, and ten a second"
        for _ in range(50):
            send_udp(pod, 20000)
        send_udp(other, 20000)
        assert await dropped_as_fresh() == dropped, "its flows go on, and others begin theirs"
    for port in range(30000, 30200):
        send(wire, port, SYN)
    assert await dropped_as_fresh() > dropped + 100, "of all protocols together"
    assert len(await left_s("init")) < 100, "what was dropped makes nothing known"
    await driver.observe(watch)
    assert driver.given == 0, "these are no resets"


def rules_of(spec: AgentSpec, *limited: IPv6Network) -> Facts:
    return frozenset(fact for fact in desired(spec, WITHDRAWN, limited) if fact.area is Area.RULES)


async def load(driver: RulesDriver, wanted: Facts) -> None:
    await driver.apply(plan(wanted, Observation()).changes)


async def met(chain: str, rule: str = "", save: str = "ip6tables-save") -> list[int]:
    """Packets that the rules of our chain have met, or those of them that say `rule`."""
    saved = (await Inside().run(save, "-c")).stdout.splitlines()
    lines = [line for line in saved if f" -A {chain} " in line and rule in line]
    return [int(line[1 : line.index(":")]) for line in lines]
