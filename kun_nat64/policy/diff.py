"""The difference between what is desired and what is observed, as changes."""

from collections.abc import Iterable, Iterator
from itertools import repeat

from kun_nat64.model.area import Key
from kun_nat64.model.facts import (
    Fact,
    Facts,
    JoolGlobal,
    JoolInstance,
    LinkState,
    Netns,
    OrphanReset,
    Pool4,
    Sysctl,
    Tunnel,
    Veth,
)
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Action, Change, Plan
from kun_nat64.model.traffic import Traffic
from kun_nat64.policy.flow_loss import cuts
from kun_nat64.policy.order import in_order
from kun_nat64.policy.portranges import exchanged

# States of things that are always there: they can be set, not removed.
Setting = Sysctl | LinkState | JoolGlobal
# What cannot be changed while it lives: a change takes it away, with all that is in it, and makes it anew.
Rigid = JoolInstance | Veth | OrphanReset
# What others can be inside of, and disappear with.
Container = JoolInstance | Veth | Tunnel | Netns | OrphanReset


def plan(desired: Facts, observed: Observation, traffic: Traffic | None = None) -> Plan:
    """Return the changes in order. Areas that could not be read are left out. `traffic` None: flows are not counted."""
    unknown = observed.failures.keys()
    # Making a set costs a hash for each of thousands of facts.
    wanted = frozenset(fact for fact in desired if fact.area not in unknown) if unknown else desired
    changes = in_order(difference(wanted, observed.facts))
    return Plan(changes, cuts(changes, traffic), tuple(sorted(unknown)))


def difference(desired: Facts, observed: Facts) -> tuple[Change, ...]:
    """Return the changes, unordered. Equal sets give none, and facts in both sets are skipped."""
    if desired == observed:
        return ()
    if gone := _gone(_by_key(desired - observed), _by_key(observed - desired)):
        every = _by_key(observed)
        observed = frozenset(fact for fact in observed if not _is_inside(fact, gone, every))
    missing, surplus = desired - observed, observed - desired
    wanted, found = _by_key(missing), _by_key(surplus)
    return (*_additions(wanted, found), *_removals(wanted, found), *_port_changes(missing, surplus))


def _by_key(facts: Facts) -> dict[Key, Fact]:
    """Entries of pool4 are no objects with an identity (portranges.py)."""
    return {fact.key: fact for fact in facts if not isinstance(fact, Pool4)}


def _gone(wanted: dict[Key, Fact], found: dict[Key, Fact]) -> set[Key]:
    """Objects that the changes remove: their contents need no removal of their own, and must be created again."""
    gone: set[Key] = set()
    for key, fact in found.items():
        if isinstance(fact, Container) and (key not in wanted or _cannot_change(fact, wanted[key])):
            gone |= _ends(fact)
    return gone


def _cannot_change(found: Fact, wanted: Fact) -> bool:
    return isinstance(found, Rigid) or (isinstance(found, Tunnel) and found.must_go_for(wanted))


def _ends(fact: Fact) -> set[Key]:
    """A veth is gone at both of its ends."""
    return {fact.key, ("link", fact.peer_netns, fact.peer)} if isinstance(fact, Veth) else {fact.key}


def _is_inside(fact: Fact, gone: set[Key], found: dict[Key, Fact]) -> bool:
    container = fact.inside
    while container is not None:
        if container in gone:
            return True
        outer = found.get(container)
        container = outer.inside if outer else _namespace_of(container)
    return False


def _namespace_of(container: Key) -> Key | None:
    """The far end of a veth is no object of its own, but goes with its namespace as well."""
    return ("netns", container[1]) if container[0] == "link" and container[1] else None


def _additions(wanted: dict[Key, Fact], found: dict[Key, Fact]) -> Iterator[Change]:
    for key, fact in wanted.items():
        if key in found:
            yield Change(Action.REPLACE, fact, found[key])
        else:
            yield Change(Action.ADD, fact)


def _removals(wanted: dict[Key, Fact], found: dict[Key, Fact]) -> Iterator[Change]:
    for key, fact in found.items():
        if key not in wanted and not isinstance(fact, Setting):
            yield Change(Action.REMOVE, fact)


def _port_changes(missing: Facts, surplus: Facts) -> Iterator[Change]:
    added, removed = exchanged(_pool4(missing), _pool4(surplus))
    yield from map(Change, repeat(Action.ADD), added)
    yield from map(Change, repeat(Action.REMOVE), removed)


def _pool4(facts: Iterable[Fact]) -> list[Pool4]:
    return [fact for fact in facts if isinstance(fact, Pool4)]
