"""A client's packet becomes a `Query`, a finished error reply, or nothing (RFC 1035, 6891, 7873, 8906).

Twin: fastpath/wire.pyx.
"""

from dataclasses import dataclass

from kun_dns64.formats.options import COOKIE, ede_option, find, is_cookie_size, read_options
from kun_dns64.formats.wire import (
    AD,
    CD,
    DO,
    HEADER,
    OPCODE_MASK,
    OWN_PAYLOAD,
    QR,
    QTAIL,
    RA,
    RCODE_MASK,
    RD,
    RRHEAD,
    WireError,
    question_name_end,
    read_name,
)
from kun_dns64.model.message import Ede, EdeCode, Edns, IPAddress, Query, Transport
from kun_dns64.model.question import NO_QUESTION, Question, Rcode, RRType
from kun_dns64.model.step import Malformed, Rule

UPDATE = 5
CLASS_ANY = 255
# What no forwarder can pass on. 128 to 248 are meta types (RFC 6895 section 3.1); NXNAME is one of them (RFC 9824).
REFUSED_TYPES = {
    0: Rcode.FORMERR,
    RRType.OPT: Rcode.FORMERR,
    RRType.TSIG: Rcode.FORMERR,
    RRType.TKEY: Rcode.NOTIMP,
    RRType.MAILA: Rcode.NOTIMP,
    RRType.MAILB: Rcode.NOTIMP,
    RRType.AXFR: Rcode.REFUSED,
    RRType.IXFR: Rcode.REFUSED,
    **dict.fromkeys(range(RRType.NXNAME, RRType.TKEY), Rcode.FORMERR),
}
# Whoever asks for what is no type of a question learns that it is the type (RFC 9824 section 3.5).
INVALID_TYPE = ede_option(Ede(EdeCode.INVALID_QUERY_TYPE))
# Types that do not belong to the class of the question (RFC 6891, 8945, 2931).
CLASSLESS = frozenset((RRType.OPT, RRType.TSIG, RRType.SIG))


def parse_query(wire: bytes, transport: Transport, source: IPAddress) -> Query | Malformed | None:
    """None: say nothing, because it is a reply or too short to hold an id. Never raises.

    AA, TC, RCODE and reserved bits mean nothing in a query and are not looked at (RFC 1035 section 7.3).
    """
    if len(wire) < 12:
        return None
    ident, flags, qdcount, ancount, nscount, arcount = HEADER.unpack_from(wire)
    if flags & QR:
        return None
    if flags & OPCODE_MASK:
        return _other_opcode(wire)
    if not qdcount:
        return _without_question(wire, ident, flags, transport, source)
    try:
        if qdcount != 1:
            raise WireError("more than one question (RFC 9619)")
        end = question_name_end(wire) + 4
        qtype, qclass = QTAIL.unpack_from(wire, end - 4) if end <= len(wire) else (0, 0)
    except WireError:
        return _error(wire, Rcode.FORMERR)
    if end > len(wire):
        return _error(wire, Rcode.FORMERR)
    question = Question(wire[12 : end - 4], qtype, qclass)
    extra = _Extra()
    try:
        if ancount or (nscount and qtype != RRType.IXFR):
            raise WireError("a query with records in its answer or authority section")
        if arcount or nscount or len(wire) != end:
            extra.read(wire, end, nscount, arcount, qclass)
    except (WireError, IndexError):
        return _error(wire, Rcode.FORMERR, end, extra.seen)
    fault = REFUSED_TYPES.get(qtype)
    edns = extra.edns
    if edns is not None and edns.version:
        return _error(wire, Rcode.BADVERS, end, True)
    if not qclass:
        return _error(wire, Rcode.FORMERR, end, extra.seen)
    if fault is not None:
        return _error(wire, fault, end, extra.seen, INVALID_TYPE if fault is Rcode.FORMERR else b"")
    return Query(ident, question, bool(flags & RD), bool(flags & AD), bool(flags & CD), edns, transport, source)


@dataclass(slots=True)
class _Extra:
    """What stands behind the question. `seen`: an OPT record was met, so that even an error carries one."""

    edns: Edns | None = None
    seen: bool = False

    def read(self, wire: bytes, place: int, nscount: int, arcount: int, qclass: int) -> None:
        known: dict[int, bytes] = {}
        total = nscount + arcount
        for index in range(total):
            owner, place = read_name(wire, place, known)
            if place + 10 > len(wire):
                raise WireError("a record runs past the end")
            rtype, rclass, ttl, length = RRHEAD.unpack_from(wire, place)
            place += 10 + length
            if place > len(wire):
                raise WireError("a record runs past the end")
            if rtype == RRType.OPT:
                self._opt(owner, rclass, ttl, wire[place - length : place])
            elif rtype not in CLASSLESS:
                if rclass != qclass:
                    raise WireError("a record of another class than the question")
            elif rtype == RRType.TSIG and (rclass != CLASS_ANY or index != total - 1):
                raise WireError("TSIG must be the last record, and of class ANY (RFC 8945 section 5.1)")
        if place != len(wire):
            raise WireError("bytes after the message")

    def _opt(self, owner: bytes, payload: int, ttl: int, rdata: bytes) -> None:
        first, self.seen = not self.seen, True
        if not first or owner != b"\x00":
            raise WireError("one OPT at most, owned by the root (RFC 6891 section 6.1)")
        version = ttl >> 16 & 0xFF
        # Another version's options are not ours to judge (RFC 6891 section 6.1.3).
        options = read_options(rdata) if not version and rdata else ()
        # Of several the first counts (RFC 7873 section 4).
        cookie = find(options, COOKIE)
        if cookie is not None and not is_cookie_size(len(cookie)):
            raise WireError("a cookie has 8, or 16 to 40 bytes (RFC 7873 section 5.2.2)")
        self.edns = Edns(payload, version, bool(ttl & DO), options)


