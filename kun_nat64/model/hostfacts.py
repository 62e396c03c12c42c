"""Facts about the kernel of a gateway: modules, sysctls, namespaces, links, addresses, routes.

`netns` is "" for the gateway's own network namespace, else the name of one of ours (the probe's).
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from kun_nat64.model.area import Area, Key

ANY_IPV4 = IPv4Address("0.0.0.0")


def netns_key(netns: str) -> Key | None:
    return ("netns", netns) if netns else None


def where(netns: str) -> str:
    return f" in {netns}" if netns else ""


@dataclass(frozen=True, slots=True)
class Module:
    """A kernel module that is loaded."""

    name: str

    @property
    def area(self) -> Area:
        return Area.MODULES

    @property
    def key(self) -> Key:
        return ("module", self.name)

    @property
    def inside(self) -> Key | None:
        return None

    def __str__(self) -> str:
        return f"module {self.name}"


@dataclass(frozen=True, slots=True)
class Sysctl:
    """`name` with dots (`net.ipv4.ip_forward`), `value` as the kernel prints it, blanks single."""

    name: str
    value: str

    @property
    def area(self) -> Area:
        return Area.SYSCTLS

    @property
    def key(self) -> Key:
        return ("sysctl", self.name)

    @property
    def inside(self) -> Key | None:
        return None

    def __str__(self) -> str:
        return f"sysctl {self.name} = {self.value}"


@dataclass(frozen=True, slots=True)
class Netns:
    """A named network namespace of ours."""

    name: str

    @property
    def area(self) -> Area:
        return Area.LINKS

    @property
    def key(self) -> Key:
        return ("netns", self.name)

    @property
    def inside(self) -> Key | None:
        return None

    def __str__(self) -> str:
        return f"network namespace {self.name}"


@dataclass(frozen=True, slots=True)
class Veth:
    """A pair of virtual cables: `name` here, `peer` in `peer_netns`, both up."""

    name: str
    peer: str
    peer_netns: str
    mtu: int
    up: bool = True

    @property
    def area(self) -> Area:
        return Area.LINKS

    @property
    def key(self) -> Key:
        return ("link", "", self.name)

    @property
    def inside(self) -> Key | None:
        """Not its namespace: that can outlive its name, held by a socket, and the cable with it."""
        return None

    def __str__(self) -> str:
        state = "up" if self.up else "down"
        return f"veth {self.name} to {self.peer}{where(self.peer_netns)}, mtu {self.mtu}, {state}"


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A sit device (RFC 4213, with 6to4 by RFC 3056: remote any), that carries IPv6 only (`proto` 41).

    `odd`: its other parameters, as far as they are not those of a plain 6to4 device; "": none is.
    """

    name: str
    local: IPv4Address
    mtu: int
    netns: str = ""
    remote: IPv4Address = ANY_IPV4
    ttl: int = 64
    proto: int = 41
    pmtudisc: bool = True
    up: bool = True
    marked: bool = True
    odd: str = ""

    @property
    def area(self) -> Area:
        return Area.LINKS

    @property
    def key(self) -> Key:
        return ("link", self.netns, self.name)

    @property
    def inside(self) -> Key | None:
        return netns_key(self.netns)

    def must_go_for(self, wanted: object) -> bool:
        """Whether only a new device can be as `wanted`.

        The kernel changes neither what it carries nor whether it has one end. A new one has nothing odd.
        """
        if not isinstance(wanted, Tunnel):
            return True
        return bool(self.odd) or (self.proto, self.remote) != (wanted.proto, wanted.remote)

    def __str__(self) -> str:
        odd = "" if self.proto == 41 else f", proto {self.proto}"
        odd += "" if self.pmtudisc else ", nopmtudisc"
        odd += "" if self.remote == ANY_IPV4 else f", remote {self.remote}"
        odd += f", {self.odd}" if self.odd else ""
        odd += "" if self.marked else ", not marked as ours"
        state = "up" if self.up else "down"
        shape = f"sit local {self.local}, mtu {self.mtu}, ttl {self.ttl}{odd}, {state}"
        return f"tunnel {self.name}{where(self.netns)}: {shape}"


@dataclass(frozen=True, slots=True)
class LinkState:
    """Whether a link that others made is up. A link that is not there is down."""

    name: str
    up: bool

    @property
    def area(self) -> Area:
        return Area.LINKS

    @property
    def key(self) -> Key:
        return ("linkstate", self.name)

    @property
    def inside(self) -> Key | None:
        return None

    def __str__(self) -> str:
        return f"link {self.name} {'up' if self.up else 'down'}"


@dataclass(frozen=True, slots=True)
class Address:
    ifname: str
    address: IPv4Address | IPv6Address
    prefixlen: int
    netns: str = ""

    @property
    def area(self) -> Area:
        return Area.LINKS

    @property
    def key(self) -> Key:
        return ("address", self.netns, self.ifname, f"{self.address}/{self.prefixlen}")

    @property
    def inside(self) -> Key | None:
        """The link it goes down with; the loopback is nobody's to remove."""
        return None if self.ifname == "lo" else ("link", self.netns, self.ifname)

    def __str__(self) -> str:
        return f"address {self.address}/{self.prefixlen} on {self.ifname}{where(self.netns)}"


@dataclass(frozen=True, slots=True)
class NodeRouter:
    """Nodes of `network`, which is the uplink's own, are answered by the router that leads to all others.

    A sit device keeps one route for each processor, whatever the destination (net/ipv6/sit.c, dst_cache): a node that
    is answered directly would take the others' answers with it, which nobody on the uplink's network would take.
    """

    vip: IPv4Address
    network: IPv4Network
    router: IPv4Address
    dev: str

    @property
    def area(self) -> Area:
        return Area.LINKS

    @property
    def key(self) -> Key:
        return ("node-router", str(self.network))

    @property
    def inside(self) -> Key | None:
        return None

    def __str__(self) -> str:
        return f"answers from {self.vip} to nodes of {self.network} by the router {self.router} dev {self.dev}"


@dataclass(frozen=True, slots=True)
class Route:
    """A route of the main table that carries our protocol number. `source`: preferred source address.

    By "lo" nothing leaves: what is sent there is answered with ICMPv6 "unreachable".
    """

    dst: IPv4Network | IPv6Network
    dev: str
    via: IPv4Address | IPv6Address | None = None
    netns: str = ""
    metric: int = 0
    source: IPv4Address | IPv6Address | None = None

    @property
    def area(self) -> Area:
        return Area.LINKS

    @property
    def key(self) -> Key:
        return ("route", self.netns, str(self.dst), str(self.metric))

    @property
    def inside(self) -> Key | None:
        return None if self.dev == "lo" else ("link", self.netns, self.dev)

    def __str__(self) -> str:
        if self.dev == "lo":
            return f"refusal of {self.dst}{where(self.netns)}"
        via = f" via {self.via}" if self.via else ""
        source = f" src {self.source}" if self.source else ""
        metric = f" metric {self.metric}" if self.metric else ""
        return f"route {self.dst}{via} dev {self.dev}{source}{metric}{where(self.netns)}"
