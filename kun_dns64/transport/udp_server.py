"""UDP listeners. A reply always leaves from the address the query was sent to (RFC 2181 section 4.1).

Twin: fastpath/udp_batch.pyx.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Protocol, cast

from kun_dns64.config.endpoint import Endpoint
from kun_dns64.model.message import Transport
from kun_dns64.transport.query_handler import QueryHandler
from kun_dns64.transport.sockets import IP_PKTINFO, leave_group

MAX_DATAGRAM = 65535
# Datagrams taken from a wildcard socket per turn of the loop, so that timers and other sockets get theirs.
BURST = 64
ANCILLARY = socket.CMSG_SPACE(32)


class UdpListener(asyncio.DatagramProtocol):
    """One socket bound to one address: the kernel sends from that address by itself."""

    def __init__(self, front: QueryHandler) -> None:
        self._front = front
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        reply = self._front.quick(data, addr[0])
        if reply is not None:
            self._transport.sendto(reply, addr)
            return
        transport = self._transport

        def send(message: bytes | None) -> None:
            if message is not None and not transport.is_closing():
                transport.sendto(message, addr)

        self._front.handle(data, addr[0], Transport.UDP, send)

    def error_received(self, exc: Exception) -> None:
        """An ICMP error for a reply sent earlier: the client is gone, nobody is to be told."""


class WildcardUdpListener:
    """One socket bound to 0.0.0.0 or [::]: source addresses of replies are set per datagram (IP_PKTINFO)."""

    def __init__(self, front: QueryHandler, sock: socket.socket) -> None:
        self._front, self._sock = front, sock
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._readable)

    def pause(self) -> None:
        self._loop.remove_reader(self._sock.fileno())

    def close(self) -> None:
        self.pause()
        self._sock.close()

    def _readable(self) -> None:
        for _ in range(BURST):
            try:
                data, ancillary, _, addr = self._sock.recvmsg(MAX_DATAGRAM, ANCILLARY)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                # An ICMP error of an earlier reply, told here once.
                continue
            self._received(data, _source_of(ancillary), addr)

    def _received(self, data: bytes, source: list[tuple[int, int, bytes]], addr: tuple[Any, ...]) -> None:
        reply = self._front.quick(data, addr[0])
        if reply is not None:
            self._send(reply, source, addr)
            return

        def send(message: bytes | None) -> None:
            if message is not None:
                self._send(message, source, addr)

        self._front.handle(data, addr[0], Transport.UDP, send)

    def _send(self, message: bytes, source: list[tuple[int, int, bytes]], addr: tuple[Any, ...]) -> None:
        try:
            self._sock.sendmsg([message], source, 0, addr)
        except OSError:
            # A full buffer or a client without a route: UDP promises nothing, the client asks again.
            return


def _source_of(ancillary: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """The control message that makes a reply leave from where the query arrived."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            return [(level, kind, data)]
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            # struct in_pktinfo: interface index (0: let routing choose), source to use, header destination.
            return [(level, kind, bytes(4) + data[8:12] + bytes(4))]
    return []


class DatagramBatch(Protocol):
    """Reads and answers many datagrams per system call (fastpath/udp_batch.pyx)."""

    def drain(self) -> None: ...
    def close(self) -> None: ...


# The socket's descriptor, whether it is bound to a wildcard address, who answers, and the loop's `call_soon`.
MakeBatch = Callable[[int, bool, Any, Callable[..., Any]], DatagramBatch]


class BatchListener:
    """Listen as the two above do, many datagrams per system call."""

    def __init__(self, front: QueryHandler, sock: socket.socket, batch: MakeBatch, *, wildcard: bool) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._batch = batch(sock.fileno(), wildcard, front, self._loop.call_soon)
        self._loop.add_reader(sock.fileno(), self._batch.drain)

    def pause(self) -> None:
        self._loop.remove_reader(self._sock.fileno())

    def close(self) -> None:
        self.pause()
        self._batch.close()
        self._sock.close()


class UdpServing:
    """Serve one UDP socket, in batches where `batch` is given. `handed`: the socket is not only ours."""

    def __init__(
        self,
        front: QueryHandler,
        endpoint: Endpoint,
        sock: socket.socket,
        batch: MakeBatch | None = None,
        *,
        handed: bool = False,
    ) -> None:
        self._front, self._wildcard, self._sock, self._handed = front, endpoint.is_wildcard, sock, handed
        self._batch = batch
        self._open: asyncio.DatagramTransport | WildcardUdpListener | BatchListener | None = None

    async def start(self) -> None:
        if self._batch is not None:
            self._open = BatchListener(self._front, self._sock, self._batch, wildcard=self._wildcard)
            return
        if self._wildcard:
            self._open = WildcardUdpListener(self._front, self._sock)
            return
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: UdpListener(self._front), sock=self._sock)
        self._open = transport

    def stop_taking(self, *, for_good: bool = True) -> None:
        """What comes from now on is for those who stay, or follow. A socket that others keep stays as it is: unread.

        A connected socket stays connected for whoever inherits it, and gets nothing any more.
        """
        if for_good and not self._handed:
            leave_group(self._sock)
        elif isinstance(self._open, BatchListener | WildcardUdpListener):
            self._open.pause()

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
