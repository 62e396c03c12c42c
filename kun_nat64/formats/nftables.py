"""The nftables table that answers orphaned TCP flows, as `nft -f` reads it and as `nft -t -j list table` prints it.

After an ECMP rehash a flow's packets reach a gateway that has no session for them. Jool drops such a packet without a
word (JSTAT_SYN6_EXPECTED), and inside PREROUTING, so that no later hook could answer it; it also tells nobody which
flows it knows. So the table keeps its own account of them, by Jool's own state machine (RFC 6146 section 3.5.2.2):

    set     holds flows in these states of Jool     for
    init    V6 INIT                                 closed_s after the pod's last SYN
    flows   all others                              established_s after the last packet, or as below
    fin6    V6 FIN RCV                              as long as in flows
    fin4    V4 FIN RCV                              as long as in flows
    ended   V4 FIN + V6 FIN RCV                     closed_s after the second FIN, whatever comes then
    trans   TRANS, after a RST                      closed_s, or until another packet makes it ESTABLISHED again

Each time is a little longer than Jool's: a flow that Jool knows is never an orphan, and one that it has forgotten is an
orphan soon after. What is in neither `init`, `flows` nor `ended` goes to the next gateway of the ring (ring_rules.py),
or gets a RST. Where the account may have gaps (set full, table just made) nothing is reset.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv6Network
from typing import Any

from kun_nat64.formats import ring_rules
from kun_nat64.formats.table import FormatError
from kun_nat64.model.facts import MARK, OrphanReset
from kun_nat64.model.resetfacts import RULES_VERSION, FlowWatch
from kun_nat64.model.ringfacts import RingCounts, RingStep

TABLE = f"ip6 {MARK}"
ARMING, FRESH = "arming", "fresh"
# Keys of the account, seen from the pod: from its packets, and from those to it.
FROM_POD = "ip6 saddr . tcp sport . ip6 daddr . tcp dport"
TO_POD = "ip6 daddr . tcp dport . ip6 saddr . tcp sport"
SETS = ("flows", "init", "fin6", "fin4", "ended", "trans")
HOOKS = {
    "pods": "type filter hook prerouting priority -160; policy accept;\n",
    "servers": "type filter hook postrouting priority -140; policy accept;\n",
    "notices": "type filter hook output priority 0; policy accept;\n",
}
UDP = "ip6 saddr . udp sport . ip6 daddr . udp dport"
# Room for some clients that begin as many flows as they may.
LEAST_UDP, GAP_OF_UDP_S = 1_048_576, 60
# So many seconds' worth of new flows at once: a pod that starts with a burst is not a flood.
BURST_S = 10
LONGEST_TEXT = 96
GAP = "update @gaps { meta l4proto }"


@dataclass(frozen=True, slots=True)
class ListedTable:
    """`resets`: answers given since the table was made. `step`, `ring`: None where there is no ring.

    `too_many`: packets of clients that began more flows than they may; None where there is no such limit.
    """

    fact: OrphanReset
    resets: int
    step: RingStep | None = None
    ring: RingCounts | None = None
    too_many: int | None = None


def table(watch: FlowWatch) -> str:
    """Replaces the whole table in one transaction. It learns, and resets nothing until `armed` has been loaded."""
    rules = {name: "\n".join(_numbered(lines, name, watch)) for name, lines in _chains(watch).items()}
    key = "type ipv6_addr . inet_service . ipv6_addr . inet_service; flags dynamic,timeout"
    sets = "\n".join(f"set {name} {{ {key}; size {watch.flows}; timeout {_lifetime(name, watch)}s; }}" for name in SETS)
    chains = "\n".join(f"chain {name} {{\n{HOOKS.get(name, '')}{lines}\n}}" for name, lines in reversed(rules.items()))
    return f"""table {TABLE}
