"""Counts public ports in use by owner: a tenant, or "" for the shared ports of all other clients."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address

from kun_nat64.model.sessionlist import SessionList
from kun_nat64.model.spec import AgentSpec, PoolRange
from kun_nat64.model.traffic import Traffic

EVERYBODY = ""
Place = tuple[IPv4Address, str]
# (address, protocol), and (owner, address, protocol), to (used, total).
Ports = dict[tuple[str, str], tuple[int, int]]
OwnedPorts = dict[tuple[str, str, str], tuple[int, int]]


def port_use(traffic: Traffic | SessionList, spec: AgentSpec) -> Ports:
    """Return the use of all pool4 entries without a mark."""
    return ports_of(EVERYBODY, owned_ports(traffic, spec))


def ports_of(owner: str, every: OwnedPorts) -> Ports:
    return {(address, protocol): use for (one, address, protocol), use in every.items() if one == owner}


def tenant_port_use(traffic: Traffic | SessionList, spec: AgentSpec) -> OwnedPorts:
    return {place: use for place, use in owned_ports(traffic, spec).items() if place[0] != EVERYBODY}


def owned_ports(traffic: Traffic | SessionList, spec: AgentSpec) -> OwnedPorts:
    bits = traffic.ports if isinstance(traffic, SessionList) else _bits(traffic)
    whole, divided = {place: _ones(one) for place, one in bits.items()}, _divided(bits, spec)
    found = {}
    for owner, parts in _owners(spec):
        for (address, protocol), count in _totals(parts).items():
            used = divided.get((owner, address, protocol), whole.get((address, protocol), 0))
            found[owner, str(address), protocol] = used, count
    return found


def _bits(traffic: Traffic) -> dict[Place, bytearray]:
    """A bit for each public port in use."""
    bits: defaultdict[Place, bytearray] = defaultdict(lambda: bytearray(8192))
    for one in traffic.bindings:
        port = one.outside.port
        bits[one.outside.address, str(one.protocol)][port >> 3] |= 1 << (port & 7)
    return bits


def _ones(bits: bytearray) -> int:
    return int.from_bytes(bits, "little").bit_count()


def _owners(spec: AgentSpec) -> Iterator[tuple[str, tuple[PoolRange, ...]]]:
    yield EVERYBODY, spec.nat64.pool4
    yield from ((tenant.name, tenant.pool4) for tenant in spec.tenants)


def _divided(bits: Mapping[Place, bytearray], spec: AgentSpec) -> dict[tuple[str, IPv4Address, str], int]:
    """The addresses on which more than one owner has ports."""
    having = Counter(address for _, parts in _owners(spec) for address in {one.address for one in parts})
    shared = {address for address, count in having.items() if count > 1}
    held: Counter[tuple[str, IPv4Address, str]] = Counter()
    for owner, parts in _owners(spec):
        for part in parts:
            for protocol in part.protocols if part.address in shared else ():
                one = bits.get((part.address, str(protocol)))
                held[owner, part.address, str(protocol)] += _between(one, part) if one else 0
    return dict(held)


def _between(bits: bytearray, part: PoolRange) -> int:
    below = (1 << part.last_port + 1) - (1 << part.first_port)
    return (int.from_bytes(bits, "little") & below).bit_count()


def _totals(parts: Iterable[PoolRange]) -> Counter[Place]:
    total: Counter[Place] = Counter()
    for part in parts:
        for protocol in part.protocols:
            total[part.address, str(protocol)] += part.last_port - part.first_port + 1
    return total
