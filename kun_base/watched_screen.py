"""A screen that redraws itself until q or Ctrl-C, on a terminal that is left as it was found."""

import os
import select
import shutil
import signal
import sys
import termios
import textwrap
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

# The alternate screen, and no cursor; the other way round.
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
HOME, TO_LINE_END, TO_SCREEN_END = "\x1b[H", "\x1b[K", "\x1b[J"
# Columns where output is not a terminal: wide enough to cut nothing.
NO_TERMINAL = (10_000, 10_000)
# Returns the lines for so many columns and lines.
Frame = Callable[[int, int], Sequence[str]]


class _Ended(Exception):
    """SIGTERM or SIGHUP."""


def watch(frame: Frame, period_s: float) -> None:
    """Show frames until q, Ctrl-C or SIGTERM; then the last one stays. Without a terminal, print one after the other.

    What `frame` raises passes through, after the terminal is as it was.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        while True:
            print("\n".join(frame(*NO_TERMINAL)), flush=True)
            time.sleep(period_s)
    last: Sequence[str] = ()
    with _screen():
        try:
            while True:
                columns, lines = shutil.get_terminal_size()
                last = fitted(frame(columns, lines), columns, lines)
                _write(HOME + "\r\n".join(line + TO_LINE_END for line in last) + TO_SCREEN_END)
                if _asked_to_end(period_s):
                    break
        except (KeyboardInterrupt, _Ended):
            pass
    print("\n".join(last), flush=True)


def fitted(text: Sequence[str], columns: int, lines: int) -> list[str]:
    """Return what fits on a screen: cut long lines, and count in the last line those that do not fit."""
    shown = [line for each in text for line in (each.splitlines() or [""])]
    if len(shown) > lines:
        shown = [*shown[: lines - 1], f"… {len(shown) - lines + 1} more lines"]
    return [line if len(line) <= columns else f"{line[: columns - 1]}…" for line in shown]


def wrapped(line: str, indent: int) -> str:
    """The line in as many lines as the terminal needs, the later ones indented; as it is where there is no terminal."""
    if not sys.stdout.isatty():
        return line
    width = max(shutil.get_terminal_size().columns, indent + 20)
    return "\n".join(textwrap.wrap(line, width, subsequent_indent=" " * indent, drop_whitespace=True) or [""])


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


@contextmanager
def _screen() -> Iterator[None]:
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    handlers = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        tty.setcbreak(terminal)
        _write(ENTER)
        yield
    finally:
        _write(LEAVE)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _end(_number: int, _frame: object) -> None:
    raise _Ended


def _asked_to_end(seconds: float) -> bool:
    terminal, end = sys.stdin.fileno(), time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            typed = os.read(terminal, 64)
            if not typed or typed[:1] in b"qQ":
                return True
    return False
