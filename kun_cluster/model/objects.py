"""All objects at one moment: what the compiler takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kun_cluster.model.egress import EgressAllocation, EgressGateway, EgressPolicy, EgressPool
from kun_cluster.model.workload import Namespace, Node, Pod


@dataclass(frozen=True, slots=True)
class Rules:
    """The objects that are few: a change of one may concern every pod. Keys are names, or (namespace, name)."""

    pools: Mapping[str, EgressPool] = field(default_factory=dict)
    gateways: Mapping[str, EgressGateway] = field(default_factory=dict)
    policies: Mapping[tuple[str, str], EgressPolicy] = field(default_factory=dict)
    allocations: Mapping[str, EgressAllocation] = field(default_factory=dict)
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Objects:
    rules: Rules = field(default_factory=Rules)
    pods: Mapping[tuple[str, str], Pod] = field(default_factory=dict)
