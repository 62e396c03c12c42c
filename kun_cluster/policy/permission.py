"""Which namespaces may use a pool."""

from collections.abc import Iterable

from kun_cluster.model.egress import EgressPool
from kun_cluster.model.workload import Namespace


def may_use(namespace: Namespace, pool: EgressPool) -> bool:
    """Tell whether `allowedNamespaces` of the pool names or selects this namespace."""
    allowed = pool.allowed
    if allowed is None or namespace.name in allowed.names:
        return True
    return allowed.selector is not None and allowed.selector.matches(namespace.labels)


def refused_pools(namespace: Namespace, pools: Iterable[EgressPool]) -> tuple[str, ...]:
    """Names of the pools this namespace may not use, sorted."""
    return tuple(sorted(pool.meta.name for pool in pools if not may_use(namespace, pool)))
