"""How old a part of the session log may become, by a clock that may be wrong.

Records from before `cutoff` may be removed. `cutoff` follows the wall clock slowly: at most twice as fast as time
passes, and a day at the first check. So a clock that jumps a year ahead costs one day of the log, and an agent that was
down for a month has caught up after a month.
"""

from dataclasses import dataclass

DAY_S = 86400.0
# Less is what a clock is set by now and then.
JUMP_S = 3600.0
CATCHING_UP = 2.0


@dataclass
class Retention:
    """`keep_s`: how long a part is kept. `jump`: what the wall clock has done since the look before, "" if nothing."""

    keep_s: float
    jump: str = ""
    _cutoff: float | None = None
    _wall: float = 0.0
    _clock: float = 0.0

    def cutoff(self, oldest: float | None, *, wall: float, clock: float) -> float:
        """`oldest`: when the oldest part was written last, None where there is none. `clock` never jumps."""
        wanted = wall - self.keep_s
        if self._cutoff is None:
            allowed = wanted if oldest is None else max(oldest, 0.0) + DAY_S
        else:
            passed = clock - self._clock
            self.jump = _jump(wall - self._wall - passed)
            allowed = self._cutoff + CATCHING_UP * passed
        self._cutoff = max(min(wanted, allowed), self._cutoff if self._cutoff is not None else float("-inf"))
        if wanted < self._cutoff:
            self._cutoff = wanted  # the clock is back where it was: nothing younger goes
        self._wall, self._clock = wall, clock
        return self._cutoff


def _jump(seconds: float) -> str:
    if abs(seconds) < JUMP_S:
        return ""
    way = "ahead" if seconds > 0 else "back"
    return f"the clock jumped {abs(seconds) / 3600:.1f} hours {way}: the session log ignores the jump"
