"""The difference between what is desired and what is observed, as changes."""

from collections.abc import Iterable, Iterator

from kun_nat64.model.area import Key
from kun_nat64.model.facts import Fact, Facts, JoolGlobal, JoolInstance, LinkState, Pool4, Sysctl, Veth
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Action, Change, Plan
from kun_nat64.model.traffic import Traffic
from kun_nat64.policy.cuts import cuts
from kun_nat64.policy.order import in_order
from kun_nat64.policy.portranges import without

# States of things that are always there: they can be set, not removed.
Setting = Sysctl | LinkState | JoolGlobal
# What cannot be changed while it lives: a change takes it away, with all that is in it, and makes it anew.
Rigid = JoolInstance | Veth


def plan(desired: Facts, observed: Observation, traffic: Traffic | None = None) -> Plan:
    """What to do, in order. Areas that could not be looked at are left alone. `traffic` None: flows are not counted."""
    unknown = observed.failures.keys()
    wanted = frozenset(fact for fact in desired if fact.area not in unknown)
    changes = in_order(difference(wanted, observed.facts))
    return Plan(changes, cuts(changes, traffic), tuple(sorted(unknown)))


def difference(desired: Facts, observed: Facts) -> tuple[Change, ...]:
    """Changes in no particular order. Equal sets give none."""
    if desired == observed:
        return ()
    wanted, found = _by_key(desired), _by_key(observed)
    gone = _gone(wanted, found)
    standing = {key: fact for key, fact in found.items() if not _is_inside(fact, gone, found)}
    return (*_additions(wanted, found, standing), *_removals(wanted, standing), *_port_changes(wanted, standing))


def _by_key(facts: Facts) -> dict[Key, Fact]:
    return {fact.key: fact for fact in facts}


def _gone(wanted: dict[Key, Fact], found: dict[Key, Fact]) -> set[Key]:
    """Objects that do not survive, whose contents need not be removed one by one, and must be made anew."""
    gone: set[Key] = set()
    for key, fact in found.items():
        after = wanted.get(key)
        if (after is None and not isinstance(fact, Setting)) or (isinstance(fact, Rigid) and after != fact):
            gone |= _ends(fact)
    return gone


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


def _additions(wanted: dict[Key, Fact], found: dict[Key, Fact], standing: dict[Key, Fact]) -> Iterator[Change]:
    for key, fact in wanted.items():
        before = standing.get(key)
        if before == fact or isinstance(fact, Pool4):
            continue
        if before is None:
            yield Change(Action.ADD, fact)
        else:
            yield Change(Action.REPLACE, fact, before)


def _removals(wanted: dict[Key, Fact], standing: dict[Key, Fact]) -> Iterator[Change]:
    for key, fact in standing.items():
        if key not in wanted and not isinstance(fact, Setting | Pool4):
            yield Change(Action.REMOVE, fact)


def _port_changes(wanted: dict[Key, Fact], standing: dict[Key, Fact]) -> Iterator[Change]:
    desired, observed = _pool4(wanted.values()), _pool4(standing.values())
    yield from (Change(Action.ADD, entry) for entry in without(desired, observed))
    yield from (Change(Action.REMOVE, entry) for entry in without(observed, desired))


def _pool4(facts: Iterable[Fact]) -> list[Pool4]:
    return [fact for fact in facts if isinstance(fact, Pool4)]
