"""One structured line per action: `event key=value ...` for people, or JSON objects for collectors."""

import json
import logging
import sys
from typing import IO

LEVEL_OF = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Journal:
    """Writes `event` and its fields to one stream, in one format. Fields are plain values; None is left out."""

    def __init__(
        self, program: str, *, as_json: bool = False, level: str = "info", stream: IO[str] | None = None
    ) -> None:
        self._program = program
        self._stream = stream or sys.stderr
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
        return json.dumps({"program": self._program, "level": level, "event": event, **fields}, default=str)

    def _as_text(self, level: str, event: str, fields: dict[str, object]) -> str:
        words = [self._program, level, event, *(f"{key}={_quoted(value)}" for key, value in fields.items())]
        return " ".join(words)


def _quoted(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return json.dumps(text) if not text or any(c in text for c in ' "=\n\t') else text