def _without_question(
    wire: bytes, ident: int, flags: int, transport: Transport, source: IPAddress
) -> Query | Malformed:
    """Legal only to fetch a cookie (RFC 7873 section 5.4)."""
    extra = _Extra()
    try:
        _, _, _, ancount, nscount, arcount = HEADER.unpack_from(wire)
        if ancount or nscount:
            raise WireError("records but no question")
        extra.read(wire, 12, 0, arcount, 1)
    except (WireError, IndexError):
        return _error(wire, Rcode.FORMERR, 12, extra.seen)
    edns = extra.edns
    if edns is not None and edns.version:
        return _error(wire, Rcode.BADVERS, 12, True)
    if edns is None or all(code != COOKIE for code, _ in edns.options):
        return _error(wire, Rcode.FORMERR, 12, extra.seen)
    return Query(ident, NO_QUESTION, bool(flags & RD), False, bool(flags & CD), edns, transport, source)


def _other_opcode(wire: bytes) -> Malformed:
    """NOTIMP with the same opcode and nothing behind the header (RFC 8906 section 3.1.4).

    Only UPDATE's body is known well enough to be called malformed (RFC 2136 section 2).
    """
    opcode = (wire[2] & 0x78) >> 3
    return _error(wire, Rcode.FORMERR if opcode == UPDATE and _update_is_malformed(wire) else Rcode.NOTIMP)


def _update_is_malformed(wire: bytes) -> bool:
    _, _, zones, prerequisites, updates, extra = HEADER.unpack_from(wire)
    place, known = 12, dict[int, bytes]()
    try:
        for _ in range(zones):
            _, place = read_name(wire, place, known)
            place += 4
        for index in range(prerequisites + updates + extra):
            _, place = read_name(wire, place, known)
            if place + 10 > len(wire):
                return True
            _, rclass, _, length = RRHEAD.unpack_from(wire, place)
            if rclass == CLASS_ANY and length and index < prerequisites + updates:
                return True
            place += 10 + length
    except (WireError, IndexError):
        return True
    return place > len(wire)


def has_opt(wire: bytes) -> bool:
    """Whether an OPT record can be made out in the additional section, whatever else the packet is."""
    _, _, *counts, additional = HEADER.unpack_from(wire)
    place, size = 12, len(wire)
    for section, count in enumerate((*counts, additional)):
        for _ in range(count):
            place = _behind_name(wire, place)
            if place + (10 if section else 4) > size:
                return False
            if section == 0:
                place += 4
                continue
            rtype, _, _, length = RRHEAD.unpack_from(wire, place)
            if section == 3 and rtype == RRType.OPT:
                return True
            place += 10 + length
    return False


def _behind_name(wire: bytes, place: int) -> int:
    """Where the name ends that stands here, be it good or not; beyond the packet where it does not end."""
    while place < len(wire):
        length = wire[place]
        if length >= 0xC0:
            return place + 2
        place += 1 + length
        if not length:
            return place
    return len(wire) + 1


def _error(
    wire: bytes, rcode: Rcode, question_end: int = 12, with_opt: bool = False, options: bytes = b""
) -> Malformed:
    """RA only where RD asked about recursion; nothing else of the query's flags survives an error but RD and CD.

    An OPT is answered by one, in every error too (RFC 6891 section 6.1.1). `options`: for it.
    """
    with_opt = with_opt or has_opt(wire)
    flags = HEADER.unpack_from(wire)[1]
    recursion = RD | RA if flags & RD else 0
    opcode = flags & OPCODE_MASK
    head = HEADER.pack(
        HEADER.unpack_from(wire)[0],
        QR | opcode | recursion | (flags & CD if not opcode else 0) | (rcode & RCODE_MASK),
        int(question_end > 12),
        0,
        0,
        int(with_opt),
    )
    opt = b""
    if with_opt:
        opt = b"\x00" + RRHEAD.pack(RRType.OPT, OWN_PAYLOAD, (rcode >> 4) << 24, len(options)) + options
    rule = {Rcode.BADVERS: Rule.BAD_VERSION, Rcode.NOTIMP: Rule.NOT_IMPLEMENTED}.get(rcode, Rule.MALFORMED)
    return Malformed(rcode, rule, head + wire[12:question_end] + opt)
