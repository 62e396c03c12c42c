from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.model.health import OUTCOME_OF, ProbeOutcome, ProbeResult, Symptom, Verdict
from kun_nat64.model.spec import Target, TargetKind
from kun_nat64.policy import health
from kun_nat64.policy.health import Health, HealthRules, TargetState

WEB = Target(TargetKind.TCP, IPv4Address("198.51.100.80"), 80)
PING = Target(TargetKind.ICMP, IPv4Address("198.51.100.81"))
RULES = HealthRules(fall=3, rise=4, quorum=1, proof_s=5.0)
SYMPTOMS = {"o": Symptom.ANSWERED, "r": Symptom.REFUSED, "f": Symptom.TIMEOUT, "n": Symptom.NO_ROUTE_HERE,
            "?": Symptom.NOT_SENT, "s": Symptom.STALLED}  # fmt: skip


def after(results: str, *, target: Target = WEB, health_before: Health | None = None, step_s: float = 0.2) -> Health:
    """Health of `target` after a word of results, one letter each, `step_s` apart."""
    state = health_before or health.start((WEB, PING))
    for number, letter in enumerate(results):
        state = health.after_result(state, ProbeResult(target, SYMPTOMS[letter]), RULES, now=number * step_s)
    return state


@pytest.mark.parametrize(
    ("results", "state"),
    [
        ("", TargetState.UNPROVEN),
        ("ooo", TargetState.UNPROVEN),
        ("oooo", TargetState.UP),
        ("ff", TargetState.UNPROVEN),
        ("fff", TargetState.DOWN),
        ("ooofoooo", TargetState.UP),
        ("ooofooo", TargetState.UNPROVEN),
        ("offof", TargetState.UNPROVEN),
        ("oooof", TargetState.UP),
        ("ooooff", TargetState.UP),
        ("ooooffoff", TargetState.UP),
        ("oooofff", TargetState.DOWN),
        ("oooofffooo", TargetState.DOWN),
        ("oooofffoooo", TargetState.UP),
        ("oooofffooofoooo", TargetState.UP),
        ("rrrr", TargetState.UP),
        ("nnn", TargetState.DOWN),
    ],
)
def test_a_row_of_results_makes_a_state(results: str, state: TargetState) -> None:
    assert after(results).of(WEB).state is state


def test_one_lost_probe_never_moves_anything() -> None:
    assert after("oooo" + "foooo" * 20).of(WEB).state is TargetState.UP


@pytest.mark.parametrize(
    ("without", "with_unknown"),
    [("oooo", "o?oo?o"), ("oooofff", "oooof?f??f"), ("fff", "f?ssf?f"), ("oooofffoooo", "oooofffo?oo?o")],
)
def test_unknown_counts_for_neither_side_and_breaks_no_row(without: str, with_unknown: str) -> None:
    assert after(with_unknown).of(WEB).state is after(without).of(WEB).state


def test_unknown_alone_proves_nothing() -> None:
    assert after("??????????").of(WEB).state is TargetState.UNPROVEN


def test_a_proof_grows_old() -> None:
    proven = after("oooo")
    last = 3 * 0.2
    assert health.verdict(proven, RULES, now=last + RULES.proof_s) is Verdict.HEALTHY
    assert health.verdict(proven, RULES, now=last + RULES.proof_s + 0.1) is Verdict.UNPROVEN


def test_time_in_which_the_agent_stood_still_makes_no_proof_old() -> None:
    stood = health.after_a_stall(after("oooo"), 15.0)
    resumed = 3 * 0.2 + 15.0
    assert health.verdict(stood, RULES, now=resumed + RULES.proof_s - 0.1) is Verdict.HEALTHY
    assert health.verdict(stood, RULES, now=resumed + RULES.proof_s + 0.1) is Verdict.UNPROVEN


def test_a_second_stall_without_a_proof_between_them_does() -> None:
    stood = health.after_a_stall(after("oooo"), 15.0)
    unknown = health.after_result(stood, ProbeResult(WEB, Symptom.STALLED), RULES, now=15.7)
    again = health.after_a_stall(unknown, 15.0)
    assert health.verdict(again, RULES, now=3 * 0.2 + 30.0) is Verdict.UNPROVEN
    proven = health.after_result(stood, ProbeResult(WEB, Symptom.ANSWERED), RULES, now=15.7)
    assert health.verdict(health.after_a_stall(proven, 15.0), RULES, now=3 * 0.2 + 30.0) is Verdict.HEALTHY


def test_a_stall_proves_nothing_by_itself() -> None:
    assert health.after_a_stall(health.start((WEB, PING)), 15.0) == health.start((WEB, PING))


def test_after_an_old_proof_the_rise_begins_anew() -> None:
    proven = after("oooo")
    late = health.after_result(proven, ProbeResult(WEB, Symptom.ANSWERED), RULES, now=100.0)
    assert late.of(WEB).state is TargetState.UNPROVEN
    assert late.of(WEB).row == 1


def test_a_result_of_another_target_changes_nothing() -> None:
    other = Target(TargetKind.TCP, IPv4Address("198.51.100.99"), 443)
    before = after("oo")
    assert health.after_result(before, ProbeResult(other, Symptom.TIMEOUT), RULES, now=1.0) == before


@pytest.mark.parametrize(
    ("web", "ping", "quorum", "verdict"),
    [
        ("oooo", "oooo", 1, Verdict.HEALTHY),
        ("oooo", "fff", 1, Verdict.HEALTHY),
        ("oooo", "fff", 2, Verdict.FAILED),
        ("fff", "fff", 1, Verdict.FAILED),
        ("fff", "", 1, Verdict.UNPROVEN),
        ("oooo", "", 2, Verdict.UNPROVEN),
        ("", "", 1, Verdict.UNPROVEN),
        ("fff", "", 2, Verdict.FAILED),
    ],
)
def test_the_quorum_decides(web: str, ping: str, quorum: int, verdict: Verdict) -> None:
    both = after(ping, target=PING, health_before=after(web))
    rules = HealthRules(RULES.fall, RULES.rise, quorum, RULES.proof_s)
    assert health.verdict(both, rules, now=1.0) is verdict


def test_nothing_to_probe_is_never_healthy() -> None:
    assert health.verdict(health.start(()), RULES, now=0.0) is Verdict.UNPROVEN


def test_a_protocol_is_dead_when_all_its_targets_are_down() -> None:
    assert health.dead_kinds(after("fff")) == (TargetKind.TCP,)
    assert health.dead_kinds(after("oooo")) == ()


def test_the_others_are_told_three_values() -> None:
    told = health.outcomes(after("fff", target=PING, health_before=after("oooo")))
    assert told == {"tcp://198.51.100.80:80": ProbeOutcome.OK, "icmp://198.51.100.81": ProbeOutcome.FAILED}


@given(st.lists(st.sampled_from(Symptom), max_size=60))
def test_a_target_goes_down_only_after_as_many_failures_in_a_row_as_fall(symptoms: list[Symptom]) -> None:
    state, row = health.start((WEB,)), 0
    for number, symptom in enumerate(symptoms):
        before = state.of(WEB).state
        state = health.after_result(state, ProbeResult(WEB, symptom), RULES, now=number * 0.01)
        outcome = OUTCOME_OF[symptom]
        row = row + 1 if outcome is ProbeOutcome.FAILED else 0 if outcome is ProbeOutcome.OK else row
        if before is not TargetState.DOWN and state.of(WEB).state is TargetState.DOWN:
            assert row >= RULES.fall
