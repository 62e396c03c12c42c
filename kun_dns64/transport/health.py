"""What is known of one upstream: how fast it answers, and whether it answers at all.

How long it may be silent before it is asked again is policy/retransmission.py's.

Whatever it says, about any name, shows that it is alive. That it says nothing about a name shows little: the servers of
that name's zone may be dead, and a client chooses the names. So silence and unreachable ports only raise doubt, and a
health check (health_check.py) decides.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from kun_dns64.policy.retransmission import RoundTrip

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
    """Times in seconds of the caller's clock.

    `heard_at`: when it last said anything; `why`: what the last failed check met. `on_doubt` and `on_return` are called
    when it should be checked, and when it answers after it was down.
    """

    round_trip: RoundTrip = field(default_factory=RoundTrip, compare=False)
    heard_at: float = 0.0
    silences: int = 0
    down: bool = False
    down_since: float = 0.0
    why: str = ""
    on_doubt: Callable[[], None] = field(default=_nobody_listens, compare=False, repr=False)
    on_return: Callable[[], None] = field(default=_nobody_listens, compare=False, repr=False)

    @property
    def answers(self) -> int:
        """How many answers about names have come."""
        return self.round_trip.samples + self.round_trip.unclear

    def heard(self, rtt_s: float, now: float) -> None:
        """An answer about a name came after `rtt_s`, to a question that was sent once.

        fastpath/port_pool.pyx has it compiled.
        """
        self.round_trip.measured(rtt_s)
        self.alive(now)

    def heard_after_resend(self, now: float) -> None:
        """An answer about a name came, to a question that was sent again."""
        self.round_trip.ambiguous()
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

    def band(self, now: float) -> int:
        """0 for the fast and the unknown, one more for each doubling of the time."""
        faded = self.round_trip.srtt_s * 0.5 ** (max(now - self.heard_at, 0.0) / HALF_LIFE_S)
        return 0 if faded <= FIRST_BAND_S else 1 + int(math.log2(faded / FIRST_BAND_S))
