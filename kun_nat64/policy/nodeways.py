"""Finds nodes with sessions that have no route back. Probes prove the route to one address only.

A sit device keeps one route for each processor, whatever the destination (net/ipv6/sit.c, dst_cache): so nodes that are
answered directly and nodes behind a router cannot both be.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from kun_base.prefix import sixtofour_network
from kun_nat64.model.nodeways import NodeWay
from kun_nat64.model.spec import GatewaySpec

# So many inside addresses are looked through, and so many nodes asked about, at each count.
MOST_PODS, MOST_NODES = 1000, 32


def nodes_of(inside: Iterable[int]) -> tuple[IPv4Address, ...]:
    """Nodes of some of the inside addresses, spread over all of them; pods outside of 6to4 have none."""
    nodes = sorted({node for pod in _some(inside) if (node := pod.sixtofour) is not None})
    return tuple(nodes[:: max(1, len(nodes) // MOST_NODES)][:MOST_NODES])


def pods_of(inside: Iterable[int]) -> tuple[IPv6Address, ...]:
    """As `nodes_of`, of a gateway without a tunnel: some of the pods themselves."""
    pods = _some(inside)
    return tuple(pods[:: max(1, len(pods) // MOST_NODES)][:MOST_NODES])


def _some(inside: Iterable[int]) -> list[IPv6Address]:
    every = sorted(inside)
    return [IPv6Address(one) for one in every[:: max(1, len(every) // MOST_PODS)]]


def cut_off(ways: Iterable[NodeWay], gateway: GatewaySpec, uplink: str) -> tuple[str, ...]:
    """Return nodes without a route back, each with its reason. `uplink`: interface towards the nodes, "": unknown."""
    ways = tuple(ways)
    found = [f"{way.node}: {why}" for way in ways if (why := _amiss(way, gateway, uplink))]
    return tuple(found) if gateway.is_native else (*found, *_mixed(ways))


def _amiss(way: NodeWay, gateway: GatewaySpec, uplink: str) -> str:
    if way.error:
        return way.error
    if way.link == gateway.outside != uplink:
        return f"routed by {way.link}, the interface outside"
    if isinstance(way.node, IPv6Address):
        return "" if way.link == uplink else f"routed by {way.link}, not by {uplink}"
    node = way.node
    routed = any(sixtofour_network(node).subnet_of(route) for route in gateway.routes)
    if routed and way.pods_link != gateway.tunnel:
        return f"its pods are routed by {way.pods_link}, not by {gateway.tunnel}"
    return ""


def _mixed(ways: Iterable[NodeWay]) -> tuple[str, ...]:
    known = [way for way in ways if not way.error]
    near = [way.node for way in known if way.router is None]
    far = [way.node for way in known if way.router is not None]
    if not (near and far):
        return ()
    words = f"{near[0]} is answered directly and {far[0]} by a router: the tunnel can send both by one way only"
    return (f"{words}; [gateway] near_by_router = true, or a route to the former by the router",)
