"""Objects read from files, put together as the compiler takes them."""

from collections.abc import Iterable
from typing import assert_never

from kun_cluster.config.manifests import ReadObject
from kun_cluster.model.egress import EgressAllocation, EgressGateway, EgressPolicy, EgressPool
from kun_cluster.model.objects import Objects, Rules
from kun_cluster.model.workload import Namespace, Node, Pod


def gather(found: Iterable[ReadObject]) -> Objects:
    """Sort objects by kind and key."""
    pools: dict[str, EgressPool] = {}
    gateways: dict[str, EgressGateway] = {}
    policies: dict[tuple[str, str], EgressPolicy] = {}
    allocations: dict[str, EgressAllocation] = {}
    namespaces: dict[str, Namespace] = {}
    nodes: dict[str, Node] = {}
    pods: dict[tuple[str, str], Pod] = {}
    for entry in found:
        match entry.read:
            case EgressPool() as one:
                pools[one.meta.name] = one
            case EgressGateway() as one:
                gateways[one.meta.name] = one
            case EgressPolicy() as one:
                policies[one.meta.namespace, one.meta.name] = one
            case EgressAllocation() as one:
                allocations[one.meta.name] = one
            case Namespace() as one:
                namespaces[one.name] = one
            case Node() as one:
                nodes[one.name] = one
            case Pod() as one:
                pods[one.key] = one
            case _ as never:
                assert_never(never)
    return Objects(Rules(pools, gateways, policies, allocations, namespaces, nodes), pods)
