"""Rules of the table of flows (nftables.py) that hand packets of unknown flows to the next gateway of the ring.

A gateway that does not know a TCP flow shows its packet to the others before anybody answers with RST; of UDP it does
so while the set of gateways is `moving`. The packet goes into a tunnel of its own to the next gateway, by `dup`:
from PREROUTING it leaves through LOCAL_OUT, and Jool (-75) never sees it.

Its flow label says how many gateways may still see it, the receiver included. Each one lowers that number, or ends the
trip: so no packet goes round for ever, whatever the gateways believe of each other. TCP ends with the last of the
others, which answers RST. UDP goes once more, to where it came from, which then translates it as a new flow.
A gateway whose own translator gets nothing out (`refuse`) translates none of it, and otherwise is one of the ring.

    set       holds                                                  for
    lent      TCP flows from pods that were handed on                lent_s after the last packet
    lent_udp  UDP flows from pods that were handed on                udp_s after the last packet
    borrowed  TCP flows that came by the ring and are known here     a minute after the last packet
    moving    a mark: the set of gateways has changed lately         udp_s
    askers    clients whose flows are handed on, for the rate        a minute
"""

from collections.abc import Iterable
from dataclasses import fields
from ipaddress import IPv4Address, IPv6Network
from typing import Any

from kun_nat64.model.facts import MARK
from kun_nat64.model.resetfacts import FlowWatch
from kun_nat64.model.ringfacts import (
    FIRST_LABEL,
    LINK_PREFIX,
    MOST_MEMBERS,
    NOTICE_PORT,
    RING_VERSION,
    RingCounts,
    RingStep,
    link_local,
    ring_link,
)

RING = f'iifname "{LINK_PREFIX}*"'
TCP_FLOW = "ip6 saddr . tcp sport . ip6 daddr . tcp dport"
UDP_FLOW = "ip6 saddr . udp sport . ip6 daddr . udp dport"
KEY = "type ipv6_addr . inet_service . ipv6_addr . inet_service; flags dynamic,timeout"
LENT_S, BORROWED_S = 300, 60
LAST_LABEL = FIRST_LABEL + MOST_MEMBERS + 1
# That a flow comes which the router sent elsewhere before is no event; that several do at once is one.
MOVED_FLOWS_S = 5
BURST_S = 10
# Of a client, where new_flows_per_client_s sets no rate.
CLIENT_FLOWS_S = 1000
STEP_CHAINS = ("handover", "udp_handover", "pass_on", "udp_pass_on", "refuse", "onward", "send")
COUNTERS = tuple(field.name for field in fields(RingCounts))
LABEL = "ip6 flowlabel"
# There is no key without a packet: every packet of this family has this one.
MARK_KEY = "meta protocol"


def declarations(watch: FlowWatch) -> str:
    """Sets and counters, and the chains that `step` fills. A new table begins as after a change of the set."""
    return "\n".join(
        (
            *(f"counter {name} {{ }}" for name in COUNTERS),
            f"set lent {{ {KEY}; size {watch.flows}; timeout {LENT_S}s; }}",
            f"set lent_udp {{ {KEY}; size {watch.flows}; timeout {watch.udp_s}s; }}",
            f"set borrowed {{ {KEY}; size {watch.flows}; timeout {BORROWED_S}s; }}",
            f"set moving {{ type ether_type; flags dynamic,timeout; size 4; timeout {watch.udp_s}s; "
            "elements = { ip6 }; }",
            "set askers { type ipv6_addr; flags dynamic,timeout; size 65536; timeout 60s; }",
            *(f"chain {name} {{ }}" for name in STEP_CHAINS),
        )
    )


def standing_chains(watch: FlowWatch) -> dict[str, tuple[str, ...]]:
    """What does not depend on who the next one is: the way in, and notices that the set changes."""
    marked = f"update @moving {{ {MARK_KEY} timeout {watch.udp_s}s }}"
    pool6 = f"ip6 daddr {watch.pool6}"
    return {
        "from_ring": (
            f"ip6 daddr fe80::/10 udp dport {NOTICE_PORT} {marked} drop",
            # Nobody sends these into the ring.
            f"ip6 daddr != {{ {watch.pool6}, fe80::/10 }} drop",
            f"{pool6} {LABEL} < {FIRST_LABEL + 1} drop",
            f"{pool6} {LABEL} > {LAST_LABEL} drop",
            f"{pool6} meta l4proto != {{ tcp, udp }} drop",
            f"{pool6} tcp flags & (syn | ack | rst) == syn drop",
            f"{pool6} jump refuse",
            f"{TCP_FLOW} @flows update @borrowed {{ {TCP_FLOW} timeout {BORROWED_S}s }}",
            f"{TCP_FLOW} @flows counter name taken return",
            f"{TCP_FLOW} @ended counter name taken return",
            f"{TCP_FLOW} @init counter name taken return",
            f"{UDP_FLOW} @datagrams counter name taken return",
        ),
        "notices": (f'oifname "{LINK_PREFIX}*" ip6 daddr fe80::/10 udp dport {NOTICE_PORT} {marked}',),
    }


def step(watch: FlowWatch, wanted: RingStep) -> str:
    """Another next one, in one transaction."""
    table = f"ip6 {MARK}"
    lines = [f"flush chain {table} {name}" for name in STEP_CHAINS]
    for name, rules in _step_chains(watch, wanted).items():
        lines += [f"add rule {table} {name} {rule} comment \"{_comment(name, place, wanted)}\""
                  for place, rule in enumerate(rules)]  # fmt: skip
    return "\n".join(lines) + "\n"


