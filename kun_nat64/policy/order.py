"""The order of changes: make before break.

Worse paths come first, better paths last. A device is made before routes that send packets into it, and rules are in
place before Jool translates. New addresses and ports come before old ones are removed. Kernel settings come last: some
exist only with objects made before, and a setting that the kernel refuses must not block other changes.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from kun_nat64.model.announcement import GRACEFUL_SHUTDOWN
from kun_nat64.model.area import Area, Key
from kun_nat64.model.facts import (
    Address,
    BgpPath,
    Chain,
    Fact,
    JoolGlobal,
    JoolInstance,
    LinkState,
    Module,
    NativeProbeWay,
    Netns,
    NodeRouter,
    OrphanReset,
    OwnTable,
    Pool4,
    ProbeWay,
    RingStep,
    Route,
    Rule,
    Sysctl,
    TenantTable,
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
    # Early: meanwhile no probe proves anything. Nothing rests on it.
    ProbeWay,
    NativeProbeWay,
    Chain,
    Rule,
    JoolInstance,
    JoolGlobal,
    Pool4,
    # Its account of flows begins with the sessions that Jool has.
    OrphanReset,
    RingStep,
    OwnTable,
    # A mark whose pool4 entries are not there yet would have its packets dropped.
    TenantTable,
)
RANK = {kind: rank for rank, kind in enumerate(MAKING)}
POOL4_RANK = RANK[Pool4]
FIRST, MAKE, BREAK, SETTINGS, LAST = range(5)
# One command does several changes of these at once, and all of them or none.
IN_ONE_COMMAND = frozenset({Area.JOOL, Area.RULES})
# Areas whose changes are not made where one of the area named first has failed.
RESTS_ON = {Area.RULES: (Area.JOOL, Area.RESETS), Area.JOOL: (Area.RESETS,)}


def in_order(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Sort the changes; the same changes always get the same order. Names are compared only within one kind of fact."""
    changes = tuple(changes)
    others: list[Change] = []
    first = _in_the_way(changes)
    ports: dict[Action, list[Change]] = {Action.ADD: [], Action.REMOVE: []}
    for change in changes:
        if change not in first:
            (ports[change.action] if type(change.fact) is Pool4 else others).append(change)
    others.sort(key=_place)
    if first:
        place = bisect_left([_place(change)[:2] for change in others], (MAKE, RANK[Tunnel]))
        others[place:place] = first
    places = [_place(change)[:2] if change not in first else (MAKE, RANK[Tunnel]) for change in others]
    making = bisect_left(places, (MAKE, POOL4_RANK))
    breaking = bisect_left(places, (BREAK, -POOL4_RANK))
    added, removed = _ports_in_order(ports[Action.ADD]), _ports_in_order(ports[Action.REMOVE])
    return (*others[:making], *added, *others[making:breaking], *removed, *others[breaking:])


def _in_the_way(changes: Iterable[Change]) -> list[Change]:
    """Tunnels with another name and the same ends: they are removed first, because the kernel allows one of them."""
    tunnels = [one for one in changes if isinstance(one.fact, Tunnel)]
    wanted = {_ends_of(one) for one in tunnels if one.action is Action.ADD}
    return sorted((one for one in tunnels if one.action is Action.REMOVE and _ends_of(one) in wanted), key=str)


def _ends_of(change: Change) -> tuple[str, str, str] | None:
    fact = change.fact
    return (fact.netns, str(fact.local), str(fact.remote)) if isinstance(fact, Tunnel) else None


def _ports_in_order(changes: Iterable[Change]) -> list[Change]:
    """Sort ports by one number each, which is cheaper than texts or tuples: there may be thousands."""
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


def waits_for(batch: tuple[Change, ...], failed: Collection[Change]) -> bool:
    """Whether a change must wait after these changes have failed.

    No object is removed before its replacement exists, and no packet is translated without rules. Links are made one by
    one: only objects inside a failed link wait.
    """
    if not failed:
        return False
    first = batch[0]
    areas = {one.fact.area for one in failed}
    if first.action is Action.REMOVE or any(first.fact.area in RESTS_ON.get(area, ()) for area in areas):
        return True
    if first.fact.area is Area.LINKS:
        return first.fact.inside in {key for one in failed for key in _ends(one.fact)}
    return first.fact.area in areas


def _ends(fact: Fact) -> tuple[Key, ...]:
    """What others can be inside of: a cable has two ends."""
    return (fact.key, ("link", fact.peer_netns, fact.peer)) if isinstance(fact, Veth) else (fact.key,)


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
