"""Domain suffixes as the operator writes them in keys."""

from collections.abc import Iterator

from kun_base.errors import Fault
from kun_dns64.policy.suffix import suffix_from_text


def wire_suffix(text: str) -> bytes:
    """`Example.org` as lower-case wire format; `.` is the root. Raises ValueError with what would be right."""
    if not text:
        raise ValueError("is empty; the root is written as '.'")
    return suffix_from_text(text)


def suffix_faults(where: str, text: str) -> Iterator[Fault]:
    try:
        wire_suffix(text)
    except ValueError as error:
        yield Fault(where, repr(text), str(error))
