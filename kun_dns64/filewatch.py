"""Notices that files have changed, by looking: works for renames, symlink swaps and network file systems alike."""

from collections.abc import Iterable
from pathlib import Path

Look = tuple[tuple[str, int, int, int], ...]


class FileWatch:
    """`changed` is true once per change, when two looks in a row agree: a file half written is left to finish."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._known = self._last = self._look()

    def changed(self) -> bool:
        seen = self._look()
        settled, self._last = seen == self._last, seen
        if not settled or seen == self._known:
            return False
        self._known = seen
        return True

    def _look(self) -> Look:
        return tuple(_look_at(path) for path in self._paths)


def _look_at(path: Path) -> tuple[str, int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    return str(path), found.st_mtime_ns, found.st_size, found.st_ino
