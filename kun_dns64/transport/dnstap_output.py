"""Where dnstap goes: a Unix socket with a reader behind it, or a file, each behind a bounded queue.

A full queue drops what comes: answers never wait for a reader or a disk.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from kun_dns64.formats.dnstap import ControlFrame, control_frame, control_of, data_frame

FLUSH_S = 0.05
AGAIN_S = 1.0
HANDSHAKE_S, FINISH_S = 5.0, 0.5
WRITE_S = 10.0
MAX_CONTROL = 512

# (metric, output, by how much)
Count = Callable[[str, str, int], None]


class Queue:
    """Frames that wait, at most `max_bytes` of them."""

    def __init__(self, output: str, max_bytes: int, count: Count) -> None:
        self.output, self._max_bytes, self._count = output, max_bytes, count
        self._frames: list[bytes] = []
        self._bytes = 0

    def put(self, payload: bytes) -> None:
        if self._bytes >= self._max_bytes:
            self._count("dnstap_dropped", self.output, 1)
            return
        self._bytes += len(payload)
        self._frames.append(data_frame(payload))

    def take(self) -> tuple[bytes, int]:
        """All that waits, and how many frames that is."""
        frames, self._frames, self._bytes = self._frames, [], 0
        return b"".join(frames), len(frames)

    def written(self, frames: int) -> None:
        self._count("dnstap_messages", self.output, frames)

    def lost(self, frames: int) -> None:
        self._count("dnstap_dropped", self.output, frames)


class SocketOutput:
    """Connects to a reader (fstrm_capture, dnstap -u), again and again while there is none."""

    def __init__(self, path: Path, queue: Queue) -> None:
        self._path, self.queue = path, queue

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
                await self._one_connection(stop)
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await stop.wait()

    async def reopen(self) -> None:
        """A socket is looked up anew with every connection."""

    async def _one_connection(self, stop: asyncio.Event) -> None:
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                writer.write(control_frame(ControlFrame.READY))
                await _expect(reader, ControlFrame.ACCEPT)
            writer.write(control_frame(ControlFrame.START))
            while not stop.is_set():
                await asyncio.sleep(FLUSH_S)
                if reader.at_eof():
                    # What waits is for the next reader.
                    return
                await self._flush(writer)
            await self._flush(writer)
            writer.write(control_frame(ControlFrame.STOP))
            async with asyncio.timeout(FINISH_S):
                await _expect(reader, ControlFrame.FINISH)
        finally:
            writer.close()

    async def _flush(self, writer: asyncio.StreamWriter) -> None:
        raw, frames = self.queue.take()
        if not frames:
            return
        try:
            async with asyncio.timeout(WRITE_S):
                writer.write(raw)
                await writer.drain()
        except (OSError, TimeoutError):
            self.queue.lost(frames)
            writer.transport.abort()
            raise
        self.queue.written(frames)


async def _expect(reader: asyncio.StreamReader, wanted: ControlFrame) -> None:
    """Raises ValueError for anything else."""
    escape, length = await reader.readexactly(4), int.from_bytes(await reader.readexactly(4))
    if escape != bytes(4) or length > MAX_CONTROL:
        raise ValueError("no control frame")
    if control_of(await reader.readexactly(length)) is not wanted:
        raise ValueError(f"no {wanted.name}")


class FileOutput:
    """A file of Frame Streams. `reopen` begins another when the file has been moved away (log rotation)."""

    def __init__(self, path: Path, queue: Queue) -> None:
        self._path, self.queue = path, queue
        # A disk may be slow: only this thread waits for it.
        self._thread = ThreadPoolExecutor(1, "dnstap")
        self._file: BinaryIO | None = None

    async def run(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    await stop.wait()
            raw, frames = self.queue.take()
            if not frames:
                continue
            try:
                await loop.run_in_executor(self._thread, self._write, raw)
                self.queue.written(frames)
            except OSError:
                self.queue.lost(frames)
                await asyncio.sleep(AGAIN_S)
        await loop.run_in_executor(self._thread, self._end)
        self._thread.shutdown(wait=False)

    async def reopen(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._reopen)

    def _write(self, raw: bytes) -> None:
        if self._file is None:
            self._file = self._path.open("wb", buffering=0)
            self._file.write(control_frame(ControlFrame.START))
        self._file.write(raw)

    def _reopen(self) -> None:
        if self._file is None:
            return
        with suppress(OSError):
            if os.path.samestat(os.fstat(self._file.fileno()), self._path.stat()):
                return
        self._end()

    def _end(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.write(control_frame(ControlFrame.STOP))
                self._file.close()
            self._file = None