delete table {TABLE}
table {TABLE} {{
{sets}
set datagrams {{ {key}; size {max(watch.flows, LEAST_UDP)}; timeout {watch.udp_s}s; }}
set clients {{ type ipv6_addr; flags dynamic,timeout; size 65536; timeout 60s; }}
set gaps {{ type inet_proto; flags dynamic,timeout; size 8; timeout {watch.established_s}s; }}
chain {ARMING} {{ }}
{ring_rules.declarations(watch) if watch.ring_flows_s else ""}
{chains}
}}
"""


def _lifetime(name: str, watch: FlowWatch) -> int:
    return watch.closed_s if name in ("init", "ended", "trans") else watch.established_s


def _chains(watch: FlowWatch) -> dict[str, tuple[str, ...]]:
    """The rules of each chain, each chain before those that it jumps to.

    Before MSS and Jool on the way out; after Jool, on its packets alone, on the way in.
    """
    tcp = "meta l4proto tcp"
    counted = bool(watch.new_flows_s or watch.ring_flows_s)
    return {
        "pods": (
            *((f"{ring_rules.RING} jump from_ring",) if watch.ring_flows_s else ()),
            f"ip6 daddr {watch.pool6} {tcp} goto from_pod",
            *(_other_protocols(watch) if counted else ()),
        ),
        "servers": (f"ip6 saddr {watch.pool6} {tcp} goto to_pod",),
        "from_pod": (
            f"{FROM_POD} @ended return",
            f"{FROM_POD} @flows goto known_from_pod",
            "tcp flags & (syn | ack | rst) == syn goto begin",
            f"{FROM_POD} @init return",
            # In the ring a RST ends the flow where it is known.
            *(() if watch.ring_flows_s else ("tcp flags & rst == rst return",)),
            "jump orphans",
        ),
        "to_pod": (
            f"{TO_POD} @ended return",
            f"{TO_POD} @flows goto known_to_pod",
            # Our own RST leaves here, too, and makes no flow known.
            "tcp flags & rst == rst return",
            f"tcp flags & syn == syn delete @init {{ {TO_POD} }} update @flows {{ {TO_POD} {_est(watch)} }} return",
            f"{TO_POD} @init return",
            # Jool knows it, since it comes from there.
            f"update @flows {{ {TO_POD} {_est(watch)} }} return",
            GAP,
        ),
        "known_from_pod": _known(watch, FROM_POD, own="fin6", other="fin4"),
        "known_to_pod": _known(watch, TO_POD, own="fin4", other="fin6"),
        "udp_from_pod": _udp(watch),
        "begin": (
            *(("jump fresh",) if watch.new_flows_s else ()),
            # Of an earlier flow by the same ports.
            f"delete @fin6 {{ {FROM_POD} }} delete @fin4 {{ {FROM_POD} }} delete @trans {{ {FROM_POD} }}",
            f"update @init {{ {FROM_POD} timeout {watch.closed_s}s }} return",
            # Only where the set is full: then a flow that is not in it may still be a good one.
            GAP,
        ),
        FRESH: _fresh(watch),
        "orphans": ("meta l4proto @gaps return", f"jump {ARMING}"),
        **(ring_rules.standing_chains(watch) if watch.ring_flows_s else {}),
    }


def _other_protocols(watch: FlowWatch) -> tuple[str, ...]:
    """Their new flows are counted. Each echo request may be one: Jool's sessions of ICMP live for a minute."""
    return (
        f"ip6 daddr {watch.pool6} meta l4proto udp goto udp_from_pod",
        *((f"ip6 daddr {watch.pool6} icmpv6 type echo-request goto fresh",) if watch.new_flows_s else ()),
    )


def _udp(watch: FlowWatch) -> tuple[str, ...]:
    if not (watch.new_flows_s or watch.ring_flows_s):
        return ()
    return (
        f"{UDP} @datagrams update @datagrams {{ {UDP} timeout {watch.udp_s}s }} return",
        *(("jump udp_handover",) if watch.ring_flows_s else ()),
        # Where the set is full nobody can tell a new flow from an old one.
        "meta l4proto @gaps return",
        *(("jump fresh",) if watch.new_flows_s else ()),
        f"add @datagrams {{ {UDP} timeout {watch.udp_s}s }} return",
        f"update @gaps {{ meta l4proto timeout {GAP_OF_UDP_S}s }}",
    )


def _fresh(watch: FlowWatch) -> tuple[str, ...]:
    """A client that begins more flows than it may loses the packet that would begin one more (RFC 6888 REQ-4)."""
    if not watch.new_flows_s:
        return ()
    mask = "" if watch.client_length == 128 else f" & {IPv6Network(f'::/{watch.client_length}').netmask}"
    rate = f"limit rate over {watch.new_flows_s}/second burst {watch.new_flows_s * BURST_S} packets"
    return (f"update @clients {{ ip6 saddr{mask} {rate} }} counter drop",)


