"""The health clock without a network: the prober only counts, and the test is the time."""

import io
from collections.abc import Callable
from time import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kun_base.journal import Journal
from kun_nat64.agent.probe_loop import ProbeLoop
from kun_nat64.model.drain import Drain, Phase
from kun_nat64.model.health import ProbeResult, Symptom, Verdict
from kun_nat64.model.spec import AgentSpec
from kun_nat64.state.agent_state import Callbacks, State


class Prober:
    """Every probe is answered at once, while `answers`."""

    def __init__(self, state: State) -> None:
        self.state, self.fired, self.answers = state, [], True
        self.problem: str | None = None

    def fire(self, now: float) -> None:
        self.fired.append(now)
        for target in self.state.spec.health.targets if self.answers else ():
            self.state.take_probe(ProbeResult(target, Symptom.ANSWERED, 0.001), now=now)

    def expire(self, now: float, lag_s: float) -> None: ...
    def next_expiry(self) -> float | None: ...

    def renew(self) -> str | None:
        return self.problem

    def close(self) -> None: ...


def on_the_clock(spec: AgentSpec, callbacks: Callbacks | None = None) -> tuple[State, Prober, ProbeLoop]:
    state = State(spec, Journal("test", stream=io.StringIO()), clock=lambda: 0.0, wall=time, callbacks=callbacks)
    prober = Prober(state)
    return state, prober, ProbeLoop(state, lambda _spec, _take: prober)


def run(probing: ProbeLoop, begin: float, end: float) -> float:
    due = begin
    while due < end:
        due = probing.tick(due, due)
    return due


def test_it_keeps_its_rhythm_and_skips_what_a_stall_made_it_miss(spec_with: Callable[..., AgentSpec]) -> None:
    _, prober, probing = on_the_clock(spec_with(health={"interval_s": 0.2}))
    due = run(probing, 100.0, 101.0)
    assert len(prober.fired) == 5
    due = probing.tick(due + 0.05, due)
    assert round(due, 6) == 101.2, "a late tick makes the next one no later"
    probing.tick(due + 10, due)
    assert len(prober.fired) == 7, "missed probes are not made up for"


def test_a_stall_of_the_agent_itself_leaves_health_as_it_was(spec_with: Callable[..., AgentSpec]) -> None:
    state, prober, probing = on_the_clock(spec_with(health={"interval_s": 0.2}))
    due = run(probing, 100.0, 105.0)
    assert state.standing.verdict is Verdict.HEALTHY
    prober.answers = False
    resumed = due + 15.0
    due = probing.tick(resumed, due)
    assert state.standing.verdict is Verdict.HEALTHY, "nothing was proven, nothing disproved"
    run(probing, due, resumed + state.health_rules.proof_s + 1)
    assert state.standing.verdict is Verdict.UNPROVEN, "but from now on time counts again"


def test_sockets_that_cannot_be_had_are_a_reason_to_look_at_the_machine_at_once(
    spec_with: Callable[..., AgentSpec],
) -> None:
    looks: list[str] = []
    callbacks = Callbacks(wake_cycle=lambda: looks.append("look"))
    state, prober, probing = on_the_clock(spec_with(health={"interval_s": 0.2}), callbacks)
    due = run(probing, 100.0, 103.0)
    assert looks == []
    prober.problem = "no network namespace kun-probe-gw1"
    due = run(probing, due, 106.0)
    assert looks == ["look"]
    assert "canary" in state.warnings
    prober.problem = None
    run(probing, due, 109.0)
    assert looks == ["look"]
    assert "canary" not in state.warnings


SYMPTOMS = st.sampled_from([Symptom.ANSWERED] * 6 + [Symptom.TIMEOUT, Symptom.NOT_SENT])


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    course=st.lists(st.tuples(st.sampled_from([0.2, 0.2, 0.2, 1.0, 4.0, 400.0]), SYMPTOMS, SYMPTOMS), max_size=80),
    draining_from=st.integers(0, 120),
)
def test_while_nothing_can_change_by_time_alone_nothing_would_be_decided_otherwise(
    spec_with: Callable[..., AgentSpec], course: list[tuple[float, Symptom, Symptom]], draining_from: int
) -> None:
    """One agent decides with every step of time, the other when it must."""
    spec, now = spec_with(health={"rise": 2, "fall": 2}), 100.0
    always, sparing = (
        State(spec, Journal("test", stream=io.StringIO()), clock=lambda: 0.0, wall=time) for _ in range(2)
    )
    for state in (always, sparing):
        state.adopt(None, now=now)
    for number, (step_s, *symptoms) in enumerate(course):
        now += step_s
        always.evaluate(now=now)
        if now >= sparing.standing.quiet_until:
            sparing.evaluate(now=now)
        assert sparing.standing.decision == always.standing.decision
        assert sparing.standing.verdict is always.standing.verdict
        if number == draining_from:
            for state in (always, sparing):
                state.take_drain(Drain(Phase.DRAINING))
                state.evaluate(now=now)
        for target, symptom in zip(spec.health.targets, symptoms, strict=True):
            for state in (always, sparing):
                if state.take_probe(ProbeResult(target, symptom), now=now):
                    state.evaluate(now=now)
