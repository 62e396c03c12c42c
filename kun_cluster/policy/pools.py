"""Which pools are in force: where two contradict each other, the older one; the younger one says why it is not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from kun_base.prefix import vip_problem
from kun_cluster.model.egress import EgressPool
from kun_cluster.model.problem import Problem, Reason
from kun_cluster.model.share import marks_collide

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class AcceptedPools:
    """`by_name`: pools in force. `default`: name of the default pool, "" without one. `domains`: suffix to pool.

    `fallbacks`: pool to the pool that stands in for it; `"default"` means the default pool.
    """

    by_name: Mapping[str, EgressPool] = field(default_factory=dict)
    default: str = ""
    domains: Mapping[str, str] = field(default_factory=dict)
    fallbacks: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def accept_pools(pools: Iterable[EgressPool]) -> AcceptedPools:
    """Decide which pools are in force. The order of `pools` has no influence."""
    problems: list[Problem] = []
    by_name: dict[str, EgressPool] = {}
    for pool in sorted(pools, key=lambda pool: pool.meta.age):
        problem = _refusal(pool, by_name.values())
        if problem is None:
            by_name[pool.meta.name] = pool
        else:
            problems.append(problem)
    default, second = _default(by_name.values())
    domains, taken = _domains(by_name.values())
    fallbacks, broken = _fallbacks(by_name, default)
    return AcceptedPools(by_name, default, domains, fallbacks, (*problems, *second, *taken, *broken))


def _refusal(pool: EgressPool, older: Iterable[EgressPool]) -> Problem | None:
    wrong = vip_problem(pool.vip, allow_nonglobal=pool.allow_nonglobal_vip) or _never_a_vip(pool.vip)
    if wrong is not None:
        return Problem(str(pool), Reason.VIP_NOT_GLOBAL, wrong)
    collision = marks_collide(pool.public_networks)
    if collision is not None:
        first, second = map(str, collision)
        text = f"publicNetworks {first} and {second} agree in the last 16 bits of an address: put one into another pool"
        return Problem(str(pool), Reason.NETWORKS_TOO_MANY, text)
    for other in older:
        if other.vip == pool.vip:
            text = f"vip {pool.vip} belongs to {other}, which is older and in force"
            return Problem(str(pool), Reason.VIP_TAKEN, text)
        for own, theirs in ((own, theirs) for own in pool.public_networks for theirs in other.public_networks):
            if own.overlaps(theirs):
                text = f"publicNetworks {own} overlaps {theirs} of {other}, which is older and in force"
                return Problem(str(pool), Reason.NETWORKS_OVERLAP, text)
    return None


def _never_a_vip(vip: IPv4Address) -> str | None:
    if (
        vip.is_multicast
        or vip.is_loopback
        or vip.is_unspecified
        or vip.is_link_local
        or vip in IPv4Network("240.0.0.0/4")
    ):
        return f"{vip} is not an address that a gateway can announce; for example 203.0.113.1"
    return None


def _default(pools: Iterable[EgressPool]) -> tuple[str, list[Problem]]:
    wishing = [pool for pool in pools if pool.is_default]
    if not wishing:
        return "", []
    first = wishing[0]
    text = f"{first} is the default pool already, and older; this one is used where it is named"
    return first.meta.name, [Problem(str(pool), Reason.NOT_THE_DEFAULT, text, fatal=False) for pool in wishing[1:]]


def _domains(pools: Iterable[EgressPool]) -> tuple[dict[str, str], list[Problem]]:
    owner: dict[str, str] = {}
    problems = []
    for pool in pools:
        for name in pool.domains:
            holder = owner.setdefault(name, pool.meta.name)
            if holder != pool.meta.name:
                text = f"domain {name} belongs to EgressPool {holder}, which is older and in force for it"
                problems.append(Problem(str(pool), Reason.DOMAIN_TAKEN, text, fatal=False))
    return owner, problems


def _fallbacks(pools: Mapping[str, EgressPool], default: str) -> tuple[dict[str, str], list[Problem]]:
    """A fallback that would close a circle is left out: that of the youngest pool in it."""
    kept: dict[str, str] = {}
    problems = []
    for name, pool in pools.items():
        wanted = pool.fallback
        if not wanted:
            continue
        target = default if wanted == DEFAULT and DEFAULT not in pools else wanted
        if target not in pools:
            text = f"fallback {wanted} is not in force; there is none for {name}"
            problems.append(Problem(str(pool), Reason.FALLBACK_NOT_FOUND, text, fatal=False))
        elif _leads_to(target, name, kept):
            text = f"fallback {wanted} leads back to {name}, by older pools; it is left out"
            problems.append(Problem(str(pool), Reason.FALLBACK_LOOP, text, fatal=False))
        else:
            kept[name] = target
    return kept, problems


def _leads_to(start: str, goal: str, fallbacks: Mapping[str, str]) -> bool:
    at = start
    while at != goal and at in fallbacks:
        at = fallbacks[at]
    return at == goal
