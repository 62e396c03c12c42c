"""From netlink dumps to facts: which links, addresses and routes are there, and which of them are ours."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from socket import AF_INET, AF_INET6
from typing import Any

from kun_nat64.model.facts import MARK, Address, Fact, LinkState, Route, Tunnel, Veth
from kun_nat64.model.observation import Foreign, LinkReport, Scope

IFF_UP = 1
# Marks a route as ours (RTA protocol, see `ip route show proto 164`); numbers above 4 are the user's to choose.
ROUTE_PROTOCOL = 164
# Marks an IPv4 address as ours; the kernel wants the interface's name in front.
LOOPBACK_LABEL = f"lo:{MARK}"
IPV6_METRIC_DEFAULT = 1024
MAIN_TABLE = 254
# The kernel gives them to links by itself; the second kind is what sit makes of its IPv4 addresses (RFC 4291, 2.5.5.1).
AUTOMATIC = (IPv6Network("fe80::/10"), IPv6Network("::/96"), IPv6Network("ff00::/8"))

# What a plain 6to4 device has (ip-link(8), sit): any other value sends some pods' packets elsewhere, or nowhere.
PLAIN: tuple[tuple[str, str, object], ...] = (
    ("IFLA_SIT_6RD_PREFIX", "6rd-prefix", "2002::"),
    ("IFLA_SIT_6RD_PREFIXLEN", "6rd-prefix length", 16),
    ("IFLA_SIT_6RD_RELAY_PREFIX", "6rd-relay-prefix", "0.0.0.0"),
    ("IFLA_SIT_6RD_RELAY_PREFIXLEN", "6rd-relay-prefix length", 0),
    ("IFLA_SIT_ENCAP_TYPE", "encap", 0),
    ("IFLA_SIT_TOS", "tos", 0),
    ("IFLA_SIT_FWMARK", "fwmark", 0),
    ("IFLA_SIT_LINK", "bound to link", 0),
)


@dataclass(frozen=True, slots=True)
class Link:
    """What the decisions here need of a link."""

    index: int
    name: str
    kind: str
    up: bool
    carrier: bool
    mtu: int
    qdisc: str
    alias: str
    peer_index: int
    data: dict[str, Any]

    @property
    def ours(self) -> bool:
        return self.alias == MARK


def read_link(message: Any) -> Link:
    info: Any = message.get_attr("IFLA_LINKINFO")
    nested: Any = info.get_attr("IFLA_INFO_DATA") if info else None
    attributes = nested["attrs"] if nested and "attrs" in nested else ()
    return Link(
        index=message["index"],
        name=message.get_attr("IFLA_IFNAME"),
        kind=(info.get_attr("IFLA_INFO_KIND") if info else None) or "",
        up=bool(message["flags"] & IFF_UP),
        carrier=bool(message.get_attr("IFLA_CARRIER")),
        mtu=message.get_attr("IFLA_MTU") or 0,
        qdisc=message.get_attr("IFLA_QDISC") or "",
        alias=message.get_attr("IFLA_IFALIAS") or "",
        peer_index=message.get_attr("IFLA_LINK") or 0,
        data=dict(attributes),
    )


def tunnel_of(link: Link, netns: str) -> Tunnel:
    return Tunnel(
        name=link.name,
        local=IPv4Address(link.data.get("IFLA_SIT_LOCAL", "0.0.0.0")),
        mtu=link.mtu,
        netns=netns,
        remote=IPv4Address(link.data.get("IFLA_SIT_REMOTE", "0.0.0.0")),
        ttl=link.data.get("IFLA_SIT_TTL", 0),
        proto=link.data.get("IFLA_SIT_PROTO", 0),
        pmtudisc=bool(link.data.get("IFLA_SIT_PMTUDISC", 0)),
        up=link.up,
        marked=link.ours,
        odd=", ".join(
            f"{words} {found}" for name, words, plain in PLAIN if (found := link.data.get(name, plain)) != plain
        ),
    )


def veth_of(link: Link, there: Iterable[Link], netns: str) -> Veth:
    """Its peer is in `netns`, or it has none that could be used."""
    peer = next((one for one in there if one.kind == "veth" and one.peer_index == link.index), None)
    if peer is None:
        return Veth(link.name, "?", "", link.mtu, link.up)
    return Veth(link.name, peer.name, netns, link.mtu, link.up and peer.up and peer.mtu == link.mtu)


def own_links(links: Iterable[Link], there: Iterable[Link], scope: Scope) -> Iterator[Fact]:
    """In the agent's namespace: marked ones, and the tunnel by its name."""
    by_name = {link.name: link for link in links}
    for link in by_name.values():
        if link.kind == "sit" and (link.ours or link.name in scope.tunnels):
            yield tunnel_of(link, "")
        elif link.kind == "veth" and link.ours:
            yield veth_of(link, there, scope.netns)
    for name in scope.link_states:
        yield LinkState(name, up=name in by_name and by_name[name].up)


