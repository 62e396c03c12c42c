"""Judges what others have put in the way, for `doctor`: routes, rules that take answers, strict interfaces."""

from collections.abc import Iterator

from kun_nat64.model.foreign_objects import Surroundings
from kun_nat64.model.inspection import Finding, Level
from kun_nat64.model.spec import AgentSpec, GatewaySpec


def is_one_armed(gateway: GatewaySpec, around: Surroundings) -> bool:
    """Whether pods' packets come in by the interface outside, where a rule of ours drops them."""
    return not gateway.one_armed and not gateway.is_native and around.uplink == gateway.outside


def surroundings_judged(around: Surroundings, spec: AgentSpec) -> Iterator[Finding]:
    outside = spec.gateway.outside
    if is_one_armed(spec.gateway, around):
        words = f"pods' packets come in by {outside}, the interface outside, and protocol 41 is dropped there"
        yield Finding(Level.BAD, "one interface", words, "[gateway] one_armed = true; or another outside, or uplink")
    match around.default_route:
        case False:
            words = f"no route to the targets leads out by {outside}"
            yield Finding(Level.BAD, "default route", words, f"`ip route add default via NEXT-HOP dev {outside}`")
        case True:
            yield Finding(Level.GOOD, "default route", f"the targets are reached by {outside}")
    for rule in around.input_drops:
        if not rule.startswith("-t filter"):
            words = f"drops protocol 41: {rule}"
            yield Finding(Level.BAD, "firewall", words, "let protocol 41 to the VIP pass above that rule")
    for rule in around.answer_drops:
        words = f"drops the answers to translated packets, which belong to no connection of the kernel's: {rule}"
        yield Finding(Level.BAD, "firewall", words, "let packets to the pool4 addresses pass above that rule")
    for address in around.absent:
        words = f"{address} is on no interface here: answers come only if a router sends them here"
        yield Finding(
            Level.NOTE, "pool4", words, f"`ip address add {address}/32 dev {outside}`, or a route to this host"
        )
    for address in around.silent:
        words = f"{address}, the next router towards the targets, does not answer ARP"
        yield Finding(Level.BAD, "next router", words, f"`ip neigh show dev {outside}`; the cable, the VLAN")
    yield from _way_back(around)
    for name in around.strict:
        words = f"rp_filter is 1 on {name}: nodes to which this host would answer by another interface are cut off"
        yield Finding(Level.NOTE, f"rp_filter {name}", words, f"`sysctl -w net.ipv4.conf.{name}.rp_filter=2`")


def _way_back(around: Surroundings) -> Iterator[Finding]:
    """Rules and queues of others are worth a line also where probes come back: they may be about other nodes."""
    back, check = around.back, "way back"
    wrong = [one for one in (back.nodes, back.pods) if one]
    for words in wrong:
        yield Finding(Level.BAD, check, words, "`ip route get`, `ip -6 route get`; docs/way-back.md")
    for rule in back.rules:
        level = Level.BAD if wrong or " missing: " in rule else Level.NOTE
        yield Finding(level, check, f"a routing rule that is not ours: {rule}", "`ip rule`, `ip -6 rule`")
    for queue in back.queues:
        yield Finding(Level.BAD, check, f"drops packets: {queue}", "`tc qdisc show`, `tc filter show`")
    for rule in back.drops:
        yield Finding(
            Level.BAD, check, f"drops outgoing protocol 41: {rule}", "let protocol 41 from the VIP pass above it"
        )
    for address in back.silent:
        words = f"{address}, the router towards the nodes, answers no ARP or neighbour request"
        yield Finding(Level.BAD, check, words, "`ip neigh`")
    if around.uplink and not back.evidence:
        yield Finding(Level.GOOD, check, "routes and rules of both families, queues and firewall lead to the nodes")
