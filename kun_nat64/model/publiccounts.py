"""What crossed the translator, counted where it is IPv4."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PublicCounts:
    """Packets and bytes since counting began. `in`: from the Internet to a public address; `out`: from it."""

    packets_in: int = 0
    bytes_in: int = 0
    packets_out: int = 0
    bytes_out: int = 0

    def __add__(self, other: "PublicCounts") -> "PublicCounts":
        return PublicCounts(
            self.packets_in + other.packets_in,
            self.bytes_in + other.bytes_in,
            self.packets_out + other.packets_out,
            self.bytes_out + other.bytes_out,
        )


# By public address and protocol.
CountedTraffic = Mapping[tuple[str, str], PublicCounts]


def total(counts: Iterable[PublicCounts]) -> PublicCounts:
    return sum(counts, PublicCounts())


@dataclass(frozen=True, slots=True)
class TrafficRate:
    """Per second, over the time between two looks."""

    bits_in: float
    bits_out: float
    packets_in: float
    packets_out: float


def rate_between(before: PublicCounts, now: PublicCounts, seconds: float) -> TrafficRate | None:
    """None where a count went down: counting began anew in between."""
    moved = (
        now.bytes_in - before.bytes_in,
        now.bytes_out - before.bytes_out,
        now.packets_in - before.packets_in,
        now.packets_out - before.packets_out,
    )
    if seconds <= 0 or min(moved) < 0:
        return None
    bytes_in, bytes_out, packets_in, packets_out = (each / seconds for each in moved)
    return TrafficRate(8 * bytes_in, 8 * bytes_out, packets_in, packets_out)
