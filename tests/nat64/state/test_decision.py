"""What the state gives the announce decision to decide with."""

import io
from dataclasses import replace
from time import monotonic, time

import pytest

from kun_base.journal import Journal
from kun_nat64.model.announcement import Announcement
from kun_nat64.model.foreign_objects import Surroundings, WayBack
from kun_nat64.model.health import ProbeResult, Symptom
from kun_nat64.model.observation import Observation
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Reason, Standing
from kun_nat64.state.agent_state import State

LOST_ROUTE = Surroundings(back=WayBack(nodes="10.255.255.254: no route"))


def probed(state: State, symptom: Symptom, times: int) -> None:
    now = state.clock()
    for _ in range(times):
        for target in state.spec.health.targets:
            state.take_probe(ProbeResult(target, symptom), now=now)
    state.evaluate(now=now)


@pytest.mark.parametrize(
    ("around", "standing", "reason"),
    [
        (LOST_ROUTE, Standing.OUT, Reason.NODES_CUT_OFF),
        (Surroundings(), Standing.SOFT, Reason.TARGETS_UNREACHABLE),
    ],
    ids=["the route to the nodes is lost", "nothing is found"],
)
def test_what_is_found_around_decides_with_the_probes(
    spec: AgentSpec, around: Surroundings, standing: Standing, reason: Reason
) -> None:
    state = State(spec, Journal("test", stream=io.StringIO()), clock=monotonic, wall=time)
    state.machine.seen = replace(Observation(), facts=state.desired())
    state.adopt(Announcement(True, spec.bgp.med), now=state.clock())
    probed(state, Symptom.ANSWERED, spec.health.rise)
    assert state.standing.decision.standing is Standing.FULL
    state.evidence.around = around
    probed(state, Symptom.TIMEOUT, spec.health.fall)
    assert (state.standing.decision.standing, state.standing.decision.reason) == (standing, reason)
