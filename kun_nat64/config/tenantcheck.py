"""What the tenants of a file say together, and beside the other sections."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Network

from kun_base.errors import Fault
from kun_base.partial import as_far_as_readable, attributes, entries
from kun_base.prefix import sixtofour_network
from kun_nat64.config.file import GatewaySection, Nat64Section, PoolEntry, TenantEntry
from kun_nat64.config.insidecheck import is_native, pod_networks
from kun_nat64.policy.explain import SIXTOFOUR
from kun_nat64.policy.tenantnumbers import number_of_name

Tenants = tuple[TenantEntry | None, ...] | None
Placed = tuple[int, TenantEntry]


def tenant_faults(tenants: Tenants, gateway: GatewaySection | None, nat64: Nat64Section | None) -> Iterator[Fault]:
    readable = list(entries(tenants or ()))
    yield from _names(readable)
    yield from _numbers(readable)
    yield from _networks(readable)
    yield from _ports(tenants, nat64)
    for place, one in readable:
        yield from as_far_as_readable(_contradictions(place, one))
        if gateway is not None:
            yield from as_far_as_readable(_beside_gateway(place, one, gateway))


def tenant_pool4(tenants: Tenants) -> Iterator[tuple[str, PoolEntry]]:
    """Entries of all tenants, with their key paths."""
    for place, parts in attributes(tenants or (), "pool4"):
        yield from ((f"tenant[{place}].pool4[{at}]", entry) for at, entry in entries(parts))


def _names(tenants: Iterable[Placed]) -> Iterator[Fault]:
    known: dict[str, int] = {}
    for place, name in ((place, one.name) for place, one in tenants if hasattr(one, "name")):
        if (first := known.setdefault(name, place)) != place:
            yield Fault(f"tenant[{place}].name", repr(name), f"is also the name of tenant[{first}]")


def _numbers(tenants: Iterable[Placed]) -> Iterator[Fault]:
    known: dict[int, str] = {}
    for place, one in tenants:
        if not (hasattr(one, "name") and hasattr(one, "mark")):
            continue
        number = one.mark or number_of_name(one.name)
        if (other := known.setdefault(number, one.name)) != one.name:
            wanted = f"is the mark of tenant {other!r}, too: give one of them another, from 4194305 to 8388607"
            yield Fault(f"tenant[{place}].mark", str(number), wanted)


def _networks(tenants: Iterable[Placed]) -> Iterator[Fault]:
    """Sorted, a network stands right behind those that hold it."""
    named = sorted(
        (network, f"tenant[{place}].networks[{at}]")
        for place, one in tenants
        for at, network in entries(getattr(one, "networks", ()))
    )
    holding: list[tuple[IPv6Network, str]] = []
    for network, where in named:
        while holding and not network.subnet_of(holding[-1][0]):
            holding.pop()
        if holding:
            other, place = holding[-1]
            words = f"is {place}, too" if other == network else f"is inside {other}, {place}"
            yield Fault(where, repr(str(network)), f"{words}: a client has one tenant, and is named once")
        holding.append((network, where))


def _ports(tenants: Tenants, nat64: Nat64Section | None) -> Iterator[Fault]:
    earlier: defaultdict[IPv4Address | None, list[tuple[str, PoolEntry]]] = defaultdict(list)
    for place, entry in entries(getattr(nat64, "pool4", ())):
        earlier[getattr(entry, "address", None)].append((f"nat64.pool4[{place}]", entry))
    for where, entry in tenant_pool4(tenants):
        for other, before in earlier[getattr(entry, "address", None)]:
            yield from as_far_as_readable(_overlap(where, entry, other, before))
        earlier[getattr(entry, "address", None)].append((where, entry))


def _overlap(where: str, one: PoolEntry, place: str, other: PoolEntry) -> Iterator[Fault]:
    shared = set(one.protocols) & set(other.protocols)
    if shared and one.ports.first <= other.ports.last and other.ports.first <= one.ports.last:
        wanted = f"overlaps {place}, which has ports {other.ports} of {one.address}: a public port has one owner"
        yield Fault(f"{where}.ports", repr(str(one.ports)), wanted)


def _contradictions(place: int, one: TenantEntry) -> Iterator[Fault]:
    if one.deny and one.pool4:
        addresses = ", ".join(str(address) for _, address in attributes(one.pool4, "address"))
        yield Fault(
            f"tenant[{place}].pool4", repr(addresses), "has no effect with deny = true, which refuses everything"
        )
    if one.deny and one.max_sessions:
        yield Fault(f"tenant[{place}].max_sessions", str(one.max_sessions), "has no effect with deny = true")


def _beside_gateway(place: int, one: TenantEntry, gateway: GatewaySection) -> Iterator[Fault]:
    own = sixtofour_network(gateway.vip) if gateway.vip else None
    for at, network in entries(one.networks):
        where, shown = f"tenant[{place}].networks[{at}]", repr(str(network))
        if is_native(gateway):
            if not any(network.overlaps(pods) for pods in pod_networks(gateway)):
                yield Fault(where, shown, "holds no address of gateway.clients: all its packets are dropped")
        elif own and network.subnet_of(own):
            yield Fault(where, shown, f"is inside {own}, the VIP's own network: no client is in it")
        elif gateway.check_source and not network.overlaps(SIXTOFOUR):
            yield Fault(where, shown, "holds no 6to4 address, and gateway.check_source drops all others")
