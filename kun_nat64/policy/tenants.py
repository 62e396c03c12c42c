"""Tenants: the mark of their packets, and the pool4 entries of each mark.

Jool takes the ports of a new flow from the pool4 entries with the packet's mark; a flow that has a port keeps it.
Answers need no mark: public address and port identify the session. Jool drops a packet whose mark has no entry without
an error, so packets of a tenant without addresses of its own lose their mark again.

Probes belong to no tenant: health depends on packets of the shared pool.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from ipaddress import IPv6Address

from kun_nat64.model.clients import Client, Clients, mask
from kun_nat64.model.facts import Fact, Facts, Pool4, TenantTable
from kun_nat64.model.spec import AgentSpec, PoolRange, Tenant
from kun_nat64.model.tenantfacts import Entry, TenantRules, mark_of_tenant
from kun_nat64.policy.limits import RELEASED_BELOW, dead_end
from kun_nat64.policy.portranges import merged
from kun_nat64.policy.probepath import probe_address


def tenant_facts(spec: AgentSpec, limited: frozenset[str] = frozenset()) -> Iterator[Fact]:
    """`limited`: tenants that hold too many sessions. There is no table where there are no tenants."""
    if not spec.tenants:
        return
    yield tenant_table(spec, limited)
    yield from tenant_ports(spec)
    if any(one.name in limited for one in spec.tenants):
        yield from dead_end(spec.nat64.instance)


def tenant_rules(spec: AgentSpec) -> TenantRules:
    return TenantRules(spec.gateway.inside_link, spec.gateway.pool6, probe_address(spec))


@lru_cache(maxsize=4)
def tenant_table(spec: AgentSpec, limited: frozenset[str] = frozenset()) -> TenantTable:
    marked = {one.name: mark_of_tenant(one.number) for one in spec.tenants if one.is_marked}
    entries = frozenset(_entries(spec.clients, marked))
    return TenantTable(
        rules=tenant_rules(spec),
        lengths=tuple(sorted({length for length, _, _ in entries}, reverse=True)),
        entries=entries,
        denied=frozenset(marked[one.name] for one in spec.tenants if one.deny),
        limited=frozenset(marked[one.name] for one in spec.tenants if one.name in limited and one.name in marked),
        shared=frozenset(marked[one.name] for one in spec.tenants if one.name in marked and not one.pool4),
    )


def _entries(clients: Clients, marked: Mapping[str, int]) -> Iterator[Entry]:
    """Clients without a mark need an entry only inside of a network that has one."""
    above: list[tuple[int, set[int]]] = []
    for length in reversed(clients.lengths):
        having = set()
        for number, client in clients.networks[length].items():
            mark = marked.get(client.tenant, 0)
            if mark:
                having.add(number)
                yield length, number, mark
            elif any(number & mask(shorter) in networks for shorter, networks in above):
                yield length, number, 0
        if having:
            above.append((length, having))


def tenant_ports(spec: AgentSpec) -> Iterator[Pool4]:
    for tenant in spec.tenants:
        if not tenant.deny:
            yield from merged(pool4_of(spec.nat64.instance, tenant.pool4, mark_of_tenant(tenant.number)))


def pool4_of(instance: str, ranges: Iterable[PoolRange], mark: int = 0) -> Iterator[Pool4]:
    return (
        Pool4(instance, protocol, one.address, one.first_port, one.last_port, mark)
        for one in ranges
        for protocol in one.protocols
    )


def sessions_of(held: Mapping[int, int], clients: Clients) -> dict[str, int]:
    """Count the sessions of each tenant. `held`: sessions by inside address."""
    if not clients:
        return {}
    found: Counter[str] = Counter()
    for address, count in held.items():
        client = clients.of(address)
        if client is not None and client.tenant:
            found[client.tenant] += count
    return dict(found)


def at_their_limit(tenants: Iterable[Tenant], held: Mapping[str, int], before: Collection[str]) -> frozenset[str]:
    """Tenants whose clients get no new ports. One that was limited is so until it holds clearly fewer (limits.py)."""
    return frozenset(
        one.name
        for one in tenants
        if one.max_sessions
        and (
            held.get(one.name, 0) >= one.max_sessions
            or (one.name in before and held.get(one.name, 0) > int(one.max_sessions * RELEASED_BELOW))
        )
    )


def limits_in_force(observed: Facts, spec: AgentSpec) -> frozenset[str]:
    """Return the tenants that the present table limits: only the running agent decides that."""
    limited = next((fact.limited for fact in observed if isinstance(fact, TenantTable)), frozenset())
    return frozenset(one.name for one in spec.tenants if one.max_sessions and mark_of_tenant(one.number) in limited)


def tenant_of(spec: AgentSpec, address: IPv6Address) -> tuple[Client | None, Tenant | None]:
    """Return the tenant of an inside address; None if it has none."""
    client = spec.clients.of(address)
    tenant = next((one for one in spec.tenants if client is not None and one.name == client.tenant), None)
    return client, tenant
