"""DNS over TLS listeners (RFC 7858). A connection counts from the moment it is accepted, not from its handshake on."""

import asyncio
import socket
import ssl
from contextlib import suppress

from kun_dns64.model.message import Transport
from kun_dns64.transport.connections import Connections
from kun_dns64.transport.query_handler import QueryHandler
from kun_dns64.transport.sockets import BACKLOG
from kun_dns64.transport.tcp_server import StreamConnection

# A client that means it needs three journeys.
HANDSHAKE_S = 3.0
# For the client's answer to our close_notify, when there was still something to send.
GOODBYE_S = 3.0
# When there is no descriptor left for another connection.
ACCEPT_PAUSE_S = 0.5


class Handshake:
    """A connection whose client has yet to show that it speaks TLS."""

    is_busy = may_ask_yet = False

    def __init__(self, sock: socket.socket, client: str) -> None:
        self._sock, self.client = sock, client

    def close_now(self) -> None:
        # The event loop owns it by now: it sees the end, and closes.
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    finish = close_now


class TlsServing:
    """A TLS listener at work. The event loop's own would tell of a connection only when its handshake is done."""

    def __init__(
        self, front: QueryHandler, connections: Connections, sock: socket.socket, context: ssl.SSLContext
    ) -> None:
        self._front, self._connections, self._sock, self._context = front, connections, sock, context
        self._loop = asyncio.get_running_loop()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._is_open = True

    async def start(self) -> None:
        self._sock.setblocking(False)
        self._sock.listen(BACKLOG)
        self._listen()

    def close(self) -> None:
        """Takes no more connections; open ones go on."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._sock)
            self._sock.close()

    def _listen(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        """One in each turn of the loop."""
        try:
            sock, peer = self._sock.accept()
        except BlockingIOError:
            # It is gone already, or another process that shares this socket was quicker.
            return
        except OSError:
            self._loop.remove_reader(self._sock)
            self._loop.call_later(ACCEPT_PAUSE_S, self._listen)
            return
        sock.setblocking(False)
        handshake = Handshake(sock, peer[0])
        self._connections.add(handshake, self._loop.time())
        task = self._loop.create_task(self._shake_hands(sock, handshake))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, sock: socket.socket, handshake: Handshake) -> None:
        def made() -> StreamConnection:
            return StreamConnection(self._front, self._connections, Transport.TLS, handshake)

        try:
            # A client that speaks no TLS, or not in time, is none; ssl.SSLError is an OSError too.
            with suppress(OSError):
                await self._loop.connect_accepted_socket(
                    made,
                    sock,
                    ssl=self._context,
                    ssl_handshake_timeout=HANDSHAKE_S,
                    ssl_shutdown_timeout=GOODBYE_S,
                )
        finally:
            self._connections.remove(handshake)
