"""The journal, sd_notify and the admin server, on real sockets."""

import asyncio
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


@pytest.mark.parametrize("octets", [b"", b"GET /echo HTTP/1.1\r\nHost: a"], ids=["silent", "half-a-request"])
async def test_a_client_that_asks_nothing_whole_is_closed(octets: bytes) -> None:
    async def echo(_: Mapping[str, str]) -> Page:
        return Page("here")

    server = AdminServer({"/echo": echo}, idle_s=0.2)
    port = await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(octets)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    await server.close()
