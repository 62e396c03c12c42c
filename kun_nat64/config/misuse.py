"""Values that are well formed and would cut a gateway off, or open it to everybody, once they are applied."""

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses

from kun_base.errors import Fault
from kun_base.partial import attributes
from kun_base.prefix import sixtofour_network
from kun_nat64.config.file import BgpSection, GatewaySection
from kun_nat64.model.speakers import FRR, GOBGP, SPEAKERS

HALF = 1 << 31
WAYS_BACK = "routes are the ways back to the pods"
LIMITED_BROADCAST = IPv4Address("255.255.255.255")
# Names of sysctls, the values that a gateway works with, and why.
NEEDED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (r"net\.ipv4\.ip_forward", ("1",), "the gateway forwards IPv4"),
    (r"net\.ipv4\.conf\.[^.]+\.forwarding", ("1",), "the gateway forwards IPv4"),
    (r"net\.ipv6\.conf\.[^.]+\.forwarding", ("1", "2"), "the gateway forwards IPv6"),
    (r"net\.ipv6\.conf\.[^.]+\.disable_ipv6", ("0",), "the tunnel carries IPv6"),
    (r"net\.ipv4\.conf\.[^.]+\.rp_filter", ("0", "2"), "strict reverse path filtering drops packets of the nodes"),
)
# Routes to these would take the machine's own packets into the tunnel.
NO_PODS = {
    IPv6Network("fe80::/10"): "is link-local",
    IPv6Network("ff00::/8"): "is multicast",
    IPv6Network("::/8"): "is loopback, unspecified or IPv4 in IPv6",
}


def not_a_host(address: IPv4Address | IPv6Address) -> str:
    """Why a packet can never be for this one machine; "" if it can."""
    if address.is_unspecified or (address.version == 4 and address.packed[0] == 0):
        return "is not an address of a machine: this network"
    if address == LIMITED_BROADCAST:
        return "is the broadcast address"
    if address.is_multicast:
        return "is a multicast group"
    if address.is_loopback:
        return "is the loopback, which no other machine reaches"
    if address.version == 4 and address.is_reserved:
        return "is reserved (240.0.0.0/4)"
    return ""


def speakers(bgp: BgpSection) -> Iterator[Fault]:
    """Addresses of this gateway and of its routers."""
    named = [("bgp.router_id", bgp.router_id), ("bgp.next_hop", bgp.next_hop), ("bgp.next_hop6", bgp.next_hop6)]
    named += [(f"bgp.peers[{place}].address", address) for place, address in attributes(bgp.peers, "address")]
    for where, address in named:
        if address is not None and (why := not_a_host(address)):
            yield Fault(where, repr(str(address)), f'{why}; an address of this machine or router, "10.2.1.2"')


# Keys of a peer that are part of the speaker's configuration, and what they ask for.
DAEMON_KEYS = {
    "password_file": "the password",
    "bfd": "BFD",
    "ttl_security": "TTL security",
    "communities": "communities for one peer",
}


def speaker_keys(bgp: BgpSection) -> Iterator[Fault]:
    """Keys that another speaker has, or that count only where the agent writes the speaker's configuration."""
    kind = SPEAKERS[bgp.speaker]
    if kind is not GOBGP and bgp.api and not bgp.api.startswith("unix://"):
        what = "folder of its vty sockets" if kind is FRR else "control socket"
        yield Fault("bgp.api", repr(bgp.api), f'must be the path of the {what} of {kind.title}, "{kind.api}"')
    if bgp.paths_file and not kind.paths_file:
        yield Fault("bgp.paths_file", repr(bgp.paths_file), f"is for BIRD: {kind.title} needs no file for its paths")
    if bgp.paths_file and bgp.paths_file == (bgp.daemon_file or kind.daemon_file):
        yield Fault("bgp.paths_file", repr(bgp.paths_file), "is bgp.daemon_file: give the paths a file of their own")
    for key, what in DAEMON_KEYS.items() if not bgp.manage_daemon else ():
        for place, value in attributes(bgp.peers, key):
            holes = isinstance(value, list | tuple) and None in value  # which have a fault of their own
            if value and not holes:
                wanted = (
                    f"does nothing without bgp.manage_daemon: put {what} into the {kind.own_configuration} you write"
                )
                yield Fault(f"bgp.peers[{place}].{key}", repr(value), wanted)


def prefixes(bgp: BgpSection) -> Iterator[Fault]:
    """An IPv6 path with an IPv4 next hop is one that no router uses (RFC 4760 section 3)."""
    for place, prefix in enumerate(bgp.prefixes):
        if prefix is not None and prefix.version == 6 and bgp.next_hop6 is None:
            wanted = 'needs bgp.next_hop6, this gateway\'s IPv6 address towards the routers, for example "fd00:11::2"'
            yield Fault(f"bgp.prefixes[{place}]", repr(str(prefix)), wanted)


def clients(networks: Iterable[tuple[int, IPv4Network]]) -> Iterator[Fault]:
    """Together: 0.0.0.0/1 and 128.0.0.0/1 are everybody, too."""
    found = list(networks)
    together = list(collapse_addresses(network for _, network in found))
    if found and not any(network.prefixlen == 0 for _, network in found):
        count = sum(network.num_addresses for network in together)
        if count >= HALF:
            shown = ", ".join(map(str, together))
            wanted = f"together are {count} addresses ({shown}), an open relay: name the networks of the nodes"
            yield Fault("gateway.clients", repr([str(network) for _, network in found]), wanted)


def routes(gateway: GatewaySection) -> Iterator[Fault]:
    own = sixtofour_network(gateway.vip) if gateway.vip else None
    for place, route in enumerate(gateway.routes):
        if route is None:
            continue
        where, shown = f"gateway.routes[{place}]", repr(str(route))
        if own and route.subnet_of(own):
            same = "is" if route == own else "is inside"
            yield Fault(where, shown, f"{same} the VIP's own network, which no pod is in: {WAYS_BACK}")
        elif why := next((why for network, why in NO_PODS.items() if route.subnet_of(network)), ""):
            yield Fault(where, shown, f"{why}: {WAYS_BACK}")


def sysctls(settings: Iterable[tuple[str, str]]) -> Iterator[Fault]:
    for name, value in settings:
        for pattern, good, why in NEEDED:
            if re.fullmatch(pattern, name) and value not in good:
                yield Fault(f"gateway.sysctls.{name}", repr(value), f"must be {' or '.join(good)}: {why}")


def inside_probe_network(
    network: IPv4Network, named: Iterable[tuple[str, IPv4Address | IPv6Address | None]]
) -> Iterator[Fault]:
    """The probe's cable takes this network away from whoever else has it. `named`: keys and their addresses."""
    for key, address in named:
        if address is not None and address in network:
            wanted = f"contains {key} = {address}: the way there would be lost; a network that nobody else uses"
            yield Fault("health.probe_network", repr(str(network)), wanted)
            return
