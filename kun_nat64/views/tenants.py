"""Tenants as the admin port tells of them: in /status, in the metrics, and one client by its address."""

from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from kun_base.table_metrics import table_samples
from kun_nat64.model.spec import PoolRange, Tenant
from kun_nat64.model.tenantfacts import mark_of_tenant
from kun_nat64.policy.tenants import tenant_of
from kun_nat64.state.agent_state import State

JSON = dict[str, Any]
LISTED = 200


def tenants_data(state: State) -> JSON:
    """The first ones by name: /status stays small. A tenant at its limit is always named."""
    tenants = state.spec.tenants
    return {
        "count": len(tenants),
        "limited": sorted(state.flow.limited_tenants),
        "listed": [_tenant(one, state) for one in tenants[:LISTED]],
    }


def _tenant(one: Tenant, state: State) -> JSON:
    flow = state.flow
    return {
        "name": one.name,
        "mark": hex(mark_of_tenant(one.number)),
        "denied": one.deny,
        "pool4": [_range(part) for part in one.pool4],
        "max_sessions": one.max_sessions or None,
        "sessions": flow.tenants.get(one.name, 0) if flow.counted_at is not None else None,
        "limited": one.name in flow.limited_tenants,
        "ports": [
            {"address": address, "protocol": protocol, "used": used, "total": total}
            for (owner, address, protocol), (used, total) in flow.tenant_ports.items()
            if owner == one.name
        ],
    }


def _range(part: PoolRange) -> JSON:
    ports = f"{part.first_port}-{part.last_port}"
    return {"address": str(part.address), "ports": ports, "protocols": list(map(str, part.protocols))}


def client_data(state: State, address: IPv6Address) -> JSON:
    """Whose an inside address is now."""
    client, tenant = tenant_of(state.spec, address)
    return {
        "address": str(address),
        "known": client is not None,
        "tenant": (client.tenant or None) if client else None,
        "namespace": (client.namespace or None) if client else None,
        "pod": (client.pod or None) if client else None,
        "denied": bool(tenant and tenant.deny),
        "pool4": [_range(part) for part in (tenant.pool4 if tenant and tenant.pool4 else state.spec.nat64.pool4)],
    }


def tenant_metrics(state: State) -> Iterator[Metric]:
    flow, seen = state.flow, state.machine.seen
    if seen is not None and seen.refused is not None:
        text = "Packets of denied tenants"
        yield CounterMetricFamily("kun_nat64_tenant_denied_packets", text, value=seen.refused)
    limited = GaugeMetricFamily("kun_nat64_tenant_limited", "1 while the tenant gets no new ports", labels=["tenant"])
    sessions = GaugeMetricFamily("kun_nat64_tenant_sessions", "Sessions of a tenant's clients", labels=["tenant"])
    for one in state.spec.tenants:
        limited.add_metric([one.name], float(one.name in flow.limited_tenants))
        sessions.add_metric([one.name], float(flow.tenants.get(one.name, 0)))
    labels = ["tenant", "address", "protocol", "state"]
    ports = GaugeMetricFamily("kun_nat64_tenant_ports", "Public ports of a tenant by use", labels=labels)
    for (tenant, address, protocol), (used, total) in flow.tenant_ports.items():
        ports.add_metric([tenant, address, protocol, "used"], float(used))
        ports.add_metric([tenant, address, protocol, "total"], float(total))
    yield from (limited, sessions, ports)


def table_metrics(state: State) -> Iterator[Metric]:
    status = state.table_status()
    for one in table_samples(status) if status is not None else ():
        family = GaugeMetricFamily if one.kind == "gauge" else CounterMetricFamily
        yield family(f"kun_nat64_{one.name}", one.help, value=one.value)
