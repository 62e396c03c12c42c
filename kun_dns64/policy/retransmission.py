"""When a question that an upstream has not answered is put again: the retransmission timeout of RFC 6298.

One source for both builds: the compiled one calls `RoundTrip` as C (retransmission.pxd).

Three things differ from TCP. The floor is far below one second, so that a lost packet is made good within a client's
budget. The timeout never exceeds a part of that budget. And silence alone does not raise it: that a name is not
answered says little about the upstream, and clients choose the names. So the timeout is doubled (section 5.5) only by
an answer that came after the question was sent again, which shows that the timeout may have been too short.
"""

from math import inf

# Before anything is measured. Section 2.1 has one second, which would leave no time for a second packet.
FIRST_RTO_S = 0.4
# Section 2.4's floor.
MIN_RTO_S = 0.2
# Section 2.3's G: answers are late by so much for reasons of this machine, or of an upstream that asks on.
MIN_VARIATION_S = 0.1
# Of the time within which a client is answered; so a question that is sent again has as long as the first time.
BUDGET_SHARE = 0.5
MAX_DOUBLINGS = 6


def longest_rto_s(budget_s: float) -> float:
    """Return the ceiling of every timeout (section 2.5), in seconds."""
    return budget_s * BUDGET_SHARE


class RoundTrip:
    """The times of one upstream's answers, smoothed (section 2), and the timeout that follows. All in seconds.

    `ceiling_s`: no timeout is longer. `samples`: answers measured; `unclear`: the others. `doublings`: of the timeout,
    until the next sample (section 5.7).
    """

    __slots__ = ("ceiling_s", "doublings", "rttvar_s", "samples", "srtt_s", "unclear")

    def __init__(self) -> None:
        self.ceiling_s = inf
        self.srtt_s = self.rttvar_s = 0.0
        self.samples = self.unclear = self.doublings = 0

    def measured(self, rtt_s: float) -> None:
        """Take the time of an answer to a question that was sent once (Karn's rule, section 3)."""
        if self.samples:
            self.rttvar_s += (abs(rtt_s - self.srtt_s) - self.rttvar_s) / 4
            self.srtt_s += (rtt_s - self.srtt_s) / 8
        else:
            self.srtt_s, self.rttvar_s = rtt_s, rtt_s / 2
        self.samples += 1
        self.doublings = 0

    def ambiguous(self) -> None:
        """Take note of an answer to a question that was sent again: which packet it answers cannot be known."""
        self.unclear += 1
        self.doublings = min(self.doublings + 1, MAX_DOUBLINGS)

    def rto_s(self) -> float:
        """Return how long to wait for an answer before the question is sent again."""
        rto_s = FIRST_RTO_S
        if self.samples:
            rto_s = max(MIN_RTO_S, self.srtt_s + max(MIN_VARIATION_S, 4 * self.rttvar_s))
        return min(rto_s * (1 << self.doublings), self.ceiling_s)

    def take_over(self, known: "RoundTrip") -> None:
        """Go on from what is known of the same upstream; the ceiling stays."""
        self.srtt_s, self.rttvar_s = known.srtt_s, known.rttvar_s
        self.samples, self.unclear, self.doublings = known.samples, known.unclear, known.doublings
