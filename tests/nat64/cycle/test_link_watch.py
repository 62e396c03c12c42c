"""What breaks among the links withdraws at once, whatever the turn of the cycle is waiting for."""

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from kun_base.journal import Journal
from kun_nat64.agent.announcer import Announcer
from kun_nat64.agent.cycle import Cycle
from kun_nat64.agent.link_watch import LinkWatch
from kun_nat64.model.area import Area
from kun_nat64.model.facts import JoolInstance, Tunnel
from kun_nat64.model.health import ProbeResult, Symptom
from kun_nat64.model.observation import LinkReport
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Reason, Standing
from kun_nat64.state.agent_state import State
from tests.nat64.fake_host import FakeHost, hung


@dataclass
class Gateway:
    host: FakeHost
    state: State
    cycle: Cycle
    glancing: LinkWatch

    @property
    def stands(self) -> tuple[Standing, Reason]:
        return self.state.standing.decision.standing, self.state.standing.decision.reason

    def lose(self, kind: type) -> None:
        lost = [fact for fact in self.host.facts if isinstance(fact, kind) and not getattr(fact, "netns", "")]
        self.host.break_by_hand(*lost)


@pytest.fixture
async def gateway(spec_with: Callable[..., AgentSpec]) -> Gateway:
    spec = spec_with(fleet={"members": []})
    host = FakeHost(links=(LinkReport(spec.gateway.outside, present=True, up=True, carrier=True, mtu=1500),))
    clock = [1000.0]
    state = State(spec, Journal("test", stream=io.StringIO()), clock=lambda: clock[0], wall=lambda: 0.0)
    cycle = Cycle(state, host, Announcer(state, host).poke)
    await cycle.turn()
    for _ in range(20):
        clock[0] += spec.health.interval_s
        for target in spec.health.targets:
            state.take_probe(ProbeResult(target, Symptom.ANSWERED, 0.01), now=clock[0])
        state.evaluate(now=clock[0])
    await cycle.turn()
    assert state.standing.decision.standing is Standing.FULL
    return Gateway(host, state, cycle, LinkWatch(state, host, cycle.note_hard))


async def test_a_lost_tunnel_withdraws_and_a_turn_brings_it_back(gateway: Gateway) -> None:
    gateway.lose(Tunnel)
    await gateway.glancing.look()
    assert gateway.stands == (Standing.OUT, Reason.TUNNEL_MISSING)
    await gateway.cycle.turn()
    assert gateway.state.machine.hard == ()


async def test_a_glance_at_what_is_well_again_does_not_announce(gateway: Gateway) -> None:
    gateway.state.machine.hard = (Reason.TUNNEL_MISSING,)
    gateway.state.evaluate(now=gateway.state.clock())
    await gateway.glancing.look()
    assert gateway.state.machine.hard == (Reason.TUNNEL_MISSING,)


async def test_what_a_glance_does_not_look_at_is_no_failure(gateway: Gateway) -> None:
    gateway.lose(JoolInstance)
    await gateway.glancing.look()
    assert gateway.stands == (Standing.FULL, Reason.HEALTHY)


async def test_links_that_cannot_be_looked_at_decide_nothing(gateway: Gateway) -> None:
    gateway.lose(Tunnel)
    gateway.host.fail_observing = hung(Area.LINKS)
    await gateway.glancing.look()
    assert gateway.stands == (Standing.FULL, Reason.HEALTHY)


async def test_before_the_gateway_has_been_set_up_nothing_is_missing(gateway: Gateway) -> None:
    gateway.state.machine.settled = False
    gateway.lose(Tunnel)
    await gateway.glancing.look()
    assert gateway.state.machine.hard == ()


async def test_the_lane_glances_when_it_is_poked_and_ends_when_it_is_told(gateway: Gateway) -> None:
    stop = asyncio.Event()
    lane = asyncio.create_task(gateway.glancing.run(stop))
    gateway.lose(Tunnel)
    gateway.glancing.poke()
    await asyncio.sleep(0.02)
    assert gateway.stands == (Standing.OUT, Reason.TUNNEL_MISSING)
    stop.set()
    gateway.glancing.poke()
    await asyncio.wait_for(lane, 1)
