"""The ring's rules, loaded by the real nft and met by real packets, in three gateways that are joined by cables."""

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from kun_nat64.drivers.netns import make_inside
from kun_nat64.drivers.ring_probe import RingProbe
from kun_nat64.model.facts import RingStep
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.ringfacts import TO_NOBODY, ring_link
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.desired import flow_watch
from tests.nat64.drivers.ringworld import (
    ACK,
    ALL_IN_TURN,
    FIN,
    MEMBERS,
    RST,
    SYN,
    RingWorld,
    ip,
    label,
    ring_world,
    with_rate,
)

SOON_S, NEVER_S, SETTLED_S = 3.0, 0.4, 0.2
A, B, C = MEMBERS.values()


@pytest.fixture
def spec(spec_with: Callable[..., AgentSpec]) -> AgentSpec:
    return spec_with(fleet={"ring": True})


@pytest.fixture
def world(tool: Callable[[str, str], str], spec: AgentSpec) -> Iterator[RingWorld]:
    for name, package in (("ip", "iproute2"), ("nft", "nftables")):
        tool(name, package)
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, for network namespaces")
    watch = flow_watch(spec)
    assert watch is not None
    assert watch.ring_flows_s > 0
    with ring_world(watch) as made:
        yield made


async def test_a_packet_of_another_gateways_flow_reaches_that_gateway_and_nobody_resets_it(world: RingWorld) -> None:
    await world.arm(ALL_IN_TURN)
    world.know("b", 40001)
    world.know("c", 40002)
    world.know("c", 40003)
    world.listen()
    world.send("a", 40001)
    world.send("a", 40002)
    world.send("a", 40003, RST)
    world.send("b", 40003, FIN | ACK)
    await asyncio.sleep(SETTLED_S)
    assert world.translated() == {"a": 0, "b": 1, "c": 3}
    assert not world.is_reset(40001, NEVER_S)
    assert await world.counts("a") == {"handed_over": 3}
    assert await world.counts("b") == {"handed_over": 1, "passed_on": 2, "taken": 1}
    assert await world.counts("c") == {"taken": 3}
    assert await world.drivers["c"].borrowed() == 2, "flows that live on a borrowed hop"


async def test_a_flow_that_nobody_knows_ends_with_one_reset_by_the_last_one_asked(world: RingWorld) -> None:
    await world.arm(ALL_IN_TURN)
    world.listen()
    world.send("a", 40001)
    assert world.is_reset(40001, SOON_S)
    assert not world.is_reset(40001, NEVER_S), "one"
    assert await world.counts("b") == {"passed_on": 1}
    assert await world.counts("c") == {"nobodys": 1}
    assert world.translated() == {"a": 0, "b": 0, "c": 0}
    world.send("b", 40002, RST)
    assert not world.is_reset(40002, NEVER_S), "no RST for a RST"
    assert world.translated() == {"a": 1, "b": 0, "c": 0}, "Jool drops it"


VIEWS = {
    "two that name each other": {"a": RingStep(B, 2), "b": RingStep(A, 2), "c": TO_NOBODY},
    "each believes in many": {"a": RingStep(B, 62), "b": RingStep(C, 62), "c": RingStep(A, 62)},
    "one believes in many, the others in one": {"a": RingStep(B, 62), "b": RingStep(A, 1), "c": RingStep(A, 1)},
    "the sizes differ": {"a": RingStep(C, 1), "b": RingStep(A, 5), "c": RingStep(B, 3)},
    "somebody sees nobody": {"a": RingStep(B, 2), "b": TO_NOBODY, "c": RingStep(A, 2)},
}


@pytest.mark.parametrize("views", VIEWS.values(), ids=VIEWS.keys())
async def test_no_packet_goes_round_for_ever_whatever_the_members_believe(
    world: RingWorld, views: dict[str, RingStep]
) -> None:
    await world.arm(views)
    for name in MEMBERS:
        world.nft(name, "add", "element", "ip6", "kun-nat64", "moving", "{", "ip6", "}")
    world.listen()
    for place, name in enumerate(MEMBERS):
        world.send(name, 40000 + place)
        assert world.is_reset(40000 + place, SOON_S), f"the trip from {name} comes to its end"
        world.send_datagram(name, 41000 + place)
    await asyncio.sleep(SETTLED_S)
    before = [await world.counts(name) for name in MEMBERS]
    await asyncio.sleep(SETTLED_S)
    assert [await world.counts(name) for name in MEMBERS] == before, "nothing moves any more"
    most = sum(2 * views[name].others + 1 for name in MEMBERS)
    assert sum(one.get("handed_over", 0) + one.get("passed_on", 0) for one in before) <= most
    assert sum(world.translated().values()) == 3, "every datagram was translated by somebody, once"


