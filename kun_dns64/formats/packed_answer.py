"""An upstream's answer as few bytes: its own message, compressed, without the question (the cache's key has that).

Twin: fastpath/read_answer.pxi.
"""

from kun_dns64.formats.body import Body
from kun_dns64.formats.options import ede_option
from kun_dns64.formats.response import read_sections
from kun_dns64.formats.wire import AA, AD, HEADER, QR, QTAIL, RA, RCODE_MASK, RRHEAD
from kun_dns64.model.message import Response
from kun_dns64.model.question import Question, RRType


def pack(question: Question, response: Response) -> bytes | None:
    """The bytes `unpack` takes; None for an answer that no message can hold."""
    body = Body(question, exact=True)
    start = len(body.out)
    body.sections(response.answer, response.authority, response.additional)
    if len(body.out) > 65000:
        return None
    answer, authority, additional = body.counts
    flags = QR | (AA if response.aa else 0) | (AD if response.ad else 0) | (RA if response.ra else 0)
    opt = _opt(response)
    head = HEADER.pack(0, flags | response.rcode & RCODE_MASK, 1, answer, authority, additional + (1 if opt else 0))
    return head + bytes(body.out[start:]) + opt


def _opt(response: Response) -> bytes:
    if not response.ede and response.rcode <= RCODE_MASK:
        return b""
    data = b"".join(ede_option(ede) for ede in response.ede)
    return b"\x00" + RRHEAD.pack(RRType.OPT, 512, (response.rcode >> 4) << 24, len(data)) + data


def is_longer(packed: bytes, most: int) -> bool:
    """Whether reading `most` records saves more than reading all of them again would cost."""
    answers: int = HEADER.unpack_from(packed)[3]
    return answers > 2 * most


def unpack(question: Question, packed: bytes, age: int, most: int = 0) -> Response:
    """What was packed, `age` seconds later; names equal to the question's come back in its case.

    `most`: only so many records of the answer; 0: all sections.
    """
    name, qtype, qclass = question
    wire = packed[:12] + name + QTAIL.pack(qtype, qclass) + packed[12:]
    _, flags, _, *counts = HEADER.unpack_from(packed)
    return read_sections(wire, 16 + len(name), flags, counts, name, age, most)
