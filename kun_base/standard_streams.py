"""Standard streams that are closed when the program starts, or break while it runs.

A closed one would be given to the next socket that is opened, and a log line would go to a client. A broken one must
not change the exit code: Python flushes it at the end and exits with 120 where that fails.
"""

import os
import sys

_MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}


def open_closed_ones() -> None:
    """To be called before anything is opened. What is closed leads to /dev/null."""
    for fd, (name, mode) in enumerate(_MODES.items()):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest free number, which is this one.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(fd, mode, closefd=False))  # noqa: SIM115 - for good


def flush() -> None:
    """To be called last. What cannot be written is given up."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
