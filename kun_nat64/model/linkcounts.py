"""What a link has counted since it was made."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LinkCounts:
    """Packets, and bytes. Errors of a 6to4 tunnel: sources that do not embed the outer one, packets without a route."""

    received: int
    receive_errors: int
    receive_drops: int
    sent: int
    send_errors: int
    send_drops: int
    received_bytes: int = 0
    sent_bytes: int = 0

    def trouble(self) -> Iterator[tuple[str, str, int]]:
        """Direction, kind, packets."""
        yield "receive", "error", self.receive_errors
        yield "receive", "drop", self.receive_drops
        yield "send", "error", self.send_errors
        yield "send", "drop", self.send_drops
