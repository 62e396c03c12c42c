"""The sessions of one port among all that `jool session display --csv --numeric` lists, read as they come."""

from kun_nat64.formats.joolcsv import SESSION_COLUMNS, parse_sessions
from kun_nat64.formats.table import FormatError
from kun_nat64.model.traffic import Session

LONGEST_LINE = 4_096
# More of one port are not kept.
MOST = 100_000


class SessionSearch:
    """`feed` takes the output of one protocol in pieces, `end` says that it is whole. Both raise FormatError.

    `found` has the sessions that have `port` at some end; `whole`: none is missing.
    """

    def __init__(self, port: int) -> None:
        self.rows, self.whole = 0, True
        self.found: list[Session] = []
        self._port = f",{port},".encode()
        self._rest, self._header = b"", b""

    def feed(self, chunk: bytes) -> None:
        lines, newline, rest = (self._rest + chunk).rpartition(b"\n")
        self._rest = rest
        if len(rest) > LONGEST_LINE:
            raise FormatError("a line of a table", rest[:80].decode(errors="replace"))
        every = lines.splitlines(keepends=True) if newline else []
        while every and not self._header:
            line = every.pop(0)
            if all(name.encode() in line for name in SESSION_COLUMNS):
                self._header = line.rstrip() + b"\n"
        self.rows += len(every)
        matching = [line.rstrip() + b"\n" for line in every if self._port in line]
        room = MOST - len(self.found)
        self.whole = self.whole and len(matching) <= room
        if matching:
            self.found += parse_sessions((self._header + b"".join(matching[:room])).decode(errors="replace"))

    def end(self, *, partial: bool = False) -> None:
        """Of one protocol; the next one may begin. `partial`: it did not come to its end."""
        rest, self._rest, self._header = self._rest, b"", b""
        if rest and not partial:
            raise FormatError("a whole last line", rest[:80].decode(errors="replace"))
        self.whole = self.whole and not partial
