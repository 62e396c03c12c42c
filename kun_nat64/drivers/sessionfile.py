"""The session log as a file of JSON lines: rotated, and bounded in bytes and in age."""

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from kun_nat64.policy.retention import Retention

# The bounds hold for the file and its predecessors together: a part has at most this share of them.
PARTS = 8
CHUNK = 1 << 20
# What `_rotate` adds to the name; files of other names are somebody else's.
OURS = re.compile(r"\d{8}T\d{6}(\.\d+)?")


class SessionFile:
    """`limit`: bytes of all parts; `keep_s`: age at which a part goes. The file is reopened when others move it."""

    def __init__(self, path: Path, limit: int, keep_s: float) -> None:
        self._path, self._limit, self._keep_s = path, limit, keep_s
        self._retention = Retention(keep_s)
        self._file: int | None = None
        self._begun = 0.0

    def write(self, lines: Iterable[str], now: float) -> None:
        """All lines, or none of the chunk that did not fit. Raises OSError."""
        chunk: list[str] = []
        size = 0
        for line in lines:
            chunk.append(line)
            size += len(line) + 1
            if size >= CHUNK:
                self._append(chunk, now)
                chunk, size = [], 0
        if chunk:
            self._append(chunk, now)

    def _append(self, chunk: list[str], now: float) -> None:
        file = self._opened(now)
        before = os.fstat(file).st_size
        data = ("\n".join(chunk) + "\n").encode()
        try:
            written = os.write(file, data)
            if written < len(data):
                # The disk was full in the middle: the next write says so, or completes it.
                os.write(file, data[written:])
            whole = os.fstat(file).st_size >= before + len(data)
        except OSError:
            with suppress(OSError):
                os.ftruncate(file, before)
            raise
        if not whole:
            os.ftruncate(file, before)
            raise OSError(28, "No space left on device", str(self._path))

    def _opened(self, now: float) -> int:
        if self._file is not None and not self._is_in_place(self._file):
            self.close()
        if self._file is None:
            self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(self._path, flags, 0o640)
            there = os.fstat(self._file)
            self._begun = there.st_mtime if there.st_size else now
        size = os.fstat(self._file).st_size
        if size >= self._limit // PARTS or (size and now - self._begun >= self._keep_s / PARTS):
            self._rotate(now)
            return self._opened(now)
        return self._file

    def _is_in_place(self, file: int) -> bool:
        try:
            here, there = os.fstat(file), self._path.stat()
        except FileNotFoundError:
            return False
        return (here.st_ino, here.st_dev) == (there.st_ino, there.st_dev)

    def _rotate(self, now: float) -> None:
        name = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S")
        target = self._path.with_name(f"{self._path.name}.{name}")
        number = 0
        while target.exists():
            number += 1
            target = self._path.with_name(f"{self._path.name}.{name}.{number}")
        self._path.rename(target)
        self.close()

    def trim(self, now: float) -> int:
        """Removes what is too old or too much, oldest first; returns the bytes that are left. Raises OSError."""
        parts = self._parts()
        sizes = {part: part.stat() for part in parts}
        total = sum(stat.st_size for stat in sizes.values())
        oldest = min((sizes[part].st_mtime for part in parts if part != self._path), default=None)
        cutoff = self._retention.cutoff(oldest, wall=now, clock=monotonic())
        for part in parts:
            if part == self._path:
                continue
            if total <= self._limit and sizes[part].st_mtime >= cutoff:
                break
            part.unlink()
            total -= sizes[part].st_size
        return total

    @property
    def jump(self) -> str:
        return self._retention.jump

    def _parts(self) -> list[Path]:
        """Oldest first, the current one last."""
        beside = self._path.parent.glob(f"{self._path.name}.*")
        earlier = sorted(path for path in beside if OURS.fullmatch(path.name.removeprefix(f"{self._path.name}.")))
        return [*earlier, *([self._path] if self._path.exists() else [])]

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
