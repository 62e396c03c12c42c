"""The classes of a table: what is done for the clients in each of them. They follow from the few objects alone."""

from collections.abc import Iterator, Mapping

from kun_cluster.model.egress import AddressKind, EgressPolicy, Ipv4, WhenNoAddress
from kun_cluster.model.share import mark_of
from kun_cluster.model.table import DEFAULT_CLASS, NATIVE_CLASS, REFUSED_CLASS, ClassRecord
from kun_cluster.policy.holdings import Holdings, as_share
from kun_cluster.policy.policies import main_pool
from kun_cluster.policy.pools import AcceptedPools

TRANSLATE, NATIVE, DENY = "translate", "native", "deny"
FIXED = {
    NATIVE_CLASS: ClassRecord(NATIVE, synthesise=False),
    REFUSED_CLASS: ClassRecord(DENY, synthesise=False, deny=True),
}


def class_name(policy: EgressPolicy, ipv4: Ipv4) -> str:
    """Name of the class of a policy's pods: NAMESPACE/NAME, with `;native` or `;deny` where they are not translated."""
    return policy.meta.full_name if ipv4 is Ipv4.TRANSLATE else f"{policy.meta.full_name};{ipv4.lower()}"


def unnamed_class(pools: AcceptedPools, refused: tuple[str, ...]) -> str:
    """Name of the class of pods that are translated and that no policy selects.

    `refused`: pools that their namespace may not use. Without the default pool they are not translated at all.
    """
    if pools.default and pools.default in refused:
        return REFUSED_CLASS
    hidden = _hidden(pools, refused)
    return f"{DEFAULT_CLASS};without={','.join(hidden)}" if hidden else DEFAULT_CLASS


def _hidden(pools: AcceptedPools, refused: tuple[str, ...]) -> tuple[str, ...]:
    """Pools whose domains are to be left out; a pool without domains hides nothing."""
    with_domains = set(pools.domains.values())
    return tuple(name for name in refused if name in with_domains)


def all_classes(
    pools: AcceptedPools,
    policies: Mapping[tuple[str, str], EgressPolicy],
    refused_by_namespace: Mapping[str, tuple[str, ...]],
    held: Holdings,
) -> dict[str, ClassRecord]:
    """Give every class that a client can be in."""
    classes = {DEFAULT_CLASS: ClassRecord(TRANSLATE, synthesise=True), **FIXED}
    for refused in set(refused_by_namespace.values()):
        name = unnamed_class(pools, refused)
        if name not in classes:
            classes[name] = ClassRecord(TRANSLATE, synthesise=True, without=_hidden(pools, refused))
    for policy in policies.values():
        refused = refused_by_namespace.get(policy.meta.namespace, ())
        for ipv4 in modes(policy):
            classes[class_name(policy, ipv4)] = _of_policy(policy, ipv4, pools, refused, held)
    return classes


def modes(policy: EgressPolicy) -> Iterator[Ipv4]:
    """What a policy's pods may get: a pod without IPv4 is translated where the policy says Native."""
    match policy.ipv4:
        case None | Ipv4.NATIVE:
            yield from (Ipv4.TRANSLATE, Ipv4.NATIVE)
        case one:
            yield one


def _of_policy(
    policy: EgressPolicy, ipv4: Ipv4, pools: AcceptedPools, refused: tuple[str, ...], held: Holdings
) -> ClassRecord:
    name = policy.meta.full_name
    if ipv4 is Ipv4.NATIVE:
        return ClassRecord(NATIVE, synthesise=False, filter_a=False, policy=name)
    if ipv4 is Ipv4.DENY or (policy.ipv4 is Ipv4.NATIVE and unnamed_class(pools, refused) == REFUSED_CLASS):
        return ClassRecord(DENY, synthesise=False, filter_a=True, deny=True, policy=name)
    if policy.ipv4 is Ipv4.NATIVE:
        return ClassRecord(TRANSLATE, synthesise=True, without=_hidden(pools, refused), policy=name)
    pool = main_pool(policy, pools)
    dedicated = policy.address is AddressKind.DEDICATED
    own = held.of_policy.get((policy.meta.namespace, policy.meta.name), ()) if dedicated else ()
    own = tuple(one for one in own if one.pool == pool)
    return ClassRecord(
        TRANSLATE,
        synthesise=True,
        filter_a=policy.filter_a,
        pool=policy.pool,
        domains=tuple(sorted((suffix, entry.pool) for entry in policy.domains for suffix in entry.names)),
        without=() if policy.pool else _hidden(pools, refused),
        mark=mark_of(own[0].address, own[0].first_port) if own else 0,
        addresses=tuple(sorted(map(as_share, own), key=lambda share: (share.gateway, share.address, share.first_port))),
        address_pool=pool if dedicated else "",
        address_required=dedicated and policy.when_no_address is WhenNoAddress.DENY,
        max_sessions=policy.max_sessions,
        policy=name,
    )
