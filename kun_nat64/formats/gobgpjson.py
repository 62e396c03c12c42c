"""What `gobgp -j` says, of GoBGP 3 and 4 (their JSON differs in names and enums; see each function)."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from kun_nat64.formats.table import FormatError
from kun_nat64.model.bgpfacts import BgpPath, Neighbour

ORIGIN, NEXT_HOP, MED, COMMUNITIES, MP_REACH = 1, 3, 4, 8, 14
ORIGINS = ("igp", "egp", "incomplete")
# Numbers of session_state, the same in both versions (admin_state and conf.type are not).
STATES = ("unknown", "idle", "connect", "active", "opensent", "openconfirm", "established")
# In a received path: version 3, version 4.
FOREIGN_SOURCE = ("neighbor-ip", "peer-address")
SELF = ("0.0.0.0", "::", "")
LARGEST = 2**32 - 1
PASSWORD = re.compile(r'("auth_?password"\s*:\s*")(?:[^"\\]|\\.)*', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Path:
    """A path of the global table; `local`: injected here, by us or by another hand."""

    path: BgpPath
    local: bool


def masked(text: str) -> str:
    """`text` to be shown: GoBGP writes the passwords of its neighbours in clear."""
    return PASSWORD.sub(r"\1***", text)


def error_in(text: str) -> str | None:
    """The speaker's complaint: `{"error": "..."}`, on standard output."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return str(data["error"]) if isinstance(data, dict) and "error" in data else None


def parse_rib(text: str, own_next_hop: str) -> list[Path]:
    """`gobgp -j global rib` or `... neighbor X adj-out`. Next hop 0.0.0.0 means the speaker itself."""
    table = _loaded(text)
    if table is None:
        return []
    if not isinstance(table, dict):
        raise FormatError("a table of paths", masked(text))
    try:
        return [_path(prefix, path, own_next_hop) for prefix, paths in table.items() for path in paths or ()]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise FormatError("a table of paths", f"{error!r} in {text}") from None


def _path(prefix: str, path: dict[str, Any], own_next_hop: str) -> Path:
    attributes = {attribute["type"]: attribute for attribute in path["attrs"]}
    holder = attributes.get(NEXT_HOP) or attributes.get(MP_REACH) or {}
    next_hop = str(holder.get("nexthop", ""))
    fact = BgpPath(
        prefix=ip_network(prefix),
        next_hop=ip_address(own_next_hop if next_hop in SELF else next_hop),
        med=_whole(attributes[MED]["metric"]) if MED in attributes else None,
        communities=_communities(attributes.get(COMMUNITIES, {}).get("communities", ())),
        origin=ORIGINS[_whole(attributes.get(ORIGIN, {}).get("value", 2))],
    )
    return Path(fact, local=not any(_names_peer(path.get(key)) for key in FOREIGN_SOURCE))


def _names_peer(value: Any) -> bool:
    """Version 4 writes "invalid IP" for nobody."""
    return isinstance(value, str) and value not in ("", "invalid IP", "<nil>")


def _communities(numbers: Any) -> tuple[str, ...]:
    return tuple(sorted(f"{number >> 16}:{number & 0xFFFF}" for number in map(_whole, numbers)))


def parse_neighbours(text: str) -> list[Neighbour]:
    """`gobgp -j neighbor`. What else stands there (a password in clear) is not taken over."""
    found = _loaded(text)
    if not isinstance(found, list):
        raise FormatError("a list of neighbours", masked(text))
    try:
        return [_neighbour(one) for one in found]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise FormatError("a neighbour", repr(error)) from None


def _neighbour(data: dict[str, Any]) -> Neighbour:
    state, conf = data.get("state", {}), data.get("conf", {})
    timers = data.get("timers", {}).get("state", {})
    name = STATES[_whole(state.get("session_state", 0))]
    # A neighbour named by its interface has an address in its state only.
    address = conf.get("neighbor_address")
    return Neighbour(
        address=str(address if _names_peer(address) else state["neighbor_address"]),
        asn=_whole(conf.get("peer_asn", 0)),
        state=name,
        established=name == "established",
        hold_s=_whole(timers.get("negotiated_hold_time") or 0) or None,
        up_since=_epoch(timers.get("uptime")),
        restart_s=_restart_s(data.get("graceful_restart", {})),
    )


# Of graceful restart (RFC 4724), where gobgpd.conf says no time: the hold time.
DEFAULT_RESTART_S = 90


def _restart_s(data: dict[str, Any]) -> int:
    return _whole(data.get("restart_time") or DEFAULT_RESTART_S) if data.get("enabled") else 0


def _epoch(uptime: Any) -> int | None:
    """Seconds since 1970: `{"seconds": N}`, or an RFC 3339 text that is not taken."""
    return _whole(uptime["seconds"], 2**63) or None if isinstance(uptime, dict) and uptime.get("seconds") else None


def _whole(value: Any, most: int = LARGEST) -> int:
    """JSON knows 1e999 and true as well; below zero, a place in a list would be counted from its end."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"{value!r} is not a number up to {most}")
    return value


def prefixes(text: str) -> Iterator[str]:
    """Of a table of paths, whatever their attributes: adj-out of version 4 leaves some out."""
    table = _loaded(text)
    if table is not None and not isinstance(table, dict):
        raise FormatError("a table of paths", masked(text))
    return iter(table or ())


def _loaded(text: str) -> Any:
    try:
        return json.loads(text) if text.strip() else None
    except (ValueError, RecursionError):
        raise FormatError("JSON", masked(text)) from None
