"""`jool session display --csv --numeric`, read as it comes: however many rows there are, memory is bounded.

All rows of a piece are taken at once, column by column: a row costs a third of what it costs alone. Of each client, a
/64, so many sessions are taken; of more, only who holds them and which public ports.
"""

import math
import sys
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import compress, groupby
from operator import add, itemgetter

from kun_nat64.formats.joolcsv import SESSION_COLUMNS, ipv4_of, ipv6_of, protocol_of
from kun_nat64.formats.table import FormatError, rows
from kun_nat64.model.audit import PROTOCOLS
from kun_nat64.model.sessionlist import FLOW, PAGE_BITS, Pages, SessionList, SessionPage, split
from kun_nat64.policy.drain import LIVE_STATES

# A node's pods have a /64 or a part of one each; a busy one holds some thousand sessions.
MOST_OF_A_CLIENT = 50_000
MOST = 1_000_000
# Addresses whose sessions are counted apart; those of more are counted together, as their /64 or under the last.
MOST_COUNTED = 65_536
# Of so many live TCP sessions the ages are followed.
MOST_FOLLOWED = 50_000
PLAIN = ",".join(SESSION_COLUMNS)
# A header with the warnings before it.
LONGEST_HEADER = 16_384
LONGEST_LINE = 4_096
CLIENT_BYTES = 8
LIVE = frozenset(state.encode() for state in LIVE_STATES)
CLIENT = itemgetter(slice(CLIENT_BYTES))
# A piece of output has at most so many rows.
LEAST_ROOM = 8_000
# A /64 with more addresses than this is counted as one.
CROWD = 64
BYTES = {str(number).encode(): number for number in range(256)}
HOURS = {str(number).encode(): number * 3600 for number in range(100)}
MINUTES = {f"{number:02}".encode(): number * 60 for number in range(60)}
Column = Sequence[bytes]


class InsideAddresses(dict[bytes, bytes]):
    """Reads each inside address once, as long as it is remembered. Raises ValueError for what is none."""

    def __missing__(self, text: bytes) -> bytes:
        found = ipv6_of(text.decode(errors="replace")).packed
        if len(self) >= MOST_COUNTED:
            self.clear()
        self[text] = found
        return found


