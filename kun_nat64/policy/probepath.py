"""The way of the probes: a namespace that is to the gateway what a node is, on a cable of its own.

    probe namespace: kun64 (sit) - eth0 ==== kunprobe: gateway

A probe leaves by its tunnel in protocol 41 to the VIP, and meets the same rules, tunnel and translator as a pod's
packet. Its answer comes back on the cable as plain IPv6: sit keeps one route for each processor, whatever the
destination (net/ipv6/sit.c, dst_cache), so answers to probes must not go out by the tunnel that the pods' answers use,
or the one would be sent where the other belongs. A second route, of worse metric, leads to pool6 without the tunnel:
the difference between the two tells a broken tunnel from a broken translator.
"""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network

from kun_nat64.model.facts import Address, Fact, Netns, Route, Tunnel, Veth
from kun_nat64.model.spec import AgentSpec

INNER_LINK = "eth0"
TUNNEL_OVERHEAD = 20
LARGEST_MTU = 65535
NATIVE_METRIC = 4096
# Sessions of the probe's address are ours, not a pod's. From the locally assigned half of fc00::/7 (RFC 4193); it
# never leaves the cable.
NATIVE_NETWORK = IPv6Network("fd6b:756e:3634::/64")
GATEWAY_ADDRESS, PROBE_ADDRESS = NATIVE_NETWORK[1], NATIVE_NETWORK[2]


def probe_path(spec: AgentSpec) -> Iterator[Fact]:
    health, gateway, netns = spec.health, spec.gateway, spec.health.probe_netns
    here, there = health.probe_network[1], health.probe_network[2]
    length = health.probe_network.prefixlen
    yield Netns(netns)
    yield Veth(health.probe_link, INNER_LINK, netns, min(LARGEST_MTU, gateway.inside_mtu + TUNNEL_OVERHEAD))
    yield Address(health.probe_link, here, length)
    yield Address(INNER_LINK, there, length, netns)
    yield Route(IPv4Network(gateway.vip), INNER_LINK, via=here, netns=netns)
    yield Tunnel(gateway.tunnel, local=there, mtu=gateway.inside_mtu, netns=netns)
    yield Route(gateway.pool6.network, gateway.tunnel, netns=netns, source=PROBE_ADDRESS)
    yield from _native(spec)


def _native(spec: AgentSpec) -> Iterator[Fact]:
    netns, link = spec.health.probe_netns, spec.health.probe_link
    yield Address(link, GATEWAY_ADDRESS, NATIVE_NETWORK.prefixlen)
    yield Address(INNER_LINK, PROBE_ADDRESS, NATIVE_NETWORK.prefixlen, netns)
    yield Route(spec.gateway.pool6.network, INNER_LINK, GATEWAY_ADDRESS, netns, NATIVE_METRIC, PROBE_ADDRESS)
