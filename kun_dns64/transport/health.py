"""What is known of one upstream: how fast it answers, whether it answers at all, when to try it again."""

import math
from dataclasses import dataclass

FIRST_PATIENCE_S = 0.4
MIN_PATIENCE_S, MAX_PATIENCE_S = 0.15, 0.8
# This many questions in a row without a word, and it counts as dead.
SILENCES_TO_DEATH = 3
FIRST_BACKOFF_S, MAX_BACKOFF_S = 1.0, 60.0
# Upstreams whose times differ by less than a band keep the operator's order.
FIRST_BAND_S = 0.05
# A measured time fades, so that an upstream that was slow once is tried again.
HALF_LIFE_S = 60.0


@dataclass(slots=True)
class Health:
    """Smoothed like TCP's round trip (RFC 6298 section 2). Times in seconds of the caller's clock."""

    srtt_s: float = 0.0
    rttvar_s: float = 0.0
    measured_at: float = 0.0
    answers: int = 0
    silences: int = 0
    down_until: float = 0.0
    _backoff_s: float = FIRST_BACKOFF_S
    down: bool = False

    def heard(self, rtt_s: float, now: float) -> None:
        """A reply came, whatever it said."""
        if self.answers:
            self.rttvar_s += (abs(rtt_s - self.srtt_s) - self.rttvar_s) / 4
            self.srtt_s += (rtt_s - self.srtt_s) / 8
        else:
            self.srtt_s, self.rttvar_s = rtt_s, rtt_s / 2
        self.answers += 1
        self.measured_at = now
        self.silences, self.down, self._backoff_s = 0, False, FIRST_BACKOFF_S

    def silent(self, now: float) -> None:
        """A question was not answered in time."""
        self.silences += 1
        if self.silences >= SILENCES_TO_DEATH:
            self.failed(now)

    def failed(self, now: float) -> None:
        """It cannot be reached. Each further failure doubles the time until the next try."""
        if self.down and now < self.down_until:
            return
        self._backoff_s = min(self._backoff_s * 2, MAX_BACKOFF_S) if self.down else FIRST_BACKOFF_S
        self.down, self.down_until = True, now + self._backoff_s

    def patience_s(self) -> float:
        """How long to wait before another upstream is asked too."""
        if not self.answers:
            return FIRST_PATIENCE_S
        return min(max(2 * self.srtt_s + 4 * self.rttvar_s, MIN_PATIENCE_S), MAX_PATIENCE_S)

    def band(self, now: float) -> int:
        """0 for the fast and the unknown, one more for each doubling of the time."""
        faded = self.srtt_s * 0.5 ** (max(now - self.measured_at, 0.0) / HALF_LIFE_S)
        return 0 if faded <= FIRST_BAND_S else 1 + int(math.log2(faded / FIRST_BAND_S))
