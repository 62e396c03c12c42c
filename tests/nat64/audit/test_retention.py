"""A clock that jumps erases neither the log nor the database."""

import os
from itertools import count
from pathlib import Path

from kun_nat64.drivers.session_database import SessionBook, parts_of
from kun_nat64.drivers.sessionfile import SessionFile
from kun_nat64.policy.retention import CATCHING_UP, DAY_S, Retention

YEAR = 365 * DAY_S
GB = 10**9
NOW = 1_700_000_000.0


def parts(tmp_path: Path, days: int = 60) -> list[Path]:
    """A file for each of the last days."""
    for day in range(days):
        path = tmp_path / f"sessions.jsonl.20260101T{day:06d}"
        path.write_text("a line")
        os.utime(path, (NOW - (days - day) * DAY_S,) * 2)
    return sorted(tmp_path.glob("sessions.jsonl.*"))


def test_one_look_with_the_clock_a_year_ahead_removes_a_days_worth_at_most(tmp_path: Path) -> None:
    before = parts(tmp_path)
    file = SessionFile(tmp_path / "sessions.jsonl", GB, 90 * DAY_S)
    file.trim(NOW + YEAR)
    assert len(before) - len(parts_left(tmp_path)) <= 2


def test_nor_does_a_jump_while_it_runs(tmp_path: Path) -> None:
    before = parts(tmp_path)
    file = SessionFile(tmp_path / "sessions.jsonl", GB, 90 * DAY_S)
    file.trim(NOW)
    for _ in range(5):
        file.trim(NOW + YEAR)
    assert parts_left(tmp_path) == before
    file.trim(NOW + YEAR)
    file.trim(NOW)
    assert "jumped" in file.jump


def parts_left(tmp_path: Path) -> list[Path]:
    return sorted(tmp_path.glob("sessions.jsonl.*"))


def test_the_database_stays_as_well(tmp_path: Path) -> None:
    book = SessionBook(tmp_path, GB, 90 * DAY_S)
    book.start(NOW)
    for day in range(30):
        book.write([], [], NOW + 12 * day * DAY_S)
    before = parts_of(tmp_path)
    assert len(before) > 10
    book.close()
    book = SessionBook(tmp_path, GB, 90 * DAY_S)
    book.start(NOW + YEAR)
    book.trim(NOW + YEAR)
    assert len(before) - len(parts_of(tmp_path)) <= 1, "at a start"
    left = parts_of(tmp_path)
    book.trim(NOW + 2 * YEAR)
    assert parts_of(tmp_path) == left, "and later"
    assert "8760.0 hours ahead" in book.jump
    book.close()


def test_what_is_too_old_goes_as_time_passes() -> None:
    retention = Retention(90 * DAY_S)
    oldest = NOW - 200 * DAY_S
    first = retention.cutoff(oldest, wall=NOW, clock=0.0)
    assert first == oldest + DAY_S, "an agent that was away"
    for day in count(1):
        cutoff = retention.cutoff(oldest, wall=NOW + day * DAY_S, clock=day * DAY_S)
        assert retention.jump == ""
        if cutoff == NOW + (day - 90) * DAY_S:
            break
    assert day <= 110, f"it catches up, {CATCHING_UP} days a day"


def test_a_clock_that_comes_back_keeps_all_that_is_young() -> None:
    retention = Retention(90 * DAY_S)
    retention.cutoff(NOW, wall=NOW, clock=0.0)
    retention.cutoff(NOW, wall=NOW + YEAR, clock=10.0)
    assert "ahead" in retention.jump
    assert retention.cutoff(NOW, wall=NOW + 20, clock=20.0) == NOW + 20 - 90 * DAY_S
    assert "back" in retention.jump
