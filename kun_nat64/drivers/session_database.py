"""The session database: SQLite files of bounded size in one folder, the newest of them written by the agent.

Why parts: what is too old goes by removing a file, without a deletion in an index of hundreds of megabytes; a part that
is damaged is set aside alone; and an index stays small enough for the page cache to write to. Readers open the parts
for reading while the agent writes (write-ahead log).
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic

from kun_nat64.formats.sessionrow import (
    ADD_NAMES,
    END,
    INSERT,
    LIVING,
    SCHEMA,
    SCHEMA_VERSION,
    WITHOUT_NAMES,
    end_row,
    insert_row,
    record_of,
)
from kun_nat64.model.audit import UNKNOWN, Record
from kun_nat64.policy.retention import Retention

PART = re.compile(r"sessions-(\d{6})\.sqlite3")
# A part of this many rows takes about 200 MB with its index.
ROWS = 2_000_000
ROW_BYTES = 110
# A part is closed at the latest when it has this share of what may be kept, in bytes or in age.
SHARES = 8
SIDES = ("", "-wal", "-shm")
BUSY_S = 2.0


def parts_of(folder: Path) -> list[tuple[int, Path]]:
    """(number, file) of every part, oldest first; none where there is no folder. Raises OSError."""
    if not folder.is_dir():
        return []
    found = ((PART.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in found if match)


class SessionBook:
    """The agent's side. Methods raise OSError, also for what SQLite says of the disk.

    `set_aside`: damaged parts that were found, for the operator to hear of.
    """

    def __init__(self, folder: Path, limit: int, keep_s: float, rows: int = ROWS) -> None:
        self._folder, self._limit, self._keep_s = folder, limit, keep_s
        self._retention = Retention(keep_s)
        self._rows = max(1000, min(rows, limit // (SHARES * ROW_BYTES)))
        self._open: dict[int, sqlite3.Connection] = {}
        self._filled, self._made_at = 0, 0.0
        self._written: dict[int, float] = {}
        self.current = 0
        self.set_aside: list[str] = []

    def start(self, now: float) -> float:
        """Opens the newest part, or makes one. Returns when it was written last. Raises OSError."""
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        looked_at = UNKNOWN
        for number, path in parts_of(self._folder):
            self.current = number
            try:
                db = self._connection(number)
                db.execute(f"{LIVING} LIMIT 1").fetchone()
                looked_at = max(looked_at, _about(db, "looked_at"))
                self._filled = db.execute("SELECT coalesce(max(rowid), 0) FROM session").fetchone()[0]
                self._made_at = _about(db, "made_at")
            except sqlite3.Error as error:
                self._set_aside_or_raise(number, path, error)
        if self.current not in self._open:
            self._new_part(now)
        return looked_at

    def living(self) -> Iterator[Record]:
        """The sessions that lived when it was written last: one by one, for there may be a million. Raises OSError."""
        for number, path in parts_of(self._folder):
            try:
                for row in self._connection(number).execute(LIVING):
                    yield record_of(row, number)
            except sqlite3.Error as error:
                self._set_aside_or_raise(number, path, error)

    def _set_aside_or_raise(self, number: int, path: Path, error: sqlite3.Error) -> None:
        if not _is_damage(error):
            raise OSError(f"{path}: {error}") from error
        self._damaged(number, path, error)

    def write(self, started: Iterable[Record], ended: Iterable[Record], now: float, *, last: bool = True) -> None:
        """In one transaction for each part. `last`: with this all of the look at `now` is written, which is noted.

        What belongs to a part that is gone is written to the current one, if it is not the end of a session that went
        with it.
        """
        try:
            self._write(list(started), list(ended), now, last=last)
        except sqlite3.DatabaseError as error:
            if _is_damage(error):
                self._damaged(self.current, self._path(self.current), error)
                self._new_part(now)
            raise OSError(str(error)) from error

    def _write(self, started: list[Record], ended: list[Record], now: float, *, last: bool) -> None:
        there = {number for number, _ in parts_of(self._folder)}
        if self.current not in there:
            self._forget(self.current)
            self._new_part(now)
        ends, groups = self._by_part(ended, there), self._by_part(started, there)
        for number in sorted({*ends, *groups, self.current}):
            db = self._connection(number)
            with db:
                db.executemany(INSERT, map(insert_row, groups.get(number, ())))
                db.executemany(END, map(end_row, ends.get(number, ())))
                if last and number == self.current:
                    db.execute("INSERT OR REPLACE INTO about VALUES ('looked_at', ?)", (round(now * 1000),))
        self._filled += len(groups.get(self.current, ()))
        if self._filled >= self._rows or now - self._made_at >= self._keep_s / SHARES:
            # What is written is written: on a full disk this part grows on, and the next write tries again.
            with suppress(OSError):
                self._new_part(now)

    def _by_part(self, records: Iterable[Record], there: set[int]) -> dict[int, list[Record]]:
        groups: dict[int, list[Record]] = {}
        for record in records:
            groups.setdefault(record.place if record.place in there else self.current, []).append(record)
        return groups

    def trim(self, now: float) -> int:
        """Removes the oldest parts while there is too much; the bytes that are left. Raises OSError."""
        parts = parts_of(self._folder)
        sizes = {number: self._size(path) for number, path in parts}
        total = sum(sizes.values())
        written = {number: self._written_at(number, path) for number, path in parts}
        oldest = min((at for number, at in written.items() if number != self.current), default=None)
        cutoff = self._retention.cutoff(oldest, wall=now, clock=monotonic())
        for number, path in parts:
            if number == self.current:
                break
            if total <= self._limit and written[number] >= cutoff:
                break
            self._forget(number)
            for side in SIDES:
                Path(f"{path}{side}").unlink(missing_ok=True)
            total -= sizes[number]
        return total

    def _written_at(self, number: int, path: Path) -> float:
        """When it was the current one last, as it says itself: opening a part already changes the time of its file."""
        if number not in self._written:
            try:
                with closing(reader(path)) as db:
                    found = _about(db, "looked_at")
            except sqlite3.Error:
                found = UNKNOWN
            at = found if found != UNKNOWN else path.stat().st_mtime
            if number == self.current:
                return at
            self._written[number] = at
        return self._written[number]

    @property
    def jump(self) -> str:
        return self._retention.jump

    def _size(self, path: Path) -> int:
        total = 0
        for side in SIDES:
            with suppress(FileNotFoundError):
                total += Path(f"{path}{side}").stat().st_size
        return total

    def _path(self, number: int) -> Path:
        return self._folder / f"sessions-{number:06d}.sqlite3"

    def _new_part(self, now: float) -> None:
        number = self.current + 1
        try:
            db = self._connection(number)
            made = f"INSERT INTO about VALUES ('made_at', {round(now * 1000)})"
            db.executescript(f"BEGIN;{SCHEMA}{made};PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
        except sqlite3.Error as error:
            self._forget(number)
            raise OSError(f"{self._path(number)}: {error}") from error
        self.current, self._filled, self._made_at = number, 0, now

    def _connection(self, number: int) -> sqlite3.Connection:
        if number not in self._open:
            db = sqlite3.connect(self._path(number), timeout=BUSY_S, check_same_thread=False)
            try:
                _prepare(db)
            except sqlite3.Error:
                db.close()  # a file that is no database shows itself here, and its descriptor would stay open
                raise
            self._open[number] = db
        return self._open[number]

    def _damaged(self, number: int, path: Path, error: sqlite3.Error) -> None:
        self._forget(number)
        self.set_aside.append(f"{path.name}: {error}")
        for side in SIDES:
            with suppress(FileNotFoundError):
                Path(f"{path}{side}").rename(f"{path}.damaged{side}")

    def _forget(self, number: int) -> None:
        db = self._open.pop(number, None)
        if db is not None:
            with suppress(sqlite3.Error):
                db.close()

    def close(self) -> None:
        for number in list(self._open):
            self._forget(number)


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    # What the last seconds before a loss of power said may be lost; the file is whole in any case.
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA journal_size_limit = 67108864")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == WITHOUT_NAMES:
        db.executescript(f"BEGIN;{';'.join(ADD_NAMES)};PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
    elif version not in (0, SCHEMA_VERSION):
        raise sqlite3.DatabaseError(f"schema version {version}, this program knows {SCHEMA_VERSION}")


def _about(db: sqlite3.Connection, name: str) -> float:
    row = db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
    return row[0] / 1000 if row else UNKNOWN


def _is_damage(error: sqlite3.Error) -> bool:
    """A file without our tables or of another schema (SQLITE_ERROR) counts; a full disk or a lock does not."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


def reader(path: Path) -> sqlite3.Connection:
    """A connection to one part, for reading only. Raises sqlite3.Error."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)
