"""Domain suffixes as the operator writes them in keys."""

from collections.abc import Iterator

from kun_base.errors import Fault
from kun_dns64.formats.names import from_text


def wire_suffix(text: str) -> bytes:
    """`Example.org` as lower-case wire format; `.` is the root. Raises ValueError with what would be right."""
    if not text:
        raise ValueError("is empty; the root is written as '.'")
    if text.startswith("*."):
        raise ValueError(f"needs no asterisk: {text[2:]!r} means the name and all below it")
    return from_text(text.lower())


def suffix_faults(where: str, text: str) -> Iterator[Fault]:
    try:
        wire_suffix(text)
    except ValueError as error:
        yield Fault(where, repr(text), str(error).removeprefix(f"{text.lower()!r}: "))
