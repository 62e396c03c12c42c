"""When counters tell something of a fault: only what rose while something failed."""

import io
from collections.abc import Callable
from dataclasses import replace
from time import time

from kun_base.journal import Journal
from kun_nat64.agent.counter_loop import CounterLoop
from kun_nat64.model.health import ProbeResult, Symptom
from kun_nat64.model.observation import Observation
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.diagnosis import Cause
from kun_nat64.state.agent_state import State
from kun_nat64.state.diagnosis import diagnosis, note_diagnosis
from tests.nat64.admin.serving import Host


class Translating(Host):
    """Every look finds a hundred packets more translated, while `works`."""

    success, works, doubts = 0, True, 0

    def doubt_flows(self) -> None:
        self.doubts += 1

    async def stats(self, instance: str) -> dict[str, int]:
        self.success += 100 * self.works
        return {"SUCCESS": self.success}


def told(state: State, symptom: Symptom) -> None:
    for _ in range(state.spec.health.rise):
        for target in state.spec.health.targets:
            state.take_probe(ProbeResult(target, symptom, 0.003), now=0.0)
    state.evaluate(now=0.0)


async def test_what_rose_before_the_fault_is_no_evidence_of_it(spec_with: Callable[..., AgentSpec]) -> None:
    host, log = Translating(), io.StringIO()
    state = State(spec_with(), Journal("test", stream=log), clock=lambda: 0.0, wall=time)
    state.machine.seen = replace(Observation(), facts=state.desired())
    counting = CounterLoop(state, host)
    told(state, Symptom.ANSWERED)
    await counting.sample()
    await counting.sample()
    told(state, Symptom.TIMEOUT)
    host.works = False
    note_diagnosis(state)
    await counting.sample()
    note_diagnosis(state)
    assert diagnosis(state).cause is Cause.UNKNOWN
    assert "diagnosis" not in log.getvalue(), "not named before anybody looked"
    await counting.sample()
    note_diagnosis(state)
    assert [one.cause for one in state.past_diagnoses] == [Cause.UNKNOWN]


async def test_what_rises_during_the_fault_is(spec_with: Callable[..., AgentSpec]) -> None:
    state = State(spec_with(), Journal("test", stream=io.StringIO()), clock=lambda: 0.0, wall=time)
    state.machine.seen = replace(Observation(), facts=state.desired())
    counting = CounterLoop(state, Translating())
    told(state, Symptom.ANSWERED)
    await counting.sample()
    told(state, Symptom.TIMEOUT)
    await counting.sample()
    await counting.sample()
    note_diagnosis(state)
    assert [one.cause for one in state.past_diagnoses] == [Cause.REPLIES_MISSING]


class Counted(Translating):
    """With packets received as `received` says."""

    received = 0

    async def stats(self, instance: str) -> dict[str, int]:
        return {"RECEIVED6": self.received} if self.received else {}


async def test_a_translator_that_counts_from_zero_again_has_lost_its_flows(spec_with: Callable[..., AgentSpec]) -> None:
    """Somebody removed the instance and made it again between two looks: nothing else tells of it."""
    host = Counted()
    counting = CounterLoop(
        State(spec_with(), Journal("test", stream=io.StringIO()), clock=lambda: 0.0, wall=time), host
    )
    for received, doubts in ((0, 0), (70, 0), (90, 0), (3, 1), (4, 1), (0, 2)):
        host.received = received
        await counting.sample()
        assert host.doubts == doubts, received
