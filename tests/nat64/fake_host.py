"""A machine made of facts: takes changes as the real drivers do, prints itself as commands, fails when told to."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address

from kun_nat64.model.area import Area, Key
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import (
    Address,
    BgpPath,
    Fact,
    Facts,
    JoolGlobal,
    JoolInstance,
    LinkState,
    Neighbour,
    OrphanReset,
    Pool4,
    Sysctl,
    Tunnel,
    Veth,
)
from kun_nat64.model.observation import Foreign, LinkReport, Observation, Scope
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.sessionlist import SessionList
from kun_nat64.model.traffic import Session, Traffic
from kun_nat64.policy.desired import widened
from kun_nat64.policy.portranges import merged, without
from tests.nat64.audit.flows import listed


def after(changes: Sequence[Change], facts: Facts) -> Facts:
    """What the kernel, Jool and the speaker make of the changes. Raises AssertionError for what they would refuse."""
    for change in changes:
        facts = _after_one(change, facts)
    return facts


def _after_one(change: Change, facts: Facts) -> Facts:
    fact = change.fact
    if isinstance(fact, Pool4):
        return _after_ports(change.action, fact, facts)
    held = {one.key: one for one in facts}
    if isinstance(fact, BgpPath):
        # gobgp: adding replaces, removing what is not there does nothing.
        rest = facts - {held[fact.key]} if fact.key in held else facts
        return rest if change.action is Action.REMOVE else rest | {fact}
    if change.action is Action.ADD:
        assert fact.key not in held, f"{fact} is there already"
        assert _container_exists(fact, held), f"{fact} has nowhere to be"
        return facts | {fact}
    assert fact.key in held, f"{fact} is not there"
    if change.action is Action.REMOVE:
        return _without_object(fact, facts)
    before = held[fact.key]
    anew = isinstance(fact, JoolInstance | Veth | OrphanReset) or (
        isinstance(before, Tunnel) and before.must_go_for(fact)
    )
    rest = _without_object(before, facts) if anew else facts - {before}
    return rest | {fact}


def _container_exists(fact: Fact, held: dict[Key, Fact]) -> bool:
    if fact.inside is None or fact.inside in held:
        return True
    return any(isinstance(one, Veth) and ("link", one.peer_netns, one.peer) == fact.inside for one in held.values())


def _after_ports(action: Action, entry: Pool4, facts: Facts) -> Facts:
    ports = frozenset(fact for fact in facts if isinstance(fact, Pool4))
    assert ("jool", entry.instance) in {fact.key for fact in facts}, f"no instance for {entry}"
    kept = merged([*ports, entry]) if action is Action.ADD else frozenset(without(tuple(ports), [entry]))
    return (facts - ports) | kept


def _without_object(fact: Fact, facts: Facts) -> Facts:
    """The object, and all that goes with it."""
    gone: set[Key] = {fact.key}
    if isinstance(fact, Veth):
        gone.add(("link", fact.peer_netns, fact.peer))
    rest = frozenset(one for one in facts if one.key != fact.key and one.inside not in gone)
    while True:
        keys = {one.key for one in rest} | {("link", one.peer_netns, one.peer) for one in rest if isinstance(one, Veth)}
        orphans = {
            one for one in rest if one.inside is not None and one.inside not in keys and one.inside in _keys_of(facts)
        }
        if not orphans:
            return rest
        rest -= orphans


def _keys_of(facts: Facts) -> set[Key]:
    return {one.key for one in facts} | {("link", one.peer_netns, one.peer) for one in facts if isinstance(one, Veth)}


def command(change: Change) -> str:
    """Roughly what a person would type."""
    fact, verb = change.fact, change.action
    match fact:
        case Sysctl(name=name, value=value):
            return f"sysctl -w {name}='{value}'"
        case LinkState(name=name, up=up):
            return f"ip link set {name} {'up' if up else 'down'}"
        case Address(ifname=ifname, address=address, prefixlen=length, netns=netns):
            return f"ip{_in(netns)} address {verb} {address}/{length} dev {ifname}"
        case Tunnel(name=name, local=local, netns=netns):
            return f"ip{_in(netns)} tunnel {verb} {name} mode sit local {local}"
        case JoolInstance(name=name, pool6=pool6):
            return f"jool instance {verb} {name} --pool6 {pool6}"
        case JoolGlobal(instance=instance, name=name, value=value):
            return f"jool -i {instance} global update {name} {value}"
        case Pool4(instance=instance, protocol=protocol, address=address, first_port=first, last_port=last):
            return f"jool -i {instance} pool4 {verb} --{protocol} {address} {first}-{last}"
        case BgpPath(prefix=prefix, med=med):
            return f"gobgp global rib {verb} {prefix} med {med}"
        case _:
            return f"{verb} {fact}"


def _in(netns: str) -> str:
    return f" -n {netns}" if netns else ""


@dataclass
class FakeHost:
    """`fail_observing` and `fail_applying` are faults to come; `log` is what was done, as commands.

    `refuses_paths`: the speaker's import policy does, and nobody is told.
    """

    facts: Facts = frozenset()
    now_flowing: Traffic = field(default_factory=Traffic)
    links: tuple[LinkReport, ...] = (LinkReport("eth1", present=True, up=True, carrier=True, mtu=1500),)
    neighbours: tuple[Neighbour, ...] = (Neighbour("10.2.1.1", 65000, "established", established=True, hold_s=3),)
    foreign: tuple[Foreign, ...] = ()
    log: list[str] = field(default_factory=list)
    fail_observing: dict[Area, DriverError] = field(default_factory=dict)
    fail_applying: dict[Area, DriverError] = field(default_factory=dict)
    refuses_paths: bool = False
    looks: int = 0
    own: frozenset[IPv4Address] = frozenset()

    async def observe(self, scope: Scope, *, fresh: bool = True) -> Observation:
        self.looks += 1
        asked = widened(scope, self.facts).prefixes
        others = {fact for fact in self.facts if isinstance(fact, BgpPath) and str(fact.prefix) not in asked}
        seen = frozenset(fact for fact in self.facts - others if fact.area not in self.fail_observing)
        return Observation(seen, self.foreign, self.links, self.neighbours, dict(self.fail_observing), own=self.own)

    async def glimpse(self, scope: Scope) -> Observation | None:
        if Area.LINKS in self.fail_observing:
            return None
        seen = frozenset(fact for fact in self.facts if fact.area is Area.LINKS)
        unseen = {area: DriverError(FailureKind.UNREACHABLE, ("look",)) for area in Area if area is not Area.LINKS}
        return Observation(seen, self.foreign, self.links, (), unseen)

    async def apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.fact.area in self.fail_applying:
                raise self.fail_applying[change.fact.area]
            if self.refuses_paths and change.fact.area is Area.BGP and change.action is not Action.REMOVE:
                continue
            self.facts = after([change], self.facts)
            self.log.append(command(change))

    async def traffic(self, instance: str) -> Traffic:
        if Area.JOOL in self.fail_observing:
            raise self.fail_observing[Area.JOOL]
        return self.now_flowing

    async def sessions_at(self, instance: str, port: int) -> tuple[tuple[Session, ...], bool]:
        return (await self.traffic(instance)).sessions, True

    async def flows(self, instance: str, probe: IPv6Address) -> SessionList:
        return listed((await self.traffic(instance)).sessions, probe)

    def break_by_hand(self, *facts: Fact) -> None:
        """Somebody else removes something."""
        for fact in facts:
            self.facts = after([Change(Action.REMOVE, fact)], self.facts)

    def set_by_hand(self, fact: Fact) -> None:
        """Somebody else changes something, or makes it."""
        self.facts = frozenset(one for one in self.facts if one.key != fact.key) | {fact}


def hung(area: Area) -> dict[Area, DriverError]:
    return {area: DriverError(FailureKind.TIMEOUT, (f"look-at-{area}",), "no answer within 2 s")}


def with_state(neighbour: Neighbour, state: str) -> Neighbour:
    return replace(neighbour, state=state, established=state == "established")
