"""What holds for every desired and every observed state."""

from hypothesis import given, settings

from kun_nat64.model.area import Area
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import (
    Address,
    BgpPath,
    Facts,
    JoolGlobal,
    JoolInstance,
    LinkState,
    Pool4,
    Rule,
    Sysctl,
    Tunnel,
)
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Action, Change
from kun_nat64.policy.diff import plan
from kun_nat64.policy.order import batches
from tests.nat64.fake_host import after
from tests.nat64.policy.facts_strategy import machines

SETTINGS = Sysctl | LinkState | JoolGlobal


def settled(facts: Facts) -> Facts:
    """Without settings of what is not desired any more: they are always there, and nobody's to remove."""
    return frozenset(fact for fact in facts if not isinstance(fact, SETTINGS))


@given(desired=machines(), observed=machines())
@settings(max_examples=200)
def test_the_plan_applied_to_what_is_observed_gives_what_is_desired(desired: Facts, observed: Facts) -> None:
    todo = plan(desired, Observation(observed))
    reached = after(todo.changes, observed)
    assert settled(reached) == settled(desired)
    assert desired - reached == frozenset()


@given(facts=machines())
def test_nothing_is_planned_when_all_is_as_desired(facts: Facts) -> None:
    assert not plan(facts, Observation(facts))


@given(desired=machines(), observed=machines())
def test_a_second_plan_is_empty(desired: Facts, observed: Facts) -> None:
    reached = after(plan(desired, Observation(observed)).changes, observed)
    assert plan(desired, Observation(reached)).changes == ()


@given(desired=machines(), observed=machines())
def test_batches_keep_the_order_and_lose_nothing(desired: Facts, observed: Facts) -> None:
    changes = plan(desired, Observation(observed)).changes
    assert tuple(change for batch in batches(changes) for change in batch) == changes


@given(desired=machines(), observed=machines())
def test_new_ports_addresses_and_rules_come_before_old_ones_go(desired: Facts, observed: Facts) -> None:
    changes = plan(desired, Observation(observed)).changes
    for kind in (Pool4, Rule, Address):
        actions = [change.action for change in changes if isinstance(change.fact, kind)]
        made = [place for place, action in enumerate(actions) if action is not Action.REMOVE]
        gone = [place for place, action in enumerate(actions) if action is Action.REMOVE]
        assert not made or not gone or max(made) < min(gone)


@given(desired=machines(), observed=machines())
def test_traffic_is_sent_away_first_and_called_last(desired: Facts, observed: Facts) -> None:
    changes = plan(desired, Observation(observed)).changes
    first = [place for place, change in enumerate(changes) if takes_traffic_away(change)]
    last = [place for place, change in enumerate(changes) if isinstance(change.fact, BgpPath)]
    others = [place for place, change in enumerate(changes) if not isinstance(change.fact, BgpPath)]
    for place in others:
        assert all(place > away for away in first)
        assert all(place < path for path in last if path not in first)


def takes_traffic_away(change: Change) -> bool:
    if not isinstance(change.fact, BgpPath):
        return False
    before = change.before
    worse = isinstance(before, BgpPath) and (change.fact.med or 0) > (before.med or 0)
    return change.action is Action.REMOVE or worse


@given(desired=machines(), observed=machines())
def test_rules_stand_before_jool_translates(desired: Facts, observed: Facts) -> None:
    changes = plan(desired, Observation(observed)).changes
    births = [p for p, c in enumerate(changes) if isinstance(c.fact, JoolInstance) and c.action is not Action.REMOVE]
    rules = [p for p, c in enumerate(changes) if isinstance(c.fact, Rule) and c.action is not Action.REMOVE]
    assert all(rule < birth for rule in rules for birth in births)


@given(desired=machines(), observed=machines())
def test_an_area_that_did_not_answer_is_left_alone(desired: Facts, observed: Facts) -> None:
    silent = DriverError(FailureKind.TIMEOUT, ("jool",))
    seen = frozenset(fact for fact in observed if fact.area is not Area.JOOL)
    todo = plan(desired, Observation(seen, failures={Area.JOOL: silent}))
    assert all(change.fact.area is not Area.JOOL for change in todo.changes)
    assert todo.unknown == ("jool",)


@given(desired=machines(), observed=machines())
def test_the_same_states_give_the_same_plan_and_checksum(desired: Facts, observed: Facts) -> None:
    one = plan(desired, Observation(observed))
    other = plan(frozenset(reversed(list(desired))), Observation(frozenset(reversed(list(observed)))))
    assert one == other
    assert one.checksum == other.checksum


@given(desired=machines(), observed=machines())
def test_a_living_instance_is_made_anew_only_for_another_pool6(desired: Facts, observed: Facts) -> None:
    changes = plan(desired, Observation(observed)).changes
    for change in changes:
        if isinstance(change.fact, JoolInstance) and change.action is Action.REPLACE:
            assert isinstance(change.before, JoolInstance)
            assert change.fact.pool6 != change.before.pool6
    tunnels = [change for change in changes if isinstance(change.fact, Tunnel)]
    assert len({change.fact.key for change in tunnels}) == len(tunnels)
