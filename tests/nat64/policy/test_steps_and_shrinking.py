"""What happens around a gateway and must not move it: the clock steps a day, fewer clients are let in."""

import io
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from time import monotonic

import pytest

from kun_base.journal import Journal
from kun_nat64.model.announcement import WITHDRAWN
from kun_nat64.model.area import Area
from kun_nat64.model.health import ProbeResult, Symptom
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.observation import Observation
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Standing
from kun_nat64.model.traffic import Endpoint4, Endpoint6, Session, Traffic
from kun_nat64.policy.desired import desired
from kun_nat64.policy.diff import plan
from kun_nat64.policy.guard import Circumstances, guard
from kun_nat64.state.agent_state import State
from kun_nat64.state.diagnosis import note_diagnosis

DAY = 86_400.0


def probe(state: State, times: int) -> None:
    for _ in range(times):
        for target in state.spec.health.targets:
            state.take_probe(ProbeResult(target, Symptom.ANSWERED, 0.01), now=state.clock())
    state.evaluate(now=state.clock())
    note_diagnosis(state)


@pytest.mark.parametrize("step", [DAY, -DAY, 365 * DAY], ids=["a day ahead", "a day back", "a year ahead"])
def test_a_clock_that_steps_moves_no_standing(spec: AgentSpec, step: float) -> None:
    wall = [1.7e9]
    state = State(spec, Journal("test", stream=io.StringIO()), clock=monotonic, wall=lambda: wall[0])
    state.adopt(None, now=state.clock())
    probe(state, 20)
    assert state.standing.decision.standing is Standing.FULL
    turns, wall[0] = len(state.standing.changes), wall[0] + step
    probe(state, 3)
    assert state.standing.decision.standing is Standing.FULL
    assert len(state.standing.changes) == turns
    assert not state.past_diagnoses


def from_node(last: int) -> Session:
    inside = Endpoint6(IPv6Address(f"2002:a{last:02x}:1::10"), 4000)
    target, remote = Endpoint6(IPv6Address("2002:cb00:7101::1"), 80), Endpoint4(IPv4Address("198.51.100.80"), 80)
    return Session(Protocol.TCP, inside, target, Endpoint4(IPv4Address("192.0.2.11"), 20000 + last), remote, 7000.0)


def test_fewer_clients_under_load_touch_neither_jool_nor_the_announcement(
    spec_with: Callable[..., AgentSpec],
) -> None:
    """Packets of nodes that are clients no more are dropped; everybody else's flows go on."""
    before = spec_with(gateway={"clients": ["10.0.0.0/8"]})
    after = spec_with(gateway={"clients": ["10.1.0.0/16"]})
    traffic = Traffic((), tuple(from_node(last) for last in range(1, 100)))
    todo = plan(desired(after, WITHDRAWN), Observation(desired(before, WITHDRAWN)), traffic)
    assert todo
    assert {change.fact.area for change in todo.changes} <= {Area.RULES, Area.PROBES, Area.LINKS, Area.TABLES}
    assert todo.cuts == ()
    assert not guard(todo, before.guard, Circumstances())
