"""What the tenants of a file say together, and beside the other sections."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Network

from kun_base.errors import Fault
from kun_base.prefix import sixtofour_network
from kun_nat64.config.file import GatewaySection, Nat64Section, PoolEntry, TenantEntry
from kun_nat64.policy.explain import SIXTOFOUR
from kun_nat64.policy.tenantnumbers import number_of_name

Placed = tuple[str, TenantEntry]


def tenant_faults(
    tenants: tuple[TenantEntry | None, ...], gateway: GatewaySection | None, nat64: Nat64Section | None
) -> Iterator[Fault]:
    readable = [(f"tenant[{place}]", one) for place, one in enumerate(tenants) if one is not None]
    for check in (_names(readable), _numbers(readable), _networks(readable), _contradictions(readable)):
        yield from _as_far_as_readable(check)
    yield from _as_far_as_readable(_ports(readable, nat64))
    if gateway is not None:
        yield from _as_far_as_readable(_beside_gateway(readable, gateway))


def _as_far_as_readable(faults: Iterator[Fault]) -> Iterator[Fault]:
    try:
        yield from faults
    except AttributeError:
        return


def _names(tenants: Iterable[Placed]) -> Iterator[Fault]:
    known: dict[str, str] = {}
    for where, one in tenants:
        if (first := known.setdefault(one.name, where)) != where:
            yield Fault(f"{where}.name", repr(one.name), f"is the name of {first}, too")


def _numbers(tenants: Iterable[Placed]) -> Iterator[Fault]:
    known: dict[int, Placed] = {}
    for where, one in tenants:
        number = one.mark or number_of_name(one.name)
        _, other = known.setdefault(number, (where, one))
        if other.name != one.name:
            wanted = f"is the mark of tenant {other.name!r}, too: give one of them another, for example {number ^ 1}"
            yield Fault(f"{where}.mark", str(number), wanted)


def _networks(tenants: Iterable[Placed]) -> Iterator[Fault]:
    """Sorted, a network stands right behind those that hold it."""
    named = [
        (network, f"{where}.networks[{place}]", one.name)
        for where, one in tenants
        for place, network in enumerate(one.networks)
        if network is not None
    ]
    named.sort(key=lambda one: (one[0], one[1]))
    holding: list[tuple[IPv6Network, str, str]] = []
    for network, where, name in named:
        while holding and not network.subnet_of(holding[-1][0]):
            holding.pop()
        if holding:
            other, place, owner = holding[-1]
            same = "is" if other == network else f"overlaps {other},"
            yield Fault(where, repr(str(network)), f"{same} {place} of tenant {owner!r}: a client has one tenant")
        holding.append((network, where, name))


def _contradictions(tenants: Iterable[Placed]) -> Iterator[Fault]:
    for where, one in tenants:
        if one.deny and one.pool4:
            wanted = "does nothing beside deny = true: its packets are refused"
            yield Fault(f"{where}.pool4", repr([str(part.address) for part in one.pool4 if part]), wanted)
        if one.deny and one.max_sessions:
            yield Fault(f"{where}.max_sessions", str(one.max_sessions), "does nothing beside deny = true")


def _ports(tenants: Iterable[Placed], nat64: Nat64Section | None) -> Iterator[Fault]:
    earlier: defaultdict[IPv4Address, list[tuple[str, PoolEntry]]] = defaultdict(list)
    for place, entry in enumerate(nat64.pool4 if nat64 else ()):
        if entry is not None:
            earlier[entry.address].append((f"nat64.pool4[{place}]", entry))
    for where, tenant in tenants:
        for place, entry in enumerate(tenant.pool4):
            if entry is None:
                continue
            here = f"{where}.pool4[{place}]"
            for other, before in earlier[entry.address]:
                if overlap(entry, before):
                    wanted = f"overlaps {other} on {entry.address}: a public port has one owner"
                    yield Fault(f"{here}.ports", repr(str(entry.ports)), wanted)
            earlier[entry.address].append((here, entry))


def overlap(one: PoolEntry, other: PoolEntry) -> bool:
    shared = set(one.protocols) & set(other.protocols)
    return bool(shared) and one.ports.first <= other.ports.last and other.ports.first <= one.ports.last


def _beside_gateway(tenants: Iterable[Placed], gateway: GatewaySection) -> Iterator[Fault]:
    own = sixtofour_network(gateway.vip)
    for where, one in tenants:
        for place, network in enumerate(one.networks):
            if network is None:
                continue
            here, shown = f"{where}.networks[{place}]", repr(str(network))
            if network.subnet_of(own):
                yield Fault(here, shown, f"is inside {own}, the VIP's own network: no client is in it")
            elif gateway.check_source and not network.overlaps(SIXTOFOUR):
                wanted = "holds no 6to4 address, and gateway.check_source drops packets from all others"
                yield Fault(here, shown, wanted)
