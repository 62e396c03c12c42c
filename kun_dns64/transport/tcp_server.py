"""DNS over TCP and TLS listeners (RFC 7766, RFC 7858): pipelining, answers in the order they are ready, limits."""

import asyncio
import socket
import ssl
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic
from typing import cast

from kun_dns64.model.message import Transport
from kun_dns64.transport.port import Front
from kun_dns64.transport.sockets import BACKLOG

MIN_MESSAGE = 12
# Queries of one connection that wait for their answers; reading pauses above.
MAX_IN_FLIGHT = 64
MAX_UNSENT = 256 * 1024
MAX_FINISHED = 64 * 1024
# What one connection may take of a turn of the loop, so that a long pipeline leaves time for the others.
TURN_S = 0.002


@dataclass(slots=True)
class StreamLimits:
    """`idle_s` without a whole query closes a connection; beyond the counts the one idle longest goes."""

    idle_s: float
    max_connections: int
    max_per_client: int


class Connections:
    """All open connections, the one idle longest first (RFC 7766 section 6.2.2, RFC 9210 section 4)."""

    def __init__(self, limits: StreamLimits) -> None:
        self.limits = limits
        self._by_age: OrderedDict[StreamConnection, float] = OrderedDict()
        self._by_client: dict[str, OrderedDict[StreamConnection, None]] = {}
        self.closed_for_limit = 0

    def __len__(self) -> int:
        return len(self._by_age)

    def add(self, connection: "StreamConnection", now: float) -> None:
        self._by_age[connection] = now
        own = self._by_client.setdefault(connection.client, OrderedDict())
        own[connection] = None
        if len(own) > self.limits.max_per_client:
            self._close_for_limit(next(iter(own)))
        elif len(self._by_age) > self.limits.max_connections:
            self._close_for_limit(next(iter(self._by_age)))

    def touch(self, connection: "StreamConnection", now: float) -> None:
        if connection in self._by_age:
            self._by_age[connection] = now
            self._by_age.move_to_end(connection)
            self._by_client[connection.client].move_to_end(connection)

    def remove(self, connection: "StreamConnection") -> None:
        if self._by_age.pop(connection, None) is None:
            return
        own = self._by_client[connection.client]
        del own[connection]
        if not own:
            del self._by_client[connection.client]

    def close_idle(self, now: float) -> None:
        """Closes what has been idle too long; to be called about once a second."""
        for connection, since in list(self._by_age.items()):
            if now - since < self.limits.idle_s:
                return
            self._close(connection)

    def _close_for_limit(self, connection: "StreamConnection") -> None:
        self.closed_for_limit += 1
        self._close(connection)

    def _close(self, connection: "StreamConnection") -> None:
        """What is closed now is gone in the next turn of the loop; what closes by itself counts until it is lost."""
        connection.close_now()
        self.remove(connection)

    def finish_all(self) -> None:
        """No more queries; each connection closes when its last answer is out."""
        for connection in list(self._by_age):
            connection.finish()

    def close_all(self) -> None:
        for connection in list(self._by_age):
            connection.close_now()


