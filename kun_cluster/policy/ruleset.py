"""Everything that follows from the few objects, made anew when one of them changes; pods are then looked up in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from kun_base.prefix import sixtofour_prefix
from kun_cluster.model.egress import EgressGateway, EgressPolicy, EgressPool, Mode
from kun_cluster.model.objects import Rules
from kun_cluster.model.problem import Problem, Reason
from kun_cluster.model.table import DEFAULT_CLASS, ClassRecord, Client, GatewayRecord, PoolRecord
from kun_cluster.model.workload import Namespace, Node
from kun_cluster.policy.classes import all_classes, unnamed_class
from kun_cluster.policy.gateways import accept_gateways, ordered, status_urls, wanted_version
from kun_cluster.policy.holdings import Holdings, as_share, holdings
from kun_cluster.policy.permission import refused_pools
from kun_cluster.policy.policies import accept_policies
from kun_cluster.policy.pools import AcceptedPools, accept_pools

WHEN_DOWN = {"Keep": "keep", "ClampTTL": "clamp-ttl", "Stop": "stop"}
MODES = {Mode.SPREAD: "spread", Mode.ACTIVE_STANDBY: "active-standby"}


@dataclass(frozen=True, slots=True)
class RuleSet:
    """By namespace, `policies`: those in force, the winner first; `unnamed`: the class of pods without policy."""

    pools: AcceptedPools
    gateways: Mapping[str, EgressGateway]
    policies: Mapping[str, tuple[EgressPolicy, ...]]
    policy_by_key: Mapping[tuple[str, str], EgressPolicy]
    namespaces: Mapping[str, Namespace]
    unnamed: Mapping[str, str]
    held: Holdings
    pool_records: Mapping[str, PoolRecord]
    gateway_records: Mapping[str, GatewayRecord]
    classes: Mapping[str, ClassRecord]
    node_clients: Mapping[str, Client]
    problems: tuple[Problem, ...]

    def class_without_policy(self, namespace: str) -> str:
        """Name of the class of translated pods without policy; a namespace not seen yet has no labels."""
        found = self.unnamed.get(namespace)
        if found is not None:
            return found
        return unnamed_class(self.pools, refused_pools(Namespace(namespace), self.pools.by_name.values()))


def compile_rules(rules: Rules) -> RuleSet:
    """Compile the few objects. Pure: the same objects give the same rules, in whatever order they come."""
    pools = accept_pools(rules.pools.values())
    gateways, gateway_problems = accept_gateways(rules.gateways.values(), pools.by_name.keys())
    named = {policy.meta.namespace for policy in rules.policies.values()}
    namespaces = {**{name: Namespace(name) for name in named}, **rules.namespaces}
    policies = accept_policies(rules.policies.values(), pools, namespaces)
    by_key = policies.by_key()
    held = holdings(rules.allocations.values(), pools.by_name, gateways, by_key)
    refused = {name: refused_pools(namespace, pools.by_name.values()) for name, namespace in namespaces.items()}
    nodes, node_problems = _node_clients(rules.nodes)
    return RuleSet(
        pools=pools,
        gateways=gateways,
        policies=policies.by_namespace,
        policy_by_key=by_key,
        namespaces=namespaces,
        unnamed={name: unnamed_class(pools, names) for name, names in refused.items()},
        held=held,
        pool_records={name: _pool_record(pool, pools, gateways) for name, pool in pools.by_name.items()},
        gateway_records={name: _gateway_record(one, pools.by_name[one.pool], held) for name, one in gateways.items()},
        classes=_with_refused(all_classes(pools, by_key, refused, held), pools),
        node_clients=nodes,
        problems=tuple(
            sorted((*pools.problems, *gateway_problems, *policies.problems, *held.problems, *node_problems))
        ),
    )


def _with_refused(classes: dict[str, ClassRecord], pools: AcceptedPools) -> dict[str, ClassRecord]:
    """Add the class of a namespace that was not seen yet: without labels it may use what everybody may."""
    stranger = refused_pools(Namespace(""), pools.by_name.values())
    name = unnamed_class(pools, stranger)
    if name not in classes:
        hidden = tuple(pool for pool in stranger if pool in set(pools.domains.values()))
        classes[name] = ClassRecord("translate", synthesise=True, without=hidden)
    return classes


def _pool_record(pool: EgressPool, pools: AcceptedPools, gateways: Mapping[str, EgressGateway]) -> PoolRecord:
    name = pool.meta.name
    return PoolRecord(
        vip=str(pool.vip),
        prefixes=(str(sixtofour_prefix(pool.vip)),),
        mode=MODES[pool.mode],
        is_default=name == pools.default,
        domains=tuple(domain for domain in pool.domains if pools.domains[domain] == name),
        fallback=pools.fallbacks.get(name, ""),
        when_down=WHEN_DOWN[pool.when_down],
        gateway_status=status_urls(name, gateways),
    )


def _gateway_record(gateway: EgressGateway, pool: EgressPool, held: Holdings) -> GatewayRecord:
    name = gateway.meta.name
    own = (*held.shared.get(name, ()), *held.shared.get(f"pool/{gateway.pool}", ()))
    shares = tuple(sorted(map(as_share, own), key=lambda share: (share.address, share.first_port)))
    return GatewayRecord(gateway.pool, ordered(gateway, pool).lower(), wanted_version(gateway, pool), shares)


def _node_clients(nodes: Mapping[str, Node]) -> tuple[dict[str, Client], list[Problem]]:
    """A node's networks: until a pod's own address is known it is treated as most pods are."""
    clients: dict[str, Client] = {}
    problems = []
    for name, node in sorted(nodes.items()):
        for text in node.pod_networks:
            network = _network(text)
            if network is None:
                problems.append(
                    Problem(str(node), Reason.ADDRESS_UNUSABLE, f"podCIDR {text!r} is not a network", fatal=False)
                )
            else:
                clients.setdefault(network, Client(DEFAULT_CLASS, "", f"node/{name}"))
    return clients, problems


def _network(text: str) -> str | None:
    try:
        network: IPv4Network | IPv6Network = ip_network(text)
    except ValueError:
        return None
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if single else str(network)
