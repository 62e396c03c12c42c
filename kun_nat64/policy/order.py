"""The order of changes: make before break.

Worse paths first, better ones last. What carries packets is made before what sends packets into it, and rules stand
before Jool starts to translate. New addresses and ports come before old ones go. Kernel settings come last: some are
only there with what was made before, and one that the kernel refuses must hold up nothing.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator

from kun_nat64.model.announcement import GRACEFUL_SHUTDOWN
from kun_nat64.model.area import Area
from kun_nat64.model.facts import (
    Address,
    BgpPath,
    Chain,
    Fact,
    JoolGlobal,
    JoolInstance,
    LinkState,
    Module,
    Netns,
    NodeRouter,
    OrphanReset,
    OwnTable,
    Pool4,
    ProbeWay,
    Route,
    Rule,
    Sysctl,
    Tunnel,
    Veth,
)
from kun_nat64.model.plan import Action, Change

# Making goes down this list, breaking goes up. The fallback tunnel goes down only when ours is there.
MAKING: tuple[type[Fact], ...] = (
    Module,
    Netns,
    Veth,
    Tunnel,
    LinkState,
    Address,
    Route,
    NodeRouter,
    Chain,
    Rule,
    JoolInstance,
    JoolGlobal,
    Pool4,
    # Its account of flows begins with the sessions that Jool has.
    OrphanReset,
    OwnTable,
    # Nothing rests on it: a kernel that lacks a part of it holds up nothing else.
    ProbeWay,
)
RANK = {kind: rank for rank, kind in enumerate(MAKING)}
POOL4_RANK = RANK[Pool4]
FIRST, MAKE, BREAK, SETTINGS, LAST = range(5)
# One command does several changes of these at once, and all of them or none.
IN_ONE_COMMAND = frozenset({Area.JOOL, Area.RULES})


def in_order(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Sorted, the same way each time for the same changes. Names are compared only between facts of one kind."""
    others: list[Change] = []
    ports: dict[Action, list[Change]] = {Action.ADD: [], Action.REMOVE: []}
    for change in changes:
        (ports[change.action] if type(change.fact) is Pool4 else others).append(change)
    others.sort(key=_place)
    places = [_place(change)[:2] for change in others]
    making = bisect_left(places, (MAKE, POOL4_RANK))
    breaking = bisect_left(places, (BREAK, -POOL4_RANK))
    added, removed = _ports_in_order(ports[Action.ADD]), _ports_in_order(ports[Action.REMOVE])
    return (*others[:making], *added, *others[making:breaking], *removed, *others[breaking:])


def _ports_in_order(changes: Iterable[Change]) -> list[Change]:
    """There may be thousands of them: they get neither a text nor a tuple to compare, but one number each."""
    groups: dict[tuple[str, str], list[Change]] = defaultdict(list)
    for change in changes:
        fact = change.fact
        assert isinstance(fact, Pool4)
        groups[fact.instance, fact.protocol].append(change)
    return [change for owner in sorted(groups) for change in sorted(groups[owner], key=_port_number)]


def _port_number(change: Change) -> int:
    fact = change.fact
    assert isinstance(fact, Pool4)
    return int(fact.address) << 48 | fact.first_port << 32 | fact.mark


def _place(change: Change) -> tuple[int, int, str]:
    fact = change.fact
    phase = _phase(change)
    rank = 0 if isinstance(fact, BgpPath | Sysctl) else RANK[type(fact)]
    return phase, -rank if phase == BREAK else rank, str(fact)


def _phase(change: Change) -> int:
    if isinstance(change.fact, BgpPath):
        return FIRST if _takes_traffic_away(change) else LAST
    if isinstance(change.fact, Sysctl):
        return SETTINGS
    return BREAK if change.action is Action.REMOVE else MAKE


def _takes_traffic_away(change: Change) -> bool:
    if change.action is Action.REMOVE:
        return True
    if not isinstance(change.fact, BgpPath) or not isinstance(change.before, BgpPath):
        return False
    return _badness(change.fact) > _badness(change.before)


def _badness(path: BgpPath) -> tuple[bool, int]:
    return GRACEFUL_SHUTDOWN in path.communities, path.med or 0


def holds_up_nothing(batch: tuple[Change, ...]) -> bool:
    """Whether the others may be applied although this one failed."""
    return isinstance(batch[0].fact, Sysctl)


def batches(changes: Iterable[Change]) -> tuple[tuple[Change, ...], ...]:
    """Neighbouring changes that are applied together, in the order given."""
    return tuple(_batches(changes))


def _batches(changes: Iterable[Change]) -> Iterator[tuple[Change, ...]]:
    batch: list[Change] = []
    for change in changes:
        if batch and not _belong_together(batch[-1], change):
            yield tuple(batch)
            batch = []
        batch.append(change)
    if batch:
        yield tuple(batch)


def _belong_together(one: Change, next_one: Change) -> bool:
    area = one.fact.area
    return area in IN_ONE_COMMAND and area is next_one.fact.area and _phase(one) == _phase(next_one)
