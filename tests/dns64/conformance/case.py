"""The shape of a row: what the upstream says, what the client asks, what it must get."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import dns.message

from .client import Query
from .names import Names
from .script import Action, Lines, Says
from .upstream import Seen

ALL = ("udp4", "tcp4", "udp6", "tcp6")
UDP = ("udp4", "udp6")
TCP = ("tcp4", "tcp6")
V4 = ("udp4", "tcp4")
BOTH = ("udp4", "tcp6")
PLAIN_QUERY = Query()

Check = Callable[[dns.message.Message, bytes, Names], str]
"""A rule of one row's own, given the parsed reply and its bytes: the complaint, or nothing."""

SeenCheck = Callable[[list[Seen]], str]
"""The same for the queries that the first upstream got for the case's own names."""


@dataclass(frozen=True, slots=True)
class Expect:
    """The reply that is right. None means: not looked at. TTLs may be one second old."""

    answer: Lines | None = ()
    rcode: str | tuple[str, ...] = "NOERROR"
    authority: Lines | None = None
    additional: Lines | None = None
    aa: bool | None = False
    ad: bool | None = False
    tc: bool = False
    ra: bool = True
    ede: tuple[int, ...] = ()
    no_ede: bool = False
    opt: bool | None = None
    asked: Mapping[str, int] | None = None
    at_most: Mapping[str, int] | None = None
    within_s: float = 2.0
    ttl_slack: int = 1
    question: str = "same"
    silence: bool = False
    check: Check | None = field(default=None, compare=False)
    seen: SeenCheck | None = field(default=None, compare=False)

    def but(self, **changes: object) -> Expect:
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Step:
    """A further query of the same case, `after_s` later, with the upstream's script changed first."""

    expect: Expect
    query: Query = PLAIN_QUERY
    upstream: Mapping[str, Action] = field(default_factory=dict)
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Case:
    """One row. `two` scripts the second upstream of configurations that have one."""

    number: str
    section: str
    title: str
    upstream: Mapping[str, Action]
    expect: Expect
    query: Query = PLAIN_QUERY
    config: str = "plain"
    over: tuple[str, ...] = ALL
    then: tuple[Step, ...] = ()
    two: Mapping[str, Action] = field(default_factory=dict)
    slow: bool = False

    @property
    def id(self) -> str:
        return f"{self.number}-{self.section}-{self.title}"


def soa(ttl: int, minimum: int, serial: int = 1) -> str:
    """The SOA of the test zone; the serial tells two of them apart."""
    return f"t.example. {ttl} SOA ns.t.example. h.t.example. {serial} 3600 600 86400 {minimum}"


def nodata(ttl: int = 300, minimum: int = 300, serial: int = 1, answer: Lines = ()) -> Says:
    """A denial of the type, with SOA (RFC 2308 section 2.2)."""
    return Says(answer, authority=(soa(ttl, minimum, serial),))


def bare_nodata(answer: Lines = ()) -> Says:
    """A denial without SOA."""
    return Says(answer)


def nxdomain(ttl: int = 300, minimum: int = 300, serial: int = 1, answer: Lines = ()) -> Says:
    return Says(answer, "NXDOMAIN", (soa(ttl, minimum, serial),))


def error(rcode: str, ede: int | None = None) -> Says:
    return Says(rcode=rcode, ede=ede)


def a(*addresses: str, ttl: int = 3600, owner: str = "@") -> Says:
    """A records of the case's name; `.33` is short for 192.0.2.33."""
    return Says(tuple(f"{owner} {ttl} A {_v4(address)}" for address in addresses))


def aaaa(*addresses: str, ttl: int = 3600, owner: str = "@") -> Says:
    return Says(tuple(f"{owner} {ttl} AAAA {address}" for address in addresses))


def says(*answer: str) -> Says:
    return Says(answer)


def synth(*addresses: str, ttl: int = 300, owner: str = "@", before: Lines = (), prefix: str = "P::") -> Expect:
    """AAAA records made from those IPv4 addresses under P, after the CNAMEs given; nothing else in the answer."""
    made = tuple(f"{owner} {ttl} AAAA {prefix}{_low(address)}" for address in addresses)
    return Expect(before + made)


def real(*lines: str) -> Expect:
    """Exactly these records."""
    return Expect(lines)


def empty(*authority: str) -> Expect:
    """NOERROR without answers; with the authority section given, or any if none is."""
    return Expect((), authority=authority or None)


def failed(rcode: str = "SERVFAIL", *ede: int) -> Expect:
    return Expect((), rcode, ede=ede)


def _v4(address: str) -> str:
    return "192.0.2" + address if address.startswith(".") else address


def _low(address: str) -> str:
    raw = [int(byte) for byte in _v4(address).split(".")]
    return f"{raw[0] << 8 | raw[1]:x}:{raw[2] << 8 | raw[3]:x}"
