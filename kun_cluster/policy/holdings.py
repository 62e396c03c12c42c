"""Who holds which public address and which share of it, as the allocations say. Nothing is ever held twice."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from kun_cluster.model.egress import EgressAllocation, EgressGateway, EgressPolicy, EgressPool, Mode, Owner, Use
from kun_cluster.model.problem import Problem, Reason
from kun_cluster.model.share import address_name, share_name, usable_ports
from kun_cluster.model.table import Share


@dataclass(frozen=True, slots=True)
class Holdings:
    """`shared`: addresses for everybody, by gateway, or by `"pool/NAME"` in an active-standby pool.

    `of_policy`: shares by (namespace, name), the oldest first. `seats`: the gateway of each whole address.
    """

    shared: Mapping[str, tuple[EgressAllocation, ...]] = field(default_factory=dict)
    of_policy: Mapping[tuple[str, str], tuple[EgressAllocation, ...]] = field(default_factory=dict)
    seats: Mapping[IPv4Address, EgressAllocation] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def holdings(
    allocations: Iterable[EgressAllocation],
    pools: Mapping[str, EgressPool],
    gateways: Mapping[str, EgressGateway],
    policies: Mapping[tuple[str, str], EgressPolicy],
) -> Holdings:
    """Read the allocations in force: not released, of an owner that is there, in a pool that has the address."""
    ordered = sorted(allocations, key=lambda one: (one.use is Use.SHARE, one.since, one.meta.name))
    seats: dict[IPv4Address, EgressAllocation] = {}
    shared: dict[str, list[EgressAllocation]] = {}
    of_policy: dict[tuple[str, str], list[EgressAllocation]] = {}
    taken: set[str] = set()
    problems = []
    for one in ordered:
        problem = _refusal(one, pools, gateways, policies, seats, taken)
        if problem is not None:
            problems.append(problem)
            continue
        if not one.is_held:
            continue
        taken.add(one.meta.name)
        if one.use is Use.SHARE:
            of_policy.setdefault((one.owner.namespace, one.owner.name), []).append(one)
            continue
        seats[one.address] = one
        if one.use is Use.SHARED_ADDRESS:
            shared.setdefault(one.gateway or f"pool/{one.pool}", []).append(one)
    return Holdings(
        {name: tuple(found) for name, found in shared.items()},
        {name: tuple(found) for name, found in of_policy.items()},
        seats,
        tuple(problems),
    )


def _refusal(
    one: EgressAllocation,
    pools: Mapping[str, EgressPool],
    gateways: Mapping[str, EgressGateway],
    policies: Mapping[tuple[str, str], EgressPolicy],
    seats: Mapping[IPv4Address, EgressAllocation],
    taken: set[str],
) -> Problem | None:
    if not one.is_held:
        return None
    expected = share_name(one.address, one.first_port) if one.use is Use.SHARE else address_name(one.address)
    if one.meta.name != expected or one.meta.name in taken:
        return Problem(
            str(one), Reason.ALLOCATION_MISNAMED, f"its name must be {expected}, and given once; not in force"
        )
    text = _not_owned(one, pools, gateways, policies) or (_misfit(one, pools, seats) if one.use is Use.SHARE else "")
    return Problem(str(one), Reason.ALLOCATION_NOT_OWNED, f"{text}; not in force") if text else None


def _not_owned(
    one: EgressAllocation,
    pools: Mapping[str, EgressPool],
    gateways: Mapping[str, EgressGateway],
    policies: Mapping[tuple[str, str], EgressPolicy],
) -> str:
    """Why it is of no use to its owner, or ""."""
    pool = pools.get(one.pool)
    if pool is None:
        return f"pool {one.pool} is not in force"
    if not any(one.address in network for network in pool.public_networks):
        return f"{one.address} is in none of the publicNetworks of {pool}"
    if one.gateway and (one.gateway not in gateways or gateways[one.gateway].pool != one.pool):
        return f"gateway {one.gateway} is not a gateway of {pool} in force"
    if bool(one.gateway) is not (pool.mode is Mode.SPREAD):
        return f"{pool} is {pool.mode}: gateway {'is missing' if not one.gateway else 'must be empty'}"
    owner = owner_now(one, pools, gateways, policies)
    return "" if owner is not None and owner.is_same(one.owner) else f"{one.owner} is not there any more"


def owner_now(
    one: EgressAllocation,
    pools: Mapping[str, EgressPool],
    gateways: Mapping[str, EgressGateway],
    policies: Mapping[tuple[str, str], EgressPolicy],
) -> Owner | None:
    """The object that the owner's name means today, or None."""
    owner = one.owner
    match owner.kind:
        case "EgressPolicy":
            policy = policies.get((owner.namespace, owner.name))
            return policy_owner(policy) if policy is not None else None
        case "EgressGateway":
            gateway = gateways.get(owner.name)
            return Owner("EgressGateway", owner.name, uid=gateway.meta.uid) if gateway is not None else None
        case "EgressPool":
            pool = pools.get(owner.name)
            return Owner("EgressPool", owner.name, uid=pool.meta.uid) if pool is not None else None
    return None


def policy_owner(policy: EgressPolicy) -> Owner:
    """The policy as an owner of shares."""
    return Owner("EgressPolicy", policy.meta.name, policy.meta.namespace, policy.meta.uid)


def _misfit(
    one: EgressAllocation, pools: Mapping[str, EgressPool], seats: Mapping[IPv4Address, EgressAllocation]
) -> str:
    size = pools[one.pool].ports_per_share
    if one.first_port % size or one.last_port != one.first_port + size - 1:
        return f"ports {one.first_port}-{one.last_port} are not a share of {size} ports of EgressPool {one.pool}"
    seat = seats.get(one.address)
    if seat is None or seat.use is not Use.DEDICATED_ADDRESS or (seat.pool, seat.gateway) != (one.pool, one.gateway):
        return f"{one.address} is not held for dedicated shares of the same pool and gateway"
    return ""


def as_share(one: EgressAllocation) -> Share:
    """The allocation as the table shows it."""
    if one.use is Use.SHARE:
        first, last = usable_ports(one.first_port, one.last_port - one.first_port + 1)
    else:
        first, last = usable_ports(0, 65536)
    return Share(str(one.address), first, last, one.gateway)
