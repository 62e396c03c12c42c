"""Reading the wire format: compressed names, and the error every reader here raises for bytes that are no message."""

from struct import Struct

HEADER = Struct("!HHHHHH")
QTAIL = Struct("!HH")
RRHEAD = Struct("!HHIH")

QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
OPCODE_MASK = 0x7800
RCODE_MASK = 0x000F
DO = 0x8000

OWN_PAYLOAD = 1232
HEADER_SIZE = 12


class WireError(ValueError):
    """The bytes are not a DNS message. The text names what is wrong with them."""


def question_name_end(wire: bytes) -> int:
    """Where the name of the question ends. No pointer is legal there: nothing but the header stands before it."""
    place, size = HEADER_SIZE, len(wire)
    while True:
        if place >= size:
            raise WireError("the question name runs past the end")
        length = wire[place]
        place += 1
        if not length:
            break
        if length > 63:
            raise WireError("the question name holds a pointer or an unknown label type")
        place += length
    if place - HEADER_SIZE > 255:
        raise WireError("the question name is longer than 255 bytes")
    return place


def read_name(wire: bytes, place: int, known: dict[int, bytes]) -> tuple[bytes, int]:
    """The uncompressed name at `place`, and where the next field begins.

    A pointer must go strictly backward (RFC 1035 section 4.1.4), so every chain ends. `known` remembers names by the
    offset pointers gave. Raises WireError or IndexError.
    """
    start = place
    while True:
        length = wire[place]
        if not length:
            name = wire[start : place + 1]
            break
        if length > 63:
            if length < 0xC0:
                raise WireError("unknown label type")
            target = (length & 0x3F) << 8 | wire[place + 1]
            if target >= start:
                raise WireError("a compression pointer that does not point backward")
            tail = known.get(target)
            if tail is None:
                tail = _pointed(wire, target, known)
            name = wire[start:place] + tail
            place += 1
            break
        place += 1 + length
    if len(name) > 255:
        raise WireError("a name longer than 255 bytes")
    return name, place + 1


def _pointed(wire: bytes, target: int, known: dict[int, bytes]) -> bytes:
    """The name at a pointer's target. Pointers to pointers are followed in a loop: a message may hold thousands."""
    trail: list[tuple[int, bytes]] = []
    tail = b""
    while True:
        place = start = target
        while 0 < (length := wire[place]) <= 63:
            place += 1 + length
            if place - start > 255:
                raise WireError("a name longer than 255 bytes")
        if not length:
            tail = wire[start : place + 1]
            known[start] = tail
            break
        if length < 0xC0:
            raise WireError("unknown label type")
        target = (length & 0x3F) << 8 | wire[place + 1]
        if target >= start:
            raise WireError("a compression pointer that does not point backward")
        trail.append((start, wire[start:place]))
        if target in known:
            tail = known[target]
            break
    for start, labels in reversed(trail):
        tail = labels + tail
        if len(tail) > 255:
            raise WireError("a name longer than 255 bytes")
        known[start] = tail
    return tail
