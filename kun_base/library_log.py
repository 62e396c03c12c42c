"""What libraries and Python itself have to say, as lines of our journal: JSON lines stay JSON."""

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

from kun_base.journal import LEVEL_OF, Journal

MOST_CHARACTERS = 8000


class JournalHandler(logging.Handler):
    """Passes records of `logging` on: asyncio's, aiohttp's, warnings."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(logging.WARNING)
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        try:
            words = record.getMessage()
        except Exception:  # A record whose arguments do not fit is a defect of its writer, not of the log.
            words = str(record.msg)
        trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else None
        self._journal.write(
            _level(record.levelno), "library", logger=record.name, message=_cut(words), traceback=_cut(trace)
        )


def send_library_logs_to(journal: Journal) -> None:
    """To be called once, before loops are made. Python's own last words take this way, too."""
    root = logging.getLogger()
    for earlier in [one for one in root.handlers if isinstance(one, JournalHandler)]:
        root.removeHandler(earlier)
    root.addHandler(JournalHandler(journal))
    logging.captureWarnings(True)

    def tell(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None, where: str) -> None:
        words = "".join(traceback.format_exception(kind, error, trace))
        journal.error("crash", where=where, message=repr(error), traceback=_cut(words))

    def on_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        tell(kind, error, trace, "main")

    def on_unraisable(args: Any) -> None:
        tell(args.exc_type, args.exc_value, args.exc_traceback, repr(args.object))

    def on_thread(args: threading.ExceptHookArgs) -> None:
        tell(args.exc_type, args.exc_value, args.exc_traceback, args.thread.name if args.thread else "thread")

    sys.excepthook, sys.unraisablehook, threading.excepthook = on_end, on_unraisable, on_thread


def _level(number: int) -> str:
    known = [name for name, least in LEVEL_OF.items() if number >= least]
    return known[-1] if known else "debug"


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}..."
