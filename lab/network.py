"""Turns a topology into what `ip -batch` reads, per host. Pure: a value in, text out.

One `ip` per host instead of one per address: starting a program is what costs time in an emulated machine.
"""

from collections.abc import Iterator

from lab.topology import Host, Port, Topology

BRIDGE_MAC = "02:00:00:00:00:fe"


def link_batches(topology: Topology, only: frozenset[str] | None = None) -> dict[str, str]:
    """First pass, per host: bridges and cables. `only` limits it to the cables that touch these hosts.

    A cable is made by its left end, with the right end placed into the other host's namespace.
    """
    batches: dict[str, list[str]] = {}
    for host in topology.hosts:
        if only is None or host.name in only:
            batches[host.name] = [line for bridge in host.bridges for line in make_bridge(bridge)]
    for cable in topology.cables:
        if only is None or {cable.left, cable.right} & only:
            left, right = cable.left_port.name, cable.right_port.name
            batches[cable.left].append(f"link add {left} type veth peer name {right} netns {cable.right}")
    return finished(batches)


def address_batches(topology: Topology, only: frozenset[str] | None = None) -> dict[str, str]:
    """Second pass, per host: every port up with its addresses, then routes. `only` as above."""
    batches: dict[str, list[str]] = {}
    for cable in topology.cables:
        if only is None or {cable.left, cable.right} & only:
            batches.setdefault(cable.left, []).extend(configure_port(cable.left_port))
            batches.setdefault(cable.right, []).extend(configure_port(cable.right_port))
    for host in topology.hosts:
        if only is None or host.name in only:
            batches.setdefault(host.name, []).extend(addresses(host))
        if host.name in batches:
            batches[host.name].extend(routes(host))
    return finished(batches)


def unplug_batch(topology: Topology, host: str) -> str:
    """What to tell `ip -n HOST` so that the cables of a host vanish, at both ends and at once."""
    ends = [(cable.left, cable.left_port) for cable in topology.cables]
    ends += [(cable.right, cable.right_port) for cable in topology.cables]
    return "".join(f"link del {port.name}\n" for name, port in ends if name == host)


def silence_batch(topology: Topology, host: str) -> str:
    """What to tell `ip -n HOST` so that it goes deaf and mute while its neighbours still see a link."""
    ends = [(cable.left, cable.left_port) for cable in topology.cables]
    ends += [(cable.right, cable.right_port) for cable in topology.cables]
    # Frames to the address it had are not for it any more, and nobody is told the new one.
    return "".join(f"link set {port.name} arp off address 02:00:00:00:00:01\n" for name, port in ends if name == host)


def finished(batches: dict[str, list[str]]) -> dict[str, str]:
    return {name: "\n".join(lines) + "\n" for name, lines in batches.items() if lines}


def make_bridge(bridge: Port) -> Iterator[str]:
    # Of its own, or it takes the lowest of its ports' addresses, and another one when that port goes.
    yield f"link add {bridge.name} address {BRIDGE_MAC} type bridge"
    yield from configure_port(bridge)


def configure_port(port: Port) -> Iterator[str]:
    master = f" master {port.bridge}" if port.bridge else ""
    yield f"link set {port.name}{master} mtu {port.mtu} up"
    for address in port.addresses:
        yield f"address add {address} dev {port.name}{no_detection(address)}"


def no_detection(address: str) -> str:
    # Duplicate address detection would keep an IPv6 address unusable for a second; nobody else is on the cable.
    return " nodad" if ":" in address else ""


def addresses(host: Host) -> Iterator[str]:
    yield "link set lo up"
    for address in host.loopback:
        yield f"address add {address} dev lo{no_detection(address)}"


def routes(host: Host) -> Iterator[str]:
    # replace: a host that stayed up lost only those of its routes that went over a cable made anew.
    for route in host.routes:
        yield f"route replace {route.destination} via {route.via}"
