"""Messages built byte by byte, for what no library will write: headers, questions, records, right and wrong."""

from __future__ import annotations

import struct
from collections.abc import Callable

from .names import Names

Build = Callable[[int, Names], bytes]

AAAA, A, IN = 28, 1, 1
ROOT_OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"


def header(qid: int, flags: int = 0x0100, qd: int = 1, an: int = 0, ns: int = 0, ar: int = 0) -> bytes:
    return struct.pack("!6H", qid, flags, qd, an, ns, ar)


def name(text: str) -> bytes:
    """Labels of plain ASCII, root included."""
    return b"".join(bytes([len(label)]) + label.encode() for label in text.rstrip(".").split(".") if label) + b"\0"


def question(text: str, rdtype: int = AAAA, rdclass: int = IN) -> bytes:
    return name(text) + struct.pack("!HH", rdtype, rdclass)


def record(owner: bytes, rdtype: int, rdclass: int, ttl: int, rdata: bytes, length: int | None = None) -> bytes:
    """`length` overrides RDLENGTH."""
    return owner + struct.pack("!HHIH", rdtype, rdclass, ttl, len(rdata) if length is None else length) + rdata


def opt(*options: tuple[int, bytes], payload: int = 1232, ttl: int = 0, owner: bytes = b"\0") -> bytes:
    rdata = b"".join(struct.pack("!HH", code, len(data)) + data for code, data in options)
    return record(owner, 41, payload, ttl, rdata)


def raw(body: Callable[[str], bytes], flags: int = 0x0100, qd: int = 1, an: int = 0, ns: int = 0, ar: int = 0) -> Build:
    """A message whose part after the header is made from the case's own name."""
    return lambda qid, names: header(qid, flags, qd, an, ns, ar) + body(names.own)


def is_well_formed(message: bytes) -> bool:
    """The counts, names and lengths fit the bytes exactly; RDATA is not looked into, but for A and AAAA."""
    try:
        counts = struct.unpack("!4H", message[4:12])
        at = 12
        for _ in range(counts[0]):
            at = after_name(message, at) + 4
        for _ in range(sum(counts[1:])):
            at = after_name(message, at)
            rdtype, _, _, length = struct.unpack("!HHIH", message[at : at + 10])
            if length != {A: 4, AAAA: 16}.get(rdtype, length):
                return False
            at += 10 + length
    except (struct.error, IndexError):
        return False
    return at == len(message)


def after_name(message: bytes, at: int) -> int:
    """Where the name at `at` ends. Raises IndexError for what is none."""
    while (length := message[at]) and length < 64:
        at += 1 + length
    if length and (length < 192 or (length & 63) << 8 | message[at + 1] >= at):
        raise IndexError
    return at + (2 if length else 1)
