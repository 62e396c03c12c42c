"""Domain suffixes as the operator writes them, in keys and in domain files."""

from collections.abc import Iterator

from kun_base.errors import Fault

LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
MAX_LABEL, MAX_NAME = 63, 255


def wire_suffix(text: str) -> bytes:
    """`Example.org` as lower-case wire format; `.` is the root. Raises ValueError with what would be right."""
    name = text.lower().removesuffix(".")
    if not name:
        if text == ".":
            return b"\0"
        raise ValueError("is empty")
    labels = name.split(".")
    if labels[0] == "*":
        raise ValueError(f"needs no asterisk: {name[2:]!r} means the name and all below it")
    if not name.isascii():
        raise ValueError("wants the ASCII form of the name (xn--...)")
    for label in labels:
        if not label or len(label) > MAX_LABEL or not LETTERS.issuperset(label):
            raise ValueError(f"is not a domain name: label {label!r}")
    wire = b"".join(bytes((len(label),)) + label.encode() for label in labels) + b"\0"
    if len(wire) > MAX_NAME:
        raise ValueError("is longer than a domain name can be")
    return wire


def suffix_faults(where: str, text: str) -> Iterator[Fault]:
    try:
        wire_suffix(text)
    except ValueError as error:
        yield Fault(where, repr(text), str(error))
