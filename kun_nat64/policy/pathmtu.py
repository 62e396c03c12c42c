"""The proof that the MSS fits: which packets really make the whole trip, and what that means for TCP.

Sizes are of IPv6 packets on the inside; outside they are 20 bytes shorter (RFC 7915 sections 4.1 and 5.1).
"""

from collections.abc import Callable
from dataclasses import dataclass

IPV4_HEADER, IPV6_HEADER, TCP_HEADER = 20, 40, 20
TRANSLATION = IPV6_HEADER - IPV4_HEADER
# Every IPv6 link carries this much (RFC 8200 section 5): a path that does not is broken, not narrow.
LEAST = 1280


@dataclass(frozen=True, slots=True)
class Swept:
    """`largest`: the largest packet that came back, None if not even the least did; `needed` by a full TCP segment."""

    target: str
    largest: int | None
    needed: int
    possible: int

    @property
    def mss_fits(self) -> bool:
        return self.largest is not None and self.largest >= self.needed

    @property
    def safe_mss(self) -> int | None:
        return None if self.largest is None else self.largest - IPV6_HEADER - TCP_HEADER

    @property
    def words(self) -> str:
        if self.largest is None:
            return f"not even packets of {LEAST} bytes come back from {self.target}"
        outside = self.largest - TRANSLATION
        came = f"packets of up to {self.largest} bytes (outside {outside}) come back from {self.target}"
        if not self.mss_fits:
            return f"{came}, full TCP segments need {self.needed}: [gateway] mss should be {self.safe_mss}"
        if self.largest < self.possible:
            return f"{came}, which is enough for TCP; the outside interface would carry {self.possible - TRANSLATION}"
        return f"{came}: all that the outside interface carries"


def needed_for(mss: int) -> int:
    return mss + IPV6_HEADER + TCP_HEADER


def possible_with(outside_mtu: int) -> int:
    return outside_mtu + TRANSLATION


def largest_passing(passes: Callable[[int], bool], most: int) -> int | None:
    """The largest size up to `most` for which `passes` holds, if it holds for all smaller ones; None: not for LEAST."""
    if passes(most):
        return most
    if not passes(LEAST):
        return None
    good, bad = LEAST, most
    while bad - good > 1:
        middle = (good + bad) // 2
        if passes(middle):
            good = middle
        else:
            bad = middle
    return good
