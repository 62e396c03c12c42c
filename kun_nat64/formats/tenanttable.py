"""The nftables table of tenants, as `nft -f` reads it and as `nft -j list table` prints it.

One map for each length of network, asked longest first: so the longest network that holds an address decides, and one
element can come or go without the others.
"""

import json
import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address
from typing import Any

from kun_nat64.formats.table import FormatError
from kun_nat64.model.clients import mask
from kun_nat64.model.facts import MARK, TenantTable
from kun_nat64.model.joolfacts import LIMIT_MARK
from kun_nat64.model.tenantfacts import Entry, TenantRules

TABLE = f"ip6 {MARK}-tenants"
DENIED, LIMITED, SHARED = "denied", "limited", "shared"
# Before the account of flows (-160) and before the limit of a client (-150), whose mark comes later and wins.
HOOK = "type filter hook prerouting priority -165; policy accept;"
REFUSE = "refuse"
# RFC 4443 section 2.4 (f): errors are bounded in their rate; all packets of denied tenants are dropped.
RATE = "limit rate 100/second burst 100 packets"
MAP = re.compile(r"net(\d{1,3})")
# Many elements make one netlink message large.
AT_ONCE = 5000


def document(table: TenantTable) -> str:
    """Replaces the whole table, elements and all, in one transaction: no packet meets half of it."""
    maps = "".join(f"map {_map(length)} {{\ntype ipv6_addr : mark\n}}\n" for length in table.lengths)
    sets = "".join(f"set {name} {{\ntype mark\n}}\n" for name in (DENIED, LIMITED, SHARED))
    chains = "".join(
        f"chain {name} {{\n" + "".join(f'{rule} comment "{words}"\n' for rule, words in lines) + "}\n"
        for name, lines in _commented(table.rules, table.lengths).items()
    )
    chains = chains.replace("chain pods {\n", f"chain pods {{\n{HOOK}\n")
    whole = f"table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{maps}{sets}{chains}}}\n"
    return whole + difference(TenantTable(table.rules, table.lengths), table)


def removal() -> str:
    return f"delete table {TABLE}\n"


def difference(before: TenantTable, after: TenantTable) -> str:
    """Elements that go, and those that come, in one transaction. Both have the same rules."""
    return "".join(
        (
            *_elements("delete", before.entries - after.entries),
            *_marks("delete", before, after),
            *_elements("add", after.entries - before.entries),
            *_marks("add", after, before),
        )
    )


def _marks(verb: str, having: TenantTable, lacking: TenantTable) -> Iterator[str]:
    sets = (
        (DENIED, having.denied - lacking.denied),
        (LIMITED, having.limited - lacking.limited),
        (SHARED, having.shared - lacking.shared),
    )
    return (f"{verb} element {TABLE} {name} {{ {', '.join(map(hex, sorted(some)))} }}\n" for name, some in sets if some)


def _elements(verb: str, entries: Iterable[Entry]) -> Iterator[str]:
    by_length: dict[int, list[str]] = {}
    for length, number, mark in sorted(entries):
        by_length.setdefault(length, []).append(f"{IPv6Address(number)} : {mark:#x}")
    for length, some in by_length.items():
        for start in range(0, len(some), AT_ONCE):
            yield f"{verb} element {TABLE} {_map(length)} {{ {', '.join(some[start : start + AT_ONCE])} }}\n"


def _map(length: int) -> str:
    return f"net{length}"


def _chains(rules: TenantRules, lengths: tuple[int, ...]) -> dict[str, tuple[str, ...]]:
    """Each chain before those that jump to it."""
    return {
        REFUSE: (f"{RATE} reject with icmpv6 type admin-prohibited", "counter drop"),
        "decided": (
            f"meta mark @{DENIED} counter goto {REFUSE}",
            f"meta mark @{LIMITED} meta mark set {LIMIT_MARK:#x} return",
            f"meta mark @{SHARED} meta mark set 0x0",
        ),
        # A look-up that finds nothing ends its rule, and the next one is met.
        "tenants": tuple(
            f"meta mark set ip6 saddr{_masked(length)} map @{_map(length)} goto decided" for length in lengths
        ),
        "pods": (f'iifname "{rules.inside}" ip6 daddr {rules.pool6} ip6 saddr != {rules.probe} goto tenants',),
    }


def _masked(length: int) -> str:
    return "" if length == 128 else f" & {IPv6Address(mask(length))}"


def _commented(rules: TenantRules, lengths: tuple[int, ...]) -> dict[str, list[tuple[str, str]]]:
    """Each rule says which one it is, of which text: the text that nft prints differs between its versions."""
    digest = rules.digest(lengths)
    return {
        name: [(line, f"{MARK} {place} {digest}") for place, line in enumerate(lines)]
        for name, lines in _chains(rules, lengths).items()
    }


def parse(text: str, rules: TenantRules) -> TenantTable:
    """What the table is. Raises FormatError for what is not nft's JSON."""
    try:
        objects = json.loads(text)["nftables"]
        lengths = _lengths(objects)
        if lengths is None or not _is_whole(objects, rules, lengths):
            return TenantTable(rules, amiss="made for something else, or changed by another program")
        kinds = ((each, kind) for each in objects for kind in ("map", "set") if kind in each)
        held = {str(each[kind]["name"]): each[kind].get("elem", []) for each, kind in kinds}
        entries = frozenset(_entry(length, element) for length in lengths for element in held[_map(length)])
        denied, limited, shared = (frozenset(map(_mark, held[name])) for name in (DENIED, LIMITED, SHARED))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise FormatError("output of nft -j", text[:80]) from error
    return TenantTable(rules, lengths, entries, denied, limited, shared)


def _lengths(objects: list[dict[str, Any]]) -> tuple[int, ...] | None:
    """Longest first; None where a map is not one of ours."""
    maps = [each["map"] for each in objects if "map" in each]
    found = [MAP.fullmatch(str(one["name"])) for one in maps]
    ours = all(found) and all((one["type"], one["map"]) == ("ipv6_addr", "mark") for one in maps)
    return tuple(sorted((int(one[1]) for one in found if one), reverse=True)) if ours else None


def _is_whole(objects: list[dict[str, Any]], rules: TenantRules, lengths: tuple[int, ...]) -> bool:
    commented = _commented(rules, lengths)
    listed = [each["rule"] for each in objects if "rule" in each]
    found = sorted((str(rule["chain"]), str(rule.get("comment", ""))) for rule in listed)
    sets = {str(each["set"]["name"]) for each in objects if "set" in each}
    chains = {str(each["chain"]["name"]) for each in objects if "chain" in each}
    wanted = sorted((name, words) for name, lines in commented.items() for _, words in lines)
    return found == wanted and sets == {DENIED, LIMITED, SHARED} and chains == commented.keys()


def _entry(length: int, element: list[Any]) -> Entry:
    address, mark = element
    return length, int(IPv6Address(address)), _mark(mark)


def _mark(value: Any) -> int:
    return value if isinstance(value, int) else int(value, 0)


def refused(text: str) -> int:
    """Packets of denied tenants since the table was made. Raises FormatError."""
    try:
        rules = [each["rule"] for each in json.loads(text)["nftables"] if "rule" in each]
        counters = [part["counter"] for rule in rules for part in rule.get("expr", ()) if "counter" in part]
        return max((int(counter["packets"]) for counter in counters), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError("output of nft -j", text[:80]) from error
