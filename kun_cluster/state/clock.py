"""The time that cool-downs are measured by."""

from dataclasses import dataclass


@dataclass(slots=True)
class CautiousClock:
    """The wall clock, but never faster than time passes: a clock that was set forward must not end a cool-down."""

    wall_at_start: float
    monotonic_at_start: float

    def now(self, wall: float, monotonic: float) -> float:
        """Give the earlier of the wall clock and the time that has passed since the start. Unix seconds."""
        return min(wall, self.wall_at_start + monotonic - self.monotonic_at_start)
