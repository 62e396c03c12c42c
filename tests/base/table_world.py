"""Tables for tests, written by the controller's own code, and a server that says what a test tells it to."""

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from kun_base.table_intake import TableIntake
from kun_base.table_lines import read_line
from kun_base.table_state import TableChange
from kun_cluster.formats.record_text import Record
from kun_cluster.model.table import ClassRecord, Client, GatewayRecord, PoolRecord, Share
from kun_cluster.state.live_table import Touched
from kun_cluster.state.table_view import TableView, everything

POOL = PoolRecord("203.0.113.1", ("2002:cb00:7101::/96",), "spread", is_default=True)
OVERSEAS = PoolRecord("203.0.113.129", ("2002:cb00:7181::/96",), "spread", domains=("example.org",), fallback="default")
GATEWAY = GatewayRecord("standard", "serve", "", (Share("192.0.2.10", 1024, 65535, "gw1"),))
DEFAULT = ClassRecord("translate", synthesise=True)
NATIVE = ClassRecord("native", synthesise=False)
WEB = ClassRecord(
    "translate", synthesise=True, pool="overseas", mark=7, addresses=(Share("192.0.2.11", 2048, 3071, "gw1"),),
    address_pool="overseas", policy="team-00/web",
)  # fmt: skip
SMALL: dict[tuple[str, str], Record] = {
    ("pool", "standard"): POOL,
    ("pool", "overseas"): OVERSEAS,
    ("gateway", "gw1"): GATEWAY,
    ("class", "default"): DEFAULT,
    ("class", "native"): NATIVE,
    ("class", "team-00/web"): WEB,
    ("client", "2002:a01:2::/64"): Client("default", "", "node/n1"),
    ("client", "2002:a01:2:1::10"): Client("team-00/web", "team-00", "web-0"),
    ("client", "10.1.2.3"): Client("native", "team-01", "böse"),
}


class Controller:
    """The controller's view of a table; `say` changes it and gives the lines of the delta."""

    def __init__(self, records: dict[tuple[str, str], Record] | None = None) -> None:
        self.view = TableView("all", everything, "west")
        self.say(SMALL if records is None else records)

    def say(self, records: dict[tuple[str, str], Record | None], revision: int | None = None) -> list[str]:
        before = self.view.version
        revision = self.view.revision + 10 if revision is None else revision
        self.view.take([Touched(*key, None, new) for key, new in records.items()], revision, 1_800_000_000.0)
        return self.view.since(before)

    def snapshot(self) -> list[str]:
        return self.view.snapshot()


def pods(count: int, class_name: str = "default", start: int = 1) -> dict[tuple[str, str], Record | None]:
    """Clients at 2002:a02::N."""
    return {
        ("client", f"2002:a02::{number:x}"): Client(class_name, "team-02", f"p-{number}")
        for number in range(start, start + count)
    }


def gone(keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Record | None]:
    return dict.fromkeys(keys)


def feed(intake: TableIntake, lines: Iterable[str], now: float = 0.0) -> list[TableChange]:
    """Hand lines on; returns the changes that came into force."""
    found = [intake.take(read_line(line.encode()), now) for line in lines]
    return [change for change in found if change is not None]


def following(*said: list[str]) -> TableIntake:
    """An intake that has taken these changes."""
    intake = TableIntake()
    intake.connected("", "all")
    for lines in said:
        feed(intake, lines)
    return intake


def content(intake: TableIntake) -> dict[tuple[str, str], object]:
    table = intake.table
    return {(kind, key): one for kind in table.counts() for key, one in table.of(kind).items()}


def many(count: int = 1000) -> tuple[Controller, TableIntake]:
    controller = Controller({**SMALL, **pods(count)})  # type: ignore[dict-item]
    return controller, following(controller.snapshot())


def changed(line: str, **fields: Any) -> str:
    """A line with other fields; None leaves a field out."""
    value = {**json.loads(line), **fields}
    return json.dumps({name: one for name, one in value.items() if one is not None}, ensure_ascii=False)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/jsonl\r\nConnection: close\r\n"


class StreamServer:
    """Answers each request by `answer(request head, writer)`. `requests`: the heads that came."""

    def __init__(self, answer: Callable[[str, asyncio.StreamWriter], Awaitable[None]]) -> None:
        self.answer, self.requests, self.port = answer, list[str](), 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests.append(head)
            if head.startswith("POST"):
                writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            else:
                await self.answer(head, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    @asynccontextmanager
    async def running(self, context: ssl.SSLContext | None = None) -> Any:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


async def until(what: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait until something is so."""
    ends = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < ends, "not in time"
        await asyncio.sleep(0.005)
