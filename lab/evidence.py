"""The seven steps of the way from a pod to the IPv4 Internet, each proven from what was seen in the running lab.

Pure: observations in, steps out. A step without its evidence raises `Missing`, which says what was looked for.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rdatatype

from lab.capture import Packet
from lab.nativeplan import MSS as NATIVE_MSS
from lab.nativeplan import inside6
from lab.topology import VIP, Gateway, Topology, topology


class Missing(Exception):
    """The evidence of a step is not there."""


@dataclass(frozen=True, slots=True)
class Observations:
    """What was seen while one page was fetched."""

    name: str
    page: dict[str, Any]
    at_pod: list[Packet]
    at_dns: list[Packet]
    at_tor: list[Packet]
    outside: list[Packet]
    route: str
    sessions: dict[str, str]
    rules: dict[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    number: int
    title: str
    evidence: tuple[str, ...]
    ok: bool = True
    facts: dict[str, Any] = field(default_factory=dict)


def embedded(address: str) -> str:
    """An IPv4 address in the VIP's /96 (RFC 6052 section 2.2)."""
    return topology().embed(address)


def prove(topology: Topology, seen: Observations) -> list[Step]:
    """All seven steps; one without evidence has `ok` off and says what is missing."""
    checks: list[Callable[[Topology, Observations], Step]] = [
        asked_by_the_pod,
        asked_upstream,
        answered_upstream,
        synthesised,
        routed if topology.native else tunnelled,
        translated,
        fetched,
    ]
    steps = []
    for number, check in enumerate(checks, 1):
        try:
            steps.append(check(topology, seen))
        except Missing as missing:
            steps.append(Step(number, title(number, topology), (f"missing: {missing}",), ok=False))
    return steps


TITLES = {
    1: "the pod asks kun-dns64 for an IPv6 address",
    2: "kun-dns64 asks the authoritative server for an IPv4 address",
    3: "the authoritative server knows an IPv4 address only",
    4: "kun-dns64 answers with the VIP's prefix and that address",
    5: "the node wraps the pod's packet for the VIP; the TOR has every gateway as next hop",
    6: "a gateway sets MSS 1420 both ways and translates with Jool",
    7: "the page arrives, fetched from the gateway's public IPv4 address",
}


# Where there is no tunnel.
NATIVE_TITLES = {
    4: "kun-dns64 answers with the gateways' prefix and that address",
    5: "the node routes the pod's packet as it is; the TOR has every gateway as next hop of pool6",
    6: f"a gateway sets MSS {NATIVE_MSS} both ways and translates with Jool",
}


def title(number: int, topology: Topology) -> str:
    return (NATIVE_TITLES if topology.native else TITLES).get(number) or TITLES[number]


def first(what: str, found: Iterable[Any]) -> Any:
    for item in found:
        return item
    raise Missing(what)


Spoken = tuple[Packet, dns.message.Message]


def messages(packets: list[Packet], kind: str, name: str, response: bool) -> Iterable[Spoken]:
    """DNS messages about one name and type. Names are compared as DNS does: 0x20 changes their case on the way."""
    for packet in packets:
        if packet.protocol != 17 or 53 not in (packet.source_port, packet.destination_port):
            continue
        try:
            message = dns.message.from_wire(packet.payload)
        except dns.exception.DNSException:
            continue
        if not message.question or bool(message.flags & dns.flags.QR) != response:
            continue
        question = message.question[0]
        if question.rdtype == dns.rdatatype.from_text(kind) and str(question.name).rstrip(".").lower() == name:
            yield packet, message


def addresses(message: dns.message.Message) -> list[str]:
    return [str(item) for rrset in message.answer for item in rrset if rrset.rdtype in (1, 28)]


def asked_by_the_pod(topology: Topology, seen: Observations) -> Step:
    packet, _ = first(f"AAAA? {seen.name} leaving the pod", messages(seen.at_pod, "AAAA", seen.name, False))
    line = f"{packet.source} → {packet.destination} port 53: AAAA? {seen.name}"
    return Step(1, TITLES[1], (line,), facts={"pod": packet.source, "server": packet.destination})


def asked_upstream(topology: Topology, seen: Observations) -> Step:
    packet, message = first(f"A? {seen.name} leaving the DNS host", messages(seen.at_dns, "A", seen.name, False))
    spelled = str(message.question[0].name).rstrip(".")
    line = f"{packet.source} → {packet.destination} port 53: A? {spelled}"
    return Step(2, TITLES[2], (line,), facts={"server": packet.destination, "spelled": spelled})


def answered_upstream(topology: Topology, seen: Observations) -> Step:
    packet, message = first(f"an answer to A? {seen.name}", messages(seen.at_dns, "A", seen.name, True))
    if addresses(message) != [topology.web_server]:
        raise Missing(f"A {topology.web_server} in the answer, which has {addresses(message)}")
    lines = [f"{packet.source}: {seen.name} A {topology.web_server}"]
    for _, other in messages(seen.at_dns, "AAAA", seen.name, True):
        if addresses(other):
            raise Missing(f"an IPv4-only name: {seen.name} has AAAA {addresses(other)}")
        lines.append(f"{packet.source}: {seen.name} AAAA: no data")
        break
    return Step(3, TITLES[3], tuple(lines), facts={"a": topology.web_server})


