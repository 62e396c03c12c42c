"""The raw content of a TOML file: for those who check it, and for those who want one value of it quickly."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kun_base.errors import ConfigError, Fault
from kun_base.textfile import UnreadableText, read_standard_input, read_text

# About a million domains in the file itself; longer lists belong into files of their own.
MAX_BYTES = 32 * 1024 * 1024
STANDARD_INPUT = Path("-")
PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
# How tomllib's messages begin, and how we say it.
PLAIN = (
    ("Illegal character", "has a control character; in text write it as an escape such as \\t"),
    ("Invalid value", "the value is not understood; text needs quotes"),
    ("Invalid statement", "must be KEY = VALUE, [TABLE] or # COMMENT"),
    ("Expected '=' after a key", "the key has no value; write KEY = VALUE"),
    ("Expected newline or end of document", "the value ends here; put what follows on a line of its own"),
    ("Unescaped '\\' in a string", "a backslash in text must be doubled; or use single quotes"),
)


# What is wrong wherever it stands.
ALONE = (
    (re.compile("\0"), "has a NUL byte"),
    (re.compile(r"\r(?!\n)"), "has a carriage return without a newline; end lines with LF or CRLF"),
    (re.compile(r"[0-9_]{4301}"), "has a number with more digits than can be read"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """A TOML file: where it is from, its text, and what the TOML parser made of it."""

    source: str
    text: str = field(repr=False)
    data: dict[str, Any]


def read(path: Path) -> dict[str, Any]:
    """The raw content of `path`. Raises ConfigError when it cannot be read or is no TOML."""
    return read_document(path).data


def read_document(path: Path) -> Document:
    """As `read`; `-` is standard input."""
    source = "standard input" if path == STANDARD_INPUT else str(path)
    try:
        text = read_standard_input(MAX_BYTES) if path == STANDARD_INPUT else read_text(path, MAX_BYTES)
    except UnreadableText as error:
        raise ConfigError(source, [Fault("file", "", str(error), error.line)]) from error
    return Document(source, text, loads(text, source))


def loads(text: str, source: str) -> dict[str, Any]:
    """Raises ConfigError, which names `source`, for what is no TOML."""
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(source, [Fault("file", "", "brackets are nested deeper than can be read")]) from error
    except ValueError as error:
        raise ConfigError(source, list(_syntax_faults(text, str(error)))) from error


def _syntax_faults(text: str, message: str) -> Iterator[Fault]:
    # Only files with errors need it, and all others start sooner without.
    from kun_base.toml_positions import positions

    found = positions(text)
    if found.not_closed is not None:
        yield Fault("file", "", f"not TOML, line {found.not_closed.line}: {found.not_closed}", found.not_closed.line)
        return
    for path, first, second in found.repeated:
        yield Fault(path, "", f"is written twice, first on line {first}; keep one", second)
    if not found.repeated:
        words, line = _words_and_line(text, message)
        yield Fault("file", "", f"not TOML, line {line}: {words}", line)


def _words_and_line(text: str, message: str) -> tuple[str, int]:
    for pattern, words in ALONE:
        if odd := pattern.search(text):
            return words, text.count("\n", 0, odd.start()) + 1
    place = PLACE.search(message)
    line = int(place[1]) if place and place[1] else text.count("\n") + 1
    words = message[: place.start()] if place else message
    return next((plain for begin, plain in PLAIN if words.startswith(begin)), words), line
