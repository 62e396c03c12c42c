"""Talks to lab/guest/agent.py: one TCP connection on loopback per request, frames afterwards."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError

FRAME = struct.Struct(">cI")
_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Address:
    """Where the agent of one running guest listens, and the word it wants to hear first."""

    port: int
    token: str


@dataclass(frozen=True, slots=True)
class Request:
    """One operation of the agent with its arguments."""

    op: str
    arguments: dict[str, Any]
    stdin: bytes = b""


class Stream:
    """An open request. Iterating yields (kind, payload) until the result; `send` may be called meanwhile."""

    def __init__(self, address: Address, request: Request, connect_timeout_s: float = 10.0) -> None:
        self._sock = socket.create_connection(("127.0.0.1", address.port), timeout=connect_timeout_s)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._sock.makefile("rb")
        head = {"token": address.token, "op": request.op} | request.arguments
        self._sock.sendall(json.dumps(head).encode() + b"\n")

    def settimeout(self, seconds: float | None) -> None:
        self._sock.settimeout(seconds)

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        self._sock.sendall(FRAME.pack(kind, len(payload)) + payload)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        while True:
            head = self._reader.read(FRAME.size)
            if len(head) < FRAME.size:
                raise LabError("the guest closed the connection: has it been shut down? (see the console log)")
            kind, length = FRAME.unpack(head)
            payload = self._reader.read(length)
            yield kind, payload
            if kind == b"x":
                return

    def close(self) -> None:
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._reader.close()
        self._sock.close()


def perform(
    address: Address,
    request: Request,
    on_output: Callable[[bytes, bytes], None] | None = None,
    timeout_s: float | None = None,
) -> dict[str, Any]:
    """Sends a request with all its input and returns the agent's result.

    `on_output` gets each ("o" or "r", bytes) as it comes. `timeout_s` bounds the silence between two frames.
    Raises LabError when the agent reports one, OSError when nothing answers.
    """
    stream = Stream(address, request)
    stream.settimeout(timeout_s)
    try:
        threading.Thread(target=_send_all, args=(stream, request.stdin), daemon=True).start()
        result: dict[str, Any] = {}
        for kind, payload in stream:
            if kind == b"x":
                result = json.loads(payload)
            elif on_output:
                on_output(kind, payload)
    finally:
        stream.close()
    if "error" in result:
        raise LabError(str(result["error"]))
    return result


def _send_all(stream: Stream, data: bytes) -> None:
    # A command need not read its input: it may be over before the last piece is sent.
    with suppress(OSError):
        for start in range(0, len(data), _CHUNK):
            stream.send(b"i", data[start : start + _CHUNK])
        stream.send(b"e")
