"""As much of the protocol buffers wire format as the BGP speaker's API needs (protobuf.dev, "Encoding")."""

from collections.abc import Iterator

from kun_nat64.formats.table import FormatError

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
LONGEST_VARINT = 10
Field = tuple[int, int | bytes]


def number(field: int, value: int) -> bytes:
    """A number, an enum or a truth value. 0 is the default, which is not written."""
    return _varint(field << 3 | VARINT) + _varint(value) if value else b""


def text(field: int, value: str | bytes) -> bytes:
    """A text, bytes, or a message; an empty text is the default, which is not written."""
    return message(field, value.encode() if isinstance(value, str) else value) if value else b""


def message(field: int, value: bytes) -> bytes:
    """A message, written even when it is empty."""
    return _varint(field << 3 | LENGTH) + _varint(len(value)) + value


def numbers(field: int, values: tuple[int, ...]) -> bytes:
    """Several numbers, packed."""
    return text(field, b"".join(map(_varint, values)))


def fields(data: bytes) -> Iterator[Field]:
    """(number, value) of every field in order. Raises FormatError."""
    place = 0
    while place < len(data):
        tag, place = _read_varint(data, place)
        match tag & 7:
            case 0:
                value, place = _read_varint(data, place)
                yield tag >> 3, value
                continue
            case 1:
                size = 8
            case 2:
                size, place = _read_varint(data, place)
            case 5:
                size = 4
            case kind:
                raise FormatError("a protobuf field", f"wire type {kind}")
        if place + size > len(data):
            raise FormatError("a protobuf message", f"{len(data)} bytes where {place + size} were announced")
        yield tag >> 3, data[place : place + size]
        place += size


class Message:
    """The fields of one message by number; one that is not there has its default."""

    def __init__(self, data: bytes) -> None:
        self._fields = tuple(fields(data))

    def number(self, field: int) -> int:
        return next((value for key, value in reversed(self._fields) if key == field and isinstance(value, int)), 0)

    def raw(self, field: int) -> bytes:
        return next((value for key, value in reversed(self._fields) if key == field and isinstance(value, bytes)), b"")

    def text(self, field: int) -> str:
        return self.raw(field).decode(errors="replace")

    def has(self, field: int) -> bool:
        return any(key == field for key, _ in self._fields)

    def message(self, field: int) -> "Message":
        return Message(self.raw(field))

    def messages(self, field: int) -> Iterator["Message"]:
        return (Message(value) for key, value in self._fields if key == field and isinstance(value, bytes))

    def numbers(self, field: int) -> tuple[int, ...]:
        """Packed or one by one: a reader has to take both."""
        found: list[int] = []
        for key, value in self._fields:
            if key == field and isinstance(value, int):
                found.append(value)
            elif key == field and isinstance(value, bytes):
                found += _unpacked(value)
        return tuple(found)


def _unpacked(data: bytes) -> list[int]:
    found, place = [], 0
    while place < len(data):
        value, place = _read_varint(data, place)
        found.append(value)
    return found


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(LONGEST_VARINT):
        if place >= len(data):
            break
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, place
    raise FormatError("a protobuf number", data[:40].hex())
