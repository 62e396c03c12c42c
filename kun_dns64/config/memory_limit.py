"""How much memory this process and those beside it in its cgroup may take (cgroups(7), versions 1 and 2)."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
# Version 1 writes its largest number where there is no limit: 2**63 less a page.
NO_LIMIT = 1 << 60


def memory_limit(own: Path = OWN, root: Path = ROOT) -> int | None:
    """Bytes: the least limit of the process's cgroup and of those above it; None: no limit, or none can be read.

    In a container the cgroup's own folder often lies at `root` itself, so that is always looked at.
    """
    found = [limit for folder, name in _folders(own, root) if (limit := _read(folder / name)) is not None]
    return min(found, default=None)


def _folders(own: Path, root: Path) -> Iterator[tuple[Path, str]]:
    """Each folder that may hold a limit, and the file's name in it."""
    yield root, "memory.max"
    yield root / "memory", "memory.limit_in_bytes"
    lines = []
    with suppress(OSError):
        lines = own.read_text().splitlines()
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top, name = (root / "memory", "memory.limit_in_bytes") if controllers else (root, "memory.max")
        folder = top / place.strip("/")
        while folder != top and top in folder.parents:
            yield folder, name
            folder = folder.parent


def _read(path: Path) -> int | None:
    """None for "max", for what is above any machine's memory, and for what cannot be read."""
    with suppress(OSError, ValueError):
        limit = int(path.read_text())
        return limit if 0 < limit < NO_LIMIT else None
    return None
