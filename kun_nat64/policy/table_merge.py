"""What the controller's table means for this gateway, beside its own file (docs/tenants.md has the rule).

The file is the base. The table takes precedence for two things: the shared public addresses, if it gives this gateway
any, and the owner of a client, if a record covers the client. For all else the file holds.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network
from itertools import pairwise

from kun_base.table_fields import PublicShare, TableFault
from kun_base.table_records import FollowedClass, FollowedClient, FollowedGateway, FollowedPool
from kun_nat64.model.clients import Client, Clients, mask
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.spec import AgentSpec, PoolRange, Tenant
from kun_nat64.policy.tenantnumbers import free_number

# The class of clients of which nothing else is known.
DEFAULT = "default"
NODE = "node/"
Networks = dict[int, dict[int, Client]]
# Length and number of a network.
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TableRecords:
    """The table's records that a gateway needs, clients apart."""

    pools: Mapping[str, FollowedPool]
    gateways: Mapping[str, FollowedGateway]
    classes: Mapping[str, FollowedClass]


def merged(spec: AgentSpec, records: TableRecords, networks: Networks) -> AgentSpec:
    """Merge the file's `spec` with the table. Raises TableFault if they contradict, as with another pool."""
    own = records.gateways.get(spec.gateway.name)
    pool = own.pool if own else ""
    if own:
        _check_pool(spec, pool, records.pools[pool])
    shared = tuple(map(_range, _held(own.addresses, spec.gateway.name))) if own else ()
    nat64 = replace(spec.nat64, pool4=shared) if shared else spec.nat64
    tenants = (*spec.tenants, *_tenants(spec, records.classes, pool))
    out = replace(spec, nat64=nat64, tenants=tenants, clients=_clients(spec, networks))
    _check_ports(out)
    return out


def ordered(spec: AgentSpec, records: TableRecords) -> str:
    """Return the table's order for this gateway: serve, drain or out; "" if the table does not name it."""
    own = records.gateways.get(spec.gateway.name)
    return own.desired if own else ""


def _check_pool(spec: AgentSpec, name: str, pool: FollowedPool) -> None:
    """A gateway without a tunnel may have no VIP: then the prefix says which pool it serves."""
    gateway = spec.gateway
    if gateway.vip is not None and pool.vip != gateway.vip:
        raise TableFault(f"{gateway.name} is of pool {name} with VIP {pool.vip}, gateway.vip is {gateway.vip}")
    if gateway.vip is None and gateway.pool6 not in pool.prefixes:
        prefixes = ", ".join(map(str, pool.prefixes))
        raise TableFault(f"{gateway.name} is of pool {name} with {prefixes}, nat64.pool6 is {gateway.pool6}")


def _tenants(spec: AgentSpec, classes: Mapping[str, FollowedClass], pool: str) -> Iterator[Tenant]:
    """Classes whose packets are kept apart here, by name."""
    known = {one.name for one in spec.tenants}
    found = [_tenant(spec, name, classes[name], pool) for name in sorted(classes)]
    taken: dict[int, str] = {}
    for one in found:
        if one.number and (other := taken.setdefault(one.number, one.name)) != one.name:
            raise TableFault(f"the classes {other!r} and {one.name!r} have the mark {one.number} both")
    for one in found:
        if not one.is_marked:
            continue
        if one.name in known:
            raise TableFault(f"class {one.name!r} has the name of a tenant of the file")
        number = one.number or free_number(one.name, taken.keys())
        taken[number] = one.name
        yield replace(one, number=number)


def _tenant(spec: AgentSpec, name: str, record: FollowedClass, pool: str) -> Tenant:
    """Return the tenant of a class; with addresses in this pool but none here: refused, or the shared ports."""
    is_here = bool(pool) and record.address_pool == pool
    held = _held(record.addresses, spec.gateway.name) if is_here else ()
    deny = record.deny or (is_here and record.address_required and not held)
    ports = () if deny else tuple(map(_range, held))
    return Tenant(name, record.mark if ports else 0, ports, 0 if deny else record.max_sessions, deny)


def _held(shares: Iterable[PublicShare], gateway: str) -> tuple[PublicShare, ...]:
    """The shares of this gateway. In an active-standby pool all gateways have them, and the VIP selects one."""
    return tuple(one for one in shares if one.gateway in ("", gateway))


def _range(share: PublicShare) -> PoolRange:
    return PoolRange(share.address, max(1, share.first_port), share.last_port, tuple(Protocol))


def _check_ports(spec: AgentSpec) -> None:
    """The table's own shares do not overlap; the file's may be the same ports."""
    owners = [("nat64.pool4", spec.nat64.pool4), *((f"tenant {one.name}", one.pool4) for one in spec.tenants)]
    spans = sorted(
        (int(part.address), protocol, part.first_port, part.last_port, owner)
        for owner, parts in owners
        for part in parts
        for protocol in part.protocols
    )
    for one, other in pairwise(spans):
        if one[:2] == other[:2] and other[2] <= one[3]:
            part = next(p for _, parts in owners for p in parts if int(p.address) == one[0])
            raise TableFault(f"{part.address}: ports of {one[4]} and of {other[4]} overlap")
    for owner, parts in owners:
        for part in parts:
            if part.address == spec.gateway.vip:
                raise TableFault(f"{owner} has the public address {part.address}, which is the VIP")


def _clients(spec: AgentSpec, networks: Networks) -> Clients:
    """The longest prefix decides; the file's network has no effect if a record of the table covers it."""
    if not networks:
        return spec.clients
    together = dict(networks)
    for length in spec.clients.lengths:
        kept = {
            number: client
            for number, client in spec.clients.networks[length].items()
            if not any(number & mask(one) in networks[one] for one in networks if one <= length)
        }
        together[length] = {**kept, **networks.get(length, {})}
    return Clients(together)


def place_of(network: str) -> Place | None:
    """Length and number of a client's key; None for IPv4, which no gateway sees as a source."""
    if ":" not in network:
        return None
    found = ip_network(network)
    return found.prefixlen, int(found.network_address)


def client_of(record: FollowedClient) -> Client:
    """A node's network has no pod."""
    tenant = "" if record.class_name == DEFAULT else record.class_name
    if not record.namespace and record.name.startswith(NODE):
        return Client(tenant)
    return Client(tenant, record.namespace, record.name)


def with_changes(networks: Networks, changes: Mapping[str, FollowedClient | None]) -> Networks:
    """New maps for the lengths that change; the others are the same objects."""
    fresh: Networks = {}
    for network, record in changes.items():
        if (place := place_of(network)) is None:
            continue
        length, number = place
        if length not in fresh:
            fresh[length] = dict(networks.get(length, {}))
        if record is None:
            fresh[length].pop(number, None)
        else:
            fresh[length][number] = client_of(record)
    return {length: one for length, one in {**networks, **fresh}.items() if one}
