"""A small gRPC client: one call at a time over HTTP/2 without TLS, to ADDRESS:PORT or a unix socket.

Starting the speaker's own command for every look and every change costs a hundred times as much as asking it.
"""

import asyncio
import contextlib
import os
import struct
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from kun_nat64.model.errors import DriverError, FailureKind

OK, UNIMPLEMENTED = "0", "12"
LARGEST_ANSWER = 64 * 1024 * 1024


class Unimplemented(Exception):
    """The other side does not know this service: it is of another version."""


class GrpcClient:
    """Connects when it has something to ask; a connection that fails is not used again.

    Nor is one whose socket was replaced by another: there is a new speaker, and the old one is on its way out.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._lock = asyncio.Lock()
        self._wire: _Wire | None = None
        self._socket: tuple[int, int] | None = None

    async def call(self, path: str, request: bytes, deadline_s: float) -> list[bytes]:
        """Every message of the answer. Raises DriverError, or Unimplemented."""
        argv = ("grpc", self._where, path)
        try:
            async with self._lock, asyncio.timeout(deadline_s):
                return await self._call(path, request, argv)
        except TimeoutError:
            self.close()
            raise DriverError(FailureKind.TIMEOUT, argv, f"no answer within {deadline_s:g} s") from None
        except OSError as error:
            self.close()
            raise DriverError(FailureKind.UNREACHABLE, argv, error.strerror or str(error), error.errno) from None

    async def _call(self, path: str, request: bytes, argv: tuple[str, ...]) -> list[bytes]:
        if (there := _socket_of(self._where)) not in (None, self._socket):
            self.close()
            self._socket = there
        reused = self._wire is not None
        try:
            return await self._once(path, request, argv)
        except ConnectionError:
            # A connection of yesterday may have ended with the speaker's last run: that is no failure yet.
            self.close()
            if not reused:
                raise
        return await self._once(path, request, argv)

    async def _once(self, path: str, request: bytes, argv: tuple[str, ...]) -> list[bytes]:
        if self._wire is None:
            self._wire = await _connected(self._where)
        whole = False
        try:
            status, message, body = await self._wire.exchange(path, request)
            whole = True
        finally:
            if not whole:
                self.close()
        if status == UNIMPLEMENTED:
            raise Unimplemented(path)
        if status != OK:
            raise DriverError(FailureKind.EXIT_CODE, argv, f"gRPC status {status}: {message}")
        return list(_messages(body, argv))

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None


def _socket_of(where: str) -> tuple[int, int] | None:
    """Which file the unix socket is; None for a port, and where there is none."""
    if not where.startswith("unix://"):
        return None
    try:
        found = os.stat(where.removeprefix("unix://"))
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns


async def _connected(where: str) -> "_Wire":
    if where.startswith("unix://"):
        reader, writer = await asyncio.open_unix_connection(where.removeprefix("unix://"))
    else:
        host, _, port = where.rpartition(":")
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    return _Wire(reader, writer)


class _Wire:
    """One HTTP/2 connection (RFC 9113), through the h2 library, which knows no sockets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from h2.config import H2Configuration
        from h2.connection import H2Connection

        self._reader, self._writer = reader, writer
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._http.initiate_connection()

    async def exchange(self, path: str, request: bytes) -> tuple[str, str, bytes]:
        """gRPC status and message, and the bytes of the answer. Raises OSError."""
        from h2.exceptions import ProtocolError

        try:
            stream = self._http.get_next_available_stream_id()
            self._http.send_headers(stream, _headers(path))
            self._http.send_data(stream, struct.pack(">BI", 0, len(request)) + request, end_stream=True)
            return await self._answer(stream)
        except ProtocolError as error:
            raise ConnectionError(f"not HTTP/2: {error}") from error

    async def _answer(self, stream: int) -> tuple[str, str, bytes]:
        trailers: dict[str, str] = {}
        body = bytearray()
        while True:
            await self._flush()
            data = await self._reader.read(65536)
            if not data:
                raise ConnectionResetError("the speaker closed the connection")
            for event in self._http.receive_data(data):
                if self._took(event, stream, trailers, body):
                    await self._flush()
                    return trailers.get("grpc-status", "2"), unquote(trailers.get("grpc-message", "")), bytes(body)

    def _took(self, event: Any, stream: int, trailers: dict[str, str], body: bytearray) -> bool:
        """True when the answer is complete."""
        from h2 import events

        if isinstance(event, events.ConnectionTerminated):
            raise ConnectionResetError("the speaker ended the connection")
        if getattr(event, "stream_id", None) != stream:
            return False
        match event:
            case events.ResponseReceived(headers=headers) | events.TrailersReceived(headers=headers):
                trailers.update((str(name), str(value)) for name, value in headers or ())
            case events.DataReceived(data=data, flow_controlled_length=length):
                body += data or b""
                if len(body) > LARGEST_ANSWER:
                    raise ConnectionAbortedError("an answer larger than 64 MB")
                self._http.acknowledge_received_data(length or 0, stream)
            case events.StreamReset():
                raise ConnectionResetError("the speaker broke the call off")
            case events.StreamEnded():
                return True
        return False

    async def _flush(self) -> None:
        self._writer.write(self._http.data_to_send())
        await self._writer.drain()

    def close(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.close()


def _headers(path: str) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]


def _messages(body: bytes, argv: tuple[str, ...]) -> Iterable[bytes]:
    place = 0
    while place < len(body):
        if len(body) - place < 5:
            raise DriverError(FailureKind.GARBAGE, argv, "half a gRPC message")
        compressed, size = struct.unpack_from(">BI", body, place)
        place += 5
        if compressed or place + size > len(body):
            raise DriverError(FailureKind.GARBAGE, argv, "a gRPC message that cannot be read")
        yield body[place : place + size]
        place += size
