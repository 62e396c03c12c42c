"""What the session log says of itself: plain values that it writes and the others read."""

from dataclasses import dataclass, field


@dataclass
class Sink:
    """One of the places where sessions are logged. `failed`: why the last attempt did not work, "" when it did."""

    records: int = 0
    dropped: int = 0
    waiting: int = 0
    size_bytes: int = 0
    failed: str = ""


@dataclass
class SessionLogState:
    """The session log. `looked_at`: wall clock of the last look that is in it; `skipped`: looks that came too soon.

    `took_s`: how long comparing and writing the last look took. `set_aside`: damaged parts of the database. `jump`:
    what the wall clock has done since the start.
    """

    looked_at: float | None = None
    living: int = 0
    skipped: int = 0
    took_s: float = 0.0
    failed: str = ""
    jump: str = ""
    set_aside: tuple[str, ...] = ()
    sinks: dict[str, Sink] = field(default_factory=lambda: {"log": Sink(), "database": Sink()})

    @property
    def problem(self) -> str:
        """Empty while all is well."""
        each = (f"{name}: {sink.failed}" for name, sink in self.sinks.items() if sink.failed)
        return "; ".join(filter(None, (self.failed, *each)))