async def test_a_datagram_goes_to_who_knows_its_flow_only_while_the_set_changes(world: RingWorld) -> None:
    await world.arm(ALL_IN_TURN)
    world.know("b", 40001, "datagrams")
    world.know("b", 40002, "datagrams")
    world.send_datagram("a", 40001)
    await asyncio.sleep(SETTLED_S)
    assert world.translated() == {"a": 1, "b": 0, "c": 0}, "nothing has changed"
    probe = make_inside(world.prefix + "a", told)
    world.send_datagram("a", 40002)
    world.send_datagram("a", 40003)
    await asyncio.sleep(SETTLED_S)
    assert world.translated() == {"a": 2, "b": 1, "c": 0}, "a new flow comes back, and is ours"
    assert (await world.counts("a"))["handed_over"] == 2
    world.send_datagram("a", 40003)
    await asyncio.sleep(SETTLED_S)
    assert (await world.counts("a"))["handed_over"] == 2, "its next packet does not go round"
    world.nft("a", "flush", "set", "ip6", "kun-nat64", "moving")
    world.send_datagram("a", 40002)
    await asyncio.sleep(SETTLED_S)
    assert world.translated()["b"] == 2, "what was lent stays lent"
    probe.close()


def told() -> RingProbe:
    probe = RingProbe()
    probe.tell((B, C))
    return probe


async def test_a_notice_marks_the_set_as_moving_at_both_ends(world: RingWorld) -> None:
    await world.arm(ALL_IN_TURN)
    probe = make_inside(world.prefix + "a", told)
    await asyncio.sleep(SETTLED_S)
    for name in MEMBERS:
        assert "elem" in world.nft(name, "-j", "list", "set", "ip6", "kun-nat64", "moving"), name
    probe.close()


async def test_several_flows_that_moved_mark_the_set_as_moving(world: RingWorld) -> None:
    await world.arm(ALL_IN_TURN)
    world.send("a", 40000)
    assert "elem" not in world.nft("a", "-j", "list", "set", "ip6", "kun-nat64", "moving"), "one stray packet"
    for port in range(40001, 40012):
        world.send("a", port)
    await asyncio.sleep(SETTLED_S)
    assert "elem" in world.nft("a", "-j", "list", "set", "ip6", "kun-nat64", "moving")


async def test_the_members_answer_signs_of_life_by_their_kernels(world: RingWorld) -> None:
    await world.arm(ALL_IN_TURN)
    ip("-n", world.prefix + "a", "link", "set", ring_link(C), "down")
    probe = make_inside(world.prefix + "a", asked)
    await asyncio.sleep(SETTLED_S)
    assert probe.answers() == {B: 7}
    probe.close()


def asked() -> RingProbe:
    probe = RingProbe()
    probe.ask((B, C), 7)
    return probe


async def test_a_packet_that_does_not_fit_is_told_to_the_pod(world: RingWorld) -> None:
    await world.arm(ALL_IN_TURN)
    world.know("b", 40001)
    ip("-n", world.prefix + "a", "link", "set", ring_link(B), "mtu", "1300")
    errors = make_inside(world.prefix + "p", errors_socket)
    world.send("a", 40001, size=1300)
    packet = await asyncio.to_thread(errors.recv, 2048)
    assert (packet[0], struct.unpack_from("!I", packet, 4)[0]) == (2, 1300), "packet too big, 1300"
    errors.close()
    world.send("a", 40001, size=1200)
    await asyncio.sleep(SETTLED_S)
    assert world.translated()["b"] == 1


def errors_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    made.setsockopt(socket.IPPROTO_ICMPV6, 1, bytes([0xFB]) + b"\xff" * 31)  # nothing but type 2
    made.settimeout(SOON_S)
    return made


