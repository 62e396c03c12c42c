"""An upstream's packet becomes a `Response`, or the reason why it cannot be used. Nothing half-read gets through.

Twin: fastpath/read_answer.pxi.
"""

from collections.abc import Sequence

from kun_dns64.formats.options import read_edes, read_options
from kun_dns64.formats.rdata import DECODED, decode_rdata
from kun_dns64.formats.wire import (
    AA,
    AD,
    HEADER,
    OPCODE_MASK,
    QR,
    QTAIL,
    RA,
    RCODE_MASK,
    RRHEAD,
    TC,
    WireError,
    question_name_end,
    read_name,
)
from kun_dns64.model.message import Ede, Record, Response
from kun_dns64.model.question import Question, Rcode, RRType
from kun_dns64.model.step import FailureKind, UpstreamFailure
from kun_dns64.policy.lifetime import MAX_TTL, received_ttl

# Transaction records: they speak about the packet, not about the name.
TRANSACTION = frozenset((RRType.TSIG, RRType.TKEY))
OPT = RRType.OPT
Opt = tuple[int, tuple[Ede, ...]]
# A server that could not read the question cannot echo it.
WITHOUT_QUESTION = frozenset((Rcode.FORMERR, Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED))


def matches(wire: bytes, ident: int, question: Question, exact_case: bool = False) -> bool:
    """Whether this packet answers that question (RFC 5452 section 9.1). `exact_case`: case counts in the name."""
    if len(wire) < 12:
        return False
    got, flags, qdcount, ancount, *_ = HEADER.unpack_from(wire)
    if got != ident or not flags & QR or flags & OPCODE_MASK:
        return False
    if not qdcount:
        return not ancount and (flags & RCODE_MASK) in WITHOUT_QUESTION
    end = 12 + len(question.name)
    if qdcount != 1 or len(wire) < end + 4 or QTAIL.unpack_from(wire, end) != (question.qtype, question.qclass):
        return False
    name = wire[12:end]
    return name == question.name or (not exact_case and name.lower() == question.name.lower())


def is_without_question(wire: bytes) -> bool:
    """Whether a packet that `matches` repeats no question, and so proves nothing but a guessed id."""
    return wire[4:6] == b"\x00\x00"


def is_truncated(wire: bytes) -> bool:
    return bool(wire[2] & 0x02)


def parse_response(wire: bytes, question: Question, age: int = 0) -> Response | UpstreamFailure:
    """The reply to `question`, with `age` seconds taken off its TTLs. The caller has checked `matches`. Never raises.

    Where the reply repeats the question's name it gets the case of `question`, so a randomised case stays between us
    and the upstream. TTLs above 2**31-1 count as 0 (RFC 2181 section 8). TC=1 is a failure (section 9).
    """
    try:
        return _parse(wire, question, age)
    except (WireError, IndexError) as error:
        return UpstreamFailure(FailureKind.GARBAGE, str(error))


def _parse(wire: bytes, question: Question, age: int) -> Response | UpstreamFailure:
    if len(wire) < 12:
        raise WireError("shorter than a header")
    _, flags, qdcount, *counts = HEADER.unpack_from(wire)
    if flags & TC:
        return UpstreamFailure(FailureKind.TRUNCATED)
    if qdcount > 1:
        raise WireError("more than one question")
    qname = question.name if qdcount else b""
    place = question_name_end(wire) + 4 if qdcount else 12
    if qdcount and wire[12 : place - 4] != qname and place - 16 == len(qname):
        wire = wire[:12] + qname + wire[place - 4 :]
    return read_sections(wire, place, flags, counts, qname, age)


def read_sections(
    wire: bytes, place: int, flags: int, counts: Sequence[int], qname: bytes, age: int, most: int = 0
) -> Response:
    """All behind the question. `qname` stands at byte 12, or is b"" where there is no question. Raises WireError.

    `most`: so many records of the answer and nothing else; 0: all there is.
    """
    known = {12: qname} if qname else {}
    found: list[Opt] = []
    if most:
        counts = min(most, counts[0]), 0, 0
    answer, place = _section(wire, place, counts[0], qname, known, age, None)
    authority, place = _section(wire, place, counts[1], qname, known, age, None) if counts[1] else ((), place)
    additional, place = _section(wire, place, counts[2], qname, known, age, found) if counts[2] else ((), place)
    high, edes = found[0] if found else (0, ())
    return Response(
        flags & RCODE_MASK | high << 4,
        answer,
        authority if not age else _left(authority),
        additional if not age else _left(additional),
        flags & AA != 0,
        flags & AD != 0,
        flags & RA != 0,
        edes,
    )


def _section(
    wire: bytes, place: int, count: int, qname: bytes, known: dict[int, bytes], age: int, opts: "list[Opt] | None"
) -> tuple[tuple[Record, ...], int]:
    """The records and where the next section begins. OPT goes to `opts`; where that is None, it has no place."""
    size, records = len(wire), []
    for _ in range(count):
        if qname and wire[place : place + 2] == b"\xc0\x0c":
            owner = qname
            place += 2
        else:
            owner, place = read_name(wire, place, known)
        data = place + 10
        if data > size:
            raise WireError("a record runs past the end")
        rtype, rclass, ttl, length = RRHEAD.unpack_from(wire, place)
        place = data + length
        if place > size:
            raise WireError("a record runs past the end")
        if rtype == OPT:
            if opts is None:
                raise WireError("OPT outside the additional section")
            opts.append((ttl >> 24, read_edes(read_options(wire[data:place])) if length else ()))
        elif rtype not in TRANSACTION:
            rdata = decode_rdata(wire, data, place, rtype, rclass, known) if rtype in DECODED else wire[data:place]
            records.append(Record(owner, rtype, rclass, received_ttl(ttl, MAX_TTL, age), rdata))
    return tuple(records), place


def _left(records: tuple[Record, ...]) -> tuple[Record, ...]:
    """Without what ran out: the answer outlives what was told beside it."""
    return tuple([record for record in records if record.ttl])
