"""DNS messages taken apart far enough to be compared: names lower-case and uncompressed."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

import dns.name

OPT, RRSIG, CNAME, DNAME, SOA, AAAA = 41, 46, 5, 39, 6, 28
# Bytes before the names in the data, and how many names.
_NAMED = {2: (0, 1), 5: (0, 1), 6: (0, 2), 12: (0, 1), 15: (2, 1), 33: (6, 1), 39: (0, 1), 46: (18, 1)}
_HEADER, _RECORD = struct.Struct("!6H"), struct.Struct("!HHIH")


class Record(NamedTuple):
    owner: bytes
    rtype: int
    rclass: int
    ttl: int
    rdata: bytes

    @property
    def covered(self) -> int:
        """What a signature is over; else 0."""
        return int.from_bytes(self.rdata[:2]) if self.rtype == RRSIG else 0


class Opt(NamedTuple):
    version: int
    do: bool
    edes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """`question`: the name as text in lower case, without the last dot; type; class. `flags` without the RCODE."""

    flags: int
    rcode: int
    question: tuple[bytes, int, int]
    question_wire: bytes
    question_end: int
    answer: tuple[Record, ...]
    authority: tuple[Record, ...]
    additional: tuple[Record, ...]
    opt: Opt | None

    @classmethod
    def parse(cls, wire: bytes) -> Message:
        """Raises ValueError, IndexError or struct.error for what is no message with one question."""
        _, flags, qdcount, *counts = _HEADER.unpack_from(wire)
        if qdcount != 1:
            raise ValueError("not one question")
        name, place = _name(wire, 12)
        question = (
            name.rstrip(b"."),
            int.from_bytes(wire[place : place + 2]),
            int.from_bytes(wire[place + 2 : place + 4]),
        )
        place += 4
        end, opt, sections = place, None, []
        for count in counts:
            records = []
            for _ in range(count):
                record, place = _record(wire, place)
                if record.rtype == OPT:
                    opt = record
                else:
                    records.append(record)
            sections.append(tuple(records))
        if place != len(wire):
            raise ValueError("bytes after the message")
        rcode = flags & 15 | (opt.ttl >> 24 << 4 if opt else 0)
        answer, authority, additional = sections
        return cls(flags & ~15, rcode, question, wire[12:end], end, answer, authority, additional, _opt(opt))


def encode_name(text: str) -> bytes:
    """The uncompressed wire form; escapes as in a zone file."""
    return dns.name.from_text(text).to_wire() or b""


def _record(wire: bytes, place: int) -> tuple[Record, int]:
    owner, place = _name(wire, place)
    rtype, rclass, ttl, length = _RECORD.unpack_from(wire, place)
    place += 10
    end = place + length
    rdata = wire[place:end]
    if rtype in _NAMED:
        before, names = _NAMED[rtype]
        rdata, place = wire[place : place + before], place + before
        for _ in range(names):
            name, place = _name(wire, place)
            rdata += name
        rdata += wire[place:end]
    return Record(owner, rtype, rclass, ttl, rdata), end


def _name(wire: bytes, place: int) -> tuple[bytes, int]:
    """Labels joined by dots, in lower case: enough to tell names apart that a zone file here can hold."""
    labels, end = [], 0
    while length := wire[place]:
        if length >= 0xC0:
            end = end or place + 2
            target = (length & 0x3F) << 8 | wire[place + 1]
            if target >= place:
                raise ValueError("a pointer that does not point back")
            place = target
            continue
        labels.append(wire[place + 1 : place + 1 + length].lower())
        place += 1 + length
    return b".".join(labels) + b".", end or place + 1


def _opt(record: Record | None) -> Opt | None:
    if record is None:
        return None
    edes, place = [], 0
    while place + 4 <= len(record.rdata):
        code, length = struct.unpack_from("!HH", record.rdata, place)
        if code == 15:
            edes.append(int.from_bytes(record.rdata[place + 4 : place + 6]))
        place += 4 + length
    return Opt(record.ttl >> 16 & 0xFF, bool(record.ttl & 0x8000), tuple(edes))