def obstacles(links: Iterable[Link], scope: Scope) -> Iterator[Foreign]:
    """What is not ours and keeps our tunnel from being made."""
    for link in links:
        if link.name in scope.tunnels and link.kind != "sit":
            remedy = f"Rename it, or choose another gateway.tunnel: ip link set {link.name} name OTHER"
            what = f"{link.name} is a link of kind {link.kind or 'device'}, not a sit tunnel"
            yield Foreign(what, remedy, ("link", "", link.name))
        elif link.kind == "sit" and not link.ours and link.name not in scope.tunnels:
            local = str(link.data.get("IFLA_SIT_LOCAL", ""))
            if local == scope.vip and str(link.data.get("IFLA_SIT_REMOTE", "0.0.0.0")) == "0.0.0.0":
                remedy = f"Remove it, or name it in gateway.tunnel: ip link delete {link.name}"
                what = f"the tunnel {link.name} has the VIP {local} as its local address already"
                yield from (Foreign(what, remedy, ("link", "", name)) for name in sorted(scope.tunnels))


def reports(links: Iterable[Link], names: Iterable[str]) -> Iterator[LinkReport]:
    by_name = {link.name: link for link in links}
    for name in sorted(names):
        if name in by_name:
            link = by_name[name]
            yield LinkReport(name, True, link.up, link.carrier, link.mtu, link.qdisc)
        else:
            yield LinkReport(name, present=False)


def addresses(messages: Iterable[Any], names: dict[int, str], netns: str, vip: str) -> Iterator[Address]:
    """On the loopback those with our label, and the VIP; on the links in `names` all that the kernel did not make."""
    for message in messages:
        name = names.get(message["index"])
        text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
        if name is None or text is None:
            continue
        address, length = ip_address(text), message["prefixlen"]
        if name == "lo":
            labelled = message.get_attr("IFA_LABEL") == LOOPBACK_LABEL
            if netns or not (labelled or (str(address) == vip and length == 32)):
                continue
        if not _automatic(address):
            yield Address(name, address, length, netns)


def _automatic(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in AUTOMATIC if network.version == address.version)


def routes(messages: Iterable[Any], names: dict[int, str], netns: str) -> Iterator[Route]:
    """Those of the main table with our protocol number."""
    for message in messages:
        if message["proto"] != ROUTE_PROTOCOL or (message.get_attr("RTA_TABLE") or message["table"]) != MAIN_TABLE:
            continue
        family, device = message["family"], names.get(message.get_attr("RTA_OIF") or 0)
        if family not in (AF_INET, AF_INET6) or device is None:
            continue
        default = "0.0.0.0" if family == AF_INET else "::"
        network = ip_network(f"{message.get_attr('RTA_DST') or default}/{message['dst_len']}")
        via, source = message.get_attr("RTA_GATEWAY"), message.get_attr("RTA_PREFSRC")
        metric = message.get_attr("RTA_PRIORITY") or 0
        yield Route(
            dst=network,
            dev=device,
            via=ip_address(via) if via else None,
            netns=netns,
            metric=0 if family == AF_INET6 and metric == IPV6_METRIC_DEFAULT else metric,
            source=ip_address(source) if source else None,
        )