async def test_what_no_gateway_sends_into_the_ring_is_dropped(world: RingWorld) -> None:
    await world.arm(ALL_IN_TURN)
    world.know("b", 40001)
    world.listen()
    for wrong in (0, label(0), label(64)):
        world.inject("b", "a", wrong, port=40001)
    world.inject("b", "a", label(1), flags=SYN, port=40002)
    await asyncio.sleep(SETTLED_S)
    assert world.translated() == {"a": 0, "b": 0, "c": 0}
    assert not world.is_reset(40001, NEVER_S)
    world.inject("b", "a", label(1), port=40001)
    await asyncio.sleep(SETTLED_S)
    assert world.translated()["b"] == 1


async def test_beyond_the_rate_an_unknown_flow_is_reset_at_once_and_a_lent_one_goes_on(world: RingWorld) -> None:
    world.watch = with_rate(world.watch, 1)
    await world.arm(ALL_IN_TURN)
    world.know("b", 40000)
    world.listen()
    world.send("a", 40000)
    for port in range(40001, 40031):
        world.send("a", port)
    world.send("a", 40000)
    await asyncio.sleep(SETTLED_S)
    counts = await world.counts("a")
    assert 10 <= counts["handed_over"] <= 14
    assert counts["too_many"] >= 17
    assert world.translated()["b"] == 2, "the flow that was handed on before the flood"
    assert world.is_reset(40030, SOON_S)


async def test_a_step_that_somebody_changed_is_seen_and_mended(world: RingWorld) -> None:
    await world.arm(ALL_IN_TURN)
    driver = world.drivers["a"]
    world.nft("a", "flush", "chain", "ip6", "kun-nat64", "send")
    seen = {fact for fact in await driver.observe(world.watch) if isinstance(fact, RingStep)}
    assert seen == {RingStep(odd="changed by another program")}
    await driver.apply(Change(Action.REPLACE, ALL_IN_TURN["a"], *seen))
    assert ALL_IN_TURN["a"] in await driver.observe(world.watch)
    ip("-n", world.prefix + "a", "link", "delete", ring_link(B))
    assert RingStep(odd="its tunnel was created again") in await driver.observe(world.watch)


REFUSING = {**ALL_IN_TURN, "b": replace(ALL_IN_TURN["b"], takes=False)}


async def test_a_gateway_that_gets_nothing_out_translates_nothing_of_the_ring(world: RingWorld) -> None:
    """Its flows end by RST as those of a dead one do; what others know goes past it, and UDP starts anew."""
    await world.arm(REFUSING)
    world.know("b", 40001)
    world.know("c", 40002)
    world.know("b", 40003, "datagrams")
    world.nft("a", "add", "element", "ip6", "kun-nat64", "moving", "{", "ip6", "}")
    world.listen()
    world.send("a", 40001)
    assert world.is_reset(40001, SOON_S)
    world.send("a", 40002)
    world.send_datagram("a", 40003)
    await asyncio.sleep(SETTLED_S)
    assert world.translated() == {"a": 1, "b": 0, "c": 1}
    world.send("b", 40001)
    await asyncio.sleep(SETTLED_S)
    assert world.translated()["b"] == 1, "what the router sends it is its own matter"


async def test_two_gateways_that_refuse_answer_by_rst_and_nothing_goes_round(world: RingWorld) -> None:
    await world.arm({name: replace(step, takes=False) for name, step in ALL_IN_TURN.items()})
    world.know("b", 40001)
    world.listen()
    world.send("a", 40001)
    assert world.is_reset(40001, SOON_S)
    assert not world.is_reset(40001, NEVER_S), "one"
    await world.arm({"a": RingStep(B, 1), "b": RingStep(takes=False), "c": TO_NOBODY})
    world.know("b", 40002)
    world.send("a", 40002)
    assert world.is_reset(40002, SOON_S)


async def test_a_member_that_is_left_out_gets_nothing(world: RingWorld) -> None:
    await world.arm(ALL_IN_TURN)
    world.know("c", 40001)
    await world.drivers["a"].apply(Change(Action.REPLACE, RingStep(C, 1), ALL_IN_TURN["a"]))
    world.send("a", 40001)
    await asyncio.sleep(SETTLED_S)
    assert await world.counts("b") == {}
    assert world.translated()["c"] == 1
