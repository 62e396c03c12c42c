"""The state a gateway should be in, as facts: from the configuration, and from what is to be announced."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from kun_base.prefix import sixtofour_network
from kun_nat64.model.announcement import Announcement
from kun_nat64.model.facts import (
    Address,
    BgpPath,
    Fact,
    Facts,
    JoolGlobal,
    JoolInstance,
    LinkState,
    Module,
    OrphanReset,
    OwnTable,
    RingStep,
    Route,
    Sysctl,
    Tunnel,
)
from kun_nat64.model.observation import Scope
from kun_nat64.model.resetfacts import FlowWatch
from kun_nat64.model.ringfacts import TO_NOBODY
from kun_nat64.model.spec import AgentSpec, BgpSpec, GatewaySpec, Nat64Spec
from kun_nat64.policy.congestion import carried_ecn
from kun_nat64.policy.exhaustion import refusals
from kun_nat64.policy.fragments import broken_fragments
from kun_nat64.policy.limits import limit_facts
from kun_nat64.policy.portranges import merged
from kun_nat64.policy.probepath import probe_path, probe_way
from kun_nat64.policy.ring import ring_tunnels
from kun_nat64.policy.ruleset import rules
from kun_nat64.policy.tenants import pool4_of, tenant_facts, tenant_rules
from kun_nat64.policy.traffic_count import counted_traffic

MODULES = ("jool", "sit")
NATIVE_MODULES = ("jool",)
# The kernel's fallback tunnel takes what no other one matches: up, it would hide that ours is missing.
FALLBACK_TUNNEL = "sit0"
# A flow that Jool still knows must never be taken for an orphan: it is remembered a little longer than Jool does.
LONGER_S = 30


def desired(
    spec: AgentSpec,
    announcement: Announcement,
    limited: Iterable[IPv6Network] = (),
    own: frozenset[IPv4Address] = frozenset(),
    near: Facts = frozenset(),
    mss: int | None = None,
    full: bool = False,
    held: frozenset[str] = frozenset(),
    ring: RingStep = TO_NOBODY,
) -> Facts:
    """Everything that should be there; the paths only if the announcement wants them.

    `limited`: policy/limits.py. `own`: IPv4 addresses of this machine, none of which a pod may reach. `near`: what a
    look has found to be needed for nodes on the uplink's own network. `mss`: what the path carries, where that is less
    than the file says. `full`: TCP has no public ports left. `held`: tenants that hold too many sessions. `ring`: where
    packets of unknown flows go.
    """
    standing = _standing(spec if mss is None else with_mss(spec, mss), own)
    refused = (refusals(spec),) if full else ()
    asked = (ring,) if spec.fleet.ring else ()
    tenants = tenant_facts(spec, held)
    return standing.union(refused, asked, _paths(spec.bgp, announcement), limit_facts(spec, limited), near, tenants)


def with_mss(spec: AgentSpec, mss: int) -> AgentSpec:
    """Return the spec with the MSS that path MTU measurements call for, in bytes."""
    return replace(spec, gateway=replace(spec.gateway, mss=mss))


@lru_cache(maxsize=8)
def _standing(spec: AgentSpec, own: frozenset[IPv4Address] = frozenset()) -> Facts:
    """What does not depend on the announcement."""
    return frozenset(
        (
            *_host(spec.gateway, with_ring=spec.fleet.ring is not None),
            *_inside(spec.gateway),
            *ring_tunnels(spec),
            *rules(spec, own),
            *_jool(spec.nat64, spec.gateway),
            *_resets(spec),
            *probe_path(spec),
            *own_tables(spec),
        )
    )


def _host(gateway: GatewaySpec, *, with_ring: bool) -> Iterator[Fact]:
    if gateway.manage_modules:
        yield from map(Module, NATIVE_MODULES if gateway.is_native and not with_ring else MODULES)
    yield from (Sysctl(name, value) for name, value in gateway.sysctls)


def _inside(gateway: GatewaySpec) -> Iterator[Fact]:
    """Native packets need nothing but rules; the ways back to the pods are this host's own."""
    if gateway.vip is not None:
        yield Address("lo", gateway.vip, 32)
    if not gateway.is_native:
        yield from _tunnel(gateway, gateway.tunnel_end)


def _tunnel(gateway: GatewaySpec, vip: IPv4Address) -> Iterator[Fact]:
    """The local address is the VIP: a node's sit checks that a 6to4 source matches the outer one (RFC 3056, 9)."""
    yield Tunnel(gateway.tunnel, local=vip, mtu=gateway.inside_mtu)
    # Without it ICMPv6 errors of this host have the device's own IPv4-compatible address (::VIP) as their source, which
    # a strict node drops (RFC 4291 section 2.5.5.1). Outside of pool6, and no pod's rules let it in.
    yield Address(gateway.tunnel, error_source(vip), 128)
    yield LinkState(FALLBACK_TUNNEL, up=False)
    # sit keeps one route for each processor, whatever the destination (net/ipv6/sit.c, dst_cache). A packet to our own
    # 6to4 network, which it would send to ourselves, makes it send the pods' packets there as well: so none may.
    yield Route(sixtofour_network(vip), "lo")
    yield from (Route(network, gateway.tunnel) for network in gateway.routes)


def error_source(vip: IPv4Address) -> IPv6Address:
    """2002:cb00:7101:1::1 for 203.0.113.1: subnet 1 of the VIP's own 6to4 network."""
    return IPv6Address(int(sixtofour_network(vip).network_address) | 1 << 64 | 1)


