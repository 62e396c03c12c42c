"""The tar of a support bundle: its parts are made side by side, and secrets are masked."""

import tarfile
import threading
from pathlib import Path

from kun_base.bundle import write_bundle


def test_parts_are_made_side_by_side_and_one_that_fails_is_said(tmp_path: Path) -> None:
    """One after the other, each of the two would wait in vain."""
    both = threading.Barrier(2, timeout=30)

    def meets() -> str:
        both.wait()
        return 'password = "hunter2"\n'

    def fails() -> str:
        raise OSError("no such thing")

    path = tmp_path / "b.tar.gz"
    assert write_bundle(path, {"one": meets, "two": meets, "three": fails}) == ["one", "two", "three"]
    with tarfile.open(path) as tar:
        files = {member.name: tar.extractfile(member) for member in tar}
        texts = {name: file.read().decode() for name, file in files.items() if file is not None}
    assert texts["b/one"] == texts["b/two"] == "password = (masked)\n"
    assert "no such thing" in texts["b/three"]
    assert path.stat().st_mode & 0o077 == 0
