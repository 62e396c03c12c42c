"""Domain names: uncompressed wire format in and out of text, and walking them label by label.

A name is `bytes` in wire format, root included (RFC 1035 section 3.1). Case is kept; compare lower-case copies.
"""

from collections.abc import Iterator

MAX_NAME = 255
MAX_LABEL = 63
ROOT = b"\x00"
IN_ADDR_ARPA = b"\x07in-addr\x04arpa\x00"
IP6_ARPA = b"\x03ip6\x04arpa\x00"

# 0x20 under every ASCII letter. No length byte is one: lengths end at 63, and the letters begin at 65.
_CASE_BITS = bytes(0x20 if 65 <= (byte & 0xDF) <= 90 else 0 for byte in range(256))
_SPECIAL = frozenset(b'."\\();@$')


def from_text(text: str) -> bytes:
    """`www.example.` with RFC 1035 section 5.1 escapes, absolute whether or not it ends in a dot. Raises ValueError."""
    if text in ("", "."):
        return ROOT
    labels = _plain_labels(text) if "\\" not in text else _escaped_labels(text)
    out = bytearray()
    for label in labels:
        if not 0 < len(label) <= MAX_LABEL:
            raise ValueError(f"{text!r}: a label has 1 to {MAX_LABEL} bytes (RFC 1035 section 2.3.4)")
        out.append(len(label))
        out += label
    out.append(0)
    if len(out) > MAX_NAME:
        raise ValueError(f"{text!r}: a name has at most {MAX_NAME} bytes (RFC 1035 section 2.3.4)")
    return bytes(out)


def _plain_labels(text: str) -> list[bytes]:
    try:
        raw = text.encode("ascii")
    except UnicodeEncodeError:
        raise ValueError(f"{text!r}: write international names in their xn-- form") from None
    return raw.removesuffix(b".").split(b".")


def _escaped_labels(text: str) -> list[bytes]:
    labels, label, place = [], bytearray(), 0
    raw = text.encode("latin-1", "strict") if text.isascii() else b""
    if not raw:
        raise ValueError(f"{text!r}: write bytes above 127 as \\DDD")
    while place < len(raw):
        char = raw[place]
        place += 1
        if char == 0x2E:
            labels.append(bytes(label))
            label.clear()
        elif char == 0x5C:
            byte, place = _escape(raw, place, text)
            label.append(byte)
        else:
            label.append(char)
    if label:
        labels.append(bytes(label))
    return labels


def _escape(raw: bytes, place: int, text: str) -> tuple[int, int]:
    digits = raw[place : place + 3]
    if digits[:1].isdigit():
        if len(digits) < 3 or not digits.isdigit() or int(digits) > 255:
            raise ValueError(f"{text!r}: \\ takes three digits up to 255, or one other character")
        return int(digits), place + 3
    if not digits:
        raise ValueError(f"{text!r}: ends inside an escape")
    return digits[0], place + 1


def to_text(name: bytes) -> str:
    """`www.example.`, with everything but printable ASCII escaped. The root is `.`."""
    if name == ROOT:
        return "."
    return "".join(_label_text(label) + "." for label in labels(name))


def _label_text(label: bytes) -> str:
    return "".join(
        f"\\{chr(byte)}" if byte in _SPECIAL else chr(byte) if 0x21 <= byte <= 0x7E else f"\\{byte:03d}"
        for byte in label
    )


def labels(name: bytes) -> Iterator[bytes]:
    """The labels from the left, without the root."""
    place = 0
    while length := name[place]:
        yield name[place + 1 : place + 1 + length]
        place += 1 + length


def suffixes(name: bytes) -> Iterator[bytes]:
    """The name itself, its parent, and so on; the root last."""
    place = 0
    while length := name[place]:
        yield name[place:]
        place += 1 + length
    yield ROOT


def root_end(raw: bytes, start: int) -> int:
    """Where the uncompressed name ends that begins at `start`; 0 where it does not end."""
    place = start
    while place < len(raw):
        length = raw[place]
        place += 1 + length
        if not length:
            return place
    return 0


def scramble(name: bytes, bits: int) -> bytes:
    """Flip the case of the letters where `bits` (as many random bits as the name has) says so (draft dns-0x20)."""
    size = len(name)
    letters = int.from_bytes(name.translate(_CASE_BITS))
    return (int.from_bytes(name) ^ (bits & letters)).to_bytes(size)


def in_addr_arpa(ipv4: bytes) -> bytes:
    """192.0.2.33 as four bytes gives 33.2.0.192.in-addr.arpa. (RFC 1035 section 3.5)."""
    digits = b"".join(bytes((len(text),)) + text for text in (b"%d" % byte for byte in reversed(ipv4)))
    return digits + IN_ADDR_ARPA


def nibbles_reversed(raw: bytes) -> bytes:
    """The labels below ip6.arpa for these leading bytes of an address (RFC 3596 section 2.5), without ip6.arpa."""
    return b"".join(b"\x01" + digit.encode() for digit in reversed(raw.hex()))
