"""What `[gateway] inside` asks of other keys: those that it needs, and those that mean nothing with it."""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from kun_base.errors import Fault
from kun_base.prefix import prefix_problem, sixtofour_network
from kun_nat64.config.file import BgpSection, GatewaySection, HealthSection, Nat64Section, Section
from kun_nat64.config.misuse import NO_PODS

GLOBAL_UNICAST = IPv6Network("2000::/3")
# An address of a probe has a word of 16 bits to itself (policy/neutral.py).
LONGEST_FOR_PROBES = 112
# Keys of the 6to4 tunnel, and what there is without one.
OF_THE_TUNNEL: dict[str, dict[str, str]] = {
    "gateway": {
        "allow_nonglobal_vip": "only 6to4 needs a global VIP",
        "near_by_router": "answers go to pods by this host's own routes",
        "tunnel": "no tunnel exists",
        "check_source": "gateway.clients lists the permitted sources",
        "routes": "the routes to the pods are this host's own",
    },
    "health": {"probe_network": "probes come by IPv6"},
}


def is_native(gateway: GatewaySection) -> bool:
    return gateway.inside == "native"


def tunnel_keys(gateway: GatewaySection, other: Section | None, name: str) -> Iterator[Fault]:
    """Keys of the section `name` that are written and mean nothing."""
    if other is None or not is_native(gateway):
        return
    for key, why in OF_THE_TUNNEL[name].items():
        if key in other.model_fields_set:
            wanted = f'has no effect with inside = "native": {why}; leave it out'
            yield Fault(f"{name}.{key}", _written(getattr(other, key, "")), wanted)


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return repr([str(one) for one in value])
    return repr(value) if isinstance(value, bool) else repr(str(value))


def gateway_keys(gateway: GatewaySection) -> Iterator[Fault]:
    if not is_native(gateway):
        # Of a section that is missing as a whole that is said already.
        if gateway.vip is None and gateway.model_fields_set:
            yield Fault("gateway.vip", "", 'is required with inside = "6to4"')
        return
    if not gateway.uplink:
        yield Fault(
            "gateway.uplink", "", 'is required with inside = "native": the interface where packets of pods arrive'
        )
    elif gateway.uplink == gateway.outside and not gateway.one_armed:
        wanted = "is also gateway.outside, where packets of pods are dropped; set one_armed = true if this is intended"
        yield Fault("gateway.uplink", repr(gateway.uplink), wanted)


def clients(gateway: GatewaySection) -> Iterator[Fault]:
    """6to4: outer IPv4 sources. Native: sources of the pods' own packets."""
    if not is_native(gateway):
        for place, network in enumerate(gateway.clients):
            if network is not None and network.version == 6:
                wanted = 'must be an IPv4 network of nodes; IPv6 networks of pods are for inside = "native"'
                yield Fault(f"gateway.clients[{place}]", repr(str(network)), wanted)
    elif "clients" not in gateway.model_fields_set:
        wanted = 'is required with inside = "native": the IPv6 networks of the pods, for example ["2001:db8:a1::/48"]'
        yield Fault("gateway.clients", "", wanted)
    else:
        yield from _pods(gateway)


def _pods(gateway: GatewaySection) -> Iterator[Fault]:
    for place, network in enumerate(gateway.clients):
        if network is None:
            continue
        where = f"gateway.clients[{place}]"
        if isinstance(network, IPv4Network):
            yield Fault(where, repr(str(network)), 'must be an IPv6 network of pods with inside = "native"')
        elif why := next((why for unusable, why in NO_PODS.items() if network.subnet_of(unusable)), ""):
            yield Fault(where, repr(str(network)), f"{why}: no pod sends from there")
    networks = pod_networks(gateway)
    if _share(networks) >= 0.5:
        shown = repr([str(network) for network in networks])
        yield Fault("gateway.clients", shown, "is everybody, which makes an open relay: name the networks of the pods")


def pod_networks(gateway: GatewaySection) -> tuple[IPv6Network, ...]:
    return tuple(network for network in gateway.clients if isinstance(network, IPv6Network))


