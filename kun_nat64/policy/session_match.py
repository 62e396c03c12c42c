"""Which sessions an address and port belong to: as a public address, as a server, or as a pod."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from kun_nat64.model.traffic import Session

ENDPOINT = re.compile(r"\[?([0-9A-Fa-f:.]+?)\]?:(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Endpoint:
    address: IPv4Address | IPv6Address
    port: int


def parse_endpoint(text: str) -> Endpoint:
    """192.0.2.11:40283 or [2002:a01:2:1::10]:40283. Raises ValueError."""
    found = ENDPOINT.fullmatch(text.strip())
    if found is None or int(found[2]) > 65535:
        raise ValueError(f"{text!r} is no address and port")
    address = ip_address(found[1])
    if address.version == 6 and not text.strip().startswith("["):
        raise ValueError(f"{text!r}: write an IPv6 address in [ ]")
    return Endpoint(address, int(found[2]))


def sessions_with(sessions: Iterable[Session], endpoint: Endpoint) -> Iterator[Session]:
    for one in sessions:
        ends = (one.outside, one.remote) if endpoint.address.version == 4 else (one.inside, one.target)
        if any(end.port == endpoint.port and end.address == endpoint.address for end in ends):
            yield one
