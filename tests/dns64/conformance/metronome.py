"""Tells whether this process got the CPU when it needed it: a row that failed while it did not is judged again."""

from __future__ import annotations

import threading
import time
from collections import deque

TICK_S = 0.02
STALL_S = 0.08
"""A gap between ticks that can make the harness itself late: its upstream then looks slow to the server."""


class Metronome:
    """Ticks in a thread of its own and remembers the stalls of the last minutes."""

    def __init__(self) -> None:
        self._stalls: deque[float] = deque(maxlen=1000)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def stalled_since(self, start_s: float) -> bool:
        """Whether there was a stall after that time.monotonic(), or one is going on."""
        return any(at > start_s for at in list(self._stalls))

    def _tick(self) -> None:
        before = time.monotonic()
        while not self._stop.wait(TICK_S):
            now = time.monotonic()
            if now - before > TICK_S + STALL_S:
                self._stalls.append(now)
            before = now
