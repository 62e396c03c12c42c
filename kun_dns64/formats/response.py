"""An upstream's packet becomes a `Response`, or the reason why it cannot be used. Nothing half-read gets through."""

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

MAX_TTL = 604800  # RFC 8767 section 4
SIGN_BIT = 0x80000000
# Transaction records: they speak about the packet, not about the name.
TRANSACTION = frozenset((RRType.TSIG, RRType.TKEY))
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
    _, flags, qdcount, ancount, nscount, arcount = HEADER.unpack_from(wire)
    if flags & TC:
        return UpstreamFailure(FailureKind.TRUNCATED)
    if qdcount > 1:
        raise WireError("more than one question")
    place = question_name_end(wire) + 4 if qdcount else 12
    if qdcount and wire[12 : place - 4] != question.name and place - 16 == len(question.name):
        wire = wire[:12] + question.name + wire[place - 4 :]
    reader = _Reader(wire, question.name if qdcount else b"", age)
    reader.place = place
    answer = reader.section(ancount, answering=True)
    authority = reader.section(nscount)
    if reader.opt is not None:
        raise WireError("OPT outside the additional section")
    additional = reader.section(arcount)
    high, edes = reader.opt or (0, ())
    return Response(
        flags & RCODE_MASK | high << 4,
        answer,
        authority,
        additional,
        bool(flags & AA),
        bool(flags & AD),
        bool(flags & RA),
        edes,
    )


class _Reader:
    """Walks the sections of one packet."""

    __slots__ = ("age", "known", "opt", "place", "qname", "wire")

    def __init__(self, wire: bytes, qname: bytes, age: int) -> None:
        self.wire, self.qname, self.age = wire, qname, age
        self.place = 12
        self.known: dict[int, bytes] = {12: qname} if qname else {}
        self.opt: tuple[int, tuple[Ede, ...]] | None = None

    def section(self, count: int, answering: bool = False) -> tuple[Record, ...]:
        wire, known, age = self.wire, self.known, self.age
        place, size, records = self.place, len(self.wire), []
        for _ in range(count):
            if wire[place : place + 2] == b"\xc0\x0c" and self.qname:
                owner = self.qname
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
            if rtype == RRType.OPT:
                self._opt(ttl, wire[data:place])
            elif rtype not in TRANSACTION:
                ttl = 0 if ttl & SIGN_BIT else min(ttl, MAX_TTL)
                rdata = decode_rdata(wire, data, place, rtype, rclass, known) if rtype in DECODED else wire[data:place]
                if age and ttl <= age and not answering:
                    continue  # the answer outlives what was told beside it
                records.append(Record(owner, rtype, rclass, ttl - age if ttl > age else 0, rdata))
        self.place = place
        return tuple(records)

    def _opt(self, ttl: int, rdata: bytes) -> None:
        if self.opt is None:
            self.opt = ttl >> 24, read_edes(read_options(rdata)) if rdata else ()
