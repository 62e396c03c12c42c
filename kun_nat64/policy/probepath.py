"""The path of the probes: a namespace acts as a node, and a probe passes all steps of a pod's packet.

    probe namespace: kun64 (sit) - eth0 ==== kunprobe ~~> uplink > rules > kun64 > Jool > outside
                                     ^                                                       |
                                     +-- uplink <-- router <-- uplink < kun64 < Jool < ------+

A probe leaves the namespace in protocol 41, from the outer address of a node (`node`), and is handed to the uplink as
if it had arrived there: it meets the uplink's rules. Its answer is for the 6to4 network of that node, so it leaves by
the pods' route, by the pods' tunnel, and by the IPv4 route to the nodes. As the last thing before the cable its outer
destination becomes this gateway's own address: the router sends it back, and it is taken into the namespace where it
arrives. Without a router that does so it is turned round at the uplink, behind route, rules, and neighbour.

`node` must be routed as the nodes are. sit keeps one route for each processor, whatever the destination
(net/ipv6/sit.c, dst_cache): an answer to a probe that went elsewhere would take the pods' answers with it.

Without a tunnel ([gateway] inside = "native") the same way has fewer steps: the probe's packet is a pod's own, and the
destination of its answer becomes this gateway's own IPv6 address, behind the route to the pods and the neighbour entry.
"""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from kun_base.prefix import sixtofour_network
from kun_nat64.model.facts import Address, AnyProbeWay, Fact, NativeProbeWay, Netns, ProbeWay, Route, Tunnel, Veth
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.neutral import neutral_to

INNER_LINK = "eth0"
TUNNEL_OVERHEAD = 20
LARGEST_MTU = 65535
# Subnet and host part of the probe's address inside the node's /48: "kun6" in ASCII, and none that a pod would have.
HOST_PART = 0x6B75_6E36_0000_0000_0002
# Without a tunnel, before the word that makes up the checksum.
NATIVE_HOST_PART = 0x6B75_6E36_0002


def probe_address(spec: AgentSpec) -> IPv6Address:
    """Return the inner source of all probes. Sessions of this address are not a pod's."""
    if (pods := spec.health.probe_pods) is not None:
        return neutral_to(home6(spec), pods, NATIVE_HOST_PART)
    return IPv6Address(int(sixtofour_network(spec.health.node).network_address) | HOST_PART)


def home6(spec: AgentSpec) -> IPv6Address:
    """Return this gateway's IPv6 address to which the router sends answers of probes, without a tunnel."""
    assert spec.bgp.next_hop6 is not None
    return spec.bgp.next_hop6


def returns_by_tunnel(spec: AgentSpec) -> bool:
    """False if the operator's own routes lead to the pods: then the agent does not know their path."""
    address = probe_address(spec)
    return any(address in network for network in spec.gateway.routes)


def probe_path(spec: AgentSpec) -> Iterator[Fact]:
    if spec.gateway.is_native:
        yield from _native_path(spec)
        return
    health, gateway, netns = spec.health, spec.gateway, spec.health.probe_netns
    here, there, node = health.probe_network[1], health.probe_network[2], health.node
    address, length = probe_address(spec), health.probe_network.prefixlen
    yield Netns(netns)
    yield Veth(health.probe_link, INNER_LINK, netns, min(LARGEST_MTU, gateway.inside_mtu + TUNNEL_OVERHEAD))
    yield Address(health.probe_link, here, length)
    yield Address(INNER_LINK, there, length, netns)
    yield Address(INNER_LINK, node, 32, netns)
    yield Address(INNER_LINK, address, 128, netns)
    yield Route(IPv4Network(gateway.tunnel_end), INNER_LINK, via=here, netns=netns, source=node)
    yield Tunnel(gateway.tunnel, local=node, mtu=gateway.inside_mtu, netns=netns)
    yield Route(gateway.pool6.network, gateway.tunnel, netns=netns, source=address)
    if not returns_by_tunnel(spec):
        yield Route(IPv6Network(address), health.probe_link)
    yield probe_way(spec)


def _native_path(spec: AgentSpec) -> Iterator[Fact]:
    """No addresses on the cable but the probe's: neither end asks for the other's (drivers/linkchange.py)."""
    health, netns, address = spec.health, spec.health.probe_netns, probe_address(spec)
    yield Netns(netns)
    yield Veth(health.probe_link, INNER_LINK, netns, spec.gateway.inside_mtu)
    yield Address(INNER_LINK, address, 128, netns)
    yield Route(spec.gateway.pool6.network, INNER_LINK, netns=netns, source=address)
    yield probe_way(spec)


def probe_way(spec: AgentSpec) -> AnyProbeWay:
    if spec.gateway.is_native:
        return NativeProbeWay(
            link=spec.health.probe_link,
            pool6=spec.gateway.pool6.network,
            answer_to=probe_address(spec),
            home=home6(spec),
            uplink=spec.gateway.uplink,
            by_router=spec.health.by_router,
        )
    return ProbeWay(
        link=spec.health.probe_link,
        vip=spec.gateway.tunnel_end,
        node=spec.health.node,
        answer_to=probe_address(spec),
        home=spec.bgp.next_hop,
        by_router=spec.health.by_router,
        uplink=spec.gateway.uplink,
    )
