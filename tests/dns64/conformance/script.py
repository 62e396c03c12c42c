"""What the scripted upstream is told to do with a question: values, no sockets."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from .names import Names

Lines = tuple[str, ...]

_CLASSES = {"IN", "CH", "HS", "NONE", "ANY"}


def parse_record(line: str, names: Names) -> dns.rrset.RRset:
    """One record from `owner ttl [class] type rdata`, shorthand of names.py allowed."""
    return _record(names.fill(line))


@functools.lru_cache(10000)
def _record(text: str) -> dns.rrset.RRset:
    owner, ttl, *rest = text.split(" ")
    rdclass = dns.rdataclass.from_text(rest.pop(0)) if rest[0] in _CLASSES else dns.rdataclass.IN
    rdtype = dns.rdatatype.from_text(rest[0])
    rdata = dns.rdata.from_text(rdclass, rdtype, " ".join(rest[1:]), relativize=False)
    return dns.rrset.from_rdata(dns.name.from_text(owner), int(ttl), rdata)


@dataclass(frozen=True, slots=True)
class Says:
    """An ordinary reply. The question, its case, RD, CD and the presence of OPT are copied from the query."""

    answer: Lines = ()
    rcode: str = "NOERROR"
    authority: Lines = ()
    additional: Lines = ()
    aa: bool = False
    ad: bool = False
    ra: bool = True
    tc: bool = False
    ede: int | None = None
    options: tuple[tuple[int, bytes], ...] = ()
    payload: int = 1232
    opt: bool = True


@dataclass(frozen=True, slots=True)
class Drop:
    """No reply at all."""


@dataclass(frozen=True, slots=True)
class After:
    """The action, that many seconds later."""

    delay_s: float
    then: Action


@dataclass(frozen=True, slots=True)
class ByTransport:
    """One behaviour for UDP and another for TCP."""

    udp: Action
    tcp: Action


@dataclass(frozen=True, slots=True)
class InTurn:
    """The first action for the first query of that name and type, and so on; the last one stays."""

    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class ByOpt:
    """One behaviour for queries with an OPT record and another for those without."""

    with_opt: Action
    without: Action


@dataclass(frozen=True, slots=True)
class Forged:
    """Replies that must be ignored (each `fault` applied to `bogus`), then the true one 50 ms later."""

    fault: str
    bogus: Says
    then: Action
    count: int = 1


@dataclass(frozen=True, slots=True)
class Twice:
    """The same reply two times."""

    says: Says


@dataclass(frozen=True, slots=True)
class LowerCased:
    """A reply whose question is in lower case, whatever the query's case was."""

    says: Says


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes made from the bytes of the query."""

    build: Callable[[bytes], bytes] = field(compare=False)


@dataclass(frozen=True, slots=True)
class HangUp:
    """TCP: the connection is reset without a reply. UDP: silence."""


Action = Says | Drop | After | ByTransport | InTurn | ByOpt | Forged | Twice | LowerCased | Raw | HangUp


def encode(says: Says, query: dns.message.Message, names: Names, limit: int = 65535) -> bytes:
    """The reply as bytes; past `limit` it is an empty one with TC, as an honest server sends it."""
    reply = dns.message.make_response(query, recursion_available=says.ra, our_payload=says.payload)
    for flag, wanted in ((dns.flags.AA, says.aa), (dns.flags.AD, says.ad), (dns.flags.TC, says.tc)):
        reply.flags = dns.flags.Flag(reply.flags | flag if wanted else reply.flags & ~flag)
    sections = (reply.answer, reply.authority, reply.additional)
    for section, lines in zip(sections, (says.answer, says.authority, says.additional), strict=True):
        section.extend(parse_record(line, names) for line in lines)
    if query.edns >= 0 and says.opt:
        reply.use_edns(0, int(query.ednsflags) & 0x8000, says.payload, options=_options(says))
    elif not says.opt:
        reply.use_edns(-1)
    # Last: the upper bits of the code stand in the OPT.
    reply.set_rcode(dns.rcode.from_text(says.rcode))
    wire = reply.to_wire(max_size=65535)
    if len(wire) <= limit:
        return wire
    for section in sections:
        section.clear()
    reply.flags = dns.flags.Flag(reply.flags | dns.flags.TC)
    return reply.to_wire()


def _options(says: Says) -> list[dns.edns.Option]:
    options: list[dns.edns.Option] = [
        dns.edns.GenericOption(dns.edns.OptionType.make(code), data) for code, data in says.options
    ]
    if says.ede is not None:
        options.append(dns.edns.EDEOption(dns.edns.EDECode.make(says.ede)))
    return options


def forge(fault: str, wire: bytes) -> bytes:
    """A reply spoilt in one way: what an off-path attacker or a confused server sends (RFC 5452 section 9.1)."""
    raw = bytearray(wire)
    match fault:
        case "wrong-id":
            raw[0] ^= 0x5A
        case "query-bit":
            raw[2] &= 0x7F
        case "opcode":
            raw[2] |= 0x10
        case "wrong-name":
            raw[13] = ord("z") if raw[13] not in b"zZ" else ord("y")
        case "wrong-type" | "wrong-class":
            end = 12
            while raw[end]:
                end += raw[end] + 1
            raw[end + (2 if fault == "wrong-type" else 4)] ^= 0x01
        case "no-question":
            # the owner names point into the question, so nothing can follow it
            raw = raw[:4] + bytes(8)
        case "garbage":
            raw = raw[:2] + bytearray(b"\xff" * 40)
        case "wrong-port":
            pass
        case _:
            raise ValueError(fault)
    return bytes(raw)
