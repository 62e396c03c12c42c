"""Who may read the table of a controller, and what becomes of a consumer that does not read it."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from kun_cluster.model.table import ClassRecord, Client, PoolRecord
from kun_cluster.serving import table_server
from kun_cluster.serving.table_server import TableServer
from kun_cluster.state.followers import Followers
from kun_cluster.state.live_table import Touched
from kun_cluster.state.table_view import TableView, everything


async def answer(tokens: Callable[[], list[str]] | None, headers: dict[str, str]) -> int:
    """The status for a request of the table, while there is none."""
    server = TableServer({"all": None}, Followers(), tokens, lambda: False)  # type: ignore[dict-item]
    port = await server.start("127.0.0.1", 0, None)
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/v1/table", headers=headers) as reply,
        ):
            return reply.status
    finally:
        await server.close()


@pytest.mark.parametrize(
    ("tokens", "headers", "status"),
    [
        (None, {}, 503),
        (None, {"Host": "localhost:1"}, 503),
        (None, {"Host": "evil.example"}, 421),
        (lambda: ["secret"], {}, 401),
        (lambda: ["secret"], {"Authorization": "Bearer other"}, 401),
        (lambda: ["secret"], {"Authorization": "Bearer secret"}, 503),
        (list, {"Authorization": "Bearer "}, 401),
    ],
    ids=["no tokens", "by name", "a rebound name", "no token given", "a wrong one", "the right one", "an empty list"],
)
def test_the_table_is_for_those_who_may_have_it(
    tokens: Callable[[], list[str]] | None, headers: dict[str, str], status: int
) -> None:
    assert asyncio.run(answer(tokens, headers)) == status


def filled(clients: int, pools: int = 0) -> TableView:
    """A view with so many clients, and pools of 0.3 MB each."""
    view = TableView("all", everything)
    changes = [Touched("class", "default", None, ClassRecord("translate", synthesise=True))]
    changes += [Touched("client", f"2002::{n:x}", None, Client("default", "team-00", f"p-{n}")) for n in range(clients)]
    names = tuple(f"name-{number}.example.org" for number in range(10_000))
    large = PoolRecord("203.0.113.1", ("2002:cb00:7101::/96",), "spread", domains=names)
    changes += [Touched("pool", f"pool-{number}", None, large) for number in range(pools)]
    view.take(changes, 1, 1.0)
    return view


async def request(
    port: int, have: str = "", receive_buffer: int = 1 << 20
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A consumer that has read nothing yet; its kernel takes no more than `receive_buffer`."""
    end = socket.socket()
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    end.setblocking(False)
    await asyncio.get_running_loop().sock_connect(end, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=end, limit=receive_buffer)
    path = f"/v1/table?consumer=slow{f'&have={have}' if have else ''}"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return reader, writer


async def test_a_consumer_that_takes_nothing_is_dropped_with_a_reason_and_catches_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(table_server, "SLOW_S", 0.5)
    view, followers, dropped = filled(10, pools=40), Followers(), []
    server = TableServer({"all": view}, followers, None, lambda: True, lambda *told: dropped.append(told))
    port = await server.start("127.0.0.1", 0, None)
    try:
        _, slow = await request(port, receive_buffer=4096)
        waiting = 0
        for number in range(3000):
            # The table goes on changing; what waits for the consumer does not grow with it.
            old = view.records.get(("client", "2002::1"))
            view.take([Touched("client", "2002::1", old, Client("default", "team-00", f"q-{number}"))], number, 2.0)
            server.wake()
            await asyncio.sleep(0.01)
            buffers = [one.transport.get_write_buffer_size() for one in connections(server) if one.transport]
            waiting = max([waiting, *buffers])
            if dropped:
                break
        assert dropped == [("slow", "it took nothing for 0.5 s")]
        assert 0 < waiting < 1_000_000
        slow.close()
        reader, again = await request(port, have="0" * 31 + "1")
        text = bytearray()
        async with asyncio.timeout(60):
            while b'"commit"' not in text[-400:]:
                text += await reader.read(1 << 20)
        assert b'"change":"snapshot"' in text[:2000]
        assert view.version.encode() in text[-400:]
        again.close()
    finally:
        await server.close()


def connections(server: TableServer) -> list[Any]:
    assert server._runner is not None
    assert server._runner.server is not None
    return list(server._runner.server.connections)


def test_those_who_are_sent_one_version_share_its_lines() -> None:
    view = filled(10)
    first = view.snapshot()
    assert all(one is other for one, other in zip(view.snapshot()[:-1], first[:-1], strict=True))
    view.take([Touched("client", "2002::1", Client("default", "team-00", "p-1"), None)], 2, 2.0)
    assert len(view.snapshot()) == len(first)
    assert view.snapshot() != first


async def test_a_heartbeat_never_names_a_version_that_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that comes as the wait for changes is over."""
    monkeypatch.setattr(table_server, "HEARTBEAT_S", 0.05)
    view = filled(3)
    server = TableServer({"all": view}, Followers(), None, lambda: True)
    port = await server.start("127.0.0.1", 0, None)
    try:
        reader, writer = await request(port)
        async with asyncio.timeout(30):
            await reader.readuntil(b'"commit"')
            await reader.readuntil(b'"heartbeat"')
            view.take([Touched("client", "2002::1", Client("default", "team-00", "p-1"), None)], 2, 2.0)
            seen = await reader.readuntil(view.version.encode())
        assert b'"delta"' in seen
        writer.close()
    finally:
        await server.close()
