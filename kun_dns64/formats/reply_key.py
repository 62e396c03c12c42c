"""A client's packet as a key: what is left of it when everything is taken away that the reply only echoes.

Two packets with one key get replies that differ in id, case of the question and cookie alone; so a finished reply to
one can be made into the reply to the other. What is not sure to be so has no key. Bits that change no reply are zero in
the key, and so is the size offered, where it changes nothing: nobody gets an answer made anew by varying them.

Twin: fastpath/stores.pyx.
"""

from struct import Struct
from typing import NamedTuple

from kun_dns64.formats.options import (
    CLIENT_SUBNET,
    COOKIE,
    KEEPALIVE,
    PADDING,
    ede_option,
    is_cookie_size,
    read_options,
)
from kun_dns64.formats.reply_size import offered
from kun_dns64.formats.wire import WireError
from kun_dns64.model.step import Reply

# Behind the name: type, class, and an OPT record whose options are left out.
PLAIN_TAIL = 4 + 11
_ONE_ADDITIONAL = b"\x00\x00\x00\x00\x00\x01"
_OPT_HEAD = b"\x00\x00\x29"
# In place of the options' length: one byte more than it, so that no packet without options can spell such a key.
WITH_OPTIONS, WITH_COOKIE = b"\xff\xff\x00", b"\xff\xff\x01"
COOKIE_REPLY_BYTES = 24
# Of the header's flags: QR, opcode and RD; AD and CD (AA, TC, RCODE and reserved bits mean nothing in a query).
FIRST_FLAGS, SECOND_FLAGS = 0xF9, 0x30
DO_BIT = 0x80
_RR = Struct("!HHIH")


class MemoKey(NamedTuple):
    """What `of` makes a key from. `name_end`: where the part of the name whose case is free ends.

    `cookie`, `subnet`: option data, b"" for none.
    """

    name_end: int
    until: int
    mark: bytes
    cookie: bytes = b""
    subnet: bytes = b""
    padded: bool = False

    def of(self, wire: bytes, limit: int = 0) -> bytes:
        """The key of the packet this was read from."""
        return plain_key(wire, self.name_end, self.until, limit) + self.mark


def limit_of(wire: bytes, end: int, most: int) -> int:
    """The limit by the size that the packet's OPT offers; 0 without one, and by a stream (`most` 0)."""
    return offered(int.from_bytes(wire[end + 7 : end + 9]), most) if most and _has_opt(wire, end) else 0


def plain_key(wire: bytes, end: int, until: int, limit: int = 0) -> bytes:
    """The key of the packet up to `until`, `end` being where its name ends.

    `limit` replaces the size that the packet offers; 0 for what is not made for one limit alone. Compiled twin:
    `write_key`.
    """
    head = bytes((wire[2] & FIRST_FLAGS, wire[3] & SECOND_FLAGS)) + wire[4:12] + wire[12:end].lower()
    opt = end + 4
    if until < end + 13 or not _has_opt(wire, end):
        return head + wire[end:until]
    flags = bytes((0, wire[opt + 6], wire[opt + 7] & DO_BIT, 0))
    return head + wire[end : opt + 3] + limit.to_bytes(2) + flags + wire[opt + 9 : until]


def _has_opt(wire: bytes, end: int) -> bool:
    """Whether OPT, up to its options' length at least, is what follows the question."""
    return wire[6:12] == _ONE_ADDITIONAL and wire[end + 4 : end + 7] == _OPT_HEAD and len(wire) >= end + 13


def memo_key(wire: bytes) -> MemoKey | None:
    """None: the general path must answer. The packet need not be well-formed: no reply to a malformed one is kept.

    The case is free up to the first zero byte behind the header. That byte is the root label, or part of a label
    before it; either way only bytes of the name lose their case.
    """
    end = wire.find(0, 12) + 1
    if not end:
        return None
    if len(wire) <= end + PLAIN_TAIL:
        return MemoKey(end, len(wire), b"")
    return _with_options(wire, end)


