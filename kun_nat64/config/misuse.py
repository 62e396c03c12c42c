"""Values that are well formed and would cut a gateway off, or open it to everybody, once they are applied."""

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_network

from kun_base.errors import Fault
from kun_base.partial import attributes
from kun_base.prefix import SIXTOFOUR, sixtofour_network
from kun_nat64.config.file import BgpSection, GatewaySection, HealthSection
from kun_nat64.model.ringfacts import LINK_PREFIX
from kun_nat64.model.speakers import FRR, GOBGP, SPEAKERS
from kun_nat64.policy.ruleset import NEVER

# Four times 10.0.0.0/8: all private networks together are fewer addresses.
MOST_CLIENTS = 1 << 26
# Shorter prefixes are no network of one operator.
SHORTEST = {4: 8, 6: 16}
# AS_TRANS, and the last number of either size: no network has them (RFC 6793 section 9, RFC 7300).
RESERVED_AS = frozenset((23456, 65535, 4294967295))
WAYS_BACK = "routes are the ways back to the pods"
Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
LIMITED_BROADCAST = IPv4Address("255.255.255.255")
# Names of sysctls, the values that a gateway works with, and why.
NEEDED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (r"net\.ipv4\.ip_forward", ("1",), "the gateway forwards IPv4"),
    (r"net\.ipv4\.conf\.[^.]+\.forwarding", ("1",), "the gateway forwards IPv4"),
    (r"net\.ipv6\.conf\.[^.]+\.forwarding", ("1", "2"), "the gateway forwards IPv6"),
    (r"net\.ipv6\.conf\.[^.]+\.disable_ipv6", ("0",), "the tunnel carries IPv6"),
    (r"net\.ipv4\.conf\.[^.]+\.rp_filter", ("0", "2"), "strict reverse path filtering drops packets of the nodes"),
    (r"net\.ipv4\.conf\.[^.]+\.accept_local", ("0",), "others could send packets with the VIP as their source"),
    (r"net\.ipv4\.conf\.[^.]+\.route_localnet", ("0",), "others could reach the loopback of the gateway"),
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
    if isinstance(address, IPv6Address) and (address.ipv4_mapped is not None or int(address) < 1 << 32):
        return f"is {IPv4Address(address.packed[12:])} in the form of IPv6: write it as IPv4"
    return ""


def speakers(bgp: BgpSection) -> Iterator[Fault]:
    """Addresses of this gateway and of its routers."""
    named = [("bgp.router_id", bgp.router_id), ("bgp.next_hop", bgp.next_hop), ("bgp.next_hop6", bgp.next_hop6)]
    named += [(f"bgp.peers[{place}].address", address) for place, address in attributes(bgp.peers, "address")]
    for where, address in named:
        if address is not None and (why := not_a_host(address)):
            yield Fault(where, repr(str(address)), f'{why}; an address of this machine or router, "10.2.1.2"')
    numbers = [("bgp.local_as", getattr(bgp, "local_as", None))]
    numbers += [(f"bgp.peers[{place}].as", number) for place, number in attributes(bgp.peers, "asn")]
    for where, number in numbers:
        if number in RESERVED_AS:
            yield Fault(where, str(number), "is reserved: no network has this AS number")


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
                    f"has no effect without bgp.manage_daemon: put {what} into the {kind.own_configuration} you write"
                )
                yield Fault(f"bgp.peers[{place}].{key}", repr(value), wanted)


def prefixes(bgp: BgpSection, named: Iterable[tuple[str, Network | Address]]) -> Iterator[Fault]:
    """What routers would send here is what they hear of. `named`: keys and what they have to find elsewhere."""
    elsewhere = [(key, _network(one)) for key, one in named]
    prefixes: tuple[Network | None, ...] = bgp.prefixes
    for place, prefix in enumerate(prefixes):
        if prefix is None:
            continue
        where, shown = f"bgp.prefixes[{place}]", repr(str(prefix))
        if prefix.version == 6 and bgp.next_hop6 is None:
            # RFC 4760 section 3: no router uses an IPv6 path with an IPv4 next hop.
            wanted = 'needs bgp.next_hop6, this gateway\'s IPv6 address towards the routers, for example "fd00:11::2"'
            yield Fault(where, shown, wanted)
        elif prefix.version == 6 and bgp.next_hop6 is not None and bgp.next_hop6.is_link_local:
            wanted = "needs a bgp.next_hop6 that is not link-local (RFC 2545 section 3)"
            yield Fault(where, shown, wanted)
        elif prefix in prefixes[:place]:
            yield Fault(where, shown, "is listed twice")
        elif why := _nobodys(prefix):
            yield Fault(where, shown, why)
        elif taken := next((f"{key} = {one}" for key, one in elsewhere if within(one, prefix)), ""):
            yield Fault(where, shown, f"contains {taken}: routers would send its packets here")


