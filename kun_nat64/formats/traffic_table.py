"""The counters of the table that policy/traffic_count.py describes, as `nft -j list table` prints them."""

import json
from collections.abc import Iterator
from typing import Any

from kun_nat64.formats.table import FormatError
from kun_nat64.model.publiccounts import CountedTraffic, PublicCounts
from kun_nat64.policy.traffic_count import ALL, RECEIVED, SENT

Place = tuple[str, str]


def read(text: str) -> CountedTraffic:
    """By address and protocol. Raises FormatError."""
    try:
        sets = {str(each["set"]["name"]): each["set"] for each in json.loads(text)["nftables"] if "set" in each}
        came, went = (dict(_elements(sets[name].get("elem", ()))) for name in (RECEIVED, SENT))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise FormatError("output of nft -j", text[:80]) from error
    return {place: PublicCounts(*came.get(place, (0, 0)), *went.get(place, (0, 0))) for place in sorted({*came, *went})}


def _elements(listed: Any) -> Iterator[tuple[Place, tuple[int, int]]]:
    for each in listed:
        element = each["elem"]
        counter = element["counter"]
        yield _place(element["val"]), (int(counter["packets"]), int(counter["bytes"]))


def _place(value: Any) -> Place:
    if isinstance(value, str):
        return ALL, value
    address, protocol = value["concat"]
    return str(address), str(protocol)
