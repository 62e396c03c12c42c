"""What `jool ... --csv --numeric` says about an instance (Jool 4.1.x; there is no JSON output).

All functions raise FormatError. Callers look at the exit code first: the header is printed even by a command that
fails.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from kun_base.prefix import Prefix
from kun_nat64.formats.table import FormatError, rows, whole
from kun_nat64.model.joolfacts import LIMIT_MARK, JoolGlobal, JoolInstance, Pool4, Protocol
from kun_nat64.model.joolglobals import canonical
from kun_nat64.model.tenantfacts import is_tenant_mark
from kun_nat64.model.traffic import Binding, Endpoint4, Endpoint6, Session

# Gauges of a statistics table that was reset while entries were alive count below zero (an unsigned 64-bit number).
UNDERFLOW = 2**63
LARGEST_MARK = 2**32 - 1
# Of a million sessions most share their addresses with others, and reading an address is the dearest part of a row.
REMEMBERED = 65536
BINDING_COLUMNS = ("Protocol", "IPv6 Address", "IPv6 L4-ID", "IPv4 Address", "IPv4 L4-ID", "Static?")
SESSION_COLUMNS = (
    "Protocol",
    "IPv6 Remote Address",
    "IPv6 Remote L4-ID",
    "IPv6 Local Address",
    "IPv6 Local L4-ID",
    "IPv4 Local Address",
    "IPv4 Local L4-ID",
    "IPv4 Remote Address",
    "IPv4 Remote L4-ID",
    "Expires in",
    "State",
)


def parse_globals(text: str) -> dict[str, str]:
    """`jool global display --csv`: every setting in canonical form, pool6 among them."""
    found = {}
    for name, value in rows(text, ("Field", "Value")):
        try:
            found[name or ""] = canonical(name or "", value or "")
        except ValueError:
            raise FormatError(f"a value of {name}", value or "") from None
    return found


def instance_of(name: str, settings: dict[str, str]) -> JoolInstance:
    """The instance that has these globals. Only instances of the netfilter framework are ours."""
    try:
        return JoolInstance(name, Prefix.parse(settings["pool6"]))
    except (KeyError, ValueError):
        raise FormatError("a pool6 among the globals", str(settings.get("pool6"))) from None


def globals_of(name: str, settings: dict[str, str], wanted: frozenset[str]) -> Iterator[JoolGlobal]:
    return (JoolGlobal(name, key, value) for key, value in settings.items() if key in wanted)


def parse_pool4(text: str, instance: str) -> list[Pool4]:
    """`jool pool4 display --csv`, of one protocol. Entries with a mark that is not ours are left out."""
    found = []
    for mark, protocol, address, first, last in rows(text, ("Mark", "Protocol", "Address", "Min port", "Max port")):
        try:
            entry = Pool4(
                instance,
                protocol_of(protocol),
                ipv4_of(address),
                port_of(first),
                port_of(last),
                whole(mark, LARGEST_MARK),
            )
            if entry.first_port > entry.last_port:
                raise ValueError("ports the wrong way round")
        except ValueError:
            raise FormatError("an entry of pool4", f"{protocol},{address},{first},{last}") from None
        if entry.mark in (0, LIMIT_MARK) or is_tenant_mark(entry.mark):
            found.append(entry)
    return found


def parse_bib(text: str) -> list[Binding]:
    found = []
    for cells in rows(text, BINDING_COLUMNS):
        protocol, inside, inside_port, outside, outside_port, static = cells
        try:
            binding = Binding(
                protocol_of(protocol),
                Endpoint6(ipv6_of(inside), port_of(inside_port)),
                Endpoint4(ipv4_of(outside), port_of(outside_port)),
                static in ("1", "TRUE", "true"),
            )
        except ValueError:
            raise FormatError("a BIB entry", ",".join(map(str, cells))) from None
        found.append(binding)
    return found


def parse_sessions(text: str) -> list[Session]:
    """Rows of UDP and ICMP have no state and are a cell shorter than the header."""
    found = []
    for cells in rows(text, SESSION_COLUMNS):
        try:
            found.append(session_of(cells))
        except ValueError:
            raise FormatError("a session", ",".join(map(str, cells))) from None
    return found


def session_of(cells: list[str | None]) -> Session:
    """A row of SESSION_COLUMNS. Raises ValueError."""
    ports = [port_of(cells[place]) for place in (2, 4, 6, 8)]
    return Session(
        protocol=protocol_of(cells[0]),
        inside=Endpoint6(ipv6_of(cells[1]), ports[0]),
        target=Endpoint6(ipv6_of(cells[3]), ports[1]),
        outside=Endpoint4(ipv4_of(cells[5]), ports[2]),
        remote=Endpoint4(ipv4_of(cells[7]), ports[3]),
        expires_s=_seconds(cells[9] or ""),
        state=cells[10] or "",
    )


def parse_stats(text: str) -> dict[str, int]:
    """Counters by name without `JSTAT_`. A gauge that fell below zero is left out: it is unknown."""
    found = {}
    for name, value in rows(text, ("Stat", "Value")):
        try:
            count = whole(value, 2 * UNDERFLOW)
        except ValueError:
            raise FormatError(f"a count of {name}", value or "") from None
        if count < UNDERFLOW:
            found[(name or "").removeprefix("JSTAT_")] = count
    return found


def parse_instances(text: str) -> list[tuple[str, str]]:
    """`jool instance display --csv`: (name, framework) of every instance in every network namespace."""
    return [(name or "", framework or "") for name, framework in rows(text, ("Name", "Framework"))]


def _seconds(text: str) -> float:
    seconds = 0.0
    for part in text.split(":"):
        seconds = seconds * 60 + float(part)
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"{text[:40]!r} is not a time")
    return seconds


def protocol_of(text: str | None) -> Protocol:
    """Raises ValueError, as the three below."""
    return Protocol((text or "").lower())


@lru_cache(maxsize=REMEMBERED)
def port_of(text: str | None) -> int:
    return whole(text, 65535)


@lru_cache(maxsize=REMEMBERED)
def ipv4_of(text: str | None) -> IPv4Address:
    return IPv4Address(text or "")


@lru_cache(maxsize=REMEMBERED)
def ipv6_of(text: str | None) -> IPv6Address:
    try:
        return IPv6Address(text or "")
    except AddressValueError:
        raise ValueError(text) from None
