"""From lines to the table in force (docs/kubernetes.md, "What a consumer does"). Pure: the clock is an argument.

Three layers, each laid upon the one below: the table in force; `held`, a change that the guard keeps back, empty most
of the time; and `_open`, the change whose commit has not come yet. A cut drops the topmost layer and nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kun_base.table_fields import TableFault
from kun_base.table_lines import (
    BeginLine,
    ClientsLine,
    CommitLine,
    HeartbeatLine,
    RecordLine,
    RemoveLine,
    TableLine,
)
from kun_base.table_records import TableRecord
from kun_base.table_state import (
    EMPTY_VERSION,
    LIMITS,
    MODULUS,
    FollowedTable,
    TableChange,
    record_sum,
    version_text,
)

LOWER_S = 60.0


class LowerRevision(Exception):
    """A table older than the one that is known; the connection ends, and nothing is wrong with it."""


@dataclass(frozen=True, slots=True)
class RemovalBounds:
    """What a change may remove before it is held: more than both of these."""

    clients: int = 100
    percent: int = 20

    def problem(self, change: TableChange, table: FollowedTable) -> str:
        """Say why a change is to be held; "": it need not be."""
        gone, had = change.removed("client"), len(table.clients)
        if gone > self.clients and gone * 100 > had * self.percent:
            return f"it removes {gone} of {had} clients"
        for kind in ("gateway", "pool"):
            if table.of(kind) and change.removed(kind) == len(table.of(kind)):
                return f"it removes every {kind}"
        return ""


@dataclass(frozen=True, slots=True)
class TableMark:
    """Which table. `at`: when the controller committed it, Unix seconds."""

    version: str = EMPTY_VERSION
    revision: int = 0
    at: float = 0.0
    view: str = ""
    cluster: str = ""


@dataclass(slots=True)
class HeldTable:
    """What the stream has sent and the guard holds. `reason` "": nothing is held."""

    change: TableChange = field(default_factory=TableChange)
    total: int = 0
    reason: str = ""
    since: float = 0.0


@dataclass(slots=True)
class _OpenChange:
    begin: BeginLine
    total: int
    records: TableChange = field(default_factory=TableChange)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LIMITS, 0))


class TableIntake:
    """Takes lines, and brings changes into force. `bounds` and `check` may be replaced at any time.

    `check`: the consumer's own look at a change before it is in force; it raises TableFault.
    """

    def __init__(
        self, bounds: RemovalBounds | None = None, check: Callable[[TableChange], None] = lambda change: None
    ) -> None:
        self.table = FollowedTable()
        self.in_force, self.received = TableMark(), TableMark()
        self.held = HeldTable()
        self.bounds, self.check = bounds or RemovalBounds(), check
        self._total = 0
        self._at = self._view = ""
        self._open: _OpenChange | None = None
        self._lower_since: float | None = None

    @property
    def is_between_changes(self) -> bool:
        """Tell whether no change is half received."""
        return self._open is None

    @property
    def have(self) -> str:
        """The version to ask with; "" where there is none."""
        return "" if self.received.version == EMPTY_VERSION else self.received.version

    def connected(self, have: str, view: str) -> None:
        """A connection starts: what was half received is dropped. `have`: the version that was asked with.

        `view` "": it is a file. There the version may be left out, and the revision may be a lower one.
        """
        self._open, self._at, self._view = None, have, view

    def take(self, line: TableLine, now: float) -> TableChange | None:
        """Take a line; returns what came into force by it. Raises TableFault and LowerRevision."""
        match line:
            case BeginLine():
                self._begin(line)
            case HeartbeatLine():
                self._heartbeat(line, now)
            case CommitLine():
                return self._commit(line, now)
            case _:
                self._record(line)
        return None

    def accept(self, version: str = "") -> TableChange | None:
        """Bring what is held into force; None when nothing is held, or another version."""
        if not self.held.reason or version not in ("", self.received.version):
            return None
        return self._into_force(self.held.change, self.held.total, self.received)

    def _begin(self, line: BeginLine) -> None:
        if self._open is not None:
            raise TableFault("a change begins inside another")
        if self._view not in ("", line.view):
            raise TableFault(f"begin: the view is {line.view}, asked for was {self._view}")
        if line.change == "delta" and line.before != self._at:
            raise TableFault(f"a delta starts at {line.before}, known is {self._at or 'none'}")
        self._open = _OpenChange(line, 0)
        if line.change == "delta":
            self._open.total = self.held.total if self.held.reason else self._total
            self._open.counts = {kind: self._count(kind) for kind in LIMITS}

    def _count(self, kind: str) -> int:
        held = self.held.change.of(kind)
        here = self.table.of(kind)
        return len(here) + sum((record is not None) - (key in here) for key, record in held.items())

    def _known(self, kind: str, key: str) -> Any:
        """Return the record as the stream sent it last."""
        held = self.held.change.of(kind)
        return held[key] if key in held else self.table.of(kind).get(key)

    def _record(self, line: TableLine) -> None:
        if self._open is None:
            raise TableFault("a line of a change came before the change began")
        match line:
            case RecordLine():
                self._set(self._open, line.kind, line.name, line.record)
            case ClientsLine():
                for network, client in line.entries:
                    self._set(self._open, "client", network, client)
            case RemoveLine():
                for kind, key in line.keys:
                    self._remove(self._open, kind, key)

    def _set(self, change: _OpenChange, kind: str, key: str, record: TableRecord) -> None:
        records = change.records.of(kind)
        if key in records:
            raise TableFault(f"{kind} {key!r} is named twice in one change")
        old = self._known(kind, key) if change.begin.change == "delta" else None
        change.total += record_sum(kind, key, record)
        if old is not None:
            change.total -= record_sum(kind, key, old)
        else:
            change.counts[kind] += 1
        if len(records) >= LIMITS[kind]:
            raise TableFault(f"there are more than {LIMITS[kind]} records of the kind {kind}")
        records[key] = record

    def _remove(self, change: _OpenChange, kind: str, key: str) -> None:
        records, old = change.records.of(kind), self._known(kind, key)
        if change.begin.change == "snapshot":
            raise TableFault("a snapshot removes something")
        if key in records:
            raise TableFault(f"{kind} {key!r} is named twice in one change")
        if old is None:
            raise TableFault(f"{kind} {key!r} is removed, but does not exist")
        change.total -= record_sum(kind, key, old)
        change.counts[kind] -= 1
        records[key] = None

    def _heartbeat(self, line: HeartbeatLine, now: float) -> None:
        if self._open is not None:
            raise TableFault("a heartbeat came before the change was committed")
        if line.version != self._at:
            raise TableFault(f"a heartbeat names the version {line.version}, known is {self._at or 'none'}")
        if self._is_taken(line.revision, now):
            self.received = _with_revision(self.received, line.revision)
            if not self.held.reason:
                self.in_force = self.received

    def _is_taken(self, revision: int, now: float) -> bool:
        """Tell whether a revision may be taken: a lower one only when there has been no other for a minute."""
        if revision >= self.received.revision:
            self._lower_since = None
            return True
        if self._lower_since is None:
            self._lower_since = now
        return now - self._lower_since >= LOWER_S

    def _commit(self, line: CommitLine, now: float) -> TableChange | None:
        """Check what has come, and bring it into force or hold it. Nothing has changed when this raises."""
        found = self._open
        if found is None:
            raise TableFault("a commit came without a change")
        version = version_text(found.total)
        if line.version != version and (line.version or self._view):
            raise TableFault(f"the records sum up to the version {version}, the commit says {line.version}")
        if dict(line.counts) != found.counts:
            raise TableFault(f"there are {found.counts} records, the commit says {dict(line.counts)}")
        if self._view and not self._is_taken(line.revision, now):
            raise LowerRevision(f"revision {line.revision} is lower than {self.received.revision}")
        change = self._difference(found)
        self.table.check(change)
        self.check(change)
        self._open, self._at, self._lower_since = None, version, None
        self.received = TableMark(version, line.revision, line.at, found.begin.view, found.begin.cluster)
        # Another view was asked for: what it leaves out is no loss.
        is_same_view = self.in_force.view in ("", found.begin.view)
        reason = self.bounds.problem(change, self.table) if is_same_view else ""
        if not reason:
            return self._into_force(change, found.total, self.received)
        since = self.held.since if self.held.reason else now
        self.held = HeldTable(change, found.total, reason, since)
        return None

    def _difference(self, found: _OpenChange) -> TableChange:
        """Give the difference between the table in force and what the stream says now."""
        out = TableChange()
        is_snapshot = found.begin.change == "snapshot"
        for kind in LIMITS:
            here, new, into = self.table.of(kind), found.records.of(kind), out.of(kind)
            records = new if is_snapshot else {**self.held.change.of(kind), **new}
            into.update((key, record) for key, record in records.items() if here.get(key) != record)
            if is_snapshot:
                into.update((key, None) for key in here if key not in new)
        return out

    def _into_force(self, change: TableChange, total: int, mark: TableMark) -> TableChange:
        self.table.apply(change)
        self._total, self.in_force, self.held = total % MODULUS, mark, HeldTable()
        return change


def _with_revision(mark: TableMark, revision: int) -> TableMark:
    return TableMark(mark.version, revision, mark.at, mark.view, mark.cluster)
