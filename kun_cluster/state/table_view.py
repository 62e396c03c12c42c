"""One view of the table as consumers get it: its version, and what changed from one version to the next."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kun_cluster.formats.record_text import MODULUS, Record, record_hash, version_text
from kun_cluster.formats.stream_lines import begin_line, commit_line, heartbeat_line, remove_lines, set_lines
from kun_cluster.model.table import DEFAULT_CLASS, Client
from kun_cluster.state.live_table import Touched

MAX_CHANGES = 4096
MAX_TOUCHED = 500_000
Key = tuple[str, str]


def everything(_: str, __: str, ___: Record) -> bool:
    """The view `all`."""
    return True


def exceptions(kind: str, _: str, record: Record) -> bool:
    """The view `exceptions`: pods of the default class are left out, nodes' networks stay."""
    if kind != "client" or not isinstance(record, Client):
        return True
    return record.class_name != DEFAULT_CLASS or not record.namespace


@dataclass(slots=True)
class TableView:
    """`view` and `shows`: its name, and which records are in it. `records`: the view itself, by kind and key."""

    view: str
    shows: Callable[[str, str, Record], bool]
    cluster: str = ""
    records: dict[Key, Record] = field(default_factory=dict)
    revision: int = 0
    committed_at: float = 0.0
    _total: int = 0
    _counts: dict[str, int] = field(default_factory=lambda: {"pool": 0, "gateway": 0, "class": 0, "client": 0})
    _changes: deque[tuple[str, dict[Key, bool]]] = field(default_factory=deque)
    _touched: int = 0
    _serial: int = 0
    _serial_of: dict[str, int] = field(default_factory=dict)
    _class_changed: dict[str, tuple[int, str]] = field(default_factory=dict)
    _snapshot: tuple[int, list[str]] = (-1, [])

    @property
    def version(self) -> str:
        return version_text(self._total)

    @property
    def counts(self) -> Mapping[str, int]:
        return self._counts

    def take(self, changes: Iterable[Touched], revision: int, now: float) -> bool:
        """Take changes of the table. Returns whether this view changed. `now` in Unix seconds."""
        before, touched = self.version, {}
        for one in changes:
            key = (one.kind, one.key)
            new = one.new if one.new is not None and self.shows(one.kind, one.key, one.new) else None
            old = self.records.get(key)
            if old == new:
                continue
            touched[key] = old is not None
            self._replace(key, old, new)
        self.revision = revision
        if not touched:
            return False
        self.committed_at = now
        self._serial += 1
        self._snapshot = -1, []
        self._serial_of[self.version] = self._serial
        for kind, name in touched:
            if kind == "class":
                self._class_changed[name] = (self._serial, self.version)
        self._changes.append((before, touched))
        self._touched += len(touched)
        while len(self._changes) > MAX_CHANGES or self._touched > MAX_TOUCHED:
            gone, keys = self._changes.popleft()
            self._touched -= len(keys)
            if self._serial_of.get(gone, self._serial) <= self._serial - len(self._changes) - 1:
                self._serial_of.pop(gone, None)
        return True

    def _replace(self, key: Key, old: Record | None, new: Record | None) -> None:
        if old is not None:
            self._total -= record_hash(*key, old)
            self._counts[key[0]] -= 1
        if new is not None:
            self._total += record_hash(*key, new)
            self._counts[key[0]] += 1
            self.records[key] = new
        else:
            del self.records[key]
        self._total %= MODULUS

    def snapshot(self) -> list[str]:
        """The lines of the whole view. All who are sent one version share them: many come at once after a restart.

        The commit is made each time: the revision grows without a change, and consumers do not go back to a lower one.
        """
        serial, lines = self._snapshot
        if serial != self._serial:
            found = set_lines((kind, key, record) for (kind, key), record in self.records.items())
            lines = [begin_line("snapshot", "", self.view, self.cluster), *found]
            self._snapshot = self._serial, lines
        return [*lines, self._commit()]

    def since(self, version: str) -> list[str]:
        """The lines that lead from a version to the newest: a delta, or a snapshot if that version is not known."""
        existed = self._merged(version)
        if existed is None:
            return self.snapshot()
        sets = [(*key, self.records[key]) for key in existed if key in self.records]
        gone = [key for key, was_there in existed.items() if was_there and key not in self.records]
        begin = begin_line("delta", version, self.view, self.cluster)
        return [begin, *set_lines(sets), *remove_lines(gone), self._commit()]

    def _merged(self, version: str) -> dict[Key, bool] | None:
        """What was touched since a version, and whether it was there then; None for a version not known."""
        if version == self.version:
            return {}
        merged: dict[Key, bool] = {}
        found: list[dict[Key, bool]] = []
        for before, touched in reversed(self._changes):
            found.append(touched)
            if before == version:
                for one in reversed(found):
                    for key, was_there in one.items():
                        merged.setdefault(key, was_there)
                return merged
        return None

    def class_version(self, names: Iterable[str]) -> str:
        """The version with which one of these classes changed last; "" for none of them."""
        return max((self._class_changed[name] for name in names if name in self._class_changed), default=(0, ""))[1]

    def is_as_new(self, applied: str, version: str) -> bool:
        """Tell whether a version applied is this one or a later one."""
        return 0 < self._serial_of.get(version, 0) <= self._serial_of.get(applied, 0) or applied == version != ""

    def heartbeat(self, now: float) -> str:
        """The line that says that nothing has changed."""
        return heartbeat_line(self.version, self.revision, now)

    def _commit(self) -> str:
        return commit_line(self.version, self.revision, dict(self._counts), self.committed_at)
