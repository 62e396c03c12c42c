"""`jool session display --csv --numeric`, read as it comes: however many rows there are, memory is bounded.

Of each client, a /64, so many sessions are taken as they are; of more, only who holds them and which public ports.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from kun_nat64.formats.joolcsv import SESSION_COLUMNS, ipv4_of, ipv6_of, port_of, protocol_of, session_of
from kun_nat64.formats.table import FormatError, rows
from kun_nat64.model.traffic import Session, Traffic, bindings_of

# A node's pods have a /64 or a part of one each; a busy one holds some thousand sessions.
MOST_OF_A_CLIENT = 50_000
MOST = 1_000_000
# Addresses whose sessions are counted apart; those of more are counted together, under the last.
MOST_COUNTED = 65_536
PLAIN = ",".join(SESSION_COLUMNS)
# A header with the warnings before it.
LONGEST_HEADER = 16_384
LONGEST_LINE = 4_096


class SessionListing:
    """`feed` takes the output of one protocol in pieces, `end` says that it is whole. Both raise FormatError."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.left_out: Counter[IPv6Address] = Counter()
        self.partial = False
        self.rows = 0
        self._held: Counter[int] = Counter()
        self._ports: defaultdict[tuple[IPv4Address, str], bytearray] = defaultdict(lambda: bytearray(8192))
        self._rest, self._header = b"", ""

    def feed(self, chunk: bytes) -> None:
        data = self._rest + chunk
        lines, newline, self._rest = data.rpartition(b"\n")
        if len(self._rest) > LONGEST_LINE:
            raise FormatError("a line of a table", self._rest[:80].decode(errors="replace"))
        if newline:
            self._take((lines + newline).decode(errors="replace"))

    def _take(self, text: str) -> None:
        if not self._header:
            head, found, text = _after_header(text)
            if not found:
                raise FormatError(f"a table with the column {SESSION_COLUMNS[0]!r}", head)
            self._header = head
        if self._header.strip() == PLAIN:
            every: Iterator[list[str | None]] = map(_plain, text.splitlines())
        else:
            every = rows(self._header + text, SESSION_COLUMNS)
        for cells in every:
            if not cells:
                continue
            try:
                self._one(cells)
            except ValueError:
                raise FormatError("a session", ",".join(map(str, cells))) from None

    def _one(self, cells: list[str | None]) -> None:
        self.rows += 1
        client = _client(cells[1])
        self._held[client] += 1
        if self._held[client] <= MOST_OF_A_CLIENT and len(self.sessions) < MOST:
            session = session_of(cells)
            self.sessions.append(session)
            place, port = (session.outside.address, str(session.protocol)), session.outside.port
        else:
            self._leave_out(ipv6_of(cells[1]))
            place, port = (ipv4_of(cells[5]), str(protocol_of(cells[0]))), port_of(cells[6])
        self._ports[place][port >> 3] |= 1 << (port & 7)

    def _leave_out(self, address: IPv6Address) -> None:
        if address in self.left_out or len(self.left_out) < MOST_COUNTED:
            self.left_out[address] += 1
        else:
            self.left_out[next(reversed(self.left_out))] += 1

    def end(self, *, partial: bool = False) -> None:
        """Of one protocol; the next one may begin. `partial`: it did not come to its end."""
        rest, self._rest, self._header = self._rest, b"", ""
        if rest and not partial:
            raise FormatError("a whole last line", rest[:80].decode(errors="replace"))
        self.partial = self.partial or partial

    def traffic(self) -> Traffic:
        """Without static bindings that nobody uses."""
        ports = {place: sum(map(int.bit_count, bits)) for place, bits in self._ports.items()}
        sessions = tuple(self.sessions)
        return Traffic(bindings_of(sessions), sessions, ports, dict(self.left_out), self.partial)


def _plain(line: str) -> list[str | None]:
    """As `rows` has it, of the columns that Jool 4.1 prints, for a third of the time. Raises FormatError."""
    cells: list[str | None] = [*line.split(",")]
    if len(cells) == len(SESSION_COLUMNS) - 1:
        cells.append(None)
    if len(cells) != len(SESSION_COLUMNS) and line:
        raise FormatError("a session", line)
    return cells if line else []


@lru_cache(maxsize=65536)
def _client(text: str | None) -> int:
    return int(ipv6_of(text)) >> 64


def _after_header(text: str) -> tuple[str, bool, str]:
    """The header line, whether it is there, and what comes after it."""
    start = 0
    while start < min(len(text), LONGEST_HEADER):
        end = text.find("\n", start) + 1
        if all(name in text[start:end] for name in SESSION_COLUMNS):
            return text[start:end], True, text[end:]
        start = end
    return text[:80], False, ""
