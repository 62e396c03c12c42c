"""The way of the probes as `tc` and `nft` are told it, and as they print it.

In: what comes out of the cable for the VIP is handed to the uplink, as received there (tc, mirred). Back: an answer is
known by its inner destination, 44 bytes into the IPv4 packet. On its way out of the uplink its outer destination
becomes our own address; where it comes in again it gets its own one back and goes into the cable. The hook at the
entry is needed because the source is the VIP, an address of this host: the kernel would drop it as a martian.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from kun_nat64.formats.table import FormatError
from kun_nat64.model.facts import MARK, AnyProbeWay, NativeProbeWay, ProbeWay
from kun_nat64.model.probefacts import Passed

TABLE = f"netdev {MARK}"
OUT, BACK = "out", "back"
# Before every other rule of these hooks.
PRIORITY = -500
# Both ends of the cable have this one (drivers/linkchange.py): a frame for another address would not be taken.
CABLE_ADDRESS = "02:6b:75:6e:36:34"
# Bit offset and length of the inner IPv6 destination, behind an IPv4 header without options, as sit sends it.
INNER_DESTINATION = "@nh,352,128"
FILTER_PREFERENCE = "41"


@dataclass(frozen=True, slots=True)
class ListedProbeWay:
    """What `nft` printed of our table. `amiss` "": it is as it should be."""

    amiss: str
    passed: Passed


def table(way: AnyProbeWay, uplink: str) -> str:
    """Replaces the whole table in one transaction."""
    chains = "".join(_chain(name, hook, rule, way, uplink) for name, hook, rule in _rules(way))
    return f"table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{chains}}}\n"


def _rules(way: AnyProbeWay) -> tuple[tuple[str, str, str], ...]:
    """Chain, hook, rule."""
    return _native_rules(way) if isinstance(way, NativeProbeWay) else _tunnel_rules(way)


def _tunnel_rules(way: ProbeWay) -> tuple[tuple[str, str, str], ...]:
    answer = f"ip saddr {way.vip} ip protocol 41 {INNER_DESTINATION} 0x{int(way.answer_to):032x}"
    take_in = f'ether daddr set {CABLE_ADDRESS} fwd to "{way.link}"'
    if not way.by_router:
        return ((OUT, "egress", f"{answer} counter {take_in}"),)
    return (
        (OUT, "egress", f"{answer} counter ip daddr set {way.home} accept"),
        (BACK, "ingress", f"ip daddr {way.home} {answer} counter ip daddr set {way.node} {take_in}"),
    )


def _native_rules(way: NativeProbeWay) -> tuple[tuple[str, str, str], ...]:
    """Both addresses have one checksum: what nft makes of that of TCP, UDP or ICMPv6 is what it was."""
    answer = f"ip6 saddr {way.pool6} ip6 daddr {way.answer_to}"
    take_in = f'ether daddr set {CABLE_ADDRESS} fwd to "{way.link}"'
    if not way.by_router:
        return ((OUT, "egress", f"{answer} counter {take_in}"),)
    returned = f"ip6 saddr {way.pool6} ip6 daddr {way.home}"
    return (
        (OUT, "egress", f"{answer} counter ip6 daddr set {way.home} accept"),
        (BACK, "ingress", f"{returned} counter ip6 daddr set {way.answer_to} {take_in}"),
    )


def _chain(name: str, hook: str, rule: str, way: AnyProbeWay, uplink: str) -> str:
    comment = _comment(name, way, uplink)
    begin = f'type filter hook {hook} device "{uplink}" priority {PRIORITY}; policy accept;'
    return f'chain {name} {{\n{begin}\n{rule} comment "{comment}"\n}}\n'


def _comment(name: str, way: AnyProbeWay, uplink: str) -> str:
    """Says what the rule is for: its text differs between versions of nft. At most 128 bytes."""
    turn = way.home if way.by_router else "turned"
    if isinstance(way, NativeProbeWay):
        # Three addresses of IPv6 may be longer than a comment.
        ends = hashlib.sha256(f"{way.pool6} {way.answer_to} {turn}".encode()).hexdigest()[:12]
    else:
        ends = f"{way.vip} {way.node} {turn}"
    return f"{MARK} {name} {uplink} {way.link} {ends}"


def removal() -> str:
    return f"delete table {TABLE}\n"


def parse_table(text: str, way: AnyProbeWay, uplink: str) -> ListedProbeWay:
    """`nft -j list table`. Raises FormatError."""
    try:
        objects = json.loads(text)["nftables"]
        rules = [each["rule"] for each in objects if "rule" in each]
        found = {(str(rule["chain"]), str(rule.get("comment", ""))): _packets(rule) for rule in rules}
        hooks = {str(each["chain"]["name"]): str(each["chain"].get("hook")) for each in objects if "chain" in each}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise FormatError("output of nft -j", text[:80]) from error
    wanted = {(name, _comment(name, way, uplink)): hook for name, hook, _ in _rules(way)}
    whole = found.keys() == wanted.keys() and len(rules) == len(wanted)
    whole = whole and hooks == {name: hook for (name, _), hook in wanted.items()}
    counts = {chain: packets for (chain, _), packets in found.items()}
    amiss = "" if whole else f"nftables table {TABLE} is not the one for {uplink}"
    left = counts.get(OUT, 0)
    return ListedProbeWay(amiss, Passed(left, counts.get(BACK, 0) if way.by_router else left))


def _packets(rule: dict[str, Any]) -> int:
    counters = (part["counter"] for part in rule.get("expr", ()) if isinstance(part, dict) and "counter" in part)
    return sum(int(counter["packets"]) for counter in counters if isinstance(counter, dict))


def filter_words(way: AnyProbeWay, uplink: str) -> tuple[str, ...]:
    """After `tc filter add`."""
    into = ("action", "mirred", "ingress", "redirect", "dev", uplink)
    place = ("dev", way.link, "ingress", "protocol")
    if isinstance(way, NativeProbeWay):
        return (*place, "ipv6", "pref", FILTER_PREFERENCE, "u32", "match", "ip6", "dst", str(way.pool6), *into)
    of_a_probe = ("match", "ip", "protocol", "41", "0xff", "match", "ip", "dst", f"{way.vip}/32")
    return (*place, "ip", "pref", FILTER_PREFERENCE, "u32", *of_a_probe, *into)


def parse_filters(text: str, way: AnyProbeWay, uplink: str) -> str:
    """`tc -j filter show dev LINK ingress`: what is amiss; "" if nothing. Raises FormatError."""
    try:
        filters = [each for each in json.loads(text or "[]") if "match" in each.get("options", {})]
        actions = [action for each in filters for action in each["options"].get("actions", ())]
        ends = [(one.get("mirred_action"), one.get("direction"), one.get("to_dev")) for one in actions]
        # Of keys with one name JSON keeps the last: that is the VIP, or the last word of pool6.
        matches = [str(each["options"]["match"].get("value")) for each in filters]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError("output of tc -j", text[:80]) from error
    if ends == [("redirect", "ingress", uplink)] and matches == [f"{_last_word(way):x}"]:
        return ""
    return f"tc filter of {way.link} does not hand the probes to {uplink}"


def _last_word(way: AnyProbeWay) -> int:
    """Of what the filter compares: 32 bits."""
    if isinstance(way, NativeProbeWay):
        return int(way.pool6.network_address) >> 32 & 0xFFFFFFFF
    return int(way.vip)
