"""What is known of one upstream: how fast it answers, and whether it answers at all.

Whatever it says, about any name, shows that it is alive. That it says nothing about a name shows little: the servers of
that name's zone may be dead, and a client chooses the names. So silence and unreachable ports only raise doubt, and a
health check (health_check.py) decides.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

FIRST_PATIENCE_S = 0.4
MIN_PATIENCE_S, MAX_PATIENCE_S = 0.15, 0.8
# So many questions in a row without a word, and it is asked whether it is there.
SILENCES_TO_DOUBT = 3
# Upstreams whose times differ by less than a band keep the operator's order.
FIRST_BAND_S = 0.05
# A measured time fades, so that an upstream that was slow once is tried again.
HALF_LIFE_S = 60.0


def _nobody_listens() -> None:
    return None


@dataclass(slots=True)
class Health:
    """Smoothed like TCP's round trip (RFC 6298 section 2). Times in seconds of the caller's clock.

    `heard_at`: when it last said anything; `why`: what the last failed check met. `on_doubt` and `on_return` are called
    when it should be checked, and when it answers after it was down.
    """

    srtt_s: float = 0.0
    rttvar_s: float = 0.0
    heard_at: float = 0.0
    answers: int = 0
    silences: int = 0
    down: bool = False
    down_since: float = 0.0
    why: str = ""
    on_doubt: Callable[[], None] = field(default=_nobody_listens, compare=False, repr=False)
    on_return: Callable[[], None] = field(default=_nobody_listens, compare=False, repr=False)

    def heard(self, rtt_s: float, now: float) -> None:
        """An answer about a name came after `rtt_s`."""
        if self.answers:
            self.rttvar_s += (abs(rtt_s - self.srtt_s) - self.rttvar_s) / 4
            self.srtt_s += (rtt_s - self.srtt_s) / 8
        else:
            self.srtt_s, self.rttvar_s = rtt_s, rtt_s / 2
        self.answers += 1
        self.alive(now)

    def alive(self, now: float) -> None:
        """A reply came, whatever it said. How long an error took says nothing: a zone's own servers may be slow."""
        self.heard_at, self.silences = now, 0
        if self.down:
            self.down = False
            self.on_return()

    def silent(self, sent_at: float) -> None:
        """A question sent at `sent_at` is not answered yet. Means nothing if it answered another one since."""
        if self.heard_at >= sent_at:
            return
        self.silences += 1
        if self.silences >= SILENCES_TO_DOUBT:
            self.on_doubt()

    def unreachable(self) -> None:
        """It could not be reached by UDP and TCP, or by its only transport."""
        self.on_doubt()

    def failed(self, now: float, why: str = "") -> None:
        """A health check was not answered."""
        self.why = why
        if not self.down:
            self.down, self.down_since = True, now

    def down_for_s(self, now: float) -> float:
        return now - self.down_since if self.down else 0.0

    def patience_s(self) -> float:
        """How long to wait before another upstream is asked too."""
        if not self.answers:
            return FIRST_PATIENCE_S
        return min(max(2 * self.srtt_s + 4 * self.rttvar_s, MIN_PATIENCE_S), MAX_PATIENCE_S)

    def band(self, now: float) -> int:
        """0 for the fast and the unknown, one more for each doubling of the time."""
        faded = self.srtt_s * 0.5 ** (max(now - self.heard_at, 0.0) / HALF_LIFE_S)
        return 0 if faded <= FIRST_BAND_S else 1 + int(math.log2(faded / FIRST_BAND_S))
