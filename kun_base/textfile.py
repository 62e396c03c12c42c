"""Reads a whole text file, and says in plain words why it cannot be read."""

import os
import stat
import sys
from pathlib import Path

KINDS = (
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
    (stat.S_ISSOCK, "is a socket"),
)
MARKS = {b"\xff\xfe\x00\x00": "UTF-32", b"\x00\x00\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class UnreadableText(Exception):
    """Why a file cannot be read. `line`: of the place that is wrong; 0: of none."""

    def __init__(self, words: str, line: int = 0) -> None:
        self.line = line
        super().__init__(words)


def read_text(path: Path, limit: int) -> str:
    """The content of a file, or of a pipe to its end, of at most `limit` bytes. Raises UnreadableText."""
    try:
        return decoded(_content(path, limit), limit)
    except (OSError, ValueError) as error:
        raise UnreadableText(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def read_standard_input(limit: int) -> str:
    """As `read_text`."""
    return decoded(sys.stdin.buffer.read(limit + 1), limit)


def decoded(content: bytes, limit: int) -> str:
    """Text of UTF-8, with or without the mark (BOM) that some editors begin a file with. Raises UnreadableText."""
    if len(content) > limit:
        raise UnreadableText(f"is larger than {limit // 1024 // 1024} MiB")
    wrong = next((name for mark, name in MARKS.items() if content.startswith(mark)), None)
    if wrong is None and content[:2].count(0) == 1 and len(content) > 1:
        wrong = "UTF-16"
    if wrong is not None:
        raise UnreadableText(f"is {wrong}; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableText(f"is not UTF-8 (line {line}); save it as UTF-8", line) from None


def is_pipe(path: Path) -> bool:
    """To open one waits until somebody writes to it."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def _content(path: Path, limit: int) -> bytes:
    _require_file(os.stat(path))
    with path.open("rb") as stream:
        _require_file(os.fstat(stream.fileno()))
        return stream.read(limit + 1)


def _require_file(found: os.stat_result) -> None:
    if what := next((words for is_kind, words in KINDS if is_kind(found.st_mode)), None):
        raise ValueError(f"{what}; must be a file")
