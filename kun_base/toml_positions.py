"""Where each key of a TOML file stands: tomllib gives values without their lines.

Reads the structure alone (TOML 1.0). For text that tomllib has refused it says what is open at the end of a line or of
the file, and which keys and tables are there twice.
"""

import re
import tomllib
from dataclasses import dataclass, field
from itertools import count

BARE = re.compile(r"[A-Za-z0-9_-]+")
BLANK = re.compile(r"[ \t]*")
BLANK_LINES = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
SCALAR = re.compile(r"[^,\]}#\n]*")
CLOSING = {'"""': re.compile(r'(?:[^\\"]|\\.|"(?!""))*"{3,5}', re.DOTALL), "'''": re.compile(r".*?'{3,5}", re.DOTALL)}
CLOSING |= {'"': re.compile(r'(?:[^\\"\n]|\\[^\n])*"'), "'": re.compile(r"[^'\n]*'")}


class NotClosed(Exception):
    """A quote or bracket without its end."""

    def __init__(self, what: str, line: int) -> None:
        self.what, self.line = what, line
        super().__init__(f"{what} not closed")


class _Stuck(Exception):
    """What stands here is no TOML, and nothing of ours to explain."""


@dataclass(slots=True)
class Positions:
    """`lines`: first line of each key path, written as in errors (`pool[1].domains[0]`). `repeated`: path, first line,
    second line of every key or table that is there twice."""

    lines: dict[str, int] = field(default_factory=dict)
    repeated: list[tuple[str, int, int]] = field(default_factory=list)
    not_closed: NotClosed | None = None

    def line_of(self, path: str) -> int:
        """Line of a key, or of the nearest table or list around it; 0 for none."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 0)


def positions(text: str) -> Positions:
    """Never raises: what cannot be read any further ends the index."""
    scanner = _Scanner(text)
    try:
        scanner.document()
    except NotClosed as error:
        scanner.found.not_closed = error
    except (_Stuck, RecursionError):
        pass
    return scanner.found


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text, self._at, self.found = text, 0, Positions()
        self._line, self._counted = 1, 0
        # Paths of arrays of tables, with the number of their tables so far.
        self._tables: dict[str, int] = {}
        # Keys with values, and tables with headers of their own.
        self._defined: dict[str, int] = {}

    def document(self) -> None:
        table = ""
        while self._skip(BLANK_LINES) < len(self._text):
            if self._take("[["):
                table = self._array_table()
            elif self._take("["):
                table = self._table()
            else:
                self._pair(table)
            self._end_of_line()

    def _table(self) -> str:
        parts, line = self._key(), self._here()
        path = self._resolved(parts)
        self._expect("]")
        self._define(path, line)
        return path

    def _array_table(self) -> str:
        parts, line = self._key(), self._here()
        path = self._resolved(parts[:-1])
        path = _joined(path, parts[-1])
        self._expect("]]")
        number = self._tables.get(path, 0)
        self._tables[path] = number + 1
        self._note(path, line)
        self._define(f"{path}[{number}]", line)
        return f"{path}[{number}]"

    def _resolved(self, parts: list[str]) -> str:
        """The path of a header: a part that is an array of tables means its last table."""
        path = ""
        for part in parts:
            path = _joined(path, part)
            if count := self._tables.get(path):
                path = f"{path}[{count - 1}]"
        return path

    def _pair(self, table: str) -> None:
        line = self._here()
        parts = self._key()
        path = table
        for part in parts:
            path = _joined(path, part)
            self._note(path, line)
        self._define(path, line)
        self._expect("=")
        self._value(path)

    def _key(self) -> list[str]:
        parts = [self._key_part()]
        while self._take("."):
            parts.append(self._key_part())
        return parts

    def _key_part(self) -> str:
        start = self._skip(BLANK)
        if bare := BARE.match(self._text, start):
            self._at = bare.end()
            return bare[0]
        if start < len(self._text) and self._text[start] in "\"'":
            self._string(self._text[start])
            try:
                return str(tomllib.loads(f"k={self._text[start : self._at]}")["k"])
            except tomllib.TOMLDecodeError:
                raise _Stuck from None
        raise _Stuck

    def _value(self, path: str) -> None:
        start = self._skip(BLANK)
        if quote := next((one for one in CLOSING if self._text.startswith(one, start)), ""):
            self._string(quote)
        elif self._take("["):
            self._array(path)
        elif self._take("{"):
            self._inline_table(path)
        else:
            self._skip(SCALAR)

    def _string(self, quote: str) -> None:
        line = self._here()
        closing = CLOSING[quote].match(self._text, self._at + len(quote))
        if closing is None:
            raise NotClosed("quote", line)
        self._at = closing.end()

    def _array(self, path: str) -> None:
        opened = self._here()
        for number in count():
            self._skip(BLANK_LINES)
            if self._take("]"):
                return
            if self._at >= len(self._text):
                raise NotClosed("bracket [", opened)
            self._note(f"{path}[{number}]", self._here())
            self._value(f"{path}[{number}]")
            behind = self._at
            self._skip(BLANK_LINES)
            if not self._take(","):
                self._closed("]", NotClosed("bracket [", opened), self._text[behind : self._at])
                return

    def _inline_table(self, path: str) -> None:
        opened = self._here()
        self._skip(BLANK)
        while not self._take("}"):
            self._pair(path)
            if not self._take(","):
                self._closed("}", NotClosed("brace {", opened), self._text[self._at : self._at + 1])
                return
            self._skip(BLANK)

    def _closed(self, mark: str, missing: NotClosed, gap: str) -> None:
        """`gap`: what stands between the last value and here. A new line begins something else."""
        if self._take(mark):
            return
        raise missing if "\n" in gap or self._at >= len(self._text) else _Stuck

    def _end_of_line(self) -> None:
        self._skip(BLANK)
        if self._at < len(self._text) and self._text[self._at] not in "#\r\n":
            raise _Stuck

    def _define(self, path: str, line: int) -> None:
        self._note(path, line)
        if path in self._defined:
            self.found.repeated.append((path, self._defined[path], line))
        self._defined.setdefault(path, line)

    def _note(self, path: str, line: int) -> None:
        self.found.lines.setdefault(path, line)

    def _here(self) -> int:
        """The line of the place that is read now. Counted on from the last look: the file may be long."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _skip(self, what: re.Pattern[str]) -> int:
        found = what.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at

    def _take(self, mark: str) -> bool:
        self._skip(BLANK)
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise _Stuck


def _joined(path: str, part: str) -> str:
    return f"{path}.{part}" if path else part
