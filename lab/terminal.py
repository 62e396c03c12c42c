"""A command in the guest, connected to this terminal."""

import json
import os
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from lab.channel import Request, Stream
from lab.guest import Guest


def run_through(guest: Guest, host: str, argv: list[str], timeout_s: float) -> int:
    """Copies standard input, output and error; returns the command's exit code (124 when it took too long)."""
    request = Request("run", {"host": host, "argv": argv, "timeout_s": timeout_s or None})
    stream = Stream(guest.address, request)
    stream.settimeout(None)
    if sys.stdin.isatty():
        stream.send(b"e")
    else:
        threading.Thread(target=_feed, args=(stream, True), daemon=True).start()
    try:
        return _drain(stream)
    finally:
        stream.close()


def interact(guest: Guest, host: str, argv: list[str]) -> int:
    """As ssh -t: the command gets a terminal, and this one is put into raw mode meanwhile."""
    request = Request("run", {"host": host, "argv": argv, "terminal": True})
    stream = Stream(guest.address, request)
    stream.settimeout(None)

    def tell_size(number: int = 0, frame: FrameType | None = None) -> None:
        columns, rows = shutil.get_terminal_size()
        with suppress(OSError):
            stream.send(b"w", json.dumps({"rows": rows, "columns": columns}).encode())

    previous = signal.signal(signal.SIGWINCH, tell_size)
    try:
        with _raw_terminal():
            tell_size()
            threading.Thread(target=_feed, args=(stream, False), daemon=True).start()
            return _drain(stream)
    finally:
        signal.signal(signal.SIGWINCH, previous)
        stream.close()


def _feed(stream: Stream, tell_end: bool) -> None:
    with suppress(OSError):
        while data := os.read(0, 65536):
            stream.send(b"i", data)
        if tell_end:
            stream.send(b"e")


def _drain(stream: Stream) -> int:
    for kind, payload in stream:
        if kind == b"x":
            result = json.loads(payload)
            if "error" in result:
                print(f"lab: {result['error']}", file=sys.stderr)
                return 1
            return 124 if result["code"] is None else int(result["code"]) & 0xFF
        target = sys.stderr.buffer if kind == b"r" else sys.stdout.buffer
        target.write(payload)
        target.flush()
    return 1


@contextmanager
def _raw_terminal() -> Iterator[None]:
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
