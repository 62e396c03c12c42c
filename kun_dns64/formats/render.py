"""Decisions become packets: the reply to a client within its limits, and the question to an upstream."""

from dataclasses import dataclass

from kun_dns64.formats.options import CLIENT_SUBNET, COOKIE, PADDING, ede_option, find, option
from kun_dns64.formats.rdata import COMPRESSIBLE
from kun_dns64.formats.wire import AA, AD, CD, DO, HEADER, OWN_PAYLOAD, QR, QTAIL, RA, RCODE_MASK, RD, RRHEAD, TC
from kun_dns64.model.message import Ede, Query, Record, Transport
from kun_dns64.model.question import Question, Rcode, RRType
from kun_dns64.model.step import AskedFlags, Reply, Rule

PLAIN_UDP = 512
TCP_MAX = 65535
PADDING_BLOCK = 468  # RFC 8467 section 4.1
POINTER_MAX = 0x3FFF


@dataclass(frozen=True, slots=True)
class Limits:
    """What this server sends at most by UDP, in octets, and says so in its OPT."""

    udp_payload_max: int = OWN_PAYLOAD


DEFAULT_LIMITS = Limits()
Records = tuple[Record, ...]


def size_limit(query: Query, limits: Limits = DEFAULT_LIMITS) -> int:
    """The most octets this client can take (RFC 1035 section 4.2.1, RFC 6891 section 6.2.3)."""
    if query.transport != Transport.UDP:
        return TCP_MAX
    if query.edns is None:
        return PLAIN_UDP
    return min(max(PLAIN_UDP, query.edns.payload), limits.udp_payload_max)


def render(query: Query, reply: Reply, limits: Limits = DEFAULT_LIMITS, cookie: bytes = b"") -> bytes:
    """The packet for the client. `cookie`: the data of the COOKIE option to answer with (RFC 7873), b"" for none.

    What does not fit is left out in this order: extended errors, the additional section, the authority section of a
    positive answer without DNSSEC; then TC=1 with as many answer records as fit, for clients that know no TCP. What no
    transport can carry is SERVFAIL. (RFC 2181 section 9)
    """
    limit = size_limit(query, limits)
    body = Body(query.question)
    body.sections(reply.answer, reply.authority, reply.additional)
    opt = _opt(query, reply.rcode, limits, cookie, reply.ede)
    if len(body.out) + len(opt) > limit and reply.ede:
        opt = _opt(query, reply.rcode, limits, cookie, ())
    room = limit - len(opt)
    fits = body.fit(reply.answer, room, query.do)
    if not fits and limit == TCP_MAX:
        return render(query, too_large(), limits, cookie)
    return _finish(query, reply, body, opt, 0 if fits else TC, limit)


def too_large() -> Reply:
    """An answer that no message can carry (more AAAA than fit 64 KiB)."""
    return Reply(Rcode.SERVFAIL, Rule.TOO_LARGE, ede=(Ede(0, Rule.TOO_LARGE.value),))


def _finish(query: Query, reply: Reply, body: "Body", opt: bytes, truncated: int, limit: int) -> bytes:
    rcode = reply.rcode
    if rcode > RCODE_MASK and query.edns is None:
        rcode = Rcode.SERVFAIL  # the upper bits have no place without OPT
    flags = (
        QR
        | RA
        | truncated
        | (AA if reply.aa else 0)
        | (AD if reply.ad else 0)
        | (RD if query.rd else 0)
        | (CD if query.cd else 0)
        | rcode & RCODE_MASK
    )
    answer, authority, additional = body.counts
    questions = 1 if query.question.name else 0
    head = HEADER.pack(query.id, flags, questions, answer, authority, additional + (1 if opt else 0))
    if opt and query.transport is Transport.TLS and query.edns and find(query.edns.options, PADDING) is not None:
        opt = _padded(opt, len(head) + len(body.out) - 12, limit)
    return head + bytes(body.out[12:]) + opt


def _opt(query: Query, rcode: int, limits: Limits, cookie: bytes, edes: tuple[Ede, ...]) -> bytes:
    """Our own OPT, if the query had one (RFC 6891 sections 6.1.1 and 7): DO is copied (RFC 3225), options not.

    The cookie comes last, so that a finished reply can be given another one.
    """
    if query.edns is None:
        return b""
    data = b"".join([ede_option(ede) for ede in edes]) if edes else b""
    if cookie:
        data += option(COOKIE, cookie)
    ttl = (rcode >> 4) << 24 | (DO if query.edns.do else 0)
    return b"\x00" + RRHEAD.pack(RRType.OPT, limits.udp_payload_max, ttl, len(data)) + data


def _padded(opt: bytes, used: int, limit: int) -> bytes:
    """Up to a whole number of blocks; only over TLS, and only for a client that padded (RFC 7830 section 4)."""
    size = used + len(opt) + 4
    if size > limit:
        return opt
    fill = min(-size % PADDING_BLOCK, limit - size)
    length = int.from_bytes(opt[9:11]) + 4 + fill
    return opt[:9] + length.to_bytes(2) + opt[11:] + option(PADDING, bytes(fill))


