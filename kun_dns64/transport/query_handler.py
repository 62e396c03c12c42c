"""The small port between listeners and the server behind them."""

from collections.abc import Callable
from typing import Protocol

from kun_dns64.model.message import Source, Transport

# Called exactly once per query: the finished message, or None when nothing is to be said.
Send = Callable[[bytes | None], None]


class QueryHandler(Protocol):
    """What listeners hand queries to."""

    def quick(self, wire: bytes, source: Source) -> bytes | None:
        """The answer if it is ready at once, for UDP; None otherwise, and then `handle` is to be called."""
        ...

    def handle_datagram(self, wire: bytes, source: Source, send: Send) -> None:
        """`handle` for UDP."""
        ...

    def handle(self, wire: bytes, source: Source, transport: Transport, send: Send) -> None:
        """Answers through `send`, now or later, always within the budget."""
        ...
