"""What a file is like from outside: another look tells whether it has changed.

Works for renames, symlink swaps and network file systems alike.
"""

from pathlib import Path
from typing import NamedTuple


class FileStamp(NamedTuple):
    """All 0 where there is no file."""

    path: Path
    mtime_ns: int = 0
    size_bytes: int = 0
    inode: int = 0


def stamp_of(path: Path) -> FileStamp:
    try:
        found = path.stat()
    except OSError:
        return FileStamp(path)
    return FileStamp(path, found.st_mtime_ns, found.st_size, found.st_ino)