class Body:
    """Question and sections with compressed names; remembers where each section ends.

    Names are compared without case, so that the layout never depends on the case of the question. `exact`: only the
    question's own names are, so that no other name loses its case.
    """

    __slots__ = ("counts", "ends", "exact", "names", "out", "qname", "qname_lower", "question", "start")

    def __init__(self, question: Question, exact: bool = False) -> None:
        self.question, self.exact = question, exact
        self.qname = question.name
        self.qname_lower = question.name.lower()
        self.out = bytearray(12)
        if question.name:
            self.out += question.name + QTAIL.pack(question.qtype, question.qclass)
        self.start = len(self.out)
        self.names: dict[bytes, int] | None = None
        self.counts = (0, 0, 0)
        self.ends = (0, 0, 0)

    def sections(self, answer: Records, authority: Records, additional: Records) -> None:
        self.add(answer)
        answer_end = len(self.out)
        self.add(authority)
        authority_end = len(self.out)
        self.add(additional)
        self.counts = len(answer), len(authority), len(additional)
        self.ends = answer_end, authority_end, len(self.out)

    def add(self, records: Records) -> None:
        out, qname = self.out, self.qname
        for owner, rtype, rclass, ttl, rdata in records:
            if owner == qname and len(qname) > 1:
                out += b"\xc0\x0c"
            else:
                self.name(owner)
            if rtype in COMPRESSIBLE:
                out += RRHEAD.pack(rtype, rclass, ttl, 0)
                start = len(out)
                self._named_rdata(rtype, rdata)
                out[start - 2 : start] = (len(out) - start).to_bytes(2)
            else:
                out += RRHEAD.pack(rtype, rclass, ttl, len(rdata)) + rdata
            if len(out) > TCP_MAX:
                return

    def _named_rdata(self, rtype: int, rdata: bytes) -> None:
        if rtype == RRType.MX:
            self.out += rdata[:2]
            self.name(rdata[2:])
        elif rtype == RRType.SOA:
            middle = name_end(rdata, 0)
            end = name_end(rdata, middle)
            self.name(rdata[:middle])
            self.name(rdata[middle:end])
            self.out += rdata[end:]
        else:
            self.name(rdata)

    def name(self, name: bytes) -> None:
        lower = name.lower()
        if lower == self.qname_lower and len(name) > 1:
            self.out += b"\xc0\x0c"
            return
        names = self.names
        if names is None:
            names = self.names = _suffix_places(self.qname_lower)
        out, place, here, exact = self.out, 0, len(self.out), self.exact
        while length := name[place]:
            known = names.get(lower[place:])
            if known is None and exact:
                known = names.get(name[place:])
            if known is not None:
                out += name[:place] + (0xC000 | known).to_bytes(2)
                return
            if here + place <= POINTER_MAX:
                names[name[place:] if exact else lower[place:]] = here + place
            place += 1 + length
        out += name

    def fit(self, records: Records, room: int, keep_authority: bool) -> bool:
        """Cut back to `room` octets. False: TC is due, and only the first of the answer's `records` are left."""
        answer, authority, _ = self.counts
        answer_end, authority_end, _ = self.ends
        if len(self.out) <= room:
            return True
        if authority_end <= room:
            self._cut(authority_end, (answer, authority, 0))
            return True
        if answer_end <= room and answer and not keep_authority:
            self._cut(answer_end, (answer, 0, 0))
            return True
        self._truncate(records, room)
        return False

    def _truncate(self, records: Records, room: int) -> None:
        end, count = self.start, 0
        self._cut(end, (0, 0, 0))
        self.names = None
        for record in records:
            self.add((record,))
            if len(self.out) > room:
                break
            end, count = len(self.out), count + 1
        self._cut(end, (count, 0, 0))

    def _cut(self, end: int, counts: tuple[int, int, int]) -> None:
        del self.out[end:]
        self.counts = counts


def _suffix_places(qname: bytes) -> dict[bytes, int]:
    places, place = {}, 0
    while qname and (length := qname[place]):
        places[qname[place:]] = 12 + place
        place += 1 + length
    return places


def name_end(data: bytes, place: int) -> int:
    """Where an uncompressed name ends."""
    while length := data[place]:
        place += 1 + length
    return place + 1


def encode_ask(
    question: Question, flags: AskedFlags, ident: int, edns: bool = True, payload: int = OWN_PAYLOAD
) -> bytes:
    """The question for an upstream: RD=1, AD=1 to learn its verdict (RFC 6840 section 5.7), CD and DO as asked.

    For 0x20 the caller gives a question with a scrambled name. `edns` False: without OPT, for servers that choke on it.
    """
    bits = RD | AD | (CD if flags.cd else 0)
    head = HEADER.pack(ident, bits, 1, 0, 0, 1 if edns else 0) + question.name
    tail = QTAIL.pack(question.qtype, question.qclass)
    if not edns:
        return head + tail
    data = option(CLIENT_SUBNET, flags.subnet) if flags.subnet else b""
    return head + tail + b"\x00" + RRHEAD.pack(RRType.OPT, payload, DO if flags.do else 0, len(data)) + data
