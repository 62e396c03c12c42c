"""Tables of nftables that are ours as a whole, as `nft -f` reads them and as `nft -j list table` prints them."""

import json
from typing import Any

from kun_nat64.formats.table import FormatError
from kun_nat64.model.facts import MARK, OwnTable


def document(table: OwnTable) -> str:
    """Replaces the whole table in one transaction."""
    chains = "".join(
        f"chain {chain.name} {{\ntype filter hook {chain.hook}; policy accept;\n"
        + "".join(f'{rule} comment "{_comment(table, place)}"\n' for place, rule in enumerate(chain.rules))
        + "}\n"
        for chain in table.chains
    )
    sets = "".join(f"set {one}\n" for one in table.sets)
    return f"table {table.name}\ndelete table {table.name}\ntable {table.name} {{\n{sets}{chains}}}\n"


def removal(table: OwnTable) -> str:
    return f"delete table {table.name}\n"


def _comment(table: OwnTable, place: int) -> str:
    """Says which rule it is, of which text: the text that nft prints differs between its versions."""
    return f"{MARK} {place} {table.digest}"


def amiss(text: str, table: OwnTable) -> str:
    """What is not as it should be in what nft printed; "" if nothing. Raises FormatError."""
    try:
        objects = json.loads(text)["nftables"]
        rules = [each["rule"] for each in objects if "rule" in each]
        found = [(str(rule["chain"]), str(rule.get("comment", ""))) for rule in rules]
        chains = sorted(str(each["chain"]["name"]) for each in objects if "chain" in each)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError("output of nft -j", text[:80]) from error
    wanted = [(chain.name, _comment(table, place)) for chain in table.chains for place in range(len(chain.rules))]
    whole = found == wanted or sorted(found) == sorted(wanted)
    return "" if whole and chains == sorted(chain.name for chain in table.chains) else "changed by another program"


def packets(text: str) -> dict[str, int]:
    """Packets that the counters of each chain have counted. Raises FormatError."""
    counted: dict[str, int] = {}
    try:
        for each in json.loads(text)["nftables"]:
            if "rule" in each:
                chain = str(each["rule"]["chain"])
                counters = [part for part in each["rule"].get("expr", ()) if "counter" in part]
                if counters:
                    counted[chain] = counted.get(chain, 0) + _counted(each["rule"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise FormatError("output of nft -j", text[:80]) from error
    return counted


def _counted(rule: dict[str, Any]) -> int:
    counters = (part["counter"] for part in rule.get("expr", ()) if isinstance(part, dict) and "counter" in part)
    return sum(int(counter["packets"]) for counter in counters if isinstance(counter, dict))
