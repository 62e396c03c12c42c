"""Says why our rules dropped packets: each counter of theirs has a reason, which metrics, /status and documents use."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from kun_nat64.model.facts import MARK, Family, RuleCounter
from kun_nat64.policy.ruleset import CLIENTS_CHAIN, COMMENT, PODS_CHAIN, POOL6_CHAIN


class DropReason(StrEnum):
    NOT_A_CLIENT = "not-a-client"
    TUNNEL_FROM_OUTSIDE = "tunnel-from-outside"
    NOT_BY_INSIDE = "not-by-inside"
    NOT_TO_POOL6 = "not-to-pool6"
    NEVER_REACH = "never-reach"
    SOURCE_NOT_6TO4 = "source-not-6to4"
    SOURCE_IN_POOL6 = "source-in-pool6"
    NOT_TRANSLATED = "not-translated"
    NO_CHECKSUM = "no-checksum"
    TOO_MANY_NEW_FLOWS = "too-many-new-flows"
    NO_PORT_LEFT = "no-port-left"
    TENANT_DENIED = "tenant-denied"


WORDS = {
    DropReason.NOT_A_CLIENT: "the sender is not in [gateway] clients",
    DropReason.TUNNEL_FROM_OUTSIDE: "protocol 41 came by the outside interface",
    DropReason.NOT_BY_INSIDE: "a packet to pool6 came by another interface than the inside one",
    DropReason.NOT_TO_POOL6: "a packet out of the tunnel is not for pool6",
    DropReason.NEVER_REACH: "the destination is in [gateway] never_reach, special, or the gateway's own",
    DropReason.SOURCE_NOT_6TO4: "the source is not a 6to4 address",
    DropReason.SOURCE_IN_POOL6: "the source is inside pool6",
    DropReason.NOT_TRANSLATED: "Jool did not take a packet to pool6, so it would have been routed on",
    DropReason.NO_CHECKSUM: "a fragmented UDP datagram has no checksum (RFC 7915 section 4.5)",
    DropReason.TOO_MANY_NEW_FLOWS: "the client begins more flows than nat64.new_flows_per_client_s",
    DropReason.NO_PORT_LEFT: "no public port is left; the pod gets an ICMPv6 error",
    DropReason.TENANT_DENIED: "the tenant is denied; the pod gets an ICMPv6 error",
}
# Tables of nftables with one counter a chain: by table and chain.
COUNTED = {
    (f"ip {MARK}-fragments", "early"): DropReason.NO_CHECKSUM,
    (f"ip6 {MARK}-full", "pods"): DropReason.NO_PORT_LEFT,
    (f"ip6 {MARK}", "fresh"): DropReason.TOO_MANY_NEW_FLOWS,
}


@dataclass(frozen=True, slots=True)
class Drop:
    """`rule`: as a person would say it; packets since the rule was made."""

    reason: DropReason
    rule: str
    packets: int


def drops(
    counters: Iterable[RuleCounter], counted: Iterable[tuple[str, str, int]], denied: int | None
) -> tuple[Drop, ...]:
    """Every rule of ours that drops, those that have dropped nothing as well. `denied`: packets of denied tenants."""
    found: Counter[tuple[DropReason, str]] = Counter()
    for one in counters:
        if (reason := reason_of(one)) is not None:
            found[reason, rule_name(one.spec)] += one.packets
    for table, chain, packets in counted:
        if (table, chain) in COUNTED:
            found[COUNTED[table, chain], f"{table} {chain}"] += packets
    if denied is not None:
        found[DropReason.TENANT_DENIED, f"ip6 {MARK}-tenants refuse"] += denied
    return tuple(Drop(reason, rule, packets) for (reason, rule), packets in sorted(found.items()))


def by_reason(dropped: Iterable[Drop]) -> dict[DropReason, int]:
    """Most first, without reasons that have dropped nothing."""
    sums: Counter[DropReason] = Counter()
    for one in dropped:
        sums[one.reason] += one.packets
    return {reason: packets for reason, packets in sums.most_common() if packets}


def reason_of(rule: RuleCounter) -> DropReason | None:
    """None for a rule that drops nothing."""
    if not rule.spec.endswith("-j DROP"):
        return None
    return next(_reasons(rule), None)


def _reasons(rule: RuleCounter) -> Iterator[DropReason]:
    match rule.chain, rule.spec.split()[0]:
        case "FORWARD", _:
            yield DropReason.NOT_TRANSLATED
        case "PREROUTING", _ if rule.family is Family.IPV4:
            yield DropReason.TUNNEL_FROM_OUTSIDE
        case chain, _ if chain == CLIENTS_CHAIN:
            yield DropReason.NOT_A_CLIENT
        case chain, _ if chain == POOL6_CHAIN:
            yield DropReason.NOT_BY_INSIDE
        case chain, first if chain == PODS_CHAIN:
            yield _of_pods(rule.spec, first)


def _of_pods(spec: str, first: str) -> DropReason:
    match first:
        case "-d":
            return DropReason.NEVER_REACH
        case "-s":
            return DropReason.SOURCE_IN_POOL6
        case "!":
            return DropReason.NOT_TO_POOL6 if spec.startswith("! -d") else DropReason.SOURCE_NOT_6TO4
        case _:
            return DropReason.NOT_A_CLIENT


def rule_name(spec: str) -> str:
    """The rule as a person would say it: without the mark, which all of them carry."""
    return spec.replace(f"{COMMENT} ", "").replace("-m tcp ", "")
