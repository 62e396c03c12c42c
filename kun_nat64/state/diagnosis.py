"""Gathers from the agent's state what policy/diagnosis.py reads, and remembers past diagnoses."""

from dataclasses import replace

from kun_nat64.formats.versions import version_in
from kun_nat64.model.area import Area
from kun_nat64.model.facts import Facts, JoolInstance, LinkState, Pool4, Route
from kun_nat64.model.health import Symptom, Verdict
from kun_nat64.model.spec import TargetKind
from kun_nat64.policy.diagnosis import Cause, Diagnosis, diagnose
from kun_nat64.policy.diagnosis_input import DiagnosisInput
from kun_nat64.policy.foreign_checks import is_one_armed
from kun_nat64.policy.own_remedies import as_it_is
from kun_nat64.state.agent_state import State
from kun_nat64.state.past_diagnosis import PastDiagnosis


def diagnosis(state: State) -> Diagnosis:
    return as_it_is(diagnose(diagnosis_input(state)), state.machine.refusals, state.machine.failed)


def note_diagnosis(state: State) -> None:
    """Remembers when a diagnosis begins and ends: what is mended at once is gone before anybody looks.

    That nothing is known is worth a line only when somebody has looked.
    """
    found, last = diagnosis(state), state.past_diagnoses[-1] if state.past_diagnoses else None
    current = last.cause if last and last.until is None else Cause.NONE
    starting = state.standing.verdict is Verdict.UNPROVEN and not state.machine.settled
    unseen = found.cause is Cause.UNKNOWN and not state.evidence.is_evidence
    if found.cause is current or starting or unseen:
        return
    if last and last.until is None:
        state.past_diagnoses[-1] = replace(last, until=state.wall())
    if found.cause is Cause.NONE:
        state.journal.info("diagnosis", cause=found.cause, was=current)
        return
    state.past_diagnoses.append(PastDiagnosis(found.cause, found.words, state.wall()))
    state.journal.warning("diagnosis", cause=found.cause, words=found.words, remedy=found.remedy)


def diagnosis_input(state: State) -> DiagnosisInput:
    seen = state.machine.seen
    facts = seen.facts if seen else frozenset()
    looked = seen is not None and Area.JOOL not in seen.failures
    instances = [fact for fact in facts if isinstance(fact, JoolInstance)]
    outside = seen.link(state.spec.gateway.outside) if seen else None
    return DiagnosisInput(
        symptoms=_symptoms(state),
        hard=frozenset(state.machine.hard),
        counters=state.evidence.risen if state.evidence.is_evidence else {},
        tunnel_rx=state.evidence.tunnel_risen if state.evidence.is_evidence else None,
        fallback_up=any(isinstance(fact, LinkState) and fact.name == "sit0" and fact.up for fact in facts),
        pool6_differs=any(one.pool6 != state.spec.gateway.pool6 for one in instances),
        pool4=_protocols(facts) if looked and instances else None,
        pool4_wanted=_protocols(state.desired()),
        pool_use=state.flow.pool_use,
        pool_limit=state.spec.health.pool_limit,
        pods_route=seen is None or Area.LINKS in seen.failures or _leads_back(state, facts),
        around=state.evidence.around,
        speaker=state.spec.bgp.speaker,
        speaker_error=_speaker_error(state),
        sessions_down=tuple(peer.address for peer in seen.neighbours if not peer.established) if seen else (),
        path_refused=state.machine.read_back.refused,
        path_unsent=state.machine.read_back.unsent,
        qdisc=outside.qdisc if outside else "",
        jool_version=version_in(state.evidence.jool_version),
        native=state.spec.gateway.is_native,
        one_armed=is_one_armed(state.spec.gateway, state.evidence.around),
        cut_off=state.node_ways.cut_off,
        too_narrow=state.path.too_narrow,
        ways=state.evidence.ways_risen if state.evidence.is_evidence else {},
    )


def _protocols(facts: Facts) -> frozenset[str]:
    return frozenset(str(fact.protocol) for fact in facts if isinstance(fact, Pool4))


def _leads_back(state: State, facts: Facts) -> bool:
    """Without the tunnel the kernel takes its routes away, too: that is the tunnel's row."""
    tunnel = state.spec.gateway.tunnel
    routes = {fact for fact in state.desired() if isinstance(fact, Route) and fact.dev == tunnel and not fact.netns}
    return routes <= facts


def _speaker_error(state: State) -> str:
    seen = state.machine.seen
    error = state.speaker.failed or (seen.failures.get(Area.BGP) if seen else None)
    return str(error) if error else ""


def _symptoms(state: State) -> dict[TargetKind, frozenset[Symptom]]:
    found: dict[TargetKind, frozenset[Symptom]] = {}
    for one in state.probes.health.targets:
        if one.last is not None:
            found[one.target.kind] = found.get(one.target.kind, frozenset()) | {one.last.symptom}
    return found
