"""Question and sections with compressed names (RFC 1035 section 4.1.4).

Twin: fastpath/write_reply.pxi.
"""

from kun_dns64.formats.rdata import COMPRESSIBLE
from kun_dns64.formats.reply_size import LEAST_RECORD
from kun_dns64.formats.wire import QTAIL, RRHEAD
from kun_dns64.model.message import Record
from kun_dns64.model.question import Question, RRType

POINTER_MAX = 0x3FFF
MESSAGE_MAX = 65535
TO_QUESTION = b"\xc0\x0c"
MX, SOA = RRType.MX, RRType.SOA

Records = tuple[Record, ...]


def least_size(records: Records) -> int:
    """What the records take at least, in bytes, however well their names compress."""
    return sum([LEAST_RECORD + (0 if record.rtype in COMPRESSIBLE else len(record.rdata)) for record in records])


class Body:
    """All of a message but the contents of its header; `counts` of its sections and where each of them ends.

    Names are compared without case, so that the layout never depends on the case of the question. `exact`: only the
    question's own names are, so that no other name loses its case. `most`: bytes beyond which no record is added.
    """

    __slots__ = ("counts", "ends", "exact", "lower", "most", "names", "out", "qname", "start")

    def __init__(self, question: Question, exact: bool = False, most: int = MESSAGE_MAX) -> None:
        qname, qtype, qclass = question
        self.qname, self.exact, self.most = qname, exact, most
        self.lower = b""
        self.out = bytearray(12)
        if qname:
            self.out += qname + QTAIL.pack(qtype, qclass)
        self.start = len(self.out)
        self.names: dict[bytes, int] | None = None

    def sections(self, answer: Records, authority: Records, additional: Records) -> None:
        self.add(answer)
        answer_end = authority_end = len(self.out)
        if authority:
            self.add(authority)
            authority_end = len(self.out)
        if additional:
            self.add(additional)
        self.counts = len(answer), len(authority), len(additional)
        self.ends = answer_end, authority_end

    def add(self, records: Records) -> None:
        """Stops beyond `most`: what it costs is bounded by what is sent, not by what there is."""
        out, qname, most = self.out, self.qname, self.most
        for owner, rtype, rclass, ttl, rdata in records:
            if owner == qname and len(qname) > 1:
                out += TO_QUESTION
            else:
                self.name(owner)
            if rtype in COMPRESSIBLE:
                self._named(rtype, rclass, ttl, rdata)
            else:
                out += RRHEAD.pack(rtype, rclass, ttl, len(rdata)) + rdata
            if len(out) > most:
                return

    def _named(self, rtype: int, rclass: int, ttl: int, rdata: bytes) -> None:
        out = self.out
        out += RRHEAD.pack(rtype, rclass, ttl, 0)
        start = len(out)
        if rtype == SOA:
            middle = _name_end(rdata, 0)
            end = _name_end(rdata, middle)
            self.name(rdata[:middle])
            self.name(rdata[middle:end])
            out += rdata[end:]
        elif rtype == MX:
            out += rdata[:2]
            self.name(rdata[2:])
        else:
            self.name(rdata)
        out[start - 2 : start] = (len(out) - start).to_bytes(2)

    def name(self, name: bytes) -> None:
        out, lower, here = self.out, name.lower(), len(self.out)
        names = self.names
        if names is None:
            names = self.names = self._question_places()
        if lower == self.lower and len(lower) > 1:
            out += TO_QUESTION
            return
        place = 0
        while length := name[place]:
            suffix = lower[place:]
            known = names.get(suffix)
            if self.exact:
                suffix = name[place:]
                known = names.get(suffix) if known is None else known
            if known is not None:
                out += name[:place] + (0xC000 | known).to_bytes(2)
                return
            if here + place <= POINTER_MAX:
                names[suffix] = here + place
            place += 1 + length
        out += name

    def _question_places(self) -> dict[bytes, int]:
        lower = self.lower = self.qname.lower()
        places, place = {}, 0
        while lower and (length := lower[place]):
            places[lower[place:]] = 12 + place
            place += 1 + length
        return places

    def fit(self, records: Records, room: int, keep_authority: bool) -> bool:
        """Cut back to `room` bytes. False: TC is due, and only the first of the answer's `records` are left."""
        answer, authority, _ = self.counts
        answer_end, authority_end = self.ends
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


def _name_end(data: bytes, place: int) -> int:
    """Where an uncompressed name ends."""
    while length := data[place]:
        place += 1 + length
    return place + 1
