"""What several keys say together. Works with whatever sections are readable, so that one run tells all."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Any
from urllib.parse import urlsplit

from kun_base.errors import Fault
from kun_base.partial import as_far_as_readable, attributes, entries
from kun_base.prefix import sixtofour_network, vip_problem
from kun_nat64.config import insidecheck, listeners, misuse
from kun_nat64.config.file import (
    AdminSection,
    AuditSection,
    BgpSection,
    DrainSection,
    FleetSection,
    GatewaySection,
    HealthSection,
    Nat64Section,
    PoolEntry,
    TenantEntry,
)
from kun_nat64.config.resolve import last_host
from kun_nat64.config.ringcheck import ring_faults
from kun_nat64.config.tenantcheck import tenant_faults, tenant_pool4
from kun_nat64.model.joolglobals import MANAGED_BY_KEY, canonical, problem_of
from kun_nat64.policy.ruleset import NEVER

IPV6_HEADER, IPV4_HEADER, TCP_HEADER = 40, 20, 20
# A dot inside the name of an interface is a slash here, as in sysctl(8).
SYSCTL = re.compile(r"net(\.[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)+")


@dataclass(frozen=True, slots=True)
class Parts:
    """The sections that could be read; None for the others."""

    gateway: GatewaySection | None = None
    nat64: Nat64Section | None = None
    bgp: BgpSection | None = None
    health: HealthSection | None = None
    fleet: FleetSection | None = None
    drain: DrainSection | None = None
    audit: AuditSection | None = None
    admin: AdminSection | None = None
    tenant: tuple[TenantEntry | None, ...] | None = None


def faults_of(parts: Parts) -> list[Fault]:
    checks = (
        _inside,
        _inside_of_health,
        _vip,
        _clients,
        _mss,
        _pool4,
        _tenants,
        _pool6,
        _globals,
        _sysctls,
        _bgp,
        _med,
        _targets,
        _timing,
        _probe,
        _links,
        _fleet,
        _logs,
        _listeners,
    )
    return [fault for check in checks for fault in as_far_as_readable(check(parts))]


def _inside(parts: Parts) -> Iterator[Fault]:
    if (gateway := parts.gateway) is None:
        return
    for key in insidecheck.OF_THE_TUNNEL:
        yield from insidecheck.tunnel_keys(gateway, getattr(parts, key), key)
    yield from insidecheck.gateway_keys(gateway)


def _inside_of_health(parts: Parts) -> Iterator[Fault]:
    if parts.gateway and parts.health:
        yield from insidecheck.probe_node(parts.gateway, parts.bgp, parts.health)


def _vip(parts: Parts) -> Iterator[Fault]:
    gateway = parts.gateway
    if gateway is None or gateway.vip is None:
        return
    allowed = gateway.allow_nonglobal_vip or insidecheck.is_native(gateway)
    if why := misuse.not_a_host(gateway.vip):
        yield Fault("gateway.vip", _quoted(gateway.vip), f"{why}: packets of nodes never come here")
    elif problem := vip_problem(gateway.vip, allow_nonglobal=allowed):
        yield Fault("gateway.vip", _quoted(gateway.vip), f"{problem}; allow_nonglobal_vip = true allows it")
    if parts.bgp and gateway.vip == parts.bgp.next_hop:
        yield Fault("bgp.next_hop", _quoted(gateway.vip), "is the VIP itself: give this gateway's own address")
    if parts.bgp and gateway.vip == parts.bgp.router_id:
        yield Fault("bgp.router_id", _quoted(gateway.vip), "is the VIP, which all gateways share: give an own address")


def _clients(parts: Parts) -> Iterator[Fault]:
    """Everybody is an open relay; and iptables prints no source for it, so that it would never be as desired."""
    if parts.gateway is None:
        return
    nodes = [(index, one) for index, one in entries(parts.gateway.clients) if isinstance(one, IPv4Network)]
    for index, network in nodes:
        if network.prefixlen == 0:
            wanted = "is everybody, which makes an open relay: name the networks of the nodes"
            yield Fault(f"gateway.clients[{index}]", _quoted(network), wanted)
    yield from misuse.clients(nodes)
    yield from insidecheck.clients(parts.gateway)
    yield from misuse.routes(parts.gateway)


def _mss(parts: Parts) -> Iterator[Fault]:
    """MSS arithmetic: a segment of the pod leaves as IPv4, one of the server arrives as IPv6 on the inside."""
    if (gateway := parts.gateway) is None or gateway.mss == "auto":
        return
    outside = gateway.outside_mtu - IPV4_HEADER - TCP_HEADER
    inside = gateway.inside_mtu - IPV6_HEADER - TCP_HEADER
    if gateway.mss > outside:
        sum_ = f"outside_mtu {gateway.outside_mtu} - {IPV4_HEADER} (IPv4) - {TCP_HEADER} (TCP) = {outside}"
        yield Fault("gateway.mss", str(gateway.mss), f"must be at most {outside}: {sum_}")
    if gateway.mss > inside:
        sum_ = f"inside_mtu {gateway.inside_mtu} - {IPV6_HEADER} (IPv6) - {TCP_HEADER} (TCP) = {inside}"
        yield Fault("gateway.mss", str(gateway.mss), f"must be at most {inside}: {sum_}")


def _pool4(parts: Parts) -> Iterator[Fault]:
    if parts.nat64 is None:
        return
    earlier: defaultdict[IPv4Address | None, list[tuple[int, PoolEntry]]] = defaultdict(list)
    for index, entry in entries(parts.nat64.pool4):
        yield from as_far_as_readable(_pool_entry(parts.gateway, f"nat64.pool4[{index}]", entry))
        for other, before in earlier[getattr(entry, "address", None)]:
            yield from as_far_as_readable(_overlap(f"nat64.pool4[{index}].ports", entry, other, before))
        earlier[getattr(entry, "address", None)].append((index, entry))


def _pool_entry(gateway: GatewaySection | None, where: str, entry: PoolEntry) -> Iterator[Fault]:
    if _unusable(entry.address):
        yield Fault(f"{where}.address", _quoted(entry.address), "is not an address that packets can come back to")
    protocols = [name for _, name in entries(entry.protocols)]
    if len(set(protocols)) < len(protocols):
        yield Fault(f"{where}.protocols", _quoted(", ".join(protocols)), "names a protocol twice")
    if gateway and entry.address == gateway.vip:
        wanted = "is the VIP: replies would reach any gateway; each gateway needs a public address of its own"
        yield Fault(f"{where}.address", _quoted(entry.address), wanted)


def _tenants(parts: Parts) -> Iterator[Fault]:
    yield from tenant_faults(parts.tenant, parts.gateway, parts.nat64)
    for where, entry in tenant_pool4(parts.tenant):
        yield from as_far_as_readable(_pool_entry(parts.gateway, where, entry))


def _unusable(address: IPv4Address) -> bool:
    return bool(misuse.not_a_host(address)) or address.is_link_local


def _overlap(where: str, one: PoolEntry, place: int, other: PoolEntry) -> Iterator[Fault]:
    shared = set(one.protocols) & set(other.protocols)
    if shared and one.ports.first <= other.ports.last and other.ports.first <= one.ports.last:
        yield Fault(where, _quoted(one.ports), f"overlaps nat64.pool4[{place}]")


def _pool6(parts: Parts) -> Iterator[Fault]:
    if parts.gateway and parts.nat64:
        yield from insidecheck.pool6(parts.gateway, parts.nat64)
        if parts.bgp:
            yield from insidecheck.next_hop6(parts.gateway, parts.nat64, parts.bgp)


def _globals(parts: Parts) -> Iterator[Fault]:
    if parts.nat64 is None:
        return
    for name, value in parts.nat64.globals.items():
        where = f"nat64.globals.{name}"
        if name in MANAGED_BY_KEY:
            yield Fault(where, _quoted(value), f"is set by nat64.{MANAGED_BY_KEY[name]}")
        elif problem := problem_of(name, value):
            yield Fault(where, _quoted(value), problem)
        elif name == "manually-enabled" and canonical(name, value) == "false":
            yield Fault(where, _quoted(value), "pauses the translator: `kun-nat64 drain` is for that")


def _sysctls(parts: Parts) -> Iterator[Fault]:
    if parts.gateway is None:
        return
    for name, value in parts.gateway.sysctls.items():
        if not SYSCTL.fullmatch(name):
            wanted = 'must be a name with dots below net, for example "net.core.netdev_max_backlog"'
            yield Fault(f"gateway.sysctls.{name}", _quoted(value), wanted)
    yield from misuse.sysctls(parts.gateway.sysctls.items())


def _bgp(parts: Parts) -> Iterator[Fault]:
    if (bgp := parts.bgp) is None:
        return
    yield from misuse.speakers(bgp)
    yield from misuse.prefixes(bgp, _elsewhere(parts))
    yield from as_far_as_readable(misuse.speaker_keys(bgp))
    peers = [str(address) if (address := getattr(peer, "address", None)) else None for peer in bgp.peers]
    for index, address in entries(peers):
        where = f"bgp.peers[{index}].address"
        if (first := peers.index(address)) < index:
            yield Fault(where, _quoted(address), f"is the same as bgp.peers[{first}].address")
        if address in (str(bgp.next_hop6), *map(str, _own(parts))):
            yield Fault(where, _quoted(address), "is this gateway's own address")
        elif parts.gateway and address == str(parts.gateway.vip):
            yield Fault(where, _quoted(address), "is the VIP: a peer is the router, by an address of its own")
    if parts.gateway and parts.gateway.vip and IPv4Network(parts.gateway.vip) in bgp.prefixes:
        place = bgp.prefixes.index(IPv4Network(parts.gateway.vip))
        yield Fault(f"bgp.prefixes[{place}]", _quoted(parts.gateway.vip), "the VIP is always announced: leave it out")
    if parts.gateway and parts.gateway.vip and bgp.next_hop6 and bgp.next_hop6 in sixtofour_network(parts.gateway.vip):
        wanted = "is in the VIP's own network, which all gateways share: give this gateway's own address"
        yield Fault("bgp.next_hop6", _quoted(bgp.next_hop6), wanted)


def _elsewhere(parts: Parts) -> Iterator[tuple[str, misuse.Network | misuse.Address]]:
    """What this gateway has to find by its routers, by the key."""
    clients: tuple[misuse.Network | None, ...] = parts.gateway.clients if parts.gateway else ()
    yield from ((f"gateway.clients[{place}]", one) for place, one in enumerate(clients) if one is not None)
    for place, target in entries(parts.health.targets) if parts.health else ():
        yield f"health.targets[{place}]", target.address
    for place, address in attributes(parts.bgp.peers, "address") if parts.bgp else ():
        yield f"bgp.peers[{place}].address", address


def _med(parts: Parts) -> Iterator[Fault]:
    """A sick or draining gateway leaves the ECMP set only if its MED is worse (RFC 4271 section 9.1.2.2)."""
    if parts.bgp is None:
        return
    bgp = parts.bgp
    if bgp.soft_fail_med <= bgp.med:
        yield Fault("bgp.soft_fail_med", str(bgp.soft_fail_med), f"must be above bgp.med = {bgp.med}")
    if parts.drain and parts.drain.med <= bgp.med:
        yield Fault("drain.med", str(parts.drain.med), f"must be above bgp.med = {bgp.med}")


def _targets(parts: Parts) -> Iterator[Fault]:
    if (health := parts.health) is None:
        return
    if health.quorum > len(health.targets):
        wanted = f"must be at most the number of targets, {len(health.targets)}"
        yield Fault("health.quorum", str(health.quorum), wanted)
    for index, target in entries(health.targets):
        where = f"health.targets[{index}]"
        if target in health.targets[:index]:
            yield Fault(where, _quoted(target), "is listed twice")
        if parts.gateway is None:
            continue
        if target.address == parts.gateway.vip:
            yield Fault(where, _quoted(target), "is the VIP: a target must be outside of the gateway")
        elif target.address in _own(parts):
            yield Fault(where, _quoted(target), "is an address of this gateway: a target must be outside of it")
        listed = next((n for _, n in entries(parts.gateway.never_reach) if target.address in n), None)
        if any(target.address in network for network in NEVER):
            yield Fault(where, _quoted(target), "is not an address of a host outside: the probe would be dropped")
        elif listed is not None:
            wanted = f"is in gateway.never_reach ({listed}): the probe would be dropped"
            yield Fault(where, _quoted(target), wanted)


def _own(parts: Parts) -> set[IPv4Address]:
    """As policy/ruleset.py, of what could be read: packets to these are dropped, too."""
    pool4 = {address for _, address in attributes(parts.nat64.pool4, "address")} if parts.nat64 else set()
    pool4 |= {entry.address for _, entry in tenant_pool4(parts.tenant) if hasattr(entry, "address")}
    bgp = parts.bgp
    return pool4 | ({bgp.router_id, *({bgp.next_hop} if bgp.next_hop else ())} if bgp else set())


def _timing(parts: Parts) -> Iterator[Fault]:
    health, fleet = parts.health, parts.fleet
    if health and health.hold_down_max_s < health.hold_down_s:
        wanted = f"must be at least health.hold_down_s = {health.hold_down_s:g}"
        yield Fault("health.hold_down_max_s", f"{health.hold_down_max_s:g}", wanted)
    if fleet and fleet.timeout_s > fleet.poll_s:
        yield Fault("fleet.timeout_s", f"{fleet.timeout_s:g}", f"must be at most fleet.poll_s = {fleet.poll_s:g}")


def _probe(parts: Parts) -> Iterator[Fault]:
    yield from _probe_node(parts)
    if (health := parts.health) is None:
        return
    network = health.probe_network
    if network.prefixlen not in (29, 30):
        yield Fault("health.probe_network", _quoted(network), "must be a /30 or /29 that nobody else uses")
        return
    yield from misuse.inside_probe_network(network, _named_addresses(parts))


def _named_addresses(parts: Parts) -> Iterator[tuple[str, IPv4Address | IPv6Address | None]]:
    """Every address that the file names, by its key."""
    if parts.gateway:
        yield "gateway.vip", parts.gateway.vip
    for place, address in attributes(parts.nat64.pool4, "address") if parts.nat64 else ():
        yield f"nat64.pool4[{place}].address", address
    tenants = ((where, entry) for where, entry in tenant_pool4(parts.tenant) if hasattr(entry, "address"))
    yield from ((f"{where}.address", entry.address) for where, entry in tenants)
    for place, target in entries(parts.health.targets) if parts.health else ():
        yield f"health.targets[{place}]", target.address
    if bgp := parts.bgp:
        yield "bgp.router_id", bgp.router_id
        yield "bgp.next_hop", bgp.next_hop
        yield from ((f"bgp.peers[{place}].address", address) for place, address in attributes(bgp.peers, "address"))
    yield from listeners.hosts(parts.admin, parts.fleet)
    if parts.health and parts.gateway and not insidecheck.is_native(parts.gateway):
        node = parts.health.probe_node
        nodes = [one for one in parts.gateway.clients if isinstance(one, IPv4Network)]
        yield "health.probe_node", node if isinstance(node, IPv4Address) else last_host(nodes[0]) if nodes else None


def _probe_node(parts: Parts) -> Iterator[Fault]:
    """The rules let in nobody but clients; and an answer to one of our own addresses would never leave."""
    if not (parts.health and parts.gateway) or insidecheck.is_native(parts.gateway):
        return
    node = parts.health.probe_node
    if not isinstance(node, IPv4Address):
        return
    nodes = [one for one in parts.gateway.clients if isinstance(one, IPv4Network)]
    if not any(node in network for network in nodes):
        yield Fault("health.probe_node", _quoted(node), "must be in gateway.clients: it is routed as the nodes are")
    if node == parts.gateway.vip or node in _own(parts):
        yield Fault("health.probe_node", _quoted(node), "is an address of this gateway: give one behind the router")


def _links(parts: Parts) -> Iterator[Fault]:
    gateway, health = parts.gateway, parts.health
    taken = {"sit0": "the kernel's fallback tunnel", gateway.outside: "gateway.outside"} if gateway else {}
    yield from misuse.links(gateway, health)
    if gateway and gateway.uplink in (gateway.tunnel, "sit0", *([health.probe_link] if health else [])):
        yield Fault("gateway.uplink", _quoted(gateway.uplink), "must be the interface towards the nodes")
    if gateway and (what := taken.get(gateway.tunnel)):
        yield Fault("gateway.tunnel", _quoted(gateway.tunnel), f"must be a name of its own, not {what}")
    if gateway and health and health.probe_link in (gateway.tunnel, gateway.outside):
        yield Fault("health.probe_link", _quoted(health.probe_link), "must be a name of its own")


def _fleet(parts: Parts) -> Iterator[Fault]:
    members = parts.fleet.members if parts.fleet else ()
    for index, member in entries(members):
        if member in members[:index]:
            yield Fault(f"fleet.members[{index}]", _quoted(member), "is listed twice")
        elif parts.gateway and urlsplit(member).hostname == str(parts.gateway.vip):
            wanted = "is the VIP, which every gateway has: give the member's own address"
            yield Fault(f"fleet.members[{index}]", _quoted(member), wanted)
    if parts.fleet:
        yield from as_far_as_readable(ring_faults(parts.fleet, parts.bgp, parts.gateway, parts.nat64))


def _listeners(parts: Parts) -> Iterator[Fault]:
    if parts.admin is not None:
        yield from as_far_as_readable(listeners.pair(parts.admin))
    if parts.admin is not None and parts.fleet is not None:
        yield from listeners.addresses(parts.admin, parts.fleet)


def _logs(parts: Parts) -> Iterator[Fault]:
    """The agent's own folder is not where an operator stands when he asks `who`."""
    wanted = 'must begin with "/", or be "" '
    if parts.nat64 and parts.nat64.session_log and not parts.nat64.session_log.startswith("/"):
        yield Fault("nat64.session_log", _quoted(parts.nat64.session_log), f"{wanted}for no log")
    if parts.audit and parts.audit.database and not parts.audit.database.startswith("/"):
        yield Fault("audit.database", _quoted(parts.audit.database), f"{wanted}for a folder beside the log")
    if parts.nat64 and parts.audit and parts.audit.database and parts.audit.database == parts.nat64.session_log:
        yield Fault("audit.database", _quoted(parts.audit.database), "is nat64.session_log: give the database a folder")


def _quoted(value: Any) -> str:
    return repr(str(value))
