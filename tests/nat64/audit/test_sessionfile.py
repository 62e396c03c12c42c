import os
from pathlib import Path

import pytest

from kun_nat64.drivers.sessionfile import SessionFile

DAY = 86400.0


def log(tmp_path: Path, limit: int = 8000, keep_s: float = 80 * DAY) -> SessionFile:
    return SessionFile(tmp_path / "deep" / "sessions.jsonl", limit, keep_s)


def test_lines_are_appended(tmp_path: Path) -> None:
    one = log(tmp_path)
    one.write(["a", "b"], 1000)
    one.write(["c"], 1010)
    assert (tmp_path / "deep" / "sessions.jsonl").read_text() == "a\nb\nc\n"


def test_an_earlier_file_is_continued(tmp_path: Path) -> None:
    log(tmp_path).write(["a"], 1000)
    log(tmp_path).write(["b"], 1010)
    assert (tmp_path / "deep" / "sessions.jsonl").read_text() == "a\nb\n"


def test_the_file_and_its_predecessors_stay_within_the_limit(tmp_path: Path) -> None:
    one = log(tmp_path)
    for turn in range(200):
        one.write([f"{turn:0199d}"], 1000.0 + turn)
        assert one.trim(1000.0 + turn) <= 8000 + 200
    left = sorted((tmp_path / "deep").iterdir())
    assert sum(path.stat().st_size for path in left) <= 8000
    assert len(left) > 2
    assert f"{199:0199d}" in (tmp_path / "deep" / "sessions.jsonl").read_text()


def test_what_is_too_old_goes_even_where_there_is_room(tmp_path: Path) -> None:
    one = log(tmp_path, keep_s=8 * DAY)
    one.write(["old"], 1000)
    one.write(["new"], 1000 + 2 * DAY)
    (old,) = (tmp_path / "deep").glob("*.jsonl.*")
    os.utime(old, (1000, 1000))
    one.trim(1000 + 9 * DAY)
    assert not old.exists()
    assert (tmp_path / "deep" / "sessions.jsonl").read_text() == "new\n"


def test_rotations_within_one_second_lose_nothing(tmp_path: Path) -> None:
    one = log(tmp_path, limit=800)
    for turn in range(4):
        one.write(["x" * 150 + str(turn)], 1000)
    assert len(list((tmp_path / "deep").iterdir())) == 4


@pytest.mark.parametrize("how", ["rename", "unlink"])
def test_a_file_that_somebody_else_moved_away_is_made_anew(tmp_path: Path, how: str) -> None:
    path, one = tmp_path / "deep" / "sessions.jsonl", log(tmp_path)
    one.write(["a"], 1000)
    path.unlink() if how == "unlink" else path.rename(tmp_path / "elsewhere")
    one.write(["b"], 1010)
    assert path.read_text() == "b\n"


def test_foreign_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    one = log(tmp_path, limit=80)
    one.write(["x" * 100], 1000)
    foreign = [tmp_path / "deep" / f"sessions.jsonl.{end}" for end in ("gz", "1", "bak-2026")]
    for path in foreign:
        path.write_text("y" * 1000)
    one.write(["x" * 100], 1001)
    one.trim(1001)
    assert all(path.exists() for path in foreign)


def test_a_full_disk_is_said_and_leaves_no_half_line() -> None:
    with pytest.raises(OSError, match="No space left"):
        SessionFile(Path("/dev/full"), 10**9, DAY).write(["x" * 100], 1000)


def test_a_disk_that_fills_up_in_the_middle_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, path = log(tmp_path), tmp_path / "deep" / "sessions.jsonl"
    one.write(["whole"], 1000)
    really = os.write

    def half(file: int, data: bytes) -> int:
        if len(data) < 50:
            raise OSError(28, "No space left on device")
        return really(file, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space left"):
        one.write(["y" * 60], 1010)
    monkeypatch.undo()
    one.write(["again"], 1020)
    assert path.read_text() == "whole\nagain\n"
