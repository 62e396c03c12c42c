"""The journal, sd_notify and the admin server, on real sockets."""

import asyncio
import contextlib
import io
import json
import socket
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import pytest

from kun_base.adminhttp import AdminServer, Page
from kun_base.journal import Journal
from kun_base.notify import notify, watchdog_interval_s


def test_a_text_line_quotes_what_needs_it() -> None:
    out = io.StringIO()
    Journal("p", stream=out).info("ready", listen="[::1]:53", why="two words", none=None, took_s=0.25)
    assert out.getvalue() == 'p info ready listen=[::1]:53 why="two words" took_s=0.25\n'


def test_a_json_line_is_one_object_and_levels_filter() -> None:
    out = io.StringIO()
    journal = Journal("p", as_json=True, level="warning", stream=out)
    journal.info("unseen")
    journal.error("seen", count=3)
    assert json.loads(out.getvalue()) == {"program": "p", "level": "error", "event": "seen", "count": 3}


def test_a_closed_stream_does_not_end_the_program() -> None:
    out = io.StringIO()
    out.close()
    Journal("p", stream=out).info("ready")


def test_notify_reaches_the_socket_systemd_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "n"))
        server.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        assert notify("READY=1", "STATUS=up")
        assert server.recv(100) == b"READY=1\nSTATUS=up"


def test_notify_without_systemd_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")


@pytest.mark.parametrize(("micros", "pid", "wanted"), [("3000000", "", 1.5), ("", "", None), ("3000000", "1", None)])
def test_the_watchdog_interval_is_half_of_what_systemd_allows(
    micros: str, pid: str, wanted: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", micros)
    monkeypatch.setenv("WATCHDOG_PID", pid)
    assert watchdog_interval_s() == wanted


async def test_the_admin_server_serves_and_stops() -> None:
    async def echo(query: Mapping[str, str]) -> Page:
        return Page(f"hello {query.get('name', '')}", 203, headers={"X-Why": "test"})

    server = AdminServer({"/echo": echo}, {"/change": echo})
    port = await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/echo?name=x") as reply:
            assert (reply.status, await reply.text(), reply.headers["X-Why"]) == (203, "hello x", "test")
        async with session.get(f"http://127.0.0.1:{port}/change") as reply:
            assert reply.status == 405, "what changes things is not reachable by GET"
        async with session.post(f"http://127.0.0.1:{port}/change") as reply:
            assert reply.status == 203
    await server.close()
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        pass


@pytest.mark.parametrize("content", [b"", b"GET /echo HTTP/1.1\r\nHost: a"], ids=["silent", "half-a-request"])
async def test_a_client_that_asks_nothing_whole_is_closed(content: bytes) -> None:
    async def echo(_: Mapping[str, str]) -> Page:
        return Page("here")

    server = AdminServer({"/echo": echo}, idle_s=0.2)
    port = await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(content)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    await server.close()


@pytest.mark.parametrize("first", [b"", b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"], ids=["at first", "later"])
async def test_a_request_that_comes_by_drops_is_closed(first: bytes) -> None:
    async def echo(_: Mapping[str, str]) -> Page:
        return Page("here")

    server = AdminServer({"/echo": echo}, idle_s=0.5)
    port = await server.start("127.0.0.1", 0)
    drops = b"GET /echo HTTP/1.1\r\n" + b"X-A: b\r\n" * 20
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)
    began = asyncio.get_running_loop().time()
    ended = asyncio.create_task(reader.read())
    for byte in drops:
        writer.write(bytes((byte,)))
        await asyncio.wait([ended], timeout=0.05)
        if ended.done():
            break
    assert ended.done()
    assert asyncio.get_running_loop().time() - began < 3
    writer.close()
    await server.close()


async def test_a_page_that_never_comes_and_one_nobody_reads_hold_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kun_base.admin_deadlines.ANSWER_S", 0.3)
    ends = asyncio.Event()

    async def never(_: Mapping[str, str]) -> Page:
        await ends.wait()
        return Page("")

    async def large(_: Mapping[str, str]) -> Page:
        return Page("x" * (32 << 20))

    server = AdminServer({"/never": never, "/large": large}, idle_s=0.5)
    port = await server.start("127.0.0.1", 0)
    for path in ("never", "large"):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(f"GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            await asyncio.sleep(2)
            assert not server._connections.open
    ends.set()
    await server.close()


async def test_connections_are_bounded_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kun_base.admin_deadlines.MOST_CONNECTIONS", 5)

    async def echo(_: Mapping[str, str]) -> Page:
        return Page("here")

    server = AdminServer({"/echo": echo})
    port = await server.start("127.0.0.1", 0)
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(9)]
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionError):
            assert await opened[0][0].read() == b""
    opened[-1][1].write(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(5):
        assert (await opened[-1][0].readline()).startswith(b"HTTP/1.1 200")
    assert len(server._connections.open) == 5
    for _, writer in opened:
        writer.close()
    await server.close()
