"""The table of flows, loaded by the real tools and met by real packets, in two namespaces."""

import asyncio
import json
import socket
import struct
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from kun_nat64.drivers.netns import make_inside
from kun_nat64.drivers.orphan_table import ResetsDriver
from kun_nat64.model.facts import Facts, OrphanReset
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.traffic import Endpoint4, Endpoint6, Session
from kun_nat64.policy.desired import flow_watch
from tests.nat64.drivers.filter_bed import (
    ACK,
    FIN,
    GATEWAY,
    GREEDY,
    NEVER_S,
    POD,
    POD_HOST,
    RST,
    SERVER,
    SOON_S,
    SYN,
    Inside,
    is_reset,
    send,
)
from tests.nat64.tcp_states import EST, NONE, OPENING, TRANS, after, sequences

IPV6_FREEBIND = 78


class Jool:
    """Knows these sessions."""

    def __init__(self, *sessions: Session) -> None:
        self._sessions = sessions

    async def sessions(self, _instance: str, _protocol: Protocol) -> tuple[Session, ...]:
        return self._sessions


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