def _network(one: Network | Address) -> Network:
    return one if isinstance(one, IPv4Network | IPv6Network) else ip_network(one)


def _nobodys(prefix: Network) -> str:
    """Why no router should hear of it from a gateway."""
    if prefix.prefixlen < SHORTEST[prefix.version]:
        return f"is too large a part of the Internet: a /{SHORTEST[prefix.version]} or longer"
    if any(within(prefix, never) for never in NEVER):
        return "is no network of hosts: this network, loopback, multicast or reserved"
    return next((why for network, why in NO_PODS.items() if within(prefix, network)), "")


def within(one: Network, other: Network) -> bool:
    """Whether all of `one` is in `other`; families differ from each other."""
    if isinstance(one, IPv4Network):
        return isinstance(other, IPv4Network) and one.subnet_of(other)
    return isinstance(other, IPv6Network) and one.subnet_of(other)


def clients(networks: Iterable[tuple[int, IPv4Network]]) -> Iterator[Fault]:
    """Together: 0.0.0.0/1 and 128.0.0.0/1 are everybody, too."""
    found = list(networks)
    together = list(collapse_addresses(network for _, network in found))
    for place, network in found:
        if any(network.subnet_of(never) for never in NEVER):
            wanted = "is no network of nodes: this network, loopback, multicast or reserved"
            yield Fault(f"gateway.clients[{place}]", repr(str(network)), wanted)
    if found and not any(network.prefixlen == 0 for _, network in found):
        count = sum(network.num_addresses for network in together)
        if count > MOST_CLIENTS:
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
        elif not route.subnet_of(SIXTOFOUR):
            wanted = f"is not inside {SIXTOFOUR}: the tunnel finds nodes by 6to4 addresses alone (RFC 3056 section 5.3)"
            yield Fault(where, shown, wanted)


def links(gateway: GatewaySection | None, health: HealthSection | None) -> Iterator[Fault]:
    """Names that the kernel or the ring's tunnels have already: rules for these would hold for ours."""
    named = [(f"gateway.{key}", getattr(gateway, key, "")) for key in ("outside", "uplink", "tunnel")]
    for where, name in (*named, ("health.probe_link", getattr(health, "probe_link", ""))):
        if name.startswith(LINK_PREFIX):
            yield Fault(where, repr(name), f"is a name of a tunnel to another gateway: {LINK_PREFIX}… are the ring's")
    if getattr(gateway, "outside", "") == "sit0":
        yield Fault("gateway.outside", "'sit0'", "is the kernel's fallback tunnel, which leads nowhere")


def sysctls(settings: Iterable[tuple[str, str]]) -> Iterator[Fault]:
    for name, value in settings:
        for pattern, good, why in NEEDED:
            if re.fullmatch(pattern, name) and value not in good:
                yield Fault(f"gateway.sysctls.{name}", repr(value), f"must be {' or '.join(good)}: {why}")


def inside_probe_network(
    network: IPv4Network, named: Iterable[tuple[str, IPv4Address | IPv6Address | None]]
) -> Iterator[Fault]:
    """The probe's cable takes this network away from whoever else has it. `named`: keys and their addresses."""
    if any(network.subnet_of(never) for never in NEVER):
        wanted = "is no network of hosts: this network, loopback, multicast or reserved"
        yield Fault("health.probe_network", repr(str(network)), wanted)
        return
    for key, address in named:
        if address is not None and address in network:
            wanted = f"contains {key} = {address}: that address would become unreachable; use a network that is free"
            yield Fault("health.probe_network", repr(str(network)), wanted)
            return
