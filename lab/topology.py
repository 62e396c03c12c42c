"""The network of the lab as data: hosts, the cables between them, addresses and routes.

Everything else (the commands that build it, the configuration files of the daemons, the checks of the demo) is derived
from the value that `topology()` returns. Addresses are from the documentation networks and from private space.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network

INSIDE_MTU = 8800
"""MTU the pods and the 6to4 tunnels see; the cables between the inside hosts carry 20 bytes of outer header more."""
CABLE_MTU = 9000
OUTSIDE_MTU = 1500

VIP = IPv4Address("203.0.113.1")
GATEWAY_AS = 65001
TOR_AS = 65000


def sixto4(address: IPv4Address) -> IPv6Network:
    """The /48 that belongs to an IPv4 address (RFC 3056 section 2)."""
    return IPv6Network(((0x2002 << 112) | (int(address) << 80), 48))


POOL6 = IPv6Network((int(sixto4(VIP).network_address), 96))
"""The NAT64 prefix of the VIP."""


@dataclass(frozen=True, slots=True)
class Port:
    """A network interface: its name on the host, its addresses with prefix length, its MTU."""

    name: str
    addresses: tuple[str, ...] = ()
    mtu: int = CABLE_MTU
    bridge: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    destination: str
    via: str


@dataclass(frozen=True, slots=True)
class Host:
    """One network namespace with its own /etc, /var, /run and processes.

    `sixto4` is the outer address of its 6to4 tunnel, if it has one: the shipped kun-6to4 script makes it.
    """

    name: str
    role: str
    loopback: tuple[str, ...] = ()
    bridges: tuple[Port, ...] = ()
    routes: tuple[Route, ...] = ()
    sixto4: str = ""
    nameserver: str = ""


@dataclass(frozen=True, slots=True)
class Cable:
    """A virtual Ethernet cable with a port of a host at either end."""

    left: str
    left_port: Port
    right: str
    right_port: Port


@dataclass(frozen=True, slots=True)
class Gateway:
    """What is particular to one gateway. `managed`: its agent writes neighbours and filters of its speaker."""

    name: str
    inside: str
    tor: str
    public: str
    speaker: str = "gobgp"
    managed: bool = False

    @property
    def has_bfd(self) -> bool:
        """Whether its speaker can do BFD: GoBGP cannot."""
        return self.speaker != "gobgp"


@dataclass(frozen=True, slots=True)
class Topology:
    hosts: tuple[Host, ...]
    cables: tuple[Cable, ...]
    gateways: tuple[Gateway, ...]
    pod_address: str = "2002:a01:2:1::10"
    node_ipv4: str = "10.1.0.2"
    dns64_address: str = "2002:a03:2::1"
    dns_server: str = "198.51.100.53"
    web_server: str = "198.51.100.80"
    ping_server: str = "198.51.100.81"
    echo_port: int = 7
    zone: str = "example.net"
    pool6: IPv6Network = POOL6
    native: bool = False
    mss: int = 1420

    def embed(self, address: str) -> str:
        """An IPv4 address in the gateways' prefix (RFC 6052 section 2.2)."""
        return str(IPv6Address(int(self.pool6.network_address) | int(IPv4Address(address))))

    def host(self, name: str) -> Host:
        """Raises KeyError with the known names."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(f"no host {name!r}; there are {', '.join(host.name for host in self.hosts)}")

    def gateway(self, name: str) -> Gateway:
        for gateway in self.gateways:
            if gateway.name == name:
                return gateway
        raise KeyError(f"no gateway {name!r}; there are {', '.join(gateway.name for gateway in self.gateways)}")


def gateways(count: int) -> tuple[Gateway, ...]:
    return tuple(
        Gateway(name=f"gw{n}", inside=f"10.2.{n}.2", tor=f"10.2.{n}.1", public=f"192.0.2.{10 + n}")
        for n in range(1, count + 1)
    )


def topology(gateway_count: int = 3) -> Topology:
    """pod - node - tor - gw1..gwN - internet, and a host `dns` for kun-dns64 between tor and internet."""
    fleet = gateways(gateway_count)
    hosts = (_pod(), _node(), _dns(), _tor(), *(_gateway(gateway) for gateway in fleet), _internet())
    inside = (
        Cable(
            "pod",
            Port("eth0", ("2002:a01:2:1::10/64",), INSIDE_MTU),
            "node",
            Port("pod0", ("2002:a01:2:1::1/64",), INSIDE_MTU),
        ),
        Cable("node", Port("eth0", ("10.1.0.2/24",)), "tor", Port("node0", ("10.1.0.1/24",))),
        Cable("dns", Port("eth0", ("10.3.0.2/24",)), "tor", Port("dns0", ("10.3.0.1/24",))),
    )
    lan = Port("dns0", (), OUTSIDE_MTU, "lan0")
    outside = (Cable("dns", Port("eth1", ("192.0.2.53/24",), OUTSIDE_MTU), "internet", lan),)
    cables = tuple(cable for gateway in fleet for cable in _gateway_cables(gateway))
    return Topology(hosts, inside + outside + cables, fleet)


def _pod() -> Host:
    return Host(
        "pod", "a container without IPv4", routes=(Route("default", "2002:a01:2:1::1"),), nameserver="2002:a03:2::1"
    )


def _node() -> Host:
    return Host(
        "node",
        "a Kubernetes node: routes its pods into 6to4",
        sixto4="10.1.0.2",
        routes=(Route("default", "10.1.0.1"),),
    )


def _dns() -> Host:
    return Host(
        "dns",
        "runs kun-dns64",
        sixto4="10.3.0.2",
        routes=(Route("default", "192.0.2.1"), Route("10.0.0.0/8", "10.3.0.1")),
    )


def _tor() -> Host:
    return Host("tor", "top-of-rack router: BIRD, ECMP")


def _gateway(gateway: Gateway) -> Host:
    return Host(
        gateway.name,
        "gateway: gobgpd, kun-nat64, Jool",
        routes=(Route("default", "192.0.2.1"), Route("10.0.0.0/8", gateway.tor)),
    )


def _internet() -> Host:
    return Host(
        "internet",
        "authoritative DNS, web server, a host that answers ping, UDP echo",
        loopback=("198.51.100.53/32", "198.51.100.80/32", "198.51.100.81/32", "2001:db8:80::80/128"),
        bridges=(Port("lan0", ("192.0.2.1/24",), OUTSIDE_MTU),),
    )


def _gateway_cables(gateway: Gateway) -> tuple[Cable, Cable]:
    return (
        Cable(gateway.name, Port("eth0", (f"{gateway.inside}/24",)), "tor", Port(gateway.name, (f"{gateway.tor}/24",))),
        Cable(
            gateway.name,
            Port("eth1", (f"{gateway.public}/24",), OUTSIDE_MTU),
            "internet",
            Port(gateway.name, (), OUTSIDE_MTU, "lan0"),
        ),
    )
