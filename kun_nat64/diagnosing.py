"""Gathers from the agent's state the signs that policy/diagnosis.py reads."""

from kun_nat64.model.area import Area
from kun_nat64.model.facts import JoolInstance, LinkState, Pool4
from kun_nat64.model.health import Symptom
from kun_nat64.model.spec import TargetKind
from kun_nat64.policy.checkup import version_of
from kun_nat64.policy.diagnosis import Diagnosis, Signs, diagnose
from kun_nat64.state import State


def diagnosis(state: State) -> Diagnosis:
    return diagnose(signs(state))


def signs(state: State) -> Signs:
    seen = state.machine.seen
    facts = seen.facts if seen else frozenset()
    looked = seen is not None and Area.JOOL not in seen.failures
    instances = [fact for fact in facts if isinstance(fact, JoolInstance)]
    outside = seen.link(state.spec.gateway.outside) if seen else None
    return Signs(
        symptoms=_symptoms(state),
        hard=frozenset(state.machine.hard),
        counters=state.evidence.risen,
        tunnel_rx=state.evidence.tunnel_risen,
        fallback_up=any(isinstance(fact, LinkState) and fact.name == "sit0" and fact.up for fact in facts),
        pool6_differs=any(one.pool6 != state.spec.gateway.pool6 for one in instances),
        pool4=frozenset(str(f.protocol) for f in facts if isinstance(f, Pool4)) if looked and instances else None,
        pool_use=state.flow.pool_use,
        qdisc=outside.qdisc if outside else "",
        jool_version=version_of(state.jool_version),
    )


def _symptoms(state: State) -> dict[TargetKind, frozenset[Symptom]]:
    found: dict[TargetKind, frozenset[Symptom]] = {}
    for one in state.health.targets:
        if one.last is not None:
            found[one.target.kind] = found.get(one.target.kind, frozenset()) | {one.last.symptom}
    return found
