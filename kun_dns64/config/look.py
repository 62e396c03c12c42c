"""What a file is like from outside: another look tells whether it has changed.

Works for renames, symlink swaps and network file systems alike.
"""

from pathlib import Path
from typing import NamedTuple


class Look(NamedTuple):
    """All 0 where there is no file."""

    path: Path
    mtime_ns: int = 0
    octets: int = 0
    inode: int = 0


def look_at(path: Path) -> Look:
    try:
        found = path.stat()
    except OSError:
        return Look(path)
    return Look(path, found.st_mtime_ns, found.st_size, found.st_ino)
