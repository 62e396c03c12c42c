"""DNS over TCP, and what flows in TLS (RFC 7766): pipelining, answers in the order they are ready, limits."""

import asyncio
import socket
from collections import deque
from functools import partial
from time import monotonic
from typing import cast

from kun_dns64.model.message import Transport
from kun_dns64.transport.connections import TURN_S, Connection, Connections
from kun_dns64.transport.query_handler import QueryHandler
from kun_dns64.transport.sockets import BACKLOG, forget_unread

MIN_MESSAGE = 12
# Queries of one connection that wait for their answers; no more are taken then.
MAX_IN_FLIGHT = 64
# Bytes that wait for a client to read; once there are more, questions are kept instead of their answers.
MAX_UNSENT = 64 * 1024
MAX_FINISHED = 64 * 1024
# What a client has not taken for so long the kernel drops, together with the connection, closed or not.
UNTAKEN_S = 10.0


class StreamConnection(asyncio.Protocol):
    """One client connection. Bytes alone do not count as activity: a whole query or a reply taken does."""

    def __init__(
        self, front: QueryHandler, connections: Connections, kind: Transport, instead_of: Connection | None = None
    ) -> None:
        """`instead_of` was counted for it so far."""
        self._front, self._connections, self._kind, self._instead_of = front, connections, kind, instead_of
        self._loop = asyncio.get_running_loop()
        # What was received; queries up to `_at` are taken.
        self._buffer, self._at = b"", 0
        self._in_flight = 0
        # Queries whose answers came when there was no room for them: they are answered anew, from the cache as a rule.
        self._parked: deque[bytes] = deque()
        # Replies made while queries are being taken, to be written together.
        self._finished: list[bytes] = []
        self._finished_bytes = 0
        self._taking = self._awaits_turn = False
        self._ended = self._clogged = False
        self._reading = True
        self.client, self.may_ask_yet = "", True
        self._transport: asyncio.Transport

    @property
    def is_busy(self) -> bool:
        """A query waits for its answer, or to be taken."""
        return (self._in_flight > 0 or self._awaits_turn) and not self._clogged

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=MAX_UNSENT)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNTAKEN_S * 1000))
        peer = transport.get_extra_info("peername")
        if not peer:
            # Reset before we looked: nobody is there, although its query may be.
            self._transport.abort()
            return
        self.client = peer[0]
        if self._instead_of is not None:
            self._connections.remove(self._instead_of)
        self._connections.add(self, self._loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.remove(self)
        self._buffer, self._at = b"", 0
        self._parked.clear()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        is_left = self._at < len(self._buffer)
        self._buffer, self._at = self._buffer[self._at :] + data if is_left else data, 0
        if not self._awaits_turn:
            self._take_queries(self._connections.turns.at_once_s)

    def eof_received(self) -> bool:
        """The client has asked its last; half-closed, it still gets its answers (RFC 7766 section 6.2.4)."""
        self._ended = True
        self._go_on()
        return self._kind is Transport.TCP

    def pause_writing(self) -> None:
        self._clogged = True
        self._connections.clog(self)
        self._go_on()

    def resume_writing(self) -> None:
        self._clogged = False
        self._connections.unclog(self)
        self._connections.touch(self, self._loop.time())
        self._go_on()

    def finish(self) -> None:
        """Takes no more queries, and closes when the answers are out."""
        self._ended = True
        self._buffer, self._at = b"", 0
        self._go_on()

    def close_now(self) -> None:
        """Waits for nobody: what the client has not taken is lost. TLS says so first (RFC 8446 section 6.1)."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            forget_unread(sock)
        if not self._transport.is_closing():
            self._transport.close()
        # close() alone would wait for a client that does not read, one that closes already does.
        self._transport.abort()

    def _take_turn(self) -> None:
        self._awaits_turn = False
        if not self._transport.is_closing():
            self._take_queries(TURN_S)

    def _take_queries(self, turn_s: float) -> None:
        """As many whole queries as limits and a turn allow. What is answered at once goes out in one write."""
        data, at, turn_ends = self._buffer, self._at, monotonic() + turn_s
        self._taking = True
        while self._parked and self._in_flight < MAX_IN_FLIGHT and not self._clogged:
            self._ask(self._parked.popleft())
            if self._finished_bytes > MAX_FINISHED or monotonic() > turn_ends:
                break
        while self._in_flight < MAX_IN_FLIGHT and not self._clogged and not self._parked:
            begin = at + 2
            end = begin + int.from_bytes(data[at:begin], "big")
            if len(data) < end or len(data) < begin:
                break
            if end - begin < MIN_MESSAGE:
                # Nothing after a frame without a header can be trusted.
                self._ended, at = True, len(data)
                break
            at = end
            self._ask(data[begin:end])
            if self._finished_bytes > MAX_FINISHED or monotonic() > turn_ends:
                break
        self._taking = False
        if at > self._at:
            self._at, self.may_ask_yet = at, False
            self._connections.touch(self, self._loop.time())
        self._write_finished()
        self._go_on()

    def _write_finished(self) -> None:
        if self._finished and not self._transport.is_closing():
            self._transport.write(b"".join(self._finished))
        self._finished.clear()
        self._finished_bytes = 0

    def _ask(self, query: bytes) -> None:
        self._in_flight += 1
        self._front.handle(query, self.client, self._kind, partial(self._answered, query))

    def _answered(self, query: bytes, message: bytes | None) -> None:
        self._in_flight -= 1
        if self._clogged and message is not None and not self._taking:
            self._parked.append(query)
            return
        if message is not None:
            # Length and message in one write, so in one segment (RFC 7766 section 8).
            message = len(message).to_bytes(2, "big") + message
        if self._taking:
            if message is not None:
                self._finished.append(message)
                self._finished_bytes += len(message)
            return
        if self._transport.is_closing():
            return
        if message is not None:
            self._transport.write(message)
            if not self._clogged:
                self._connections.touch(self, self._loop.time())
        self._go_on()

    def _has_query(self) -> bool:
        """A whole one is left to take."""
        if self._parked:
            return True
        begin = self._at + 2
        left = len(self._buffer) - begin
        return left >= 0 and left >= int.from_bytes(self._buffer[self._at : begin], "big")

    def _go_on(self) -> None:
        """What comes next: a turn for the queries that are left, more of them, or the end when all are answered."""
        may_take = self._in_flight < MAX_IN_FLIGHT and not self._clogged
        if may_take and self._reading and self._at == len(self._buffer) and not self._ended and not self._parked:
            # As most often: all are taken, and more may come.
            return
        if self._transport.is_closing():
            return
        is_left = self._has_query()
        if is_left and may_take and not self._awaits_turn:
            self._awaits_turn = True
            self._connections.turns.add(self._take_turn)
        if not self._ended:
            self._read(may_take and not is_left)
        elif not is_left and not self._in_flight:
            self._transport.close()

    def _read(self, wanted: bool) -> None:
        if wanted and not self._reading:
            self._transport.resume_reading()
        elif self._reading and not wanted:
            self._transport.pause_reading()
        self._reading = wanted


class StreamServing:
    """A TCP listener at work."""

    def __init__(self, front: QueryHandler, connections: Connections, sock: socket.socket) -> None:
        self._front, self._connections, self._sock = front, connections, sock
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: StreamConnection(self._front, self._connections, Transport.TCP),
            sock=self._sock,
            # The event loop calls listen() once more, with 100 unless told.
            backlog=BACKLOG,
        )

    def close(self) -> None:
        """Takes no more connections; open ones go on."""
        if self._server is not None:
            self._server.close()
