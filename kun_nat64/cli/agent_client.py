"""Talks to the running agent over the unix socket in its run directory."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kun_nat64.drivers.runfiles import CONTROL

TIMEOUT_S = 5.0


class NoAgent(Exception):
    """No agent answers, or not in words that are known here; the message says what to do."""


@contextmanager
def its_words(run_dir: Path) -> Iterator[None]:
    """Where an answer of the agent is read. Raises NoAgent for one of another version, after an upgrade."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise NoAgent(
            f"the agent in {run_dir} is of another version than this command ({error!r} in its answer): "
            "`systemctl restart kun-nat64` starts the new one, and disturbs no flow"
        ) from error


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self._path)


def ask(run_dir: Path, path: str, method: str = "GET") -> Any:
    """The JSON that the agent answers. Raises NoAgent."""
    connection = _UnixConnection(str(run_dir / CONTROL))
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise NoAgent(f"the agent answered {method} {path} with HTTP status {answer.status}")
        return json.loads(body)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NoAgent(
            f"no agent runs with run directory {run_dir}: start it with `systemctl start kun-nat64`, "
            "or `kun-nat64 run --config FILE`; another directory is given by --run-dir"
        ) from error
    except PermissionError as error:
        raise NoAgent(f"{run_dir / CONTROL} is for root: run this with sudo") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAgent(f"the agent in {run_dir} does not answer properly: {error}") from error
    finally:
        connection.close()
