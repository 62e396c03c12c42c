"""The way of the probes: a namespace that is to the gateway what a node is, and every step of a pod's packet.

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
"""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from kun_base.prefix import sixtofour_network
from kun_nat64.model.facts import Address, Fact, Netns, ProbeWay, Route, Tunnel, Veth
from kun_nat64.model.spec import AgentSpec

INNER_LINK = "eth0"
TUNNEL_OVERHEAD = 20
LARGEST_MTU = 65535
# Subnet and host part of the probe's address inside the node's /48: "kun6" in ASCII, and none that a pod would have.
HOST_PART = 0x6B75_6E36_0000_0000_0002


def probe_address(spec: AgentSpec) -> IPv6Address:
    """Inner source of every probe. Sessions of this address are ours, not a pod's."""
    return IPv6Address(int(sixtofour_network(spec.health.probe_node).network_address) | HOST_PART)


def returns_by_tunnel(spec: AgentSpec) -> bool:
    """False where the operator's own routes lead back to the pods: then nothing here knows their way."""
    address = probe_address(spec)
    return any(address in network for network in spec.gateway.routes)


def probe_path(spec: AgentSpec) -> Iterator[Fact]:
    health, gateway, netns = spec.health, spec.gateway, spec.health.probe_netns
    here, there, node = health.probe_network[1], health.probe_network[2], health.probe_node
    address, length = probe_address(spec), health.probe_network.prefixlen
    yield Netns(netns)
    yield Veth(health.probe_link, INNER_LINK, netns, min(LARGEST_MTU, gateway.inside_mtu + TUNNEL_OVERHEAD))
    yield Address(health.probe_link, here, length)
    yield Address(INNER_LINK, there, length, netns)
    yield Address(INNER_LINK, node, 32, netns)
    yield Address(INNER_LINK, address, 128, netns)
    yield Route(IPv4Network(gateway.vip), INNER_LINK, via=here, netns=netns, source=node)
    yield Tunnel(gateway.tunnel, local=node, mtu=gateway.inside_mtu, netns=netns)
    yield Route(gateway.pool6.network, gateway.tunnel, netns=netns, source=address)
    if not returns_by_tunnel(spec):
        yield Route(IPv6Network(address), health.probe_link)
    yield probe_way(spec)


def probe_way(spec: AgentSpec) -> ProbeWay:
    return ProbeWay(
        link=spec.health.probe_link,
        vip=spec.gateway.vip,
        node=spec.health.probe_node,
        answer_to=probe_address(spec),
        home=spec.bgp.next_hop,
        by_router=spec.health.by_router,
        uplink=spec.gateway.uplink,
    )
