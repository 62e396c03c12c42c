"""The upstreams of a machine whose operator named none: those of resolv.conf(5), as long as it names them.

What stands there is the state of the machine and no error of the operator's: it may name nobody yet, and it may name
this very server, which would then ask itself for ever.
"""

import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from kun_dns64.config.endpoint import Endpoint, UpstreamAddress
from kun_dns64.config.file_stamp import FileStamp, stamp_of


@dataclass(frozen=True, slots=True)
class Borrowed:
    """`stamp`: what the file was like before it was read. `notices`: what the operator should know."""

    stamp: FileStamp
    servers: tuple[UpstreamAddress, ...]
    notices: tuple[str, ...]


def borrow(path: Path, listen: Sequence[Endpoint]) -> Borrowed:
    """The servers that `path` names, without those that are one of our own addresses in `listen`."""
    stamp = stamp_of(path)
    servers, notices = [], []
    for server in read_nameservers(path):
        if any(is_ours(own, server.endpoint) for own in listen):
            notices.append(f"{path} names {server}, which this server listens on itself; it is not asked")
        else:
            servers.append(server)
    if not servers:
        notices.append(f"{path} names no server to ask yet; every question that needs one fails until it does")
    return Borrowed(stamp, tuple(servers), tuple(notices))


def nameservers(text: str) -> list[UpstreamAddress]:
    """The `nameserver` lines of a resolv.conf(5), in order; what cannot be asked is passed over."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        with suppress(ValueError):
            found.append(UpstreamAddress.parse(f"udp://{ip_address(words[1])}"))
    return found


def read_nameservers(path: Path) -> list[UpstreamAddress]:
    """Empty when there is no file; resolv.conf(5) would then mean this very machine, which may well be us."""
    try:
        return nameservers(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []


def is_ours(own: Endpoint, other: Endpoint) -> bool:
    """Whether a listener at `own` receives what this machine sends to `other`."""
    if own.covers(other):
        return True
    same_family = own.address.version == other.address.version
    return own.is_wildcard and own.port == other.port and same_family and is_local(other)


def is_local(endpoint: Endpoint) -> bool:
    """Whether this machine has the address: nothing else can be bound to."""
    family = socket.AF_INET6 if endpoint.address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((endpoint.bare, 0))
    except OSError:
        return False
    return True
