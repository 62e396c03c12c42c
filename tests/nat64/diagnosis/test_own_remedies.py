"""A remedy is true in the state it is given in: what the agent may not or cannot do it does not promise."""

from dataclasses import replace
from ipaddress import IPv4Address
from typing import get_args

import pytest

from kun_base.prefix import sixtofour_prefix
from kun_nat64.model.diagnosis import Cause
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import Fact, JoolInstance, Pool4, Protocol
from kun_nat64.model.foreign_objects import Surroundings
from kun_nat64.model.health import Symptom
from kun_nat64.model.plan import Action, Change, Refusal, RefusalKind
from kun_nat64.model.spec import AgentSpec, TargetKind
from kun_nat64.model.standing import Reason
from kun_nat64.policy.diagnosis import TABLE, diagnose
from kun_nat64.policy.diagnosis_input import DiagnosisInput
from kun_nat64.policy.foreign_checks import is_one_armed, surroundings_judged
from kun_nat64.policy.own_remedies import MENDED_BY, as_it_is

INSTANCE = JoolInstance("kun", sixtofour_prefix(IPv4Address("203.0.113.1")))
MISSING = diagnose(DiagnosisInput({}, hard=frozenset({Reason.INSTANCE_MISSING})))
FAILING = {TargetKind.ICMP: frozenset({Symptom.TIMEOUT})}


def refused(fact: Fact, *, forcible: bool = True) -> Refusal:
    held = frozenset({Change(Action.ADD, fact)})
    return Refusal(RefusalKind.FOREIGN_OBJECT, "another instance is in its place", forcible=forcible, held=held)


def test_while_nothing_is_held_back_the_agent_mends_it() -> None:
    assert as_it_is(MISSING, (), None) == MISSING
    assert "the agent creates it again" in MISSING.remedy


def test_what_the_guard_holds_back_is_not_promised() -> None:
    told = as_it_is(MISSING, [refused(INSTANCE)], None)
    assert told.cause is MISSING.cause
    assert told.remedy.startswith("the agent may not mend it: another instance is in its place; ")
    assert "apply --force" in told.remedy
    assert "--force" not in as_it_is(MISSING, [refused(INSTANCE, forcible=False)], None).remedy


def test_what_is_held_back_elsewhere_does_not_matter() -> None:
    ports = Pool4("kun", Protocol.TCP, IPv4Address("192.0.2.11"), 1, 9)
    assert as_it_is(MISSING, [refused(ports)], None) == MISSING


def test_what_the_machine_refuses_is_said() -> None:
    failed = DriverError(FailureKind.EXIT_CODE, ("jool", "file", "handle"), "no memory")
    assert "the machine refuses: " in as_it_is(MISSING, (), failed).remedy
    assert "no memory" in as_it_is(MISSING, (), failed).remedy


@pytest.mark.parametrize("diagnosis", [one for _, one in TABLE if "the agent" in one.remedy], ids=lambda one: one.words)
def test_every_remedy_that_names_the_agent_has_a_truth_for_when_it_may_not(diagnosis: object) -> None:
    cause = getattr(diagnosis, "cause", None)
    assert cause in MENDED_BY or cause is Cause.SPEAKER_SILENT
    assert all(kind in get_args(Fact) for kind in MENDED_BY.get(cause, ()))


def test_one_interface_for_both_sides_has_a_name(spec: AgentSpec) -> None:
    around = Surroundings(uplink="eth1")
    assert is_one_armed(spec.gateway, around)
    signs = DiagnosisInput(FAILING, around=around, one_armed=True)
    assert diagnose(signs).cause is Cause.ONE_ARMED
    assert "one_armed = true" in diagnose(signs).remedy
    (finding,) = [one for one in surroundings_judged(around, spec) if one.check == "one interface"]
    assert "one_armed = true" in finding.remedy


def test_where_it_is_meant_or_there_are_two_it_is_no_cause(spec: AgentSpec) -> None:
    meant = replace(spec.gateway, one_armed=True)
    assert not is_one_armed(meant, Surroundings(uplink="eth1"))
    assert not is_one_armed(spec.gateway, Surroundings(uplink="eth0"))
    assert not is_one_armed(spec.gateway, Surroundings())
