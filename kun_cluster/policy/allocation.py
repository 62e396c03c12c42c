"""Which shares to give, to release, to give back and to forget. The leader carries it out, and looks again.

1. An allocation that its owner no longer wants is released: it stays, with the time, until the cool-down is over.
2. An owner that wants more first gets back what it released itself, then the lowest free share on an address that its
   gateway holds; without one, its gateway gets the lowest free address first, and the share comes with the next plan.
3. What has cooled is deleted: a share, and an address when no share of it is left.
4. What was lost (state/lost_allocations.py) is made again: held if its owner wants it, else released, and it cools.

Names are shares (model/share.py), so the API server refuses whatever two leaders might both want to give.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from types import MappingProxyType

from kun_cluster.model.egress import (
    AddressKind,
    EgressAllocation,
    EgressPolicy,
    EgressPool,
    Meta,
    Mode,
    Owner,
    Use,
)
from kun_cluster.model.problem import Problem, Reason
from kun_cluster.model.share import PORTS, address_name, grid, share_name
from kun_cluster.policy.holdings import policy_owner
from kun_cluster.policy.policies import main_pool, precedence
from kun_cluster.policy.ruleset import RuleSet

COOL_DOWN_WITHOUT_POOL_S = 600
NONE_LOST: Mapping[str, EgressAllocation] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class AllocationPlan:
    """Allocations as they are to be. `unmet`: what could not be given, and why."""

    create: tuple[EgressAllocation, ...] = ()
    release: tuple[EgressAllocation, ...] = ()
    give_back: tuple[EgressAllocation, ...] = ()
    delete: tuple[EgressAllocation, ...] = ()
    unmet: tuple[Problem, ...] = ()

    def is_empty(self) -> bool:
        """Tell whether nothing is to be written."""
        return not (self.create or self.release or self.give_back or self.delete)


@dataclass(frozen=True, slots=True)
class Need:
    """So many allocations of one use, in one pool and at one gateway ("" in an active-standby pool)."""

    owner: Owner
    label: str
    pool: EgressPool
    gateway: str
    use: Use
    count: int


@dataclass(slots=True)
class _Draft:
    """The plan while it is made. `names`: of all allocations that are there or planned, cooling ones too."""

    now: float
    names: set[str]
    used_addresses: set[IPv4Address]
    create: list[EgressAllocation] = field(default_factory=list)
    give_back: list[EgressAllocation] = field(default_factory=list)
    unmet: list[Problem] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    wanted_seats: dict[tuple[str, str], int] = field(default_factory=dict)


def plan_allocations(
    rules: RuleSet,
    allocations: Mapping[str, EgressAllocation],
    now: float,
    lost: Mapping[str, EgressAllocation] = NONE_LOST,
) -> AllocationPlan:
    """Plan the writes that bring allocations nearer to what the rules want. `now` in Unix seconds. Pure.

    `lost`: allocations that are gone and still cool, released when they were missed; none that is there again.
    """
    known = {**lost, **allocations}
    there = [one for _, one in sorted(known.items()) if not one.meta.deleting]
    draft = _Draft(now, set(known), {one.address for one in known.values()})
    for need in _seat_needs(rules):
        _give_seats(need, there, draft)
    for need in _share_needs(rules):
        _give_shares(need, there, draft)
    _keep_and_add_dedicated_seats(rules, there, draft)
    release = [replace(one, released_at=now) for one in there if one.is_held and one.meta.name not in draft.kept]
    returned = {one.meta.name for one in draft.give_back}
    cooling = [one for name, one in sorted(allocations.items()) if not one.is_held and name not in returned]
    delete = tuple(_cooled([one for one in cooling if not one.meta.deleting], there, rules, now))
    give_back = tuple(one for one in draft.give_back if one.meta.name in allocations)
    again = {one.meta.name: one for one in (*lost.values(), *draft.give_back) if one.meta.name not in allocations}
    return AllocationPlan((*again.values(), *draft.create), tuple(release), give_back, delete, tuple(draft.unmet))


def _slots(pool: EgressPool, rules: RuleSet) -> list[tuple[str, Owner]]:
    """Each gateway of a spread pool, or the pool itself, as the owner of addresses."""
    if pool.mode is Mode.ACTIVE_STANDBY:
        return [("", Owner("EgressPool", pool.meta.name, uid=pool.meta.uid))]
    of_pool = [one for _, one in sorted(rules.gateways.items()) if one.pool == pool.meta.name]
    return [(one.meta.name, Owner("EgressGateway", one.meta.name, uid=one.meta.uid)) for one in of_pool]


def _with_addresses(rules: RuleSet) -> list[EgressPool]:
    return [pool for _, pool in sorted(rules.pools.by_name.items()) if pool.public_networks]


def _seat_needs(rules: RuleSet) -> Iterator[Need]:
    for pool in _with_addresses(rules):
        for gateway, owner in _slots(pool, rules):
            yield Need(owner, str(owner), pool, gateway, Use.SHARED_ADDRESS, pool.shared_addresses)


def _share_needs(rules: RuleSet) -> Iterator[Need]:
    for pool in _with_addresses(rules):
        for policy in sorted(_dedicated(rules, pool), key=precedence):
            for gateway, _ in _slots(pool, rules):
                yield Need(policy_owner(policy), str(policy), pool, gateway, Use.SHARE, policy.shares)


def _dedicated(rules: RuleSet, pool: EgressPool) -> list[EgressPolicy]:
    found = rules.policy_by_key.values()
    return [
        policy
        for policy in found
        if policy.address is AddressKind.DEDICATED and main_pool(policy, rules.pools) == pool.meta.name
    ]


def _own(need: Need, there: list[EgressAllocation]) -> list[EgressAllocation]:
    """What the owner has for this need, held or released, the oldest first."""
    own = [
        one
        for one in there
        if one.use is need.use
        and (one.pool, one.gateway) == (need.pool.meta.name, need.gateway)
        and one.owner.is_same(need.owner)
        and any(one.address in network for network in need.pool.public_networks)
    ]
    return sorted(own, key=lambda one: (one.since, one.meta.name))


def _take_own(need: Need, candidates: list[EgressAllocation], draft: _Draft) -> int:
    """Keep what is held and give back what is released, up to the need. Returns how many are still missing."""
    missing = need.count
    for one in sorted(candidates, key=lambda one: not one.is_held):
        if not missing:
            break
        draft.kept.add(one.meta.name)
        if not one.is_held:
            draft.give_back.append(replace(one, released_at=None))
        missing -= 1
    return missing


def _give_seats(need: Need, there: list[EgressAllocation], draft: _Draft) -> None:
    missing = _take_own(need, _own(need, there), draft)
    for address in _free_addresses(need.pool, draft):
        if not missing:
            break
        draft.create.append(_seat(need, address, draft))
        missing -= 1
    if missing:
        given, pool = need.count - missing, need.pool
        kind = "shared" if need.use is Use.SHARED_ADDRESS else "more dedicated"
        free = f"{pool} has no free address{_cooling(pool, there)}"
        text = f"{given} of {need.count} {kind} addresses for {need.label}: {free}"
        draft.unmet.append(Problem(str(pool), Reason.EXHAUSTED, text, fatal=False))


def _seat(need: Need, address: IPv4Address, draft: _Draft) -> EgressAllocation:
    draft.used_addresses.add(address)
    draft.names.add(address_name(address))
    meta = Meta(address_name(address))
    pool = need.pool.meta.name
    return EgressAllocation(meta, pool, address, need.use, need.owner, gateway=need.gateway, since=draft.now)


def _free_addresses(pool: EgressPool, draft: _Draft) -> Iterator[IPv4Address]:
    """Addresses of which nothing is given or cools. The VIP itself is none of them."""
    for network in pool.public_networks:
        for number in range(int(network.network_address), int(network.broadcast_address) + 1):
            address = IPv4Address(number)
            if address != pool.vip and address not in draft.used_addresses:
                yield address


def _held_seats(need: Need, there: list[EgressAllocation]) -> list[EgressAllocation]:
    """Dedicated addresses at the need's gateway, held and in one of the pool's networks."""
    return [
        one
        for one in there
        if one.is_held
        and one.use is Use.DEDICATED_ADDRESS
        and (one.pool, one.gateway) == (need.pool.meta.name, need.gateway)
        and any(one.address in network for network in need.pool.public_networks)
    ]


def _give_shares(need: Need, there: list[EgressAllocation], draft: _Draft) -> None:
    seats = _held_seats(need, there)
    addresses = {seat.address for seat in seats}
    own = [one for one in _own(need, there) if one.address in addresses and _on_grid(one, need.pool)]
    missing = _take_own(need, own, draft)
    size = need.pool.ports_per_share
    for seat in seats:
        for first in grid(size):
            name = share_name(seat.address, first)
            if not missing:
                return
            if name in draft.names:
                continue
            draft.names.add(name)
            draft.create.append(
                EgressAllocation(
                    Meta(name), need.pool.meta.name, seat.address, Use.SHARE, need.owner,
                    first, first + size - 1, need.gateway, draft.now,
                )
            )  # fmt: skip
            missing -= 1
    if missing:
        key = (need.pool.meta.name, need.gateway)
        draft.wanted_seats[key] = draft.wanted_seats.get(key, 0) + missing
        text = f"{need.count - missing} of {need.count} shares" + (f" at {need.gateway}" if need.gateway else "")
        draft.unmet.append(Problem(need.label, Reason.EXHAUSTED, text, fatal=False))


def _on_grid(one: EgressAllocation, pool: EgressPool) -> bool:
    size = pool.ports_per_share
    return one.first_port % size == 0 and one.last_port == one.first_port + size - 1 < PORTS


def _keep_and_add_dedicated_seats(rules: RuleSet, there: list[EgressAllocation], draft: _Draft) -> None:
    """A dedicated address is kept while any share of it is left, and while shares are wanted at its gateway."""
    in_use = {one.address for one in there if one.use is Use.SHARE} | {
        one.address for one in draft.create if one.use is Use.SHARE
    }
    for pool in _with_addresses(rules):
        for gateway, owner in _slots(pool, rules):
            shares = draft.wanted_seats.get((pool.meta.name, gateway), 0)
            addresses = -(-shares // len(grid(pool.ports_per_share)))
            need = Need(owner, str(owner), pool, gateway, Use.DEDICATED_ADDRESS, addresses)
            own = _own(need, there)
            draft.kept |= {one.meta.name for one in own if one.is_held and one.address in in_use}
            _give_seats(need, [one for one in own if one.address not in in_use or not one.is_held], draft)


def _cooled(
    cooling: list[EgressAllocation], there: list[EgressAllocation], rules: RuleSet, now: float
) -> Iterator[EgressAllocation]:
    """Released allocations whose cool-down is over. An address waits for the last of its shares."""
    with_shares = {one.address for one in there if one.use is Use.SHARE}
    for one in cooling:
        is_free = one.use is Use.SHARE or one.address not in with_shares
        if is_free and has_cooled(one, rules.pools.by_name, now):
            yield one


def has_cooled(one: EgressAllocation, pools: Mapping[str, EgressPool], now: float) -> bool:
    """Tell whether the cool-down of a released allocation is over."""
    pool = pools.get(one.pool)
    cool_down_s = COOL_DOWN_WITHOUT_POOL_S if pool is None else pool.cool_down_s
    return one.released_at is not None and now >= one.released_at + cool_down_s


def _cooling(pool: EgressPool, there: list[EgressAllocation]) -> str:
    count = sum(1 for one in there if one.pool == pool.meta.name and not one.is_held)
    return f"; {count} cooling" if count else ""
