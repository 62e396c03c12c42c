"""How many public ports are in use, by owner: everybody ("") or a tenant, so that no tenant's use is another's."""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address

from kun_nat64.model.spec import AgentSpec, PoolRange
from kun_nat64.model.traffic import Traffic

EVERYBODY = ""
Place = tuple[IPv4Address, str]
# (address, protocol), and (owner, address, protocol), to (used, total).
Ports = dict[tuple[str, str], tuple[int, int]]
OwnedPorts = dict[tuple[str, str, str], tuple[int, int]]


def port_use(traffic: Traffic, spec: AgentSpec) -> Ports:
    """Of everything in pool4 that has no mark."""
    return ports_of(EVERYBODY, owned_ports(traffic, spec))


def ports_of(owner: str, every: OwnedPorts) -> Ports:
    return {(address, protocol): use for (one, address, protocol), use in every.items() if one == owner}


def tenant_port_use(traffic: Traffic, spec: AgentSpec) -> OwnedPorts:
    return {place: use for place, use in owned_ports(traffic, spec).items() if place[0] != EVERYBODY}


def owned_ports(traffic: Traffic, spec: AgentSpec) -> OwnedPorts:
    """Where owners share an address, flows that are not listed one by one are counted for none of them."""
    whole, divided = _ports_used(traffic), _divided(traffic, spec)
    found = {}
    for owner, parts in _owners(spec):
        for (address, protocol), count in _totals(parts).items():
            used = divided.get((owner, address, protocol), whole[address, protocol])
            found[owner, str(address), protocol] = used, count
    return found


def _owners(spec: AgentSpec) -> Iterator[tuple[str, tuple[PoolRange, ...]]]:
    yield EVERYBODY, spec.nat64.pool4
    yield from ((tenant.name, tenant.pool4) for tenant in spec.tenants)


def _divided(traffic: Traffic, spec: AgentSpec) -> dict[tuple[str, IPv4Address, str], int]:
    """Of addresses that more than one owner has ports of."""
    having = Counter(address for _, parts in _owners(spec) for address in {one.address for one in parts})
    shared = {address for address, count in having.items() if count > 1}
    if not shared:
        return {}
    numbers = _sorted_ports(traffic, shared)
    held: Counter[tuple[str, IPv4Address, str]] = Counter()
    for owner, parts in _owners(spec):
        for part in parts:
            for protocol in part.protocols if part.address in shared else ():
                held[owner, part.address, str(protocol)] += _between(numbers[part.address, str(protocol)], part)
    return dict(held)


def _sorted_ports(traffic: Traffic, shared: set[IPv4Address]) -> defaultdict[Place, list[int]]:
    ports: defaultdict[Place, list[int]] = defaultdict(list)
    for one in traffic.bindings:
        if one.outside.address in shared:
            ports[one.outside.address, str(one.protocol)].append(one.outside.port)
    for numbers in ports.values():
        numbers.sort()
    return ports


def _between(numbers: Sequence[int], part: PoolRange) -> int:
    return bisect_right(numbers, part.last_port) - bisect_left(numbers, part.first_port)


def _ports_used(traffic: Traffic) -> Counter[Place]:
    used: Counter[Place] = Counter()
    if traffic.ports is None:
        used.update((one.outside.address, str(one.protocol)) for one in traffic.bindings)
    else:
        used.update(traffic.ports)
    return used


def _totals(parts: Iterable[PoolRange]) -> Counter[Place]:
    total: Counter[Place] = Counter()
    for part in parts:
        for protocol in part.protocols:
            total[part.address, str(protocol)] += part.last_port - part.first_port + 1
    return total