def _with_options(wire: bytes, end: int) -> MemoKey | None:
    """Options are read only where the name, walked label by label, really ends there, and OPT is all that follows."""
    at = end + 4
    if wire[6:12] != _ONE_ADDITIONAL or wire[at : at + 3] != _OPT_HEAD or not _ends_at(wire, end):
        return None
    if int.from_bytes(wire[at + 9 : at + 11]) != len(wire) - at - 11 or wire[at + 6]:
        return None  # bytes behind it, or another EDNS version
    try:
        options = read_options(wire[at + 11 :])
    except WireError:
        return None
    cookies = [data for code, data in options if code == COOKIE]
    subnets = [data for code, data in options if code == CLIENT_SUBNET]
    if len(cookies) > 1 or len(subnets) > 1 or not all(is_cookie_size(len(c)) for c in cookies):
        return None
    cookie = cookies[0] if cookies else b""
    mark = WITH_COOKIE if cookie else WITH_OPTIONS
    if any(code == KEEPALIVE for code, _ in options):
        # By a stream it is answered.
        mark += b"\x00"
    padded = any(code == PADDING for code, _ in options)
    return MemoKey(end, at + 9, mark, cookie, subnets[0] if subnets else b"", padded)


def lone_cookie(wire: bytes, end: int) -> bytes:
    """The COOKIE data of a packet with no other option, `end` being where its name ends; b"" for all other packets.

    Where the name ends is not checked: the key of a packet that was kept says so, and this one's must equal it.
    """
    size = len(wire) - end - PLAIN_TAIL
    if wire[end + 15 : end + 17] != b"\x00\x0a" or not is_cookie_size(size - 4):
        return b""
    if wire[end + 13 : end + 15] != size.to_bytes(2) or wire[end + 17 : end + 19] != (size - 4).to_bytes(2):
        return b""
    return wire[end + 19 :]


def _ends_at(wire: bytes, end: int) -> bool:
    place = 12
    while place < end and 0 < wire[place] <= 63:
        place += 1 + wire[place]
    return place + 1 == end


def ttl_places(packet: bytes) -> list[tuple[int, int, int, int]]:
    """(section, type, TTL, offset of the TTL) of every record but OPT in a finished packet; section 0 is the answer."""
    counts = [int.from_bytes(packet[place : place + 2]) for place in (6, 8, 10)]
    place = _behind_name(packet, 12) + 4 if packet[5] else 12
    found = []
    for section, count in enumerate(counts):
        for _ in range(count):
            place = _behind_name(packet, place)
            rtype, _, ttl, length = _RR.unpack_from(packet, place)
            if rtype != 41:
                found.append((section, rtype, ttl, place + 4))
            place += 10 + length
    return found


def _behind_name(packet: bytes, place: int) -> int:
    while True:
        length = packet[place]
        if length >= 0xC0:
            return place + 2
        place += 1 + length
        if not length:
            return place


def cut_records(body: bytes, place: int, until: int, room: int) -> tuple[int, int]:
    """How many records from `place` to `until` end before `room`, and where the last of them ends."""
    count = 0
    while place < until:
        end = _behind_name(body, place)
        end += 10 + int.from_bytes(body[end + 8 : end + 10])
        if end > room:
            break
        count, place = count + 1, end
    return count, place


def answer_end(packet: bytes) -> int:
    """Where the answer section of a finished packet ends."""
    place = _behind_name(packet, 12) + 4 if packet[5] else 12
    for _ in range(int.from_bytes(packet[6:8])):
        place = _behind_name(packet, place)
        place += 10 + int.from_bytes(packet[place + 8 : place + 10])
    return place


def is_complete(packet: bytes, reply: Reply) -> bool:
    """Whether a finished packet holds all of the reply, so that it is the same for every client that can take it."""
    opts = int.from_bytes(packet[10:12]) - len(reply.additional)
    if packet[2] & 0x02 or int.from_bytes(packet[8:10]) != len(reply.authority) or opts not in (0, 1):
        return False
    return not reply.ede or (opts == 1 and ede_option(reply.ede[0]) in packet)
