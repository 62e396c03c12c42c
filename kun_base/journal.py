"""One structured line per action: `event key=value ...` for people, or JSON objects for collectors."""

import json
import logging
import os
import sys
from datetime import datetime
from typing import IO

from kun_base.plain_json import plain

LEVEL_OF = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Journal:
    """Writes `event` and its fields to one stream, in one format. Fields are plain values; None is left out."""

    def __init__(
        self, program: str, *, as_json: bool = False, level: str = "info", stream: IO[str] | None = None
    ) -> None:
        self._program = program
        self._stream = stream or sys.stderr
        # systemd's journal has a time for each line. So has a test that passes a stream.
        self._timed = stream is None and not _is_systemds(self._stream)
        self.change(as_json=as_json, level=level)

    def change(self, *, as_json: bool, level: str) -> None:
        """The lines from now on."""
        self._json, self._level = as_json, LEVEL_OF[level]

    def write(self, level: str, event: str, **fields: object) -> None:
        if LEVEL_OF[level] < self._level:
            return
        kept = {key: value for key, value in fields.items() if value is not None}
        line = self._as_json(level, event, kept) if self._json else self._as_text(level, event, kept)
        # A full disk or a closed pipe must not end the service.
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

    def info(self, event: str, **fields: object) -> None:
        self.write("info", event, **fields)

    def warning(self, event: str, **fields: object) -> None:
        self.write("warning", event, **fields)

    def error(self, event: str, **fields: object) -> None:
        self.write("error", event, **fields)

    def debug(self, event: str, **fields: object) -> None:
        self.write("debug", event, **fields)

    def _as_json(self, level: str, event: str, fields: dict[str, object]) -> str:
        time = {"time": _now()} if self._timed else {}
        return json.dumps(plain({**time, "program": self._program, "level": level, "event": event, **fields}))

    def _as_text(self, level: str, event: str, fields: dict[str, object]) -> str:
        words = [self._program, level, event, *(f"{key}={_quoted(value)}" for key, value in fields.items())]
        return " ".join([_now(), *words] if self._timed else words)


def _now() -> str:
    """ISO 8601, local time with its distance from UTC."""
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


def _is_systemds(stream: IO[str]) -> bool:
    """Whether it is the stream that systemd gave the unit: $JOURNAL_STREAM has its device and inode (systemd.exec)."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


def _quoted(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    plain = text and text.isprintable() and not any(c in text for c in ' "=')
    return text if plain else json.dumps(text)
