"""Changes of links, addresses and routes, as netlink messages and as the `ip` commands that do the same."""

import errno
import os
from collections.abc import Callable
from ipaddress import IPv4Address

from kun_nat64.drivers.linkdump import LOOPBACK_LABEL, ROUTE_PROTOCOL
from kun_nat64.drivers.netlink import Session
from kun_nat64.drivers.netns import open_namespace
from kun_nat64.model.facts import MARK, Address, LinkState, Route, Tunnel, Veth
from kun_nat64.model.hostfacts import ANY_IPV4
from kun_nat64.model.plan import Action, Change

# Without duplicate address detection: the address works at once, and nobody else is on our links.
IFA_F_NODAD = 0x02
IFF_NOARP = 0x80
# Of a locally administered card; both ends of the probe's cable have it.
CABLE_ADDRESS = "02:6b:75:6e:36:34"
Work = Callable[[Session], None]


def action_of(change: Change) -> Work:
    match change.fact:
        case Tunnel() as tunnel:
            return lambda ip: _tunnel(ip, tunnel, change)
        case LinkState(name=name, up=up):
            return lambda ip: _set_up(ip, name, up)
        case Address() as address:
            return lambda ip: _address(ip, address, change.action)
        case Route() as route:
            return lambda ip: _route(ip, route, change.action)
        case other:
            raise AssertionError(f"{other} is not for this driver")


def words(change: Change) -> tuple[str, ...]:
    """After `ip`."""
    match change.fact:
        case Tunnel(name=name, local=local, remote=remote):
            end = ("remote", str(remote)) if remote != ANY_IPV4 else ()
            return ("link", change.action, name, "type", "sit", "local", str(local), *end)
        case LinkState(name=name, up=up):
            return ("link", "set", name, "up" if up else "down")
        case Address(ifname=ifname, address=address, prefixlen=length):
            return ("address", change.action, f"{address}/{length}", "dev", ifname)
        case Route(dst=dst, dev=dev):
            return ("route", change.action, str(dst), "dev", dev)
        case other:
            return (str(other),)


def index_of(ip: Session, name: str) -> int:
    found = ip.link_lookup(ifname=name)
    if not found:
        raise OSError(errno.ENODEV, f"no link {name}")
    index: int = found[0]
    return index


def delete_link(ip: Session, name: str) -> None:
    ip.link("del", index=index_of(ip, name))


def _set_up(ip: Session, name: str, up: bool) -> None:
    ip.link("set", index=index_of(ip, name), state="up" if up else "down")


def _tunnel(ip: Session, tunnel: Tunnel, change: Change) -> None:
    if change.action is Action.REMOVE:
        return delete_link(ip, tunnel.name)
    before = change.before
    rigid = isinstance(before, Tunnel) and before.must_go_for(tunnel)
    if rigid:
        delete_link(ip, tunnel.name)
    sit = {"sit_local": str(tunnel.local), "sit_ttl": tunnel.ttl, "sit_pmtudisc": int(tunnel.pmtudisc)}
    sit |= {"sit_remote": str(tunnel.remote)} if tunnel.remote != ANY_IPV4 else {}
    if change.action is Action.ADD or rigid:
        ip.link("add", ifname=tunnel.name, kind="sit", sit_proto=tunnel.proto, **sit)
    else:
        ip.link("set", index=index_of(ip, tunnel.name), kind="sit", sit_proto=tunnel.proto, **sit)
    state = "up" if tunnel.up else "down"
    ip.link("set", index=index_of(ip, tunnel.name), mtu=tunnel.mtu, ifalias=MARK, state=state)
    return None


def make_veth(ip: Session, veth: Veth) -> None:
    descriptor = open_namespace(veth.peer_netns)
    try:
        ip.link("add", ifname=veth.name, kind="veth", peer={"ifname": veth.peer, "net_ns_fd": descriptor})
    finally:
        os.close(descriptor)
    _without_neighbours(ip, veth.name)
    ip.link("set", index=index_of(ip, veth.name), mtu=veth.mtu, ifalias=MARK, state="up")


def ready_peer(ip: Session, veth: Veth) -> None:
    """In the namespace of the peer. The loopback as well: without it a namespace answers nothing to itself."""
    _without_neighbours(ip, veth.peer)
    ip.link("set", index=index_of(ip, veth.peer), mtu=veth.mtu, state="up")
    _set_up(ip, "lo", up=True)


def _without_neighbours(ip: Session, name: str) -> None:
    """Two ends with one address, and nobody to ask for it.

    Neighbour discovery passes INPUT and OUTPUT, translated packets do not: a firewall that drops there, and harms no
    pod, would otherwise end the probes. A device without it sends to its own address (ndisc_constructor in the kernel).
    """
    ip.link("set", index=index_of(ip, name), address=CABLE_ADDRESS, flags=IFF_NOARP, change=IFF_NOARP)


def _address(ip: Session, address: Address, action: Action) -> None:
    index = index_of(ip, address.ifname)
    common = {"index": index, "address": str(address.address), "prefixlen": address.prefixlen}
    if action is Action.REMOVE:
        ip.addr("del", **common)
    elif isinstance(address.address, IPv4Address):
        label = {"label": LOOPBACK_LABEL} if address.ifname == "lo" else {}
        ip.addr("add", **common, **label)
    else:
        ip.addr("add", **common, flags=IFA_F_NODAD)


def _route(ip: Session, route: Route, action: Action) -> None:
    verb = {Action.ADD: "add", Action.REPLACE: "replace", Action.REMOVE: "del"}[action]
    words: dict[str, object] = {
        "dst": str(route.dst),
        "oif": index_of(ip, route.dev),
        "proto": ROUTE_PROTOCOL,
    }
    if route.dev == "lo":
        words["type"] = "unreachable"
    if route.via is not None:
        words["gateway"] = str(route.via)
    if route.metric:
        words["priority"] = route.metric
    if route.source is not None:
        words["prefsrc"] = str(route.source)
    ip.route(verb, **words)
