"""Our ip6tables and iptables rules, in the words of iptables-save (the form they are compared in).

Jool takes packets in PREROUTING and sends them in POSTROUTING: translated traffic never sees INPUT, FORWARD, OUTPUT.
"""

from collections.abc import Collection, Iterator
from ipaddress import IPv4Address, IPv4Network

from kun_base.prefix import WELL_KNOWN
from kun_base.special_ipv4 import NEVER_TRANSLATED, without_global
from kun_nat64.model.facts import MARK, Chain, Fact, Facts, Family, Rule
from kun_nat64.model.ringfacts import LINK_PREFIX
from kun_nat64.model.spec import AgentSpec, GatewaySpec

COMMENT = f"-m comment --comment {MARK}"
CLIENTS_CHAIN = "KUN-NAT64-CLIENTS"
PODS_CHAIN = "KUN-NAT64-PODS"
POOL6_CHAIN = "KUN-NAT64-POOL6"
# "This network", loopback, multicast and reserved: never a destination outside, whatever the operator lists.
NEVER = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4")))


def rules(spec: AgentSpec, own: Collection[IPv4Address] = ()) -> Iterator[Fact]:
    """`own`: the addresses that this machine has now."""
    yield from _mss(spec.gateway)
    yield from _ring(spec)
    yield from _pool6(spec)
    if spec.gateway.is_native:
        yield from _native_pods(spec, own)
    else:
        yield from _clients(spec)
        yield from _pods(spec, own)


def _mss(gateway: GatewaySpec) -> Iterator[Fact]:
    """The pod's SYN before Jool, the server's SYN-ACK after it. TCPMSS never raises an MSS."""
    syn = f"-p tcp -m tcp --tcp-flags SYN,RST SYN {COMMENT} -j TCPMSS --set-mss {gateway.mss}"
    yield Rule(Family.IPV6, "mangle", "PREROUTING", f"-d {gateway.pool6} {syn}")
    yield Rule(Family.IPV6, "mangle", "POSTROUTING", f"-s {gateway.pool6} {syn}")


SET_MSS = "--set-mss "


def mss_in_force(observed: Facts, gateway: GatewaySpec) -> int | None:
    """With `mss = "auto"`: what our rules set now, which is the running agent's to say; None: what the file says."""
    specs = [fact.spec for fact in observed if isinstance(fact, Rule) and fact.table == "mangle"]
    found = {int(spec.rpartition(SET_MSS)[2]) for spec in specs if SET_MSS in spec and spec[-1].isdigit()}
    return min(found) if gateway.mss_auto and found and min(found) < gateway.mss else None


def _clients(spec: AgentSpec) -> Iterator[Fact]:
    """Rules for senders of protocol 41, probes included. RETURN, not ACCEPT, so the host's firewall still applies."""
    vip = spec.gateway.tunnel_end
    yield Rule(Family.IPV4, "filter", "INPUT", f"-d {vip}/32 -p 41 {COMMENT} -j {CLIENTS_CHAIN}")
    if not spec.gateway.one_armed:
        # A source is what its sender wrote: from outside, it may be that of a node.
        from_outside = f"-d {vip}/32 -i {spec.gateway.outside} -p 41 {COMMENT} -j DROP"
        yield Rule(Family.IPV4, "raw", "PREROUTING", from_outside)
    allowed = tuple(f"-s {network} -j RETURN" for network in spec.gateway.clients)
    yield Chain(Family.IPV4, "filter", CLIENTS_CHAIN, (*allowed, "-j DROP"))


def _pool6(spec: AgentSpec) -> Iterator[Fact]:
    """Drop packets to pool6 from other interfaces: Jool would translate them, and no other rule checks them."""
    gateway = spec.gateway
    yield Rule(Family.IPV6, "raw", "PREROUTING", f"-d {gateway.pool6} {COMMENT} -j {POOL6_CHAIN}")
    by_ring = (f"-i {LINK_PREFIX}+ -j RETURN",) if spec.fleet.ring else ()
    yield Chain(Family.IPV6, "raw", POOL6_CHAIN, (f"-i {gateway.inside_link} -j RETURN", *by_ring, "-j DROP"))


