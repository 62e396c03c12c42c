"""DNS messages as values: what a client sent, what an upstream said.

What is made for every query is a named tuple, not a frozen dataclass: it takes a third of the time to make.
"""

from enum import IntEnum, StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from kun_dns64.model.question import Question

IPAddress = IPv4Address | IPv6Address
# A client's address as its socket tells it: text, or packed bytes.
Source = str | bytes
LOOPBACK = IPv6Address("::1")


class Transport(StrEnum):
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class Edns(NamedTuple):
    """An OPT record (RFC 6891). `payload` in bytes; `options` as (code, data) in the order received."""

    payload: int
    version: int = 0
    do: bool = False
    options: tuple[tuple[int, bytes], ...] = ()


class Query(NamedTuple):
    """One question of one client. `source` is the peer of the socket; ECS is read from `edns` by policy."""

    id: int
    question: Question
    rd: bool = True
    ad: bool = False
    cd: bool = False
    edns: Edns | None = None
    transport: Transport = Transport.UDP
    source: IPAddress = LOOPBACK

    @property
    def do(self) -> bool:
        return self.edns is not None and self.edns.do


class Record(NamedTuple):
    """One resource record. `name` uncompressed wire format, `ttl` in seconds, `rdata` uncompressed wire format."""

    name: bytes
    rtype: int
    rclass: int
    ttl: int
    rdata: bytes


class EdeCode(IntEnum):
    """The extended errors this server speaks of (IANA registry, RFC 8914 section 5.2)."""

    OTHER = 0
    STALE_ANSWER = 3
    CACHED_ERROR = 13
    FILTERED = 17
    PROHIBITED = 18
    STALE_NXDOMAIN = 19
    NOT_AUTHORITATIVE = 20
    NO_REACHABLE_AUTHORITY = 22
    NETWORK_ERROR = 23
    SYNTHESIZED = 29
    INVALID_QUERY_TYPE = 30


class Ede(NamedTuple):
    """An extended DNS error (RFC 8914)."""

    code: int
    text: str = ""


class Response(NamedTuple):
    """An upstream's reply without its OPT record (its rcode bits and EDE are kept here)."""

    rcode: int
    answer: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    aa: bool = False
    ad: bool = False
    ra: bool = True
    ede: tuple[Ede, ...] = ()
