"""A terminal of 80 columns and 24 lines: a real pty, and what a person would see on it."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic

COLUMNS, LINES = 80, 24
CONTROL = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\r|\n|\x1b.")
PATIENT_S = 60.0


@dataclass
class Screen:
    """What escape sequences make of it. `wraps`: lines that were longer than it is wide, `scrolled`: lines lost above.

    `frames`: what it showed whenever it was drawn from the top again.
    """

    rows: list[str] = field(default_factory=lambda: [""] * LINES)
    row: int = 0
    column: int = 0
    wraps: list[str] = field(default_factory=list)
    scrolled: int = 0
    alternate: bool = False
    cursor: bool = True
    frames: list[str] = field(default_factory=list)

    def feed(self, text: str) -> None:
        place = 0
        for found in CONTROL.finditer(text):
            self._print(text[place : found.start()])
            place = found.end()
            self._control(found[0], found[1], found[2])
        self._print(text[place:])

    def text(self) -> str:
        return "\n".join(row.rstrip() for row in self.rows).rstrip("\n")

    def _control(self, whole: str, values: str | None, letter: str | None) -> None:
        match whole, values, letter:
            case "\r", _, _:
                self.column = 0
            case "\n", _, _:
                # As the terminal's own line discipline has it: \n is \r\n.
                self._down()
            case _, "", "H":
                self.frames.append(self.text())
                self.row = self.column = 0
            case _, "" | "0", "K":
                self.rows[self.row] = self.rows[self.row][: self.column]
            case _, "" | "0", "J":
                self.rows[self.row] = self.rows[self.row][: self.column]
                self.rows[self.row + 1 :] = [""] * (LINES - self.row - 1)
            case _, "?1049", "h" | "l":
                self.alternate = letter == "h"
                self.rows, self.row, self.column = [""] * LINES, 0, 0
            case _, "?25", "h" | "l":
                self.cursor = letter == "h"
            case _, _, "m":
                pass
            case _:
                raise AssertionError(f"{whole!r} is not known here")

    def _print(self, text: str) -> None:
        if not text:
            return
        row = self.rows[self.row].ljust(self.column)[: self.column] + text
        if len(row) > COLUMNS:
            self.wraps.append(row)
            row = row[:COLUMNS]
        self.rows[self.row], self.column = row, len(row)

    def _down(self) -> None:
        self.column = 0
        if self.row + 1 < LINES:
            self.row += 1
        else:
            self.rows = [*self.rows[1:], ""]
            self.scrolled += 1


@dataclass
class Seen:
    """`restored`: modes of the terminal are as before the command."""

    screen: Screen
    code: int
    restored: bool
    written: str


def on_a_terminal(
    argv: Sequence[str],
    *,
    until: Callable[[Screen], bool] = lambda _: False,
    then: bytes | signal.Signals = b"q",
) -> Seen:
    """Run a command on a terminal; when `until` is true, type `then` or send it; return when the command has ended."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    before = termios.tcgetattr(theirs)
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        argv,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        env={**environment, "TERM": "xterm"},
    )
    screen, written, told, end = Screen(), "", False, monotonic() + PATIENT_S
    try:
        while monotonic() < end:
            ended = process.poll() is not None
            if select.select([ours], [], [], 0 if ended else 0.1)[0]:
                part = os.read(ours, 65536).decode(errors="replace")
                written += part
                screen.feed(part)
            elif ended:
                break
            if not told and until(screen):
                told = True
                if isinstance(then, bytes):
                    os.write(ours, then)
                else:
                    process.send_signal(then)
        assert process.poll() is not None, f"did not end; it showed\n{screen.text()}"
        return Seen(screen, process.returncode, termios.tcgetattr(theirs) == before, written)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