def _jool(nat64: Nat64Spec, gateway: GatewaySpec) -> Iterator[Fact]:
    yield JoolInstance(nat64.instance, gateway.pool6)
    yield from (JoolGlobal(nat64.instance, name, value) for name, value in nat64.globals)
    yield from merged(pool4_of(nat64.instance, nat64.pool4))


def _resets(spec: AgentSpec) -> Iterator[Fact]:
    if (watch := flow_watch(spec)) is not None:
        yield OrphanReset(watch)


def own_tables(spec: AgentSpec) -> Iterator[OwnTable]:
    """Yield the nftables tables that every gateway has."""
    yield carried_ecn(spec.gateway, with_ring=spec.fleet.ring is not None)
    yield broken_fragments(spec)
    yield counted_traffic(spec)


def flow_watch(spec: AgentSpec) -> FlowWatch | None:
    """None where the operator wants orphaned flows to time out by themselves."""
    if not spec.nat64.reset_orphans:
        return None
    timeouts = spec.audit.timeouts
    established, closed = int(timeouts.tcp_established_s), int(timeouts.tcp_transitory_s)
    return FlowWatch(
        instance=spec.nat64.instance,
        pool6=spec.gateway.pool6,
        # An established flow whose time is over is kept in TRANS, until its pod has answered a probe.
        established_s=established + closed + LONGER_S,
        closed_s=closed + LONGER_S,
        flows=spec.nat64.reset_orphans_flows,
        longest_s=established,
        longer_s=LONGER_S,
        new_flows_s=spec.nat64.new_flows_s,
        client_length=spec.nat64.limit.length,
        udp_s=int(timeouts.udp_s) + LONGER_S,
        ring_flows_s=spec.fleet.ring.flows_s if spec.fleet.ring else 0,
        rst_ends_half_closed=dict(spec.nat64.globals).get("handle-rst-during-fin-rcv", "true").lower() == "true",
    )


def _paths(bgp: BgpSpec, announcement: Announcement) -> Iterator[Fact]:
    if not announcement.wanted:
        return
    communities = tuple(sorted({*bgp.communities, *announcement.communities}))
    for prefix in bgp.prefixes:
        next_hop = bgp.next_hop6 if prefix.version == 6 and bgp.next_hop6 else bgp.next_hop
        yield BgpPath(prefix, next_hop, announcement.med, communities)


@lru_cache(maxsize=4)
def scope(spec: AgentSpec) -> Scope:
    """What to look for: names that carry no mark of ours, and the links we depend on."""
    wanted = _standing(spec)
    return Scope(
        instance=spec.nat64.instance,
        globals=frozenset(fact.name for fact in wanted if isinstance(fact, JoolGlobal)),
        sysctls=frozenset(fact.name for fact in wanted if isinstance(fact, Sysctl)),
        modules=frozenset(fact.name for fact in wanted if isinstance(fact, Module)),
        link_states=frozenset(fact.name for fact in wanted if isinstance(fact, LinkState)),
        tunnels=frozenset({*_own_tunnels(spec.gateway), *(tunnel.name for tunnel in ring_tunnels(spec))}),
        vip=str(spec.gateway.vip or ""),
        prefixes=frozenset(map(str, spec.bgp.prefixes)),
        netns=spec.health.probe_netns,
        links=frozenset({spec.gateway.outside, spec.gateway.inside_link}),
        watch=flow_watch(spec),
        way=probe_way(spec),
        tables=frozenset((*own_tables(spec), refusals(spec))),
        clients=spec.gateway.clients if spec.gateway.near_by_router else (),
        tenants=tenant_rules(spec),
    )


def _own_tunnels(gateway: GatewaySpec) -> tuple[str, ...]:
    return () if gateway.is_native else (gateway.tunnel,)


def teardown_scope(spec: AgentSpec) -> Scope:
    """As `scope`, but a tunnel or an address that carries no mark is not ours: the operator's own stay."""
    return replace(scope(spec), tunnels=frozenset(), vip="")


def after_teardown(before: Facts, observed: Facts) -> Facts:
    """What a teardown aims at: nothing of ours, and settings as `before` remembers them.

    What is only a state of something that is not ours (sysctls, modules, other links) stays where nothing is known.
    """
    known = {fact.key: fact for fact in before}
    kept = (fact for fact in observed if isinstance(fact, Sysctl | Module | LinkState))
    return frozenset(known.get(fact.key, fact) for fact in kept) - _loaded_by_us(before, observed)


def _loaded_by_us(before: Facts, observed: Facts) -> Facts:
    """Modules that `before` knows to have been absent. `before` empty: nothing is known, nothing is unloaded."""
    if not before:
        return frozenset()
    return frozenset(fact for fact in observed if isinstance(fact, Module) and fact not in before)


def own_prefixes(observed: Facts) -> frozenset[str]:
    """/32 of every VIP that we put on the loopback, and what our instance translates.

    A path for one of them is ours, even after VIP or pool6 have changed.
    """
    vips = (fact for fact in observed if isinstance(fact, Address) and fact.ifname == "lo")
    instances = (fact for fact in observed if isinstance(fact, JoolInstance))
    return frozenset(
        (
            *(str(IPv4Network(f"{one.address}/{one.prefixlen}")) for one in vips if one.address.version == 4),
            *(str(one.pool6) for one in instances),
        )
    )


def widened(asked: Scope, observed: Facts) -> Scope:
    """Return the scope with the prefixes of our own paths that were observed."""
    return replace(asked, prefixes=asked.prefixes | own_prefixes(observed))
