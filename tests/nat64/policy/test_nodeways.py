"""Nodes that have sessions here, and the ways back to them."""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from kun_base.journal import Journal
from kun_base.prefix import sixtofour_network
from kun_nat64.agent.node_way_loop import NodeWayLoop
from kun_nat64.model.announcement import Announcement
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.health import ProbeResult, Symptom
from kun_nat64.model.nodeways import NodeWay
from kun_nat64.model.observation import Observation
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Reason, Standing
from kun_nat64.policy.diagnosis import Cause
from kun_nat64.policy.nodeways import MOST_NODES, cut_off, nodes_of
from kun_nat64.state.agent_state import State
from kun_nat64.state.diagnosis import diagnosis

NODE, OTHER, ROUTER = (IPv4Address(text) for text in ("10.1.0.2", "10.2.1.77", "10.2.1.1"))
WELL = NodeWay(NODE, ROUTER, "eth0", "kun64")


def of_node(number: int) -> int:
    return int(sixtofour_network(IPv4Address(0x0A010000 + number)).network_address) + 5


def test_nodes_are_read_from_the_pods_addresses_and_those_outside_of_6to4_have_none() -> None:
    pods = (int(IPv6Address("2002:a01:2:1::10")), int(IPv6Address("2001:db8::1")))
    assert nodes_of(pods) == (NODE,)
    assert nodes_of(()) == ()


def test_of_many_nodes_some_are_taken_from_everywhere_among_them() -> None:
    found = nodes_of([of_node(number) for number in range(5000)])
    assert len(found) == MOST_NODES
    assert int(found[-1]) - int(found[0]) > 4000


@pytest.mark.parametrize(
    ("ways", "words"),
    [
        pytest.param((WELL,), "", id="right"),
        pytest.param((WELL, replace(WELL, node=OTHER, router=IPv4Address("10.2.1.3"))), "", id="two routers"),
        pytest.param((replace(WELL, error="no route: Invalid argument"),), "10.1.0.2: no route", id="a blackhole"),
        pytest.param((replace(WELL, link="eth1"),), "the interface outside", id="routed outside"),
        pytest.param((replace(WELL, pods_link="eth0"),), "its pods are routed by eth0", id="pods elsewhere"),
        pytest.param((replace(WELL, router=None), replace(WELL, node=OTHER, router=None)), "", id="all are near"),
        pytest.param(
            (WELL, replace(WELL, node=OTHER, router=None)),
            "10.2.1.77 is answered directly and 10.1.0.2 by a router",
            id="near and far",
        ),
    ],
)
def test_who_is_cut_off_and_why(spec: AgentSpec, ways: tuple[NodeWay, ...], words: str) -> None:
    assert words in " ".join(cut_off(ways, spec.gateway, "eth0"))
    assert bool(cut_off(ways, spec.gateway, "eth0")) is bool(words)


def test_one_interface_for_both_sides_is_no_fault(spec: AgentSpec) -> None:
    assert cut_off((replace(WELL, link="eth1"),), spec.gateway, "eth1") == ()


def test_pods_that_others_route_need_no_tunnel(spec: AgentSpec) -> None:
    elsewhere = replace(spec.gateway, routes=())
    assert cut_off((replace(WELL, pods_link="eth0"),), elsewhere, "eth0") == ()


@dataclass
class Routes:
    ways: tuple[NodeWay, ...] = (WELL,)
    hangs: bool = False
    asked: list[Sequence[IPv4Address]] = field(default_factory=list)

    async def ways_to(self, nodes: Sequence[IPv4Address], vip: IPv4Address) -> tuple[NodeWay, ...]:
        self.asked.append(nodes)
        if self.hangs:
            raise DriverError(FailureKind.TIMEOUT, ("ip", "route", "get"))
        return self.ways


def well(spec: AgentSpec) -> State:
    """A gateway in the ECMP set, that has sessions of one node."""
    state = State(spec, Journal("test", stream=io.StringIO()), clock=lambda: 0.0, wall=lambda: 0.0, identity="test")
    state.machine.seen = replace(Observation(), facts=state.desired())
    state.adopt(Announcement(True, spec.bgp.med), now=0.0)
    for _ in range(spec.health.rise):
        for target in spec.health.targets:
            state.take_probe(ProbeResult(target, Symptom.ANSWERED, 0.003), now=0.0)
    state.evaluate(now=0.0)
    state.flow.nodes = (NODE,)
    return state


def test_two_looks_raise_the_med_and_another_one_ends_it(spec: AgentSpec) -> None:
    state, routes = well(spec), Routes()
    keeping = NodeWayLoop(state, routes)
    asyncio.run(keeping.look())
    assert (state.node_ways.cut_off, diagnosis(state).cause) == ((), Cause.NONE)
    routes.ways = (replace(WELL, error="no route: Invalid argument"),)
    asyncio.run(keeping.look())
    assert state.standing.decision.standing is Standing.FULL, "the agent may be mending its own"
    asyncio.run(keeping.look())
    assert (state.standing.decision.standing, state.standing.decision.reason) == (Standing.SOFT, Reason.NODES_CUT_OFF)
    assert diagnosis(state).cause is Cause.NODES_CUT_OFF
    routes.hangs = True
    asyncio.run(keeping.look())
    assert state.node_ways.cut_off, "who does not answer says nothing"
    routes.ways, routes.hangs = (WELL,), False
    asyncio.run(keeping.look())
    assert (state.node_ways.cut_off, diagnosis(state).cause) == ((), Cause.NONE)


def test_without_sessions_nobody_is_asked(spec: AgentSpec) -> None:
    state, routes = well(spec), Routes()
    state.flow.nodes = ()
    asyncio.run(NodeWayLoop(state, routes).look())
    assert not routes.asked
