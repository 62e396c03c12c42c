"""Keeps two agents from writing one session database."""

import fcntl
import os
from pathlib import Path

NAME = "writer.lock"


class FolderLock:
    """Held from `take` to `release` or the end of the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None

    def take(self) -> None:
        """Makes the folder, too. Taking it again changes nothing. Raises OSError."""
        if self._file is not None:
            return
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        file = os.open(self._folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            problem = f"{self._folder}: another agent writes there; give each its own [nat64] session_log"
            raise OSError(problem) from None
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
