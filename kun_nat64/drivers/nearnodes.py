"""Nodes on the uplink's own network: which there could be, and the rule and routes that lead to them by the router.

One rule sends what the VIP sends through a table of ours; that table knows the near networks only, and what it does
not know goes on to the host's own tables.
"""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from socket import AF_INET
from typing import Any

from kun_base.prefix import sixtofour_network
from kun_nat64.drivers.linkdump import ROUTE_PROTOCOL
from kun_nat64.drivers.netlink import Session
from kun_nat64.model.facts import Facts, NodeRouter
from kun_nat64.model.nodeways import NodeWay
from kun_nat64.model.observation import Scope
from kun_nat64.model.plan import Action
from kun_nat64.model.probefacts import ProbeWay

# Number of the table and place of the rule: below those of the kernel (32766), above most of other people's.
TABLE = PLACE = 16441
GONE = (2, 3, 19, 97, 113)  # ENOENT, ESRCH, ENODEV, EAFNOSUPPORT, EHOSTUNREACH


@dataclass(frozen=True, slots=True)
class Near:
    """`wanted`: for this host's addresses and routes as they are; `there`: rule and route are both there."""

    wanted: Facts
    there: Facts


def observe(ip: Session, scope: Scope) -> Near:
    way = scope.way
    if not isinstance(way, ProbeWay):
        return Near(frozenset(), frozenset())
    return Near(_wanted(ip, way, scope.clients), _there(ip, way.vip))


def _wanted(ip: Session, way: ProbeWay, clients: tuple[IPv4Network, ...]) -> Facts:
    """Nothing where the nodes are not behind a router of the uplink: then near ones spoil nothing."""
    names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in ip.get_links()} if clients else {}
    held = [_held(message) for message in ip.get_addr(family=AF_INET)] if clients else []
    uplinks = {
        index for index, address, _ in held if (names.get(index) == way.uplink if way.uplink else address == way.home)
    }
    router, device = _router(ip, way)
    if router is None or device not in uplinks:
        return frozenset()
    networks = {network for index, _, network in held if index == device and network.prefixlen < 32}
    near = {network for network in networks if router in network and any(network.overlaps(one) for one in clients)}
    return frozenset(NodeRouter(way.vip, network, router, names[device]) for network in near)


def _held(message: Any) -> tuple[int, IPv4Address, IPv4Network]:
    address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    return message["index"], IPv4Address(address), IPv4Network(f"{address}/{message['prefixlen']}", strict=False)


def _router(ip: Session, way: ProbeWay) -> tuple[IPv4Address | None, int]:
    from pyroute2 import NetlinkError

    try:
        found = ip.route("get", dst=str(way.node))[0]
    except (NetlinkError, OSError, IndexError):
        return None, 0
    gateway = found.get_attr("RTA_GATEWAY")
    return (IPv4Address(gateway) if gateway else None), found.get_attr("RTA_OIF") or 0


def _there(ip: Session, vip: IPv4Address) -> Facts:
    rules = [rule for rule in ip.get_rules(family=AF_INET) if _is_ours(rule, vip)]
    if not rules:
        return frozenset()
    names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in ip.get_links()}
    routes = ip.get_routes(family=AF_INET, table=TABLE, proto=ROUTE_PROTOCOL)
    return frozenset(fact for route in routes if (fact := _fact(route, vip, names)) is not None)


def _is_ours(rule: Any, vip: IPv4Address) -> bool:
    return bool(rule.get_attr("FRA_TABLE") == TABLE and rule.get_attr("FRA_SRC") == str(vip) and rule["src_len"] == 32)


def _fact(route: Any, vip: IPv4Address, names: dict[int, str]) -> NodeRouter | None:
    router, device = route.get_attr("RTA_GATEWAY"), names.get(route.get_attr("RTA_OIF") or 0)
    if route.get_attr("RTA_TABLE") != TABLE or router is None or device is None:
        return None
    network = IPv4Network(f"{route.get_attr('RTA_DST') or '0.0.0.0'}/{route['dst_len']}")
    return NodeRouter(vip, network, IPv4Address(router), device)


def apply(ip: Session, ours: NodeRouter, action: Action) -> None:
    """The rule goes with the last route of the table."""
    words = {"dst": str(ours.network), "table": TABLE, "proto": ROUTE_PROTOCOL}
    rule = {"src": str(ours.vip), "src_len": 32, "table": TABLE, "priority": PLACE}
    if action is not Action.REMOVE:
        device = ip.link_lookup(ifname=ours.dev)[0]
        ip.route("replace", **words, gateway=str(ours.router), oif=device)
        if not any(_is_ours(one, ours.vip) for one in ip.get_rules(family=AF_INET)):
            ip.rule("add", **rule, protocol=ROUTE_PROTOCOL)
        return
    with _already():
        ip.route("del", **words)
    if not list(ip.get_routes(family=AF_INET, table=TABLE)):
        with _already():
            ip.rule("del", **rule)


@contextlib.contextmanager
def _already() -> Any:
    from pyroute2 import NetlinkError

    try:
        yield
    except NetlinkError as error:
        if error.code not in GONE:
            raise


def ways_to(ip: Session, nodes: Iterable[IPv4Address | IPv6Address], vip: IPv4Address | None) -> tuple[NodeWay, ...]:
    """The routes of both families to each node, as the tunnel and Jool would ask for them; of IPv6 alone to a pod."""
    names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in ip.get_links()}
    return tuple(
        _way_to_pod(ip, node, names) if isinstance(node, IPv6Address) else _way_to(ip, node, vip, names)
        for node in nodes
    )


def _way_to_pod(ip: Session, pod: IPv6Address, names: dict[int, str]) -> NodeWay:
    from pyroute2 import NetlinkError

    try:
        found = ip.route("get", dst=str(pod))[0]
    except NetlinkError as error:
        return NodeWay(pod, error=f"no route: {os.strerror(error.code)}")
    link = names.get(found.get_attr("RTA_OIF") or 0, "")
    return NodeWay(pod, link=link, pods_link=link)


def _way_to(ip: Session, node: IPv4Address, vip: IPv4Address | None, names: dict[int, str]) -> NodeWay:
    from pyroute2 import NetlinkError

    pods = sixtofour_network(node).network_address + 1
    try:
        outer = ip.route("get", dst=str(node), src=str(vip))[0]
        inner = ip.route("get", dst=str(pods))[0]
    except NetlinkError as error:
        return NodeWay(node, error=f"no route: {os.strerror(error.code)}")
    router = outer.get_attr("RTA_GATEWAY")
    links = [names.get(found.get_attr("RTA_OIF") or 0, "") for found in (outer, inner)]
    return NodeWay(node, IPv4Address(router) if router else None, links[0], links[1])