def _pods(spec: AgentSpec, own: Collection[IPv4Address]) -> Iterator[Fact]:
    """What may come out of the tunnel: 6to4 sources, to pool6, and not to what shall never be reached.

    The kernel checks that a 6to4 source embeds the outer one (RFC 3964 section 5.1); other sources it lets pass.
    """
    gateway = spec.gateway
    yield Rule(Family.IPV6, "raw", "PREROUTING", f"-i {gateway.tunnel} {COMMENT} -j {PODS_CHAIN}")
    denied = tuple(f"-d {embedded(spec, network)} -j DROP" for network in denied_networks(spec, own))
    source = ("! -s 2002::/16 -j DROP",) if gateway.check_source else ()
    # A source in pool6 would be translated into an IPv4 address that a sender has made up (RFC 6146 section 3.5).
    source = (f"-s {gateway.pool6} -j DROP", *source)
    yield Chain(Family.IPV6, "raw", PODS_CHAIN, (f"! -d {gateway.pool6} -j DROP", *denied, *source))
    # Without Jool the kernel would route pool6 packets on: no relaying, in either case.
    yield Rule(Family.IPV6, "filter", "FORWARD", f"-i {gateway.tunnel} {COMMENT} -j DROP")


def _native_pods(spec: AgentSpec, own: Collection[IPv4Address]) -> Iterator[Fact]:
    """What may come to pool6 by the inside interface: from `clients`, and not to what shall never be reached.

    A source in pool6 would be translated into an IPv4 address that a sender has made up (RFC 6146 section 3.5).
    """
    gateway = spec.gateway
    yield Rule(Family.IPV6, "raw", "PREROUTING", f"-d {gateway.pool6} -i {gateway.uplink} {COMMENT} -j {PODS_CHAIN}")
    denied = tuple(f"-d {embedded(spec, network)} -j DROP" for network in denied_networks(spec, own))
    allowed = tuple(f"-s {network} -j RETURN" for network in gateway.pods)
    yield Chain(Family.IPV6, "raw", PODS_CHAIN, (*denied, f"-s {gateway.pool6} -j DROP", *allowed, "-j DROP"))
    # Without Jool the kernel would route pool6 packets back to the router that sent them.
    yield Rule(Family.IPV6, "filter", "FORWARD", f"-d {gateway.pool6} {COMMENT} -j DROP")


def _ring(spec: AgentSpec) -> Iterator[Fact]:
    """Rules for packets that other gateways hand over: the same as for packets of pods."""
    gateway, ring = spec.gateway, spec.fleet.ring
    if ring is None:
        return
    if not gateway.one_armed:
        from_outside = f"-d {ring.own}/32 -i {gateway.outside} -p 41 {COMMENT} -j DROP"
        yield Rule(Family.IPV4, "raw", "PREROUTING", from_outside)
    to_pool6 = f"-d {gateway.pool6} -i {LINK_PREFIX}+ {COMMENT} -j {PODS_CHAIN}"
    yield Rule(Family.IPV6, "raw", "PREROUTING", to_pool6)
    yield Rule(Family.IPV6, "filter", "FORWARD", f"-i {LINK_PREFIX}+ {COMMENT} -j DROP")


def denied_networks(spec: AgentSpec, own: Collection[IPv4Address] = ()) -> tuple[IPv4Network, ...]:
    """The gateway's own addresses are always among them. Without networks that another one covers."""
    listed = tuple(without_global(spec.gateway.never_reach))
    if spec.gateway.pool6 == WELL_KNOWN:
        # RFC 6052 section 3.1: never for addresses that are not global.
        listed = (*listed, *NEVER_TRANSLATED)
    wanted = {*listed, *NEVER, *map(IPv4Network, own_addresses(spec)), *map(IPv4Network, own)}
    kept: list[IPv4Network] = []
    for network in sorted(wanted):  # a network sorts just before all that it covers
        if not kept or not network.subnet_of(kept[-1]):
            kept.append(network)
    return tuple(kept)


def own_addresses(spec: AgentSpec) -> frozenset[IPv4Address]:
    """Those that the file names. What else this machine has is looked at (Observation.own)."""
    vip = () if spec.gateway.vip is None else (spec.gateway.vip,)
    return frozenset((*vip, spec.bgp.router_id, spec.bgp.next_hop, *public_addresses(spec)))


def public_addresses(spec: AgentSpec) -> frozenset[IPv4Address]:
    """Return the public addresses of pods: the shared ones and those of tenants."""
    tenants = (entry.address for tenant in spec.tenants for entry in tenant.pool4)
    return frozenset((*(entry.address for entry in spec.nat64.pool4), *tenants))


def embedded(spec: AgentSpec, network: IPv4Network) -> str:
    """The IPv6 network of a /96 prefix that embeds an IPv4 network (RFC 6052 section 2.2)."""
    return f"{spec.gateway.pool6.embed(network.network_address)}/{96 + network.prefixlen}"
