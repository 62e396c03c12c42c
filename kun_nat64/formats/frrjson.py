"""What vtysh prints as JSON, of FRR 8.4 and 10.3: neighbours, one path, what a neighbour was sent."""

import json
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

from kun_nat64.formats.table import FormatError
from kun_nat64.model.bgpfacts import BgpPath, Neighbour

# FRR prints these communities by name (bgpd/bgp_community.c); in a list without hyphens.
NAMED = {
    "internet": "0:0",
    "gracefulshutdown": "65535:0",
    "acceptown": "65535:1",
    "routefiltertranslatedv4": "65535:2",
    "routefilterv4": "65535:3",
    "routefiltertranslatedv6": "65535:4",
    "routefilterv6": "65535:5",
    "llgrstale": "65535:6",
    "nollgr": "65535:7",
    "acceptownnexthop": "65535:8",
    "blackhole": "65535:666",
    "noexport": "65535:65281",
    "noadvertise": "65535:65282",
    "localas": "65535:65283",
    "nopeer": "65535:65284",
}
ORIGINS = ("igp", "egp", "incomplete")
# FRR's own word for the mode in which a router keeps our paths while we restart; "Helper" only helps others.
RESTARTS = "Restart"


def documents(text: str) -> list[Any]:
    """One JSON value for each command, in order; lines between them are vtysh's own. Raises FormatError."""
    found, decoder, place = [], json.JSONDecoder(), 0
    while (begin := text.find("{", place)) >= 0:
        try:
            value, place = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError):
            raise FormatError("JSON of vtysh", text[begin : begin + 200]) from None
        found.append(value)
    return found


def neighbours(found: Any) -> list[Neighbour]:
    """`show bgp neighbors json`. Raises FormatError."""
    try:
        return [_neighbour(name, data) for name, data in found.items() if isinstance(data, dict)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError("neighbours of bgpd", repr(error)) from None


def _neighbour(name: str, data: dict[str, Any]) -> Neighbour:
    state = str(data.get("bgpState", "unknown")).lower()
    up = state == "established"
    restart, bfd = data.get("gracefulRestartInfo", {}), data.get("peerBfdInfo", {})
    return Neighbour(
        # A neighbour named by its interface has its address only once it is up.
        address=str(data.get("bgpNeighborAddr") or name),
        asn=_number(data.get("remoteAs", 0)),
        state=state,
        established=up,
        hold_s=_number(data.get("bgpTimerHoldTimeMsecs", 0)) // 1000 or None if up else None,
        up_since=_number(data.get("bgpTimerUpEstablishedEpoch", 0)) or None if up else None,
        restart_s=_restart_s(restart),
        bfd=str(bfd.get("status", "unknown")).lower() if bfd else "",
        local_as=_number(data["localAs"]) if "localAs" in data else None,
    )


def _restart_s(data: dict[str, Any]) -> int:
    on = str(data.get("localGrMode", "")).startswith(RESTARTS)
    return _number(data.get("timers", {}).get("configuredRestartTimer", 0)) if on else 0


def local_path(found: Any) -> BgpPath | None:
    """`show bgp ipv4 unicast PREFIX json`: the path that this bgpd itself brings in, where it is valid."""
    try:
        ours = [one for one in found.get("paths", ()) if one.get("sourced") or one.get("local")]
        valid = [one for one in ours if one.get("valid")]
        return _path(str(found["prefix"]), valid[0]) if valid else None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise FormatError("a path of bgpd", repr(error)) from None


def _path(prefix: str, data: dict[str, Any]) -> BgpPath:
    origin = str(data.get("origin", "incomplete")).lower()
    if origin not in ORIGINS:
        raise ValueError(f"origin {origin}")
    hops = [hop for hop in data["nexthops"] if hop.get("scope", "global") == "global"]
    return BgpPath(
        prefix=ip_network(prefix),
        next_hop=ip_address(hops[0]["ip"]),
        med=_number(data["metric"]) if "metric" in data else None,
        communities=tuple(sorted(map(_community, data.get("community", {}).get("list", ())))),
        origin=origin,
    )


def _community(word: str) -> str:
    high, colon, low = word.partition(":")
    if colon and high.isdigit() and low.isdigit():
        return word
    return NAMED[word.replace("-", "").lower()]


def sent(found: Any) -> Iterator[str]:
    """Prefixes of `show bgp ipv4 unicast neighbors ADDRESS advertised-routes json`."""
    try:
        yield from map(str, found.get("advertisedRoutes", {}))
    except (TypeError, AttributeError) as error:
        raise FormatError("routes of bgpd", repr(error)) from None


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError(f"{value!r} is no number")
    return value