def synthesised(topology: Topology, seen: Observations) -> Step:
    _, message = first(f"an answer to AAAA? {seen.name} at the pod", messages(seen.at_pod, "AAAA", seen.name, True))
    expected = topology.embed(topology.web_server)
    if addresses(message) != [expected]:
        raise Missing(f"AAAA {expected} in the answer, which has {addresses(message)}")
    of_vip = "" if topology.native else f" (VIP {VIP})"
    line = f"{seen.name} AAAA {expected}  =  {topology.pool6}{of_vip} + {topology.web_server}"
    return Step(4, title(4, topology), (line,), facts={"aaaa": expected, "ttl_s": message.answer[-1].ttl})


def tunnelled(topology: Topology, seen: Observations) -> Step:
    target = topology.embed(topology.web_server)
    outer = first(
        f"protocol 41 from {topology.node_ipv4} to {VIP} with a packet of the pod inside",
        (p for p in seen.at_tor if p.inner and p.inner.destination == target and p.destination == str(VIP)),
    )
    if outer.source != topology.node_ipv4 or outer.inner.source != topology.pod_address:
        raise Missing(f"the node's and the pod's addresses on it: {outer.source}, {outer.inner.source}")
    hops = re.findall(r"via ([\d.]+)", seen.route)
    if sorted(hops) != sorted(gateway.inside for gateway in topology.gateways):
        raise Missing(f"all {len(topology.gateways)} gateways as next hops of {VIP}: {hops}")
    return Step(
        5,
        TITLES[5],
        (
            f"protocol 41: {outer.source} → {outer.destination}, inside: {topology.pod_address} → {target}",
            f"TOR: {VIP} nexthops {', '.join(sorted(hops))}",
        ),
        facts={"outer": [outer.source, outer.destination], "next_hops": sorted(hops)},
    )


def routed(topology: Topology, seen: Observations) -> Step:
    target = topology.embed(topology.web_server)
    packet = first(
        f"a packet of {topology.pod_address} to {target} at the TOR",
        (p for p in seen.at_tor if p.source == topology.pod_address and p.destination == target),
    )
    hops = re.findall(r"via ([0-9a-f:]+)", seen.route)
    if sorted(hops) != sorted(map(inside6, topology.gateways)):
        raise Missing(f"all {len(topology.gateways)} gateways as next hops of {topology.pool6}: {hops}")
    return Step(
        5,
        title(5, topology),
        (f"{packet.source} → {packet.destination}", f"TOR: {topology.pool6} nexthops {', '.join(sorted(hops))}"),
        facts={"next_hops": sorted(hops)},
    )


def handshake(packets: list[Packet], server: str, port: int, what: str) -> tuple[Packet, Packet]:
    """SYN and SYN-ACK between the client's port and a server's port 80."""
    syns = (p for p in packets if p.is_syn and p.destination == server and port in (0, p.source_port))
    syn: Packet = first(f"SYN {what}", syns)
    back = (p for p in packets if p.is_syn_ack and p.source == server and p.destination_port == syn.source_port)
    return syn, first(f"SYN-ACK {what}", back)


def translated(topology: Topology, seen: Observations) -> Step:
    gateway = serving_gateway(topology, seen)
    syn, syn_ack = handshake(seen.at_pod, topology.embed(topology.web_server), 0, "at the pod")
    syn_out, syn_ack_out = handshake(seen.outside, topology.web_server, seen.page["port"], "outside")
    sizes = {"syn": [syn.mss, syn_out.mss], "syn_ack": [syn_ack_out.mss, syn_ack.mss]}
    if syn_out.mss != topology.mss or syn_ack.mss != topology.mss:
        raise Missing(f"MSS {topology.mss} on SYN outside and SYN-ACK at the pod: {sizes}")
    start = f"TCP,{syn.source},{syn.source_port},"
    session = first(
        f"a session of {gateway.name}'s Jool for {syn.source} port {syn.source_port}",
        (row for row in seen.sessions[gateway.name].splitlines() if row.startswith(start)),
    )
    rules = [line for line in seen.rules[gateway.name].splitlines() if f"--set-mss {topology.mss}" in line]
    if len(rules) < 2:
        raise Missing(f"two TCPMSS rules on {gateway.name}: {rules}")
    return Step(
        6,
        title(6, topology),
        (
            f"SYN      MSS {syn.mss} at the pod → {syn_out.mss} outside",
            f"SYN-ACK  MSS {syn_ack_out.mss} outside → {syn_ack.mss} at the pod",
            *(f"{gateway.name}: {rule}" for rule in rules),
            f"{gateway.name}: Jool session {session}",
        ),
        facts={"gateway": gateway.name, "mss": sizes, "session": session},
    )


def fetched(topology: Topology, seen: Observations) -> Step:
    gateway = serving_gateway(topology, seen)
    line = f"{seen.page['text']!r}; the server saw {gateway.public} port {seen.page['port']}: {gateway.name}"
    return Step(7, TITLES[7], (line,), facts={"gateway": gateway.name, "client": gateway.public, "page": seen.page})


def serving_gateway(topology: Topology, seen: Observations) -> Gateway:
    client = seen.page.get("client")
    gateway: Gateway = first(
        f"a page that came through a gateway: {seen.page}", (g for g in topology.gateways if g.public == client)
    )
    return gateway
