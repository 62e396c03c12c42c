import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.drivers.session_database import SessionBook, parts_of, reader
from kun_nat64.formats.sessionrow import SCHEMA_VERSION, insert_row, outside_key, record_of, who_query
from kun_nat64.model.audit import UNKNOWN, Record
from kun_nat64.model.joolfacts import Protocol
from tests.nat64.audit.flows import PUBLIC, flow, session
from tests.nat64.audit.test_ledger import flows

GB, DAY = 10**9, 86400.0


@pytest.fixture
def book(tmp_path: Path) -> Iterator[SessionBook]:
    one = SessionBook(tmp_path, GB, 90 * DAY)
    yield one
    one.close()


def record(port: int, place: int, began: float = 1000.0, ended: float | None = None) -> Record:
    return Record(flow(session(port)), began - 5, began, ended, place)


def rows(folder: Path, port: int, at: float) -> list[Record]:
    key = outside_key(PUBLIC, port, Protocol.TCP)
    found = []
    for place, path in reversed(parts_of(folder)):
        with closing(reader(path)) as db:
            found += [record_of(row, place) for row in db.execute(who_query(SCHEMA_VERSION), (key, round(at * 1000)))]
    return found


@given(flows, st.integers(0, 2**41), st.integers(0, 10**6))
def test_a_record_is_a_row_and_comes_back(one, after: int, longer: int) -> None:
    kept = Record(one, after / 1000, (after + longer) / 1000, None, 4)
    outside, after_ms, began_ms, *rest = insert_row(kept)
    assert record_of((outside, after_ms, began_ms, None, *rest), 4) == kept


def test_a_new_book_is_empty(book: SessionBook) -> None:
    assert (book.start(1000), [*book.living()]) == (UNKNOWN, [])
    assert book.current == 1


def test_an_end_is_written_to_its_beginning(book: SessionBook, tmp_path: Path) -> None:
    book.start(1000)
    one = record(40000, book.current)
    book.write([one], [], 1010)
    book.write([], [replace(one, ended=1060.5)], 1070)
    assert rows(tmp_path, 40000, 1030) == [replace(one, ended=1060.5)]
    assert rows(tmp_path, 40000, 1061) == []
    assert rows(tmp_path, 40000, 994) == []
    assert rows(tmp_path, 40001, 1030) == []


def test_a_later_agent_knows_the_living_and_when_they_were_seen_last(book: SessionBook, tmp_path: Path) -> None:
    book.start(1000)
    lives, ended = record(40000, 1), record(40001, 1)
    book.write([lives, ended], [], 1010)
    book.write([], [replace(ended, ended=1015.0)], 1020)
    book.close()
    again = SessionBook(tmp_path, GB, 90 * DAY)
    assert (again.start(2000), [*again.living()]) == (1020, [lives])
    assert again.current == 1
    again.close()


def test_a_part_is_closed_when_it_is_full_and_an_end_finds_its_part(tmp_path: Path) -> None:
    book = SessionBook(tmp_path, GB, 90 * DAY, rows=1000)
    book.start(1000)
    early = record(40000, book.current)
    book.write([early, *(record(port, book.current) for port in range(1000))], [], 1010)
    assert book.current == 2
    book.write([record(40001, 2, 1020)], [replace(early, ended=1030.0)], 1040)
    assert rows(tmp_path, 40000, 1020) == [replace(early, ended=1030.0)]
    assert rows(tmp_path, 40001, 1041) == [record(40001, 2, 1020)]
    book.close()


def test_a_part_is_closed_when_it_has_its_share_of_the_age(tmp_path: Path) -> None:
    book = SessionBook(tmp_path, GB, 8 * DAY)
    book.start(1000)
    book.write([], [], 1000 + 2 * DAY)
    assert book.current == 2
    book.close()


def test_old_parts_go_by_size_and_by_age_and_the_current_one_stays(tmp_path: Path) -> None:
    book = SessionBook(tmp_path, 700_000, 8 * DAY, rows=1000)
    book.start(1000)
    for turn in range(12):
        book.write([record(port, book.current, 1000.0 + turn) for port in range(1000)], [], 1000.0 + turn)
        assert book.trim(1000.0 + turn) <= 700_000 + 150_000
    numbers = [number for number, _ in parts_of(tmp_path)]
    assert numbers[0] > 1
    assert numbers[-1] == book.current
    for _, path in parts_of(tmp_path):
        os.utime(path, (1000, 1000))
    book.close()
    book = SessionBook(tmp_path, 700_000, 8 * DAY, rows=1000)
    book.start(1000 + 9 * DAY)
    book.trim(1000 + 9 * DAY)
    assert [number for number, _ in parts_of(tmp_path)] == [book.current]
    # An end of a session whose part is gone is no error.
    book.write([], [record(5, 1, 1000, 1001)], 1000 + 9 * DAY)
    book.close()


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to look at" * 100, b"SQLite format 3\0" + b"\xff" * 9000, b""]
)
def test_a_damaged_part_is_set_aside_and_the_rest_goes_on(tmp_path: Path, content: bytes) -> None:
    book = SessionBook(tmp_path, GB, 90 * DAY, rows=1000)
    book.start(1000)
    book.write([record(port, book.current) for port in range(1000)], [], 1010)
    book.write([record(2000, 2)], [], 1020)
    book.close()
    (tmp_path / "sessions-000002.sqlite3").write_bytes(content)
    again = SessionBook(tmp_path, GB, 90 * DAY)
    again.start(2000)
    assert len([*again.living()]) == 1000
    assert [line.split(":")[0] for line in again.set_aside] == ["sessions-000002.sqlite3"]
    assert (tmp_path / "sessions-000002.sqlite3.damaged").exists()
    again.write([record(3000, again.current, 2000)], [], 2010)
    assert rows(tmp_path, 3000, 2005) != []
    again.close()