def _step_chains(watch: FlowWatch, wanted: RingStep) -> dict[str, tuple[str, ...]]:
    refuse = {} if wanted.takes else {"refuse": _refuse(wanted.to is not None)}
    if wanted.to is None:
        return {"handover": (f"{RING} counter name nobodys",), **refuse}
    others = wanted.others
    return {
        **refuse,
        "send": (f'dup to {link_local(wanted.to)} device "{ring_link(wanted.to)}"', "drop"),
        "onward": (
            *(_sent_on(f"{FIRST_LABEL + left}", left - 1) for left in range(2, others + 2)),
            # From a gateway that knows of more members than this one.
            *((_sent_on(f"{FIRST_LABEL + others + 2}-{LAST_LABEL}", others),) if others < MOST_MEMBERS else ()),
        ),
        "pass_on": ("jump onward", "counter name nobodys"),
        # It has been everywhere: from here on it is a flow of this gateway.
        "udp_pass_on": ("jump onward", f"delete @lent_udp {{ {UDP_FLOW} }}"),
        "handover": _handover(TCP_FLOW, "lent", LENT_S, others, (*_limits(watch), *_noticed(watch)), "pass_on"),
        "udp_handover": _handover(
            UDP_FLOW,
            "lent_udp",
            watch.udp_s,
            others + 1,
            (f"{MARK_KEY} != @moving return", *_limits(watch)),
            "udp_pass_on",
        ),
    }


def _refuse(others: bool) -> tuple[str, ...]:
    """A gateway whose translator gets nothing out ends what it knows, as a dead one would.

    Another one may know it, too, and the gateway that a datagram came from begins a new flow with it.
    """
    return (
        *(("jump onward",) if others else ()),
        "tcp flags & rst == rst drop",
        "meta l4proto tcp counter name nobodys reject with tcp reset",
        "drop",
    )


def _sent_on(labels: str, left: int) -> str:
    return f"{LABEL} {labels} counter name passed_on {LABEL} set {FIRST_LABEL + left} goto send"


def _handover(flow: str, lent: str, lasts_s: int, left: int, before: tuple[str, ...], onward: str) -> tuple[str, ...]:
    """A flow that was handed on before goes the same way; where there is no room for another one, none does."""
    element = f"@{lent} {{ {flow} timeout {lasts_s}s }}"
    sent = f"counter name handed_over {LABEL} set {FIRST_LABEL + left} goto send"
    return (
        f"{RING} goto {onward}",
        f"{flow} @{lent} update {element} {sent}",
        *before,
        f"add {element} {sent}",
        "counter name too_many",
    )


def _limits(watch: FlowWatch) -> tuple[str, ...]:
    """Of flows that are handed on anew. What is beyond them is dealt with here."""
    mask = "" if watch.client_length == 128 else f" & {IPv6Network(f'::/{watch.client_length}').netmask}"
    rate = watch.new_flows_s or CLIENT_FLOWS_S
    of_one = f"limit rate over {rate}/second burst {rate * BURST_S} packets"
    of_all = f"limit rate over {watch.ring_flows_s}/second burst {watch.ring_flows_s * BURST_S} packets"
    return (
        f"update @askers {{ ip6 saddr{mask} {of_one} }} counter name too_many return",
        f"{of_all} counter name too_many return",
    )


def _noticed(watch: FlowWatch) -> tuple[str, ...]:
    """TCP flows of another gateway come: then its UDP flows do as well, although no gateway has come or gone."""
    several = f"limit rate over {MOVED_FLOWS_S}/second burst {MOVED_FLOWS_S} packets"
    return (f"{several} update @moving {{ {MARK_KEY} timeout {watch.udp_s}s }}",)


def _comment(chain: str, place: int, wanted: RingStep) -> str:
    takes = "takes" if wanted.takes else "refuses"
    return f"{MARK} {chain} {place} ring {RING_VERSION} {wanted.to} {wanted.others} {takes}"


def parse(objects: Iterable[dict[str, Any]], watch: FlowWatch) -> RingStep:
    """The step in force, by the comments of its rules, and by the device that packets go to."""
    rules = [each["rule"] for each in objects if "rule" in each and each["rule"].get("chain") in STEP_CHAINS]
    found = sorted((str(rule["chain"]), str(rule.get("comment", ""))) for rule in rules)
    known = _said(found)
    if known is None or found != _expected(watch, known):
        return RingStep(odd="changed by another program" if found else "not set up yet")
    devices = {str(part["dup"].get("dev")) for rule in rules for part in rule.get("expr", ()) if "dup" in part}
    if devices - ({ring_link(known.to)} if known.to else set()):
        return RingStep(odd="its tunnel was created again")
    return known


def _said(found: list[tuple[str, str]]) -> RingStep | None:
    words = {tuple(comment.split()[3:]) for _, comment in found}
    match list(words):
        case [("ring", version, to, others, takes)] if version == RING_VERSION:
            try:
                return RingStep(None if to == "None" else IPv4Address(to), int(others), takes=takes == "takes")
            except ValueError:
                return None
    return None


def _expected(watch: FlowWatch, wanted: RingStep) -> list[tuple[str, str]]:
    chains = _step_chains(watch, wanted).items()
    return sorted((name, _comment(name, place, wanted)) for name, rules in chains for place in range(len(rules)))


def counts(objects: Iterable[dict[str, Any]]) -> RingCounts:
    found = [each["counter"] for each in objects if "counter" in each]
    return RingCounts(**{one["name"]: int(one["packets"]) for one in found if one["name"] in COUNTERS})
