"""Deadlines for a connection to the admin pages: aiohttp has none for a request that comes a byte at a time."""

import asyncio
from collections import OrderedDict
from typing import Any

# For the head of the first request, and for one request's answer to be made.
HEAD_S, ANSWER_S = 10.0, 30.0
# Each holds a file; beyond it the connection that has been open longest goes.
MOST_CONNECTIONS = 128


class AdminConnections:
    """All that are open, by transport, the oldest first. `idle_s`: between requests, the next one's head included."""

    def __init__(self, idle_s: float) -> None:
        self.idle_s = idle_s
        self.open: OrderedDict[Any, Deadlined] = OrderedDict()

    def guarded(self, inner: asyncio.Protocol) -> "Deadlined":
        return Deadlined(inner, self)

    def began(self, transport: Any) -> None:
        """A whole request has come by it."""
        if (one := self.open.get(transport)) is not None:
            one.arm(ANSWER_S)

    def ended(self, transport: Any) -> None:
        """Its answer is made; it is to be taken, and the next request to come, in time."""
        if (one := self.open.get(transport)) is not None:
            one.arm(self.idle_s)


class Deadlined(asyncio.Protocol):
    """Passes everything on to `inner`, and ends the connection when nothing whole comes of it in time."""

    def __init__(self, inner: asyncio.Protocol, all_: AdminConnections) -> None:
        self._inner, self._all = inner, all_
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def arm(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._transport.abort)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._all.open[transport] = self
        while len(self._all.open) > MOST_CONNECTIONS:
            oldest, _ = self._all.open.popitem(last=False)
            oldest.abort()
        self.arm(min(HEAD_S, self._all.idle_s))
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.open.pop(self._transport, None)
        if self._timer is not None:
            self._timer.cancel()
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
