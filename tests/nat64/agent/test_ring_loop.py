"""Who is asked, who is left out, and when: with a clock and answers of the test's own."""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from kun_base.journal import Journal
from kun_nat64.agent.ring_loop import ASK_S, RingLoop
from kun_nat64.model.drain import Drain, Phase
from kun_nat64.model.facts import RingStep
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Change
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Reason
from kun_nat64.state.agent_state import State
from kun_nat64.views.ring import ring_of

B = IPv4Address("10.2.2.2")


class Members:
    """Answer while they live."""

    def __init__(self) -> None:
        self.alive, self.asked, self.told = True, 0, 0
        self.packets: dict[IPv4Address, int] = {}

    def ask(self, members: Iterable[IPv4Address], seq: int) -> None:
        self.asked = seq

    def answers(self) -> dict[IPv4Address, int]:
        return {B: self.asked} if self.alive and self.asked else {}

    def tell(self, members: Iterable[IPv4Address]) -> None:
        self.told += 1

    def received(self, members: Iterable[IPv4Address]) -> dict[IPv4Address, int]:
        return dict(self.packets)

    def close(self) -> None: ...


class Host:
    def __init__(self) -> None:
        self.steps: list[Any] = []

    async def apply(self, changes: Sequence[Change]) -> None:
        self.steps += [one.fact for one in changes]

    async def borrowed(self) -> int:
        return 7


class Running:
    def __init__(self, spec: AgentSpec) -> None:
        self.now = 1000.0
        self.state = State(spec, Journal("test", stream=io.StringIO()), clock=lambda: self.now, wall=lambda: 0.0)
        self.host, self.members = Host(), Members()
        self.loop = RingLoop(self.state, self.host)
        self.loop._probe = self.members  # type: ignore[assignment]
        self.state.machine.seen = Observation(frozenset({RingStep(B, 1)}))

    async def go(self, seconds: float) -> None:
        ring = self.state.spec.fleet.ring
        assert ring is not None
        for _ in range(round(seconds / ASK_S)):
            await self.loop.turn(ring)
            self.now += ASK_S


@pytest.fixture
def running(spec_with: Callable[..., AgentSpec]) -> Running:
    return Running(spec_with(fleet={"ring": True, "members": ["http://10.2.2.2:9465"]}))


async def test_a_new_agent_leaves_in_force_what_the_last_one_found_until_everybody_could_answer(
    running: Running,
) -> None:
    await running.go(0.6)
    assert running.state.ring.answering is None
    assert RingStep(B, 1) in running.state.desired()
    await running.go(1.0)
    assert running.state.ring.answering == {B}
    assert running.host.steps == [], "it is so already"


async def test_a_member_that_dies_is_left_out_within_a_second_and_the_others_are_told(running: Running) -> None:
    await running.go(2.0)
    running.members.alive = False
    running.members.answers = dict
    told = running.members.told
    await running.go(0.9)
    assert running.state.ring.answering == frozenset()
    assert running.host.steps == [RingStep()], "at once, before the cycle has its turn"
    assert RingStep() in running.state.desired()
    assert running.members.told == told + 1


async def test_answers_that_came_in_time_count_however_late_this_agent_is(running: Running) -> None:
    await running.go(2.0)
    running.now += 30.0
    await running.go(0.2)
    assert running.state.ring.answering == {B}


async def test_a_member_that_stays_silent_is_named_after_a_while(running: Running) -> None:
    running.members.alive = False
    await running.go(10.0)
    assert "ring" not in running.state.warnings
    await running.go(12.0)
    assert "10.2.2.2 does not answer in the ring" in running.state.warnings["ring"]
    running.members.alive = True
    await running.go(4.0)
    assert "ring" not in running.state.warnings


async def test_flows_on_borrowed_hops_are_counted_while_draining(running: Running) -> None:
    await running.go(3.0)
    assert running.state.ring.borrowed is None
    running.state.take_drain(replace(Drain(), phase=Phase.DRAINING))
    await running.go(3.0)
    assert running.state.ring.borrowed == 7


async def test_the_status_shows_the_ring(running: Running) -> None:
    running.members.packets = {B: 1}
    await running.go(2.0)
    running.members.packets = {B: 9}
    await running.go(0.6)
    shown = ring_of(running.state)
    assert shown is not None
    wanted = {"own": "10.2.1.2", "members": ["10.2.2.2"], "answering": ["10.2.2.2"], "heard": ["10.2.2.2"]}
    assert {key: shown[key] for key in wanted} == wanted
    assert shown["next"] == "10.2.2.2"


async def test_a_gateway_with_a_hard_failure_takes_no_more_flows_of_the_ring(running: Running) -> None:
    await running.go(2.0)
    running.state.machine.hard = (Reason.CARRIER_DOWN,)
    assert RingStep(B, 1, takes=False) in running.state.desired()
    running.state.machine.hard = ()
    assert RingStep(B, 1) in running.state.desired()
