"""Jool's lines in the kernel log (Jool 4.1.x with logging-bib or logging-session)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address

from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.traffic import Binding, Endpoint4, Endpoint6

# The date has no leading zeros in some fields, and is GMT.
BINDING = re.compile(
    r"Jool: (?P<instance>\S+) (?P<time>\d+/\d+/\d+ \d+:\d+:\d+) \(GMT\) - (?P<verb>Mapped|Forgot) "
    r"(?P<inside>[0-9a-fA-F:.]+)#(?P<inside_port>\d+) to (?P<outside>[0-9.]+)#(?P<outside_port>\d+) "
    r"\((?P<protocol>TCP|UDP|ICMP)\)"
)
EXHAUSTED = "I'm running out of pool4 addresses"


@dataclass(frozen=True, slots=True)
class Mapping:
    """A BIB entry was made (`made`), or has ended."""

    instance: str
    at: datetime
    made: bool
    binding: Binding


def parse_line(line: str) -> Mapping | None:
    """None for a line that is about something else, or whose numbers make no sense."""
    found = BINDING.search(line)
    if not found:
        return None
    try:
        at = datetime.strptime(found["time"], "%Y/%m/%d %H:%M:%S").replace(tzinfo=UTC)
        inside = Endpoint6(IPv6Address(found["inside"]), int(found["inside_port"]))
        outside = Endpoint4(IPv4Address(found["outside"]), int(found["outside_port"]))
    except ValueError:
        return None
    binding = Binding(Protocol(found["protocol"].lower()), inside, outside)
    return Mapping(found["instance"], at, found["verb"] == "Mapped", binding)


def says_exhausted(line: str) -> bool:
    """At most once a minute; the only sign of an exhausted pool4 beside the port use itself."""
    return "Jool" in line and EXHAUSTED in line
