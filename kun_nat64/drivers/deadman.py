"""The dead-man's switch: a thread that withdraws the path when the agent's event loop hangs.

Health that nobody proves any more must not stay announced. systemd's watchdog covers a process that is stuck as a
whole; this covers the loop, at once and also where there is no systemd.
"""

import threading
from collections.abc import Callable


class DeadMan:
    """`withdraw` runs once per hang, in this thread, after `checks` intervals of `interval_s` without a beat.

    It counts its own wake-ups and not the time: a machine that was asleep as a whole is not a hang.
    """

    def __init__(self, withdraw: Callable[[], None], *, interval_s: float = 2.0, checks: int = 5) -> None:
        self._withdraw, self._interval_s, self._checks = withdraw, interval_s, checks
        self._beats = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="dead-man", daemon=True)
        self.sprung = 0

    def start(self) -> None:
        self._thread.start()

    def beat(self) -> None:
        self._beats += 1

    def close(self) -> None:
        self._done.set()
        self._thread.join(timeout=self._interval_s * 2)

    def _watch(self) -> None:
        seen, missed = self._beats, 0
        while not self._done.wait(self._interval_s):
            missed = missed + 1 if self._beats == seen else 0
            seen = self._beats
            if missed == self._checks:
                self.sprung += 1
                self._withdraw()
