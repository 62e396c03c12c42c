"""Ask a running program over its unix control socket: HTTP with JSON answers."""

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

TIMEOUT_S = 10.0


class NoServer(Exception):
    """Nobody answers on the socket, or the caller may not use it; the message says what to do."""


@dataclass(frozen=True, slots=True)
class ControlAnswer:
    """`value`: the JSON of the answer; `status`: its HTTP status."""

    status: int
    value: Any

    @property
    def ok(self) -> bool:
        return self.status < 400


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask_socket(
    path: Path,
    target: str,
    fields: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    timeout_s: float = TIMEOUT_S,
) -> ControlAnswer:
    """Send one request and return its answer.

    Raises FileNotFoundError, ConnectionRefusedError and PermissionError as they are, so that the caller can try
    another place; NoServer for an answer that is not HTTP with JSON.
    """
    connection = _UnixConnection(path, timeout_s)
    try:
        connection.request(method, f"{target}?{urlencode(fields)}" if fields else target)
        answer = connection.getresponse()
        return ControlAnswer(answer.status, json.loads(answer.read()))
    except (FileNotFoundError, ConnectionRefusedError, PermissionError):
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoServer(f"the server at {path} does not answer as expected: {error}") from error
    finally:
        connection.close()
