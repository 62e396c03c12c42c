"""The wire between supervisor and worker: pickled messages with their length in front, over a socket pair.

Both ends are this program; the socket pair is never reachable from outside, which is what pickle asks for.
"""

import asyncio
import errno
import itertools
import pickle
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

ANSWER_S = 5.0
# Bytes. The largest message is a configuration, with eight bytes for each suffix of a pool.
MAX_MESSAGE = 256 * 1024 * 1024


class LinkClosed(Exception):
    """The other end is gone."""


# (name, arguments) -> the answer; None for what needs no answer.
Handler = Callable[[str, tuple[Any, ...]], Awaitable[Any]]


class Link:
    """Calls in both directions: `ask` waits for an answer, `tell` does not."""

    def __init__(self, sock: socket.socket, handler: Handler) -> None:
        self._sock, self._handler = sock, handler
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Future[Any]] = {}
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._handling: set[asyncio.Task[None]] = set()
        # From then on something can be asked.
        self.opened = asyncio.Event()

    async def run(self) -> None:
        """Until the other end closes, or sends what cannot be a message. Messages are handled side by side."""
        self._reader, self._writer = await asyncio.open_unix_connection(sock=self._sock)
        self.opened.set()
        try:
            while True:
                size = int.from_bytes(await self._reader.readexactly(4))
                if size > MAX_MESSAGE:
                    return
                message = pickle.loads(await self._reader.readexactly(size))
                task = asyncio.get_running_loop().create_task(self._received(*message))
                self._handling.add(task)
                task.add_done_callback(self._handling.discard)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._end()

    async def ask(self, name: str, *arguments: Any, within_s: float = ANSWER_S) -> Any:
        """Raises LinkClosed, TimeoutError when there is no answer in time, or the OSError or ValueError met there.

        OSError, too, for what is larger than MAX_MESSAGE: nothing is sent.
        """
        number = next(self._numbers)
        future = self._open[number] = asyncio.get_running_loop().create_future()
        try:
            self._send(("ask", number, name, arguments))
            async with asyncio.timeout(within_s):
                return await future
        finally:
            self._open.pop(number, None)

    def tell(self, name: str, *arguments: Any) -> None:
        with suppress(LinkClosed):
            self._send(("tell", 0, name, arguments))

    def close(self) -> None:
        with suppress(AttributeError):
            self._writer.close()

    def _send(self, message: tuple[Any, ...]) -> None:
        writer = getattr(self, "_writer", None)
        if writer is None or writer.is_closing():
            raise LinkClosed
        raw = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        if len(raw) > MAX_MESSAGE:
            raise OSError(errno.EMSGSIZE, f"{len(raw)} bytes for another process; {MAX_MESSAGE} is the most")
        writer.write(len(raw).to_bytes(4) + raw)

    async def _received(self, kind: str, number: int, name: str, arguments: tuple[Any, ...]) -> None:
        if kind == "answer":
            self._answered(number, *arguments)
            return
        answer, error = None, None
        try:
            answer = await self._handler(name, arguments)
        except (OSError, ValueError) as raised:
            error = raised
        if kind == "ask":
            with suppress(LinkClosed):
                self._send(("answer", number, "", (answer, error)))

    def _answered(self, number: int, answer: Any, error: Exception | None) -> None:
        future = self._open.get(number)
        if future is None or future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(answer)

    def _end(self) -> None:
        for task in self._handling:
            task.cancel()
        for future in self._open.values():
            if not future.done():
                future.set_exception(LinkClosed())
        self._writer.close()