class SessionListing:
    """`feed` takes the output of one protocol in pieces, `end` says that it is whole. Both raise FormatError.

    `probe`: the inside address of the gateway's own probes.
    """

    def __init__(self, probe: IPv6Address | None = None) -> None:
        self.rows = 0
        self.partial = False
        self._probe = probe.packed if probe is not None else b""
        self._inside = InsideAddresses()
        self._pages: Pages = {}
        self._taken, self._own, self._live_tcp = 0, 0, 0
        self._live: list[bytes] | None = []
        self._held: Counter[bytes] = Counter()
        # Sessions by client, from where rows must be counted one by one; until then there is room for so many.
        self._of_client: Counter[bytes] = Counter()
        self._crowded, self._room = False, MOST_OF_A_CLIENT - LEAST_ROOM
        self._left_out: Counter[bytes] = Counter()
        self._ports: defaultdict[tuple[int, bytes], bytearray] = defaultdict(lambda: bytearray(8192))
        self._own_ports: set[tuple[int, bytes, int]] = set()
        self._rest, self._header = b"", ""

    def feed(self, chunk: bytes) -> None:
        data = self._rest + chunk
        lines, newline, self._rest = data.rpartition(b"\n")
        if len(self._rest) > LONGEST_LINE:
            raise FormatError("a line of a table", self._rest[:80].decode(errors="replace"))
        if newline:
            self._take(lines + newline)

    def _take(self, data: bytes) -> None:
        if not self._header:
            head, found, data = _after_header(data)
            if not found:
                raise FormatError(f"a table with the column {SESSION_COLUMNS[0]!r}", head)
            self._header = head
        if self._header.strip() != PLAIN:
            data = _reordered(self._header, data)
        if not data.strip():
            return
        try:
            columns = _columns(data)
            self.rows += len(columns[0])
            # In one piece of output there is one protocol; a tool that mixes them is read as well.
            for protocol in sorted(set(columns[0])):
                part = columns if protocol == columns[0][0] and columns[0].count(protocol) == len(columns[0]) else None
                self._rows(protocol, part or _only(columns, [one == protocol for one in columns[0]]))
        except ValueError as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError("a session", str(error)[:80]) from None

    def _rows(self, name: bytes, columns: list[Column]) -> None:
        protocol = PROTOCOLS.index(protocol_of(name.decode(errors="replace")))
        inside = [*map(self._inside.__getitem__, columns[1])]
        ports = _ports(columns[6])
        batch = Batch(columns[5], ports, _flows(columns, inside, ports), _seconds(columns[9]))
        self._note_ports(protocol, batch)
        states = columns[10]
        if self._probe in inside:
            others = [one != self._probe for one in inside]
            self._note_own(protocol, batch, others)
            inside, states, batch = [*compress(inside, others)], [*compress(states, others)], batch.only(others)
        if any(states):
            self._note_live(batch, states)
        taken = self._count(inside)
        self._keep(protocol, batch if taken is None else batch.only(taken))

    def _note_ports(self, protocol: int, batch: "Batch") -> None:
        for public, _, start, end in batch.runs():
            bits = self._ports[protocol, public]
            for port in set(batch.ports[start:end]):
                bits[port >> 3] |= 1 << (port & 7)

    def _note_own(self, protocol: int, batch: "Batch", others: list[bool]) -> None:
        self._own += len(others) - sum(others)
        each = zip(batch.publics, batch.ports, others, strict=True)
        self._own_ports.update((protocol, public, port) for public, port, other in each if not other)

    def _note_live(self, batch: "Batch", states: Column) -> None:
        live = [state in LIVE for state in states]
        self._live_tcp += sum(live)
        if self._live_tcp > MOST_FOLLOWED:
            self._live = None
        if self._live is not None:
            self._live += compress(split(batch.flows), live)

    def _count(self, inside: Column) -> list[bool] | None:
        """Counts sessions by inside address. Which of them are taken: None for all."""
        self._room -= len(inside)
        if self._room < 0 and not self._crowded:
            self._look_for_crowds(len(inside))
        self._held.update(inside)
        if len(self._held) > MOST_COUNTED:
            _fold(self._held)
        if not self._crowded:
            self._taken += len(inside)
            return None
        taken = [self._is_taken(address) for address in inside]
        if len(self._left_out) > MOST_COUNTED:
            _fold(self._left_out)
        return taken

    def _look_for_crowds(self, more: int) -> None:
        """Rows are counted one by one from when some client, or all, may hold too many; until then none can."""
        clients: Counter[bytes] = Counter()
        for address, count in self._held.items():
            clients[CLIENT(address)] += count
        largest = max(clients.values(), default=0)
        self._room = min(MOST_OF_A_CLIENT - largest, MOST - clients.total()) - more
        if self._room < LEAST_ROOM:
            self._crowded, self._of_client = True, clients

    def _is_taken(self, address: bytes) -> bool:
        client = address[:CLIENT_BYTES]
        self._of_client[client] += 1
        if self._of_client[client] <= MOST_OF_A_CLIENT and self._taken < MOST:
            self._taken += 1
            return True
        self._left_out[address] += 1
        return False

    def _keep(self, protocol: int, batch: "Batch") -> None:
        for public, upper, start, end in batch.runs():
            key = protocol, int.from_bytes(_four(public), "big"), upper
            page = self._pages.get(key)
            if page is None:
                page = self._pages[key] = SessionPage(bytearray(), array("f"))
            assert isinstance(page.flows, bytearray)
            page.flows += batch.flows[start * FLOW : end * FLOW]
            page.left_s += batch.left_s[start:end]

    def end(self, *, partial: bool = False) -> None:
        """Of one protocol; the next one may begin. `partial`: it did not come to its end."""
        rest, self._rest, self._header = self._rest, b"", ""
        if rest and not partial:
            raise FormatError("a whole last line", rest[:80].decode(errors="replace"))
        self.partial = self.partial or partial

    def found(self) -> SessionList:
        """Without static bindings that nobody uses."""
        return SessionList(
            pages=self._pages,
            sessions=self.rows - self._own,
            bindings=sum(map(_ones, self._ports.values())) - len(self._own_ports),
            live_tcp=self._live_tcp,
            live=None if self._live is None else tuple(self._live),
            held={int.from_bytes(address, "big"): count for address, count in self._held.items()},
            ports={
                (IPv4Address(_four(public)), str(PROTOCOLS[one])): bits for (one, public), bits in self._ports.items()
            },
            left_out={IPv6Address(address): count for address, count in self._left_out.items()},
            partial=self.partial,
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one protocol: the public addresses as they stand there, public ports, packed flows, seconds left."""

    publics: Column
    ports: "array[int]"
    flows: bytes | bytearray
    left_s: "array[float]"

    def only(self, wanted: list[bool]) -> "Batch":
        flows = b"".join(compress(split(self.flows), wanted))
        ports, left = array("H", compress(self.ports, wanted)), array("f", compress(self.left_s, wanted))
        return Batch([*compress(self.publics, wanted)], ports, flows, left)

    def runs(self) -> Iterator[tuple[bytes, int, int, int]]:
        """(public address, upper bits of the port, first row, row after the last): rows of one page in one."""
        if not self.ports:
            return
        first, last = min(self.ports) >> PAGE_BITS, max(self.ports) >> PAGE_BITS
        if first == last and self.publics.count(self.publics[0]) == len(self.publics):
            yield self.publics[0], first, 0, len(self.ports)
            return
        start = 0
        for (public, upper), group in groupby(zip(self.publics, (one >> PAGE_BITS for one in self.ports), strict=True)):
            end = start + sum(1 for _ in group)
            yield public, upper, start, end
            start = end


def _ports(texts: Column) -> "array[int]":
    """Raises ValueError."""
    if not b"".join(texts).isdigit():
        raise ValueError("a port that is not a number")
    try:
        return array("H", map(int, texts))
    except OverflowError:
        raise ValueError("a port above 65535") from None


def _flows(columns: list[Column], inside: Column, ports: "array[int]") -> bytearray:
    """Packed column by column: the bytes of one place in all rows are written at once. Raises ValueError."""
    flows = bytearray(len(ports) * FLOW)
    places = (
        (0, _big_endian(ports), 2),
        (2, b"".join(inside), 16),
        (18, _big_endian(_ports(columns[2])), 2),
        (20, _addresses4(columns[7]), 4),
        (24, _big_endian(_ports(columns[8])), 2),
    )
    for start, data, width in places:
        for place in range(width):
            flows[start + place :: FLOW] = data[place::width]
    return flows


def _big_endian(ports: "array[int]") -> bytes:
    swapped = array("H", ports)
    if sys.byteorder == "little":
        swapped.byteswap()
    return swapped.tobytes()


def _parts(texts: Column, mark: bytes, count: int) -> list[bytes]:
    """The parts between marks; [] where not every text has so many."""
    parts = (mark + b"|" + mark).join(texts).split(mark)
    if len(parts) != len(texts) * (count + 1) - 1 or parts[count :: count + 1].count(b"|") != len(texts) - 1:
        return []
    del parts[count :: count + 1]
    return parts


def _addresses4(texts: Column) -> bytes:
    """Raises ValueError. Remote ends may be as many as sessions, so none is remembered."""
    parts = _parts(texts, b".", 4)
    try:
        found = bytes(map(BYTES.__getitem__, parts))
    except KeyError as error:
        raise ValueError(f"{error.args[0]!r} in an IPv4 address") from None
    if not found:
        raise ValueError("an IPv4 address that is none")
    return found


def _four(text: bytes) -> bytes:
    return ipv4_of(text.decode(errors="replace")).packed


def _fold(counts: Counter[bytes]) -> None:
    """Counts the addresses of a crowded /64 together, and those of more than are counted under the last."""
    crowd = Counter(map(CLIENT, counts))
    for address in [one for one in counts if crowd[CLIENT(one)] > CROWD]:
        count = counts.pop(address)
        counts[CLIENT(address) + bytes(16 - CLIENT_BYTES)] += count
    while len(counts) > MOST_COUNTED:
        _, count = counts.popitem()
        counts[next(reversed(counts))] += count


def _ones(bits: bytearray) -> int:
    return int.from_bytes(bits, "big").bit_count()


def _columns(data: bytes) -> list[Column]:
    """The columns of SESSION_COLUMNS; rows of UDP and ICMP may lack the last. Raises FormatError."""
    wide = len(SESSION_COLUMNS)
    lines = data.count(b"\n")
    for width in (wide, wide - 1):
        cells = data[:-1].replace(b"\r", b"").replace(b"\n", b",").split(b",")
        names = cells[::width]
        if len(cells) == lines * width and len(names) == lines and set(names) <= NAMES:
            found: list[Column] = [cells[place::width] for place in range(width)]
            return found if width == wide else [*found, [b""] * lines]
    return [*map(list, zip(*map(_row, filter(None, data.splitlines())), strict=True))]


NAMES = frozenset(str(protocol).upper().encode() for protocol in PROTOCOLS)


def _row(line: bytes) -> list[bytes]:
    cells = line.split(b",")
    if len(cells) == len(SESSION_COLUMNS) - 1:
        cells.append(b"")
    if len(cells) != len(SESSION_COLUMNS):
        raise FormatError("a session", line[:200].decode(errors="replace"))
    return cells


def _only(columns: list[Column], wanted: list[bool]) -> list[Column]:
    return [[*compress(column, wanted)] for column in columns]


def _seconds(times: Column) -> "array[float]":
    """Of `1:59:56.780`: hours, minutes, seconds. Raises ValueError."""
    parts = _parts(times, b":", 3)
    try:
        whole = map(add, map(HOURS.__getitem__, parts[::3]), map(MINUTES.__getitem__, parts[1::3]))
        found = array("f", map(add, whole, map(float, parts[2::3])) if parts else map(_few, times))
    except KeyError:
        found = array("f", map(_few, times))
    if found and not (math.isfinite(sum(found)) and min(found) >= 0):
        raise ValueError("a time that is none")
    return found


def _few(text: bytes) -> float:
    seconds = 0.0
    for part in text.split(b":"):
        seconds = seconds * 60 + float(part)
    return seconds


def _reordered(header: str, data: bytes) -> bytes:
    """As Jool 4.1 orders the columns."""
    every: Iterator[list[str | None]] = rows(header + data.decode(errors="replace"), SESSION_COLUMNS)
    return b"".join(",".join(cell or "" for cell in cells).encode() + b"\n" for cells in every)


def _after_header(data: bytes) -> tuple[str, bool, bytes]:
    """The header line, whether it is there, and what comes after it."""
    start = 0
    while start < min(len(data), LONGEST_HEADER):
        end = data.find(b"\n", start) + 1
        line = data[start:end].decode(errors="replace")
        if all(name in line for name in SESSION_COLUMNS):
            return line, True, data[end:]
        start = end
    return data[:80].decode(errors="replace"), False, b""