def _known(watch: FlowWatch, key: str, own: str, other: str) -> tuple[str, ...]:
    """A packet of a flow whose SYN was answered. `own` and `other`: the sets of its side's FIN, and of the other's."""
    closed, est, rst, fin = (
        f"timeout {watch.closed_s}s",
        _est(watch),
        "tcp flags & rst == rst",
        "tcp flags & fin == fin",
    )
    after_rst = closed if watch.rst_ends_half_closed else est
    return (
        f"{rst} {key} @fin6 update @flows {{ {key} {after_rst} }} return",
        f"{rst} {key} @fin4 update @flows {{ {key} {after_rst} }} return",
        f"{rst} add @trans {{ {key} {closed} }} update @flows {{ {key} {closed} }} return",
        # TRANS: anything but a RST makes it ESTABLISHED, and a FIN is then nothing but a packet.
        f"{key} @trans delete @trans {{ {key} }} update @flows {{ {key} {est} }} return",
        f"{fin} {key} @{other} add @ended {{ {key} {closed} }} update @flows {{ {key} {closed} }} return",
        f"{fin} add @{own} {{ {key} {est} }}",
        f"{key} @fin6 update @fin6 {{ {key} {est} }}",
        f"{key} @fin4 update @fin4 {{ {key} {est} }}",
        f"update @flows {{ {key} {est} }}",
    )


def _est(watch: FlowWatch) -> str:
    return f"timeout {watch.established_s}s"


def armed(watch: FlowWatch) -> str:
    """Lets the table reset what it does not know."""
    rules = "".join(f"add rule {TABLE} {ARMING} {rule}\n" for rule in _numbered(_arming(watch), ARMING, watch))
    return f"flush chain {TABLE} {ARMING}\n{rules}"


def _arming(watch: FlowWatch) -> tuple[str, ...]:
    ring = ("jump handover", "tcp flags & rst == rst return") if watch.ring_flows_s else ()
    return (*ring, "counter reject with tcp reset")


def removal() -> str:
    return f"delete table {TABLE}\n"


def _numbered(lines: Iterable[str], chain: str, watch: FlowWatch) -> list[str]:
    """Each rule says which one it is: its text differs between versions of nft, its comment does not."""
    return [f'{line} comment "{MARK} {chain} {place} {_text(watch)}"' for place, line in enumerate(lines)]


def _text(watch: FlowWatch) -> str:
    """nft takes comments of 127 bytes. An unusually long text is told by its checksum."""
    text = str(watch)
    return text if len(text) <= LONGEST_TEXT else f"{RULES_VERSION} {sha256(text.encode()).hexdigest()[:32]}"


def parse(text: str, watch: FlowWatch | None) -> ListedTable:
    """What the table is, by the comments of its rules. Raises FormatError for what is not nft's JSON."""
    try:
        objects = json.loads(text)["nftables"]
        own = [each for each in objects if each.get("rule", {}).get("chain") not in ring_rules.STEP_CHAINS]
        rules = [each["rule"] for each in own if "rule" in each]
        found = sorted((str(rule["chain"]), str(rule.get("comment", ""))) for rule in rules)
        resets = sum(_packets(rule) for rule in rules if rule.get("chain") == ARMING)
        too_many = [_packets(rule) for rule in rules if rule.get("chain") == FRESH]
        in_ring = watch is not None and watch.ring_flows_s > 0
        step = ring_rules.parse(objects, watch) if watch is not None and in_ring else None
        ring = ring_rules.counts(objects) if in_ring else None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise FormatError("output of nft -j", text[:80]) from error
    standing = [each for each in found if each[0] != ARMING]
    arming = [each for each in found if each[0] == ARMING]
    expected = [] if watch is None else sorted(_comments(watch))
    fully_armed = [each for each in expected if each[0] == ARMING]
    whole = standing == [each for each in expected if each[0] != ARMING] and arming in ([], fully_armed)
    is_ours = watch if watch is not None and whole else _other(found, watch)
    return ListedTable(OrphanReset(is_ours, armed=bool(arming)), resets, step, ring, max(too_many, default=None))


def _comments(watch: FlowWatch) -> list[tuple[str, str]]:
    counts = {name: len(lines) for name, lines in _chains(watch).items()} | {ARMING: len(_arming(watch))}
    return [
        (chain, f"{MARK} {chain} {place} {_text(watch)}") for chain, count in counts.items() for place in range(count)
    ]


def _other(found: list[tuple[str, str]], watch: FlowWatch | None) -> str:
    """A table of another configuration, or one that somebody has changed."""
    known = {" ".join(comment.split()[3:]) for _, comment in found if comment.startswith(f"{MARK} ")}
    strange = not known or known == {_text(watch) if watch else ""}
    return "changed by another program" if strange else f"made for {', '.join(sorted(known))}"


def _packets(rule: dict[str, Any]) -> int:
    counters = (part["counter"] for part in rule.get("expr", ()) if isinstance(part, dict) and "counter" in part)
    return sum(int(counter["packets"]) for counter in counters if isinstance(counter, dict))