class StreamConnection(asyncio.Protocol):
    """One client connection. Octets alone do not count as activity: a whole query or a reply taken does."""

    def __init__(self, front: Front, connections: Connections, kind: Transport) -> None:
        self._front, self._connections, self._kind = front, connections, kind
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._in_flight = 0
        # Replies made while queries are being taken, to be written together.
        self._finished: list[bytes] = []
        self._finished_octets = 0
        self._taking = False
        self._ended = self._clogged = self._reading_paused = False
        self.client = ""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=MAX_UNSENT)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = transport.get_extra_info("peername")
        if not peer:
            # Reset before we looked: nobody is there, although its query may be.
            self._transport.abort()
            return
        self.client = peer[0]
        self._connections.add(self, self._loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.remove(self)
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        if not self._ended:
            self._buffer += data
            self._take_queries()

    def eof_received(self) -> bool:
        """The client has asked its last; half-closed, it still gets its answers (RFC 7766 section 6.2.4)."""
        self._ended = True
        self._take_queries()
        return self._kind is Transport.TCP

    def pause_writing(self) -> None:
        self._clogged = True
        self._pause_or_resume()

    def resume_writing(self) -> None:
        self._clogged = False
        self._connections.touch(self, self._loop.time())
        self._pause_or_resume()

    def finish(self) -> None:
        """Takes no more queries, and closes when the answers are out."""
        self._ended = True
        self._buffer = b""
        self._close_when_done()

    def _close_when_done(self) -> None:
        if self._ended and not self._in_flight and not self._transport.is_closing():
            self._transport.close()

    def close_now(self) -> None:
        """Waits for nobody: what the client has not taken is lost. TLS says so first (RFC 8446 section 6.1)."""
        if not self._transport.is_closing():
            self._transport.close()
        # close() alone would wait for a client that does not read, one that closes already does.
        self._transport.abort()

    def _take_queries(self) -> None:
        """All whole queries there are, within limits. What is answered at once goes out in one write."""
        data, at, turn_ends = self._buffer, 0, monotonic() + TURN_S
        self._taking = True
        while self._in_flight < MAX_IN_FLIGHT and not self._clogged:
            begin = at + 2
            end = begin + int.from_bytes(data[at:begin], "big")
            if len(data) < end or len(data) < begin:
                if self._ended:
                    at = len(data)
                break
            if end - begin < MIN_MESSAGE:
                # Nothing after a frame without a header can be trusted.
                self._ended, at = True, len(data)
                break
            at = end
            self._in_flight += 1
            self._front.handle(data[begin:end], self.client, self._kind, self._send)
            if self._finished_octets > MAX_FINISHED or monotonic() > turn_ends:
                self._loop.call_soon(self._resume_taking)
                break
        self._buffer = data[at:]
        self._write_finished()
        if at:
            self._connections.touch(self, self._loop.time())
        self._pause_or_resume()
        if len(self._buffer) < 2:
            self._close_when_done()

    def _write_finished(self) -> None:
        self._taking = False
        if self._finished and not self._transport.is_closing():
            self._transport.write(b"".join(self._finished))
        self._finished.clear()
        self._finished_octets = 0

    def _send(self, message: bytes | None) -> None:
        self._in_flight -= 1
        if message is not None:
            # Length and message in one write, so in one segment (RFC 7766 section 8).
            message = len(message).to_bytes(2, "big") + message
        if self._taking:
            if message is not None:
                self._finished.append(message)
                self._finished_octets += len(message)
            return
        if self._transport.is_closing():
            return
        if message is not None:
            self._transport.write(message)
            if not self._clogged:
                self._connections.touch(self, self._loop.time())
        if self._reading_paused:
            self._loop.call_soon(self._resume_taking)
        elif len(self._buffer) < 2:
            self._close_when_done()

    def _resume_taking(self) -> None:
        if not self._transport.is_closing():
            self._take_queries()

    def _pause_or_resume(self) -> None:
        if self._transport.is_closing():
            return
        wanted = self._clogged or self._in_flight >= MAX_IN_FLIGHT
        if wanted and not self._reading_paused:
            self._transport.pause_reading()
        elif not wanted and self._reading_paused:
            self._transport.resume_reading()
            self._loop.call_soon(self._resume_taking)
        self._reading_paused = wanted


class StreamServing:
    """A TCP or TLS listener at work."""

    def __init__(
        self, front: Front, connections: Connections, sock: socket.socket, context: ssl.SSLContext | None = None
    ) -> None:
        self._front, self._connections, self._sock, self._context = front, connections, sock, context
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        kind = Transport.TCP if self._context is None else Transport.TLS
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: StreamConnection(self._front, self._connections, kind),
            sock=self._sock,
            # The event loop calls listen() once more, with 100 unless told.
            backlog=BACKLOG,
            ssl=self._context,
            ssl_handshake_timeout=self._connections.limits.idle_s if self._context else None,
        )

    def close(self) -> None:
        """Takes no more connections; open ones go on."""
        if self._server is not None:
            self._server.close()
