"""DNS over TCP and TLS listeners (RFC 7766, RFC 7858): pipelining, answers in the order they are ready, limits."""

import asyncio
import socket
import ssl
from time import monotonic
from typing import cast

from kun_dns64.model.message import Transport
from kun_dns64.transport.connections import Connections
from kun_dns64.transport.port import Front
from kun_dns64.transport.sockets import BACKLOG

MIN_MESSAGE = 12
# Queries of one connection that wait for their answers; reading pauses above.
MAX_IN_FLIGHT = 64
MAX_UNSENT = 256 * 1024
MAX_FINISHED = 64 * 1024
# What one connection may take of a turn of the loop, so that a long pipeline leaves time for the others.
TURN_S = 0.002


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
        self.client, self.has_asked = "", False
        self._transport: asyncio.Transport

    @property
    def is_busy(self) -> bool:
        """A query waits for its answer."""
        return self._in_flight > 0

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
            self.has_asked = True
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
