"""Which policies are in force, in which order, and which pools they may name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kun_cluster.model.egress import AddressKind, EgressPolicy, Ipv4
from kun_cluster.model.problem import Problem, Reason
from kun_cluster.model.workload import Namespace
from kun_cluster.policy.permission import may_use
from kun_cluster.policy.pools import AcceptedPools


@dataclass(frozen=True, slots=True)
class AcceptedPolicies:
    """`by_namespace`: policies in force, the one that wins first."""

    by_namespace: Mapping[str, tuple[EgressPolicy, ...]]
    problems: tuple[Problem, ...]

    def by_key(self) -> dict[tuple[str, str], EgressPolicy]:
        """Policies in force by namespace and name."""
        found = (policy for policies in self.by_namespace.values() for policy in policies)
        return {(policy.meta.namespace, policy.meta.name): policy for policy in found}


def accept_policies(
    policies: Iterable[EgressPolicy], pools: AcceptedPools, namespaces: Mapping[str, Namespace]
) -> AcceptedPolicies:
    """Decide which policies are in force. One that names a pool it may not use is refused whole."""
    problems = []
    by_namespace: dict[str, list[EgressPolicy]] = {}
    for policy in sorted(policies, key=precedence):
        name = policy.meta.namespace
        problem = _refusal(policy, pools, namespaces.get(name, Namespace(name)))
        if problem is None:
            by_namespace.setdefault(name, []).append(policy)
        else:
            problems.append(problem)
    return AcceptedPolicies({name: tuple(found) for name, found in sorted(by_namespace.items())}, tuple(problems))


def precedence(policy: EgressPolicy) -> tuple[int, tuple[bool, str, str, str]]:
    """Sort key: the highest priority first; among equals the older policy, then the name."""
    return -policy.priority, policy.meta.age


def main_pool(policy: EgressPolicy, pools: AcceptedPools) -> str:
    """Name of the pool by which its pods leave, and in which its own addresses are."""
    return policy.pool or pools.default


def _refusal(policy: EgressPolicy, pools: AcceptedPools, namespace: Namespace) -> Problem | None:
    if policy.ipv4 in (Ipv4.NATIVE, Ipv4.DENY):
        return None
    named = [*([policy.pool] if policy.pool else []), *(entry.pool for entry in policy.domains)]
    for name in named:
        if name not in pools.by_name:
            known = ", ".join(sorted(pools.by_name)) or "none"
            return Problem(str(policy), Reason.POOL_NOT_FOUND, f"pool {name} is not in force; pools in force: {known}")
    for name in [*named, *([] if policy.pool or not pools.default else [pools.default])]:
        if not may_use(namespace, pools.by_name[name]):
            text = f"EgressPool {name} does not allow namespace {namespace.name} (its allowedNamespaces)"
            return Problem(str(policy), Reason.POOL_NOT_ALLOWED, text)
    return _two_pools_for_one_name(policy) or _without_addresses(policy, pools)


def _two_pools_for_one_name(policy: EgressPolicy) -> Problem | None:
    owner: dict[str, str] = {}
    for entry in policy.domains:
        for name in entry.names:
            if owner.setdefault(name, entry.pool) != entry.pool:
                text = f"domains send {name} to pool {owner[name]} and to pool {entry.pool}: keep one of them"
                return Problem(str(policy), Reason.CONTRADICTION, text)
    return None


def _without_addresses(policy: EgressPolicy, pools: AcceptedPools) -> Problem | None:
    if policy.address is AddressKind.SHARED:
        return None
    name = main_pool(policy, pools)
    if not name:
        text = "address Dedicated needs a pool: name one, or make one the default"
        return Problem(str(policy), Reason.POOL_NOT_FOUND, text)
    if not pools.by_name[name].public_networks:
        text = f"address Dedicated: EgressPool {name} has no publicNetworks"
        return Problem(str(policy), Reason.POOL_HAS_NO_ADDRESSES, text)
    return None
