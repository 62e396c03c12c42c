"""The nftables table that answers orphaned TCP flows, as `nft -f` reads it and as `nft -t -j list table` prints it.

After an ECMP rehash a flow's packets reach a gateway that has no session for them. Jool drops such a packet without a
word (JSTAT_SYN6_EXPECTED), and inside PREROUTING, so that no later hook could answer it; it also tells nobody which
flows it knows. So the table keeps its own account of them: what begins with a SYN, and what the translator sends to a
pod. What is in neither gets a RST. Where the account may have gaps (set full, table just made) nothing is reset.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kun_nat64.formats.table import FormatError
from kun_nat64.model.facts import MARK, OrphanReset
from kun_nat64.model.resetfacts import FlowWatch
from kun_nat64.model.traffic import Session

TABLE = f"ip6 {MARK}"
ARMING = "arming"
# Keys of the account, seen from the pod: from its packets, and from those to it.
FROM_POD = "ip6 saddr . tcp sport . ip6 daddr . tcp dport"
TO_POD = "ip6 daddr . tcp dport . ip6 saddr . tcp sport"
# Many elements make one transaction slow and its netlink message large.
SEEDS_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Listed:
    """`resets`: answers given since the table was made."""

    fact: OrphanReset
    resets: int


def table(watch: FlowWatch) -> str:
    """Replaces the whole table in one transaction. It learns, and resets nothing until `armed` has been loaded."""
    rules = {name: "\n".join(_numbered(lines, name, watch)) for name, lines in _chains(watch).items()}
    key = "type ipv6_addr . inet_service . ipv6_addr . inet_service; flags dynamic,timeout"
    return f"""table {TABLE}
delete table {TABLE}
table {TABLE} {{
set flows {{ {key}; size {watch.flows}; timeout {watch.established_s}s; }}
set closing {{ {key}; size {watch.flows}; timeout {watch.closed_s}s; }}
set gaps {{ type inet_proto; flags dynamic,timeout; size 8; timeout {watch.established_s}s; }}
chain {ARMING} {{ }}
chain orphans {{
{rules["orphans"]}
}}
chain known {{
{rules["known"]}
}}
chain pods {{
type filter hook prerouting priority -160; policy accept;
{rules["pods"]}
}}
chain servers {{
type filter hook postrouting priority -140; policy accept;
{rules["servers"]}
}}
}}
"""


def _chains(watch: FlowWatch) -> dict[str, tuple[str, ...]]:
    """The rules of each chain. Before MSS and Jool on the way out; after Jool, on its packets alone, on the way in."""
    est, closed = f"timeout {watch.established_s}s", f"timeout {watch.closed_s}s"
    tcp_out = f"ip6 daddr {watch.pool6} meta l4proto tcp"
    tcp_in = f"ip6 saddr {watch.pool6} meta l4proto tcp"
    gap = "update @gaps { meta l4proto }"
    return {
        "pods": (
            f"{tcp_out} tcp flags & (syn | ack | rst) == syn update @flows {{ {FROM_POD} {closed} }} return",
            # Only where the set is full: then a flow that is not in it may still be a good one.
            f"{tcp_out} tcp flags & (syn | ack | rst) == syn {gap} return",
            f"{tcp_out} {FROM_POD} @flows goto known",
            f"{tcp_out} tcp flags & rst == rst return",
            f"{tcp_out} jump orphans",
        ),
        "known": (
            f"tcp flags & (fin | rst) != 0x0 update @closing {{ {FROM_POD} {closed} }}",
            f"{FROM_POD} @closing update @flows {{ {FROM_POD} {closed} }} return",
            f"update @flows {{ {FROM_POD} {est} }}",
        ),
        "servers": (
            # Our own RST leaves here, too, and makes no flow known.
            f"{tcp_in} tcp flags & rst == rst {TO_POD} @flows update @flows {{ {TO_POD} {closed} }} return",
            f"{tcp_in} tcp flags & rst == rst return",
            f"{tcp_in} {TO_POD} @closing update @flows {{ {TO_POD} {closed} }} return",
            f"{tcp_in} update @flows {{ {TO_POD} {est} }} return",
            f"{tcp_in} {gap}",
        ),
        "orphans": ("meta l4proto @gaps return", f"jump {ARMING}"),
    }


def armed(watch: FlowWatch) -> str:
    """Lets the table reset what it does not know."""
    (rule,) = _numbered(("counter reject with tcp reset",), ARMING, watch)
    return f"flush chain {TABLE} {ARMING}\nadd rule {TABLE} {ARMING} {rule}\n"


def seeds(sessions: Iterable[Session], watch: FlowWatch) -> Iterator[str]:
    """Documents that make the flows known that Jool has sessions for."""
    keys = [f"{s.inside.address} . {s.inside.port} . {s.target.address} . {s.target.port}" for s in sessions]
    for start in range(0, len(keys), SEEDS_AT_ONCE):
        elements = ", ".join(f"{key} timeout {watch.established_s}s" for key in keys[start : start + SEEDS_AT_ONCE])
        yield f"add element {TABLE} flows {{ {elements} }}\n"


def gap() -> str:
    """Says that the account is not whole: then nothing is reset, for as long as a flow may go on."""
    return f"add element {TABLE} gaps {{ tcp }}\n"


def removal() -> str:
    return f"delete table {TABLE}\n"


def _numbered(lines: Iterable[str], chain: str, watch: FlowWatch) -> list[str]:
    """Each rule says which one it is: its text differs between versions of nft, its comment does not."""
    return [f'{line} comment "{MARK} {chain} {place} {watch}"' for place, line in enumerate(lines)]


def parse(text: str, watch: FlowWatch | None) -> Listed:
    """What the table is, by the comments of its rules. Raises FormatError for what is not nft's JSON."""
    try:
        objects = json.loads(text)["nftables"]
        rules = [each["rule"] for each in objects if "rule" in each]
        found = sorted((str(rule["chain"]), str(rule.get("comment", ""))) for rule in rules)
        resets = sum(_packets(rule) for rule in rules)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise FormatError("output of nft -j", text[:80]) from error
    standing = [each for each in found if each[0] != ARMING]
    arming = [each for each in found if each[0] == ARMING]
    expected = [] if watch is None else sorted(_comments(watch))
    whole = standing == [each for each in expected if each[0] != ARMING] and set(arming) <= set(expected)
    is_ours = watch if watch is not None and whole else _other(found, watch)
    return Listed(OrphanReset(is_ours, armed=bool(arming)), resets)


def _comments(watch: FlowWatch) -> list[tuple[str, str]]:
    counts = {name: len(lines) for name, lines in _chains(watch).items()} | {ARMING: 1}
    return [(chain, f"{MARK} {chain} {place} {watch}") for chain, count in counts.items() for place in range(count)]


def _other(found: list[tuple[str, str]], watch: FlowWatch | None) -> str:
    """A table of another configuration, or one that somebody has changed."""
    known = {" ".join(comment.split()[3:]) for _, comment in found if comment.startswith(f"{MARK} ")}
    strange = not known or known == {str(watch)}
    return "changed by somebody else" if strange else f"made for {', '.join(sorted(known))}"


def _packets(rule: dict[str, Any]) -> int:
    counters = (part["counter"] for part in rule.get("expr", ()) if isinstance(part, dict) and "counter" in part)
    return sum(int(counter["packets"]) for counter in counters if isinstance(counter, dict))