def test_damage_found_while_writing_makes_a_new_part(book: SessionBook, tmp_path: Path) -> None:
    book.start(1000)
    book.write([record(port, 1) for port in range(5000)], [], 1010)
    book.close()
    path = tmp_path / "sessions-000001.sqlite3"
    again = SessionBook(tmp_path, GB, 90 * DAY)
    again.start(1020)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    for side in ("-wal", "-shm"):
        Path(f"{path}{side}").unlink(missing_ok=True)
    waiting = [record(port, 1, 1025) for port in range(2000)]
    with pytest.raises(OSError, match=r"malformed|not a database"):
        again.write(waiting, [], 1030)
    again.write(waiting, [], 1100)
    assert again.current == 2
    assert len(rows(tmp_path, 1999, 1030)) == 1, "what met the damage is not lost"
    again.write([], [replace(waiting[7], ended=1150.0)], 1160)
    assert rows(tmp_path, 7, 1155) == []
    again.close()


def test_a_part_that_somebody_removed_is_followed_by_a_new_one(book: SessionBook, tmp_path: Path) -> None:
    book.start(1000)
    book.write([record(7, 1)], [], 1010)
    (tmp_path / "sessions-000001.sqlite3").unlink()
    book.write([record(8, 1)], [], 1020)
    assert len(rows(tmp_path, 8, 1020)) == 1


def test_a_part_of_a_later_schema_is_not_written_to(book: SessionBook, tmp_path: Path) -> None:
    book.start(1000)
    book.close()
    with closing(sqlite3.connect(tmp_path / "sessions-000001.sqlite3")) as db:
        db.execute("PRAGMA user_version = 9")
    again = SessionBook(tmp_path, GB, 90 * DAY)
    again.start(2000)
    assert "schema version 9" in again.set_aside[0]
    again.close()


def test_a_reader_sees_what_is_written_while_it_reads(book: SessionBook, tmp_path: Path) -> None:
    book.start(1000)
    book.write([record(40000, 1)], [], 1010)
    with closing(sqlite3.connect(f"file:{tmp_path}/sessions-000001.sqlite3?mode=ro", uri=True)) as db:
        first = db.execute("SELECT outside FROM session")
        assert first.fetchone() is not None
        book.write([record(40001, 1)], [], 1020)
        assert db.execute("SELECT count(*) FROM session").fetchone() == (2,)


def test_a_folder_that_cannot_be_made_is_said() -> None:
    with pytest.raises(OSError):
        SessionBook(Path("/proc/nowhere"), GB, DAY).start(1000)


def test_a_disk_that_has_no_room_for_another_part_writes_each_record_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = SessionBook(tmp_path, GB, 90 * DAY, rows=1000)
    book.start(1000)
    new_part = SessionBook._new_part
    monkeypatch.setattr(SessionBook, "_new_part", _no_room)
    for number in range(3):
        book.write([record(port, 1) for port in range(1000 * number, 1000 * (number + 1))], [], 1010 + number)
    monkeypatch.setattr(SessionBook, "_new_part", new_part)
    book.write([record(9999, 1)], [], 1020)
    assert book.current == 2
    assert [len(rows(tmp_path, port, 1005)) for port in (0, 1500, 2999, 9999)] == [1, 1, 1, 1]
    book.close()


def _no_room(_book: SessionBook, _now: float) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_is_an_error_of_the_disk_and_no_damage(book: SessionBook, tmp_path: Path) -> None:
    book.start(1000)
    book._connection(1).execute("PRAGMA max_page_count = 20")
    with pytest.raises(OSError, match="full"):
        book.write([record(port, 1) for port in range(5000)], [], 1010)
    assert book.set_aside == []
    assert book.current == 1
    book._connection(1).execute("PRAGMA max_page_count = 100000")
    book.write([record(port, 1) for port in range(5000)], [], 1020)
    assert len(rows(tmp_path, 4999, 1020)) == 1
