"""What two replies to the same question differ in, aspect by aspect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from .message import CNAME, DNAME, RRSIG, SOA, Message, Record
from .zone import Asked

# Both were told the same TTL, but not in the same second, and each counts down in whole ones.
TTL_SLACK_S = 2


class Aspect(StrEnum):
    SILENCE = "silence"
    RCODE = "rcode"
    QUESTION = "question"
    AA = "aa"
    AD = "ad"
    CD = "cd"
    OTHER_FLAGS = "other flags"
    TRUNCATION = "truncation"
    ALIASES = "aliases"
    DATA = "data"
    TWICE = "a record twice"
    SIGNATURES = "signatures"
    TTL = "ttl"
    UNEVEN_TTL = "uneven ttl"
    SOA = "soa"
    SOA_TTL = "soa ttl"
    AUTHORITY = "authority"
    ADDITIONAL = "additional"
    OPT = "opt"
    EDE = "ede"


@dataclass(frozen=True, slots=True)
class Heard:
    """A reply, and whether it came only by TCP; None: no reply, or none that can be read."""

    message: Message | None
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """`peer`: the other server. Both replies are there to be looked at by the rules. `by_tcp`: how ours came."""

    asked: Asked
    peer: str
    aspect: Aspect
    ours: Message | None
    theirs: Message | None
    by_tcp: bool = False


def differences(asked: Asked, peer: str, ours: Heard, theirs: Heard) -> list[Difference]:
    """Empty where both say the same. Owner names count without case (RFC 4343); order only among aliases."""
    if ours.message is None or theirs.message is None:
        aspects = [] if ours.message is theirs.message else [Aspect.SILENCE]
    else:
        aspects = list(_aspects(ours.message, theirs.message))
        if ours.truncated != theirs.truncated:
            aspects.append(Aspect.TRUNCATION)
    return [Difference(asked, peer, aspect, ours.message, theirs.message, ours.truncated) for aspect in aspects]


def _aspects(a: Message, b: Message) -> Iterator[Aspect]:
    views = zip(_views(a), _views(b), strict=True)
    for (aspect, ours), (_, theirs) in views:
        if ours != theirs:
            yield aspect
    yield from _ttls(a, b)


def _views(message: Message) -> Iterator[tuple[Aspect, object]]:
    flags, opt = message.flags, message.opt
    yield Aspect.RCODE, message.rcode
    yield Aspect.QUESTION, message.question_wire
    yield Aspect.AA, flags & 0x0400
    yield Aspect.AD, flags & 0x0020
    yield Aspect.CD, flags & 0x0010
    yield Aspect.OTHER_FLAGS, flags & ~0x0430
    yield Aspect.ALIASES, aliases(message)
    yield Aspect.DATA, data(message)
    yield Aspect.TWICE, len(message.answer) - len({(*record[:3], record.rdata) for record in message.answer})
    yield Aspect.SIGNATURES, {(r.owner, r.covered) for r in message.answer if r.rtype == RRSIG}
    yield (
        Aspect.UNEVEN_TTL,
        len(ttls(message.answer)) - len({(*key, r.ttl) for r in message.answer for key in [rrset(r)]}),
    )
    yield Aspect.SOA, {(r.owner, r.rdata) for r in message.authority if r.rtype == SOA}
    yield Aspect.AUTHORITY, {(*r[:3], r.rdata) for r in message.authority if r.rtype != SOA}
    yield Aspect.ADDITIONAL, {(*r[:3], r.rdata) for r in message.additional}
    yield Aspect.OPT, (opt.version, opt.do) if opt else None
    yield Aspect.EDE, set(opt.edes) if opt else set()


def aliases(message: Message) -> tuple[tuple[bytes, int, bytes], ...]:
    """CNAME and DNAME in their order."""
    return tuple((r.owner, r.rtype, r.rdata.lower()) for r in message.answer if r.rtype in (CNAME, DNAME))


def data(message: Message) -> set[tuple[bytes, int, int, bytes]]:
    kinds = (CNAME, DNAME, RRSIG)
    return {(*r[:3], r.rdata) for r in message.answer if r.rtype not in kinds}


def rrset(record: Record) -> tuple[bytes, int, int]:
    return record.owner, record.rtype, record.covered


def ttls(records: tuple[Record, ...]) -> dict[tuple[bytes, int, int], int]:
    """The least TTL of each RRset."""
    found: dict[tuple[bytes, int, int], int] = {}
    for record in records:
        found[rrset(record)] = min(record.ttl, found.get(rrset(record), record.ttl))
    return found


def _ttls(a: Message, b: Message) -> Iterator[Aspect]:
    if _far(ttls(a.answer), ttls(b.answer)):
        yield Aspect.TTL
    if _far(ttls(a.authority), ttls(b.authority)):
        yield Aspect.SOA_TTL


def _far(ours: dict[tuple[bytes, int, int], int], theirs: dict[tuple[bytes, int, int], int]) -> bool:
    """Whether an RRset that both have lives longer with one of them."""
    return any(abs(ttl - theirs[key]) > TTL_SLACK_S for key, ttl in ours.items() if key in theirs)
