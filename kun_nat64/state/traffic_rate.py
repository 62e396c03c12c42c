"""What crossed the translator at the last two looks, and how fast."""

from dataclasses import dataclass, field

from kun_nat64.model.publiccounts import CountedTraffic, PublicCounts, TrafficRate, rate_between, total


@dataclass
class CarriedState:
    """Written by agent/counter_loop.py. `at`: the clock at the last look, None before the first one.

    `rate`: None until two looks agree.
    """

    by_address: CountedTraffic = field(default_factory=dict)
    at: float | None = None
    rate: TrafficRate | None = None

    @property
    def whole(self) -> PublicCounts:
        return total(self.by_address.values())

    def take_traffic(self, counted: CountedTraffic, *, now: float) -> None:
        """Another set of addresses is counted anew, so that it has no rate yet."""
        same = self.at is not None and counted.keys() == self.by_address.keys()
        before, since = self.whole, self.at or 0.0
        self.by_address, self.at = counted, now
        self.rate = rate_between(before, self.whole, now - since) if same else None
