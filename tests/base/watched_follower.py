"""A follower beside a server of a test."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from kun_base.journal import Journal
from kun_base.table_client import TableSource
from kun_base.table_file import FILE_NAME
from kun_base.table_follower import FollowPlan, TableFollower
from kun_base.table_intake import RemovalBounds
from kun_base.table_state import TableChange
from tests.base.table_world import HEAD, Controller

Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]
LINES = Controller().snapshot()


class Watched:
    """A follower, its log, and the changes it told."""

    def __init__(self, url: str = "", folder: Path | None = None, **source: str) -> None:
        asked = TableSource(url, consumer="dns-1", **source) if url else None
        file = folder / FILE_NAME if folder is not None else None
        self.log, self.changes = io.StringIO(), list[TableChange]()
        self.follower = TableFollower(
            FollowPlan(asked, file, RemovalBounds()), Journal("test", stream=self.log), self.changes.append
        )

    @property
    def status(self) -> dict[str, object]:
        return self.follower.status()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Watched"]:
        stop = asyncio.Event()
        self.follower.start()
        task = asyncio.create_task(self.follower.run(stop))
        try:
            yield self
        finally:
            stop.set()
            await task


def text(lines: list[str]) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


def saying(*parts: bytes, then_wait: bool = True) -> Answer:
    """An answer of some parts, that ends or stays open."""

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
        if then_wait:
            await asyncio.sleep(60)

    return answer