def _share(networks: tuple[IPv6Network, ...]) -> float:
    """Of all global unicast addresses."""
    parts = [
        one if one.subnet_of(GLOBAL_UNICAST) else GLOBAL_UNICAST for one in networks if one.overlaps(GLOBAL_UNICAST)
    ]
    return sum(one.num_addresses for one in collapse_addresses(parts)) / GLOBAL_UNICAST.num_addresses


def pool6(gateway: GatewaySection, nat64: Nat64Section) -> Iterator[Fault]:
    if not is_native(gateway):
        yield from _pool6_of_vip(gateway, nat64)
    elif nat64.pool6 is None:
        wanted = 'is required with inside = "native": a /96 of your own, or "64:ff9b::/96"'
        yield Fault("nat64.pool6", "", wanted)
    elif why := prefix_problem(nat64.pool6, allow_nonglobal=True):
        yield Fault("nat64.pool6", repr(str(nat64.pool6)), why)
    else:
        for place, network in enumerate(gateway.clients):
            if isinstance(network, IPv6Network) and network.subnet_of(nat64.pool6.network):
                yield Fault(f"gateway.clients[{place}]", repr(str(network)), "is of nat64.pool6, which no pod is in")


def _pool6_of_vip(gateway: GatewaySection, nat64: Nat64Section) -> Iterator[Fault]:
    """sit drops a packet whose inner 6to4 destination does not embed the outer one: pool6 must be of the VIP."""
    if nat64.pool6 is None or gateway.vip is None:
        return
    own = sixtofour_network(gateway.vip)
    if not nat64.pool6.network.subnet_of(own):
        yield Fault("nat64.pool6", repr(str(nat64.pool6)), f"must be inside {own}, the 6to4 prefix of gateway.vip")


def next_hop6(gateway: GatewaySection, nat64: Nat64Section, bgp: BgpSection) -> Iterator[Fault]:
    if not is_native(gateway):
        return
    if bgp.next_hop6 is None:
        wanted = 'is required with inside = "native": this gateway\'s IPv6 address towards the routers, "fd00:11::2"'
        yield Fault("bgp.next_hop6", "", wanted)
    elif bgp.next_hop6.is_link_local:
        yield Fault(
            "bgp.next_hop6", repr(str(bgp.next_hop6)), "is link-local: routers cannot send replies to probes to it"
        )
    elif nat64.pool6 and bgp.next_hop6 in nat64.pool6.network:
        yield Fault("bgp.next_hop6", repr(str(bgp.next_hop6)), "is of nat64.pool6, which all gateways share")
    if nat64.pool6 and nat64.pool6.network in bgp.prefixes:
        place = bgp.prefixes.index(nat64.pool6.network)
        yield Fault(f"bgp.prefixes[{place}]", repr(str(nat64.pool6)), "pool6 is always announced: leave it out")


def probe_node(gateway: GatewaySection, bgp: BgpSection | None, health: HealthSection) -> Iterator[Fault]:
    node = health.probe_node
    if not is_native(gateway):
        if node and node.version == 6:
            wanted = 'must be an IPv4 address of a node; one of IPv6 is for inside = "native"'
            yield Fault("health.probe_node", repr(str(node)), wanted)
        return
    networks = pod_networks(gateway)
    if node and node.version == 4:
        yield Fault("health.probe_node", repr(str(node)), 'must be an IPv6 address with inside = "native"')
    elif node and not any(node in network for network in networks):
        yield Fault("health.probe_node", repr(str(node)), "must be in gateway.clients: it is routed as the pods are")
    elif node and bgp and node == bgp.next_hop6:
        yield Fault("health.probe_node", repr(str(node)), "is an address of this gateway: give one behind the router")
    of_probes = [network for network in networks if not node or node in network]
    if of_probes and not any(network.prefixlen <= LONGEST_FOR_PROBES for network in of_probes):
        wanted = f"must have a network of a /{LONGEST_FOR_PROBES} or larger, from which probes can come"
        yield Fault("gateway.clients", repr([str(network) for network in networks]), wanted)
