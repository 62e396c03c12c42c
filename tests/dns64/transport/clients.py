"""A listener with little room in the kernel, and clients that do not read what it sends."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address

from kun_dns64.config.endpoint import Endpoint
from kun_dns64.transport.connections import Connections, StreamLimits
from kun_dns64.transport.sockets import bind_all
from kun_dns64.transport.tcp_server import StreamServing
from kun_dns64.transport.tls_server import TlsServing
from tests.dns64.transport.test_listeners import HEADER, PATIENT_S, Front

LOOK_S = 0.005


# Of the kernel for each connection, so that little is enough to fill it.
SEND_BYTES, RECEIVE_BYTES = 16 * 1024, 64 * 1024


REPLY = HEADER + bytes(1000)


# Replies to these fill what the kernel takes, and no more than what a client may leave unread.
UNREAD = 60


@asynccontextmanager
async def serving(
    front: Front, limits: StreamLimits, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, Connections]]:
    """By TCP, or with `context` by TLS."""
    (bound,) = bind_all([], [Endpoint(ip_address("127.0.0.1"), 0)])
    bound.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
    bound.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    connections = Connections(limits)
    plain = StreamServing(front, connections, bound.tcp)
    stream = plain if context is None else TlsServing(front, connections, bound.tcp, context)
    await stream.start()
    try:
        yield bound.tcp.getsockname()[1], connections
    finally:
        stream.close()
        connections.close_all()
        await asyncio.sleep(0.05)


async def eventually(condition: Callable[[], bool]) -> None:
    for _ in range(int(PATIENT_S / LOOK_S)):
        if condition():
            return
        await asyncio.sleep(LOOK_S)
    raise AssertionError("it did not come to that")


def is_held(client: socket.socket) -> bool:
    """The server's end of it is still open, whatever the server counts."""
    for fd in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                with socket.socket(fileno=os.dup(int(fd))) as one:
                    if one.getpeername() == client.getsockname():
                        return True
    return False


def unread_front() -> Front:
    front = Front()
    front.answer = lambda wire: REPLY
    return front
