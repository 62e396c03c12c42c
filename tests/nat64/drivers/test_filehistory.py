"""Files that came into force: kept once each, bounded, and put back without losing what stood there."""

from pathlib import Path

from kun_nat64.drivers import filehistory
from kun_nat64.drivers.filehistory import MOST, entries, newest_other, put_back, record, text_of


def test_a_file_is_kept_once_and_a_change_goes_back(tmp_path: Path) -> None:
    file = tmp_path / "gw.toml"
    for text in ("a = 1\n", "a = 1\n", "a = 2\n"):
        file.write_text(text)
        record(tmp_path, file, "apply")
    assert [entry.number for entry in entries(tmp_path)] == [1, 2]
    file.chmod(0o640)
    before = newest_other(tmp_path, file)
    assert before is not None
    aside = put_back(tmp_path, before, file)
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("a = 1\n", 0o640)
    assert aside is not None
    assert aside.read_text() == "a = 2\n"


def test_a_file_that_never_was_in_force_goes_back_to_the_newest(tmp_path: Path) -> None:
    file = tmp_path / "gw.toml"
    file.write_text("good")
    record(tmp_path, file, "agent")
    file.write_text("broken [")
    entry = newest_other(tmp_path, file)
    assert entry is not None
    assert text_of(tmp_path, entry) == b"good"


def test_the_history_is_bounded_and_skips_what_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / "gw.toml"
    for number in range(MOST + 5):
        file.write_text(str(number))
        record(tmp_path, file, "apply")
    kept = entries(tmp_path)
    assert len(kept) == MOST
    (tmp_path / filehistory.FOLDER / f"{kept[-1].number:06}.toml").write_text("somebody's hand")
    (tmp_path / filehistory.FOLDER / f"{kept[-2].number:06}.json").write_text("{")
    assert [entry.number for entry in entries(tmp_path)] == [entry.number for entry in kept[:-2]]


def test_nothing_is_readable_for_others(tmp_path: Path) -> None:
    file = tmp_path / "gw.toml"
    file.write_text("x")
    record(tmp_path, file, "apply")
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / filehistory.FOLDER).iterdir())
