"""Connections of clients that mean harm, or are slow: what they may hold, and that others are served meanwhile."""

import asyncio
import socket
from pathlib import Path
from typing import Any, cast

import pytest

from kun_dns64.transport.connections import StreamLimits
from kun_dns64.transport.tcp_server import MAX_UNSENT
from tests.dns64.transport.clients import (
    REPLY,
    UNREAD,
    eventually,
    is_held,
    serving,
    unread_front,
)
from tests.dns64.transport.test_listeners import BUDGET_S, HEADER, PATIENT_S, Front, closed, frame, read_frame

# <net/tcp_states.h>, as in /proc/net/tcp.
LISTENING = "0A"


def kernel_keeps(port: int) -> int:
    """Connections of that port of ours, those that no process has any more too."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[1].partition(":")[2], 16) == port and row[3] != LISTENING for row in rows)


async def one_that_does_not_read(port: int, front: Front) -> socket.socket:
    """It has asked for UNREAD replies, all are made, and most of them are still here."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, ("127.0.0.1", port))
    asked = len(front.sources)
    await loop.sock_sendall(sock, frame(HEADER) * UNREAD)
    await eventually(lambda: len(front.sources) == asked + UNREAD)
    await asyncio.sleep(0.02)
    return sock


async def read_slowly(sock: socket.socket) -> int:
    """Bytes, until the other end closes."""
    got, loop = 0, asyncio.get_running_loop()
    while part := await loop.sock_recv(sock, 2048):
        got += len(part)
    return got


async def test_a_client_that_does_not_read_goes_when_it_is_idle() -> None:
    front = unread_front()
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S)) as (port, connections):
        with await one_that_does_not_read(port, front) as slow:
            assert is_held(slow)
            connections.close_idle(asyncio.get_running_loop().time() + 11)
            await eventually(lambda: not is_held(slow))
            assert len(connections) == 0


async def test_the_kernel_keeps_nothing_for_a_client_that_does_not_read() -> None:
    """Nor for one whose replies all are with the kernel already."""
    front = unread_front()
    front.answer = lambda wire: REPLY[:62]
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S)) as (port, connections):
        with await one_that_does_not_read(port, front) as slow:
            connections.close_idle(asyncio.get_running_loop().time() + 11)
            await eventually(lambda: not is_held(slow))
            await eventually(lambda: kernel_keeps(port) == 0)
            with pytest.raises(ConnectionResetError):
                await read_slowly(slow)


async def test_the_kernel_gives_up_a_half_closed_client_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """All replies are with the kernel, so the connection is closed, and counts no more."""
    monkeypatch.setattr("kun_dns64.transport.tcp_server.UNTAKEN_S", 0.3)
    front = unread_front()
    front.answer = lambda wire: REPLY[:62]
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S)) as (port, connections):
        with await one_that_does_not_read(port, front) as slow:
            assert kernel_keeps(port) == 1
            slow.shutdown(socket.SHUT_WR)
            await eventually(lambda: kernel_keeps(port) == 0)
            assert len(connections) == 0


async def test_a_client_that_has_read_all_is_not_reset() -> None:
    async with serving(Front(), StreamLimits(10, 100, 100, BUDGET_S)) as (port, connections):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(HEADER))
        await read_frame(reader)
        connections.close_idle(asyncio.get_running_loop().time() + 11)
        async with asyncio.timeout(PATIENT_S):
            assert await reader.read() == b""
        writer.close()


async def test_a_client_that_does_not_read_makes_room_for_another() -> None:
    front = unread_front()
    async with serving(front, StreamLimits(10, 1, 1, BUDGET_S)) as (port, connections):
        with await one_that_does_not_read(port, front) as slow:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(frame(HEADER))
            assert await read_frame(reader) == REPLY
            await eventually(lambda: not is_held(slow))
            assert len(connections) == 1
            writer.close()


async def test_a_half_closed_connection_counts_until_its_client_has_read_or_is_given_up() -> None:
    front = unread_front()
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S)) as (port, connections):
        with await one_that_does_not_read(port, front) as slow:
            slow.shutdown(socket.SHUT_WR)
            await asyncio.sleep(0.05)
            assert len(connections) == 1
            connections.close_idle(asyncio.get_running_loop().time() + 11)
            await eventually(lambda: not is_held(slow))
            assert len(connections) == 0


async def test_a_half_closed_connection_that_is_read_slowly_gets_all() -> None:
    front = unread_front()
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S)) as (port, connections):
        with await one_that_does_not_read(port, front) as slow:
            slow.shutdown(socket.SHUT_WR)
            assert await read_slowly(slow) == UNREAD * len(frame(REPLY))
            await eventually(lambda: len(connections) == 0)


async def test_what_was_asked_before_a_bad_frame_is_answered_and_nothing_after_it() -> None:
    front = Front()
    front.holding = True
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S)) as (port, connections):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(HEADER + b"good") + frame(b"bad") + frame(HEADER + b"late"))
        await front.holds.acquire()
        writer.write(frame(HEADER + b"later"))
        await asyncio.sleep(0.05)
        ((wire, send),) = front.held
        send(wire)
        assert await read_frame(reader) == HEADER + b"good"
        assert await closed(reader)
        await eventually(lambda: len(connections) == 0)
        writer.close()


async def test_no_query_is_taken_after_the_end_was_told() -> None:
    front = Front()
    front.holding = True
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S)) as (port, connections):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(HEADER + b"taken"))
        await front.holds.acquire()
        connections.finish_all()
        writer.write(frame(HEADER + b"late"))
        await asyncio.sleep(0.05)
        ((wire, send),) = front.held
        send(wire)
        assert await read_frame(reader) == HEADER + b"taken"
        assert await closed(reader)
        writer.close()


async def asking(port: int, front: Front, what: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection whose one query was taken; it waits for its answer if the front holds it."""
    asked = len(front.sources)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(frame(HEADER + what))
    await eventually(lambda: len(front.sources) > asked)
    return reader, writer


async def test_an_idle_connection_makes_room_before_one_that_waits_for_its_answer() -> None:
    front = Front()
    async with serving(front, StreamLimits(10, 100, 2, BUDGET_S)) as (port, _):
        front.holding = True
        waiting, first = await asking(port, front, b"slow")
        front.holding = False
        idle, second = await asking(port, front, b"quick")
        await read_frame(idle)
        _, third = await asyncio.open_connection("127.0.0.1", port)
        assert await closed(idle)
        ((wire, send),) = front.held
        send(wire)
        assert await read_frame(waiting) == HEADER + b"slow"
        for writer in (first, second, third):
            writer.close()


async def test_who_waits_for_us_makes_no_room_and_its_client_may_have_twice_as_many() -> None:
    """A forwarder opens a connection for each question, and is not turned away because we are slow."""
    front = Front()
    async with serving(front, StreamLimits(10, 100, 3, BUDGET_S)) as (port, connections):
        front.holding = True
        opened = [await asking(port, front, b"slow") for _ in range(6)]
        assert len(connections) == 6
        beyond, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await closed(beyond)
        writer.close()
        for wire, send in front.held:
            send(wire)
        for reader, writer in opened:
            assert await read_frame(reader) == HEADER + b"slow"
            writer.close()


async def test_when_all_that_may_be_wait_the_newcomer_goes() -> None:
    front = Front()
    async with serving(front, StreamLimits(10, 2, 2, BUDGET_S)) as (port, _):
        front.holding = True
        opened = [await asking(port, front, b"slow") for _ in range(2)]
        beyond, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await closed(beyond)
        writer.close()
        for wire, send in front.held:
            send(wire)
        for reader, writer in opened:
            assert await read_frame(reader) == HEADER + b"slow"
            writer.close()


async def test_a_forwarder_has_many_times_a_clients_connections() -> None:
    limits = StreamLimits(10, 1000, 3, BUDGET_S, lambda client: client == "127.0.0.1")
    async with serving(Front(), limits) as (port, connections):
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(30)]
        await eventually(lambda: len(connections) == 30)
        for _, writer in opened:
            writer.close()


def reading(writer: asyncio.StreamWriter) -> asyncio.ReadTransport:
    """The side of its transport that reads."""
    return cast(asyncio.Transport, writer.transport)


async def test_answers_that_come_to_a_clogged_connection_are_not_kept() -> None:
    """Their questions are, and are answered when the client reads again."""
    front = Front()
    front.answer = lambda wire: wire[:12] + bytes(60_000)
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S)) as (port, connections):
        front.holding = True
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 17)
        reading(writer).pause_reading()
        writer.write(b"".join(frame(number.to_bytes(2) + HEADER[2:]) for number in range(60)))
        await eventually(lambda: len(front.held) == 60)
        front.holding = False
        for wire, send in front.held:
            send(wire[:12] + bytes(60_000))
            await asyncio.sleep(0)
        connection: Any
        (connection,) = connections._by_age
        assert connection._transport.get_write_buffer_size() < MAX_UNSENT + 3 * 60_000
        assert len(connection._parked) > 40
        reading(writer).resume_reading()
        got = {(await read_frame(reader))[:2] for _ in range(60)}
        assert len(got) == 60
        writer.close()


async def test_of_too_many_clogged_connections_the_first_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kun_dns64.transport.connections.MOST_CLOGGED_OF_CLIENT", 2)
    front = Front()
    front.answer = lambda wire: wire[:12] + bytes(60_000)
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S)) as (port, connections):
        opened = []
        for number in range(4):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            reading(writer).pause_reading()
            writer.write(frame(HEADER) * 20)
            opened.append(writer)
            clogged = min(2, number + 1)
            await eventually(lambda: len(connections._clogged) == clogged)  # noqa: B023
            await asyncio.sleep(0.05)
        assert connections.closed_for_limit == 2
        assert len(connections) == 2
        for writer in opened:
            writer.transport.abort()


async def test_a_connection_is_not_idle_while_it_waits_for_its_answer() -> None:
    front = Front()
    async with serving(front, StreamLimits(0.5, 100, 100, 60)) as (port, connections):
        front.holding = True
        reader, writer = await asking(port, front, b"slow")
        now = asyncio.get_running_loop().time()
        connections.close_idle(now + 1)
        ((wire, send),) = front.held
        send(wire)
        assert await read_frame(reader) == HEADER + b"slow"
        connections.close_idle(now + 61)
        assert await closed(reader)
        writer.close()


async def test_no_connection_waits_beyond_the_budget() -> None:
    front = Front()
    async with serving(front, StreamLimits(10, 100, 100, 5)) as (port, connections):
        front.holding = True
        reader, writer = await asking(port, front, b"lost")
        connections.close_idle(asyncio.get_running_loop().time() + 16)
        assert await closed(reader)
        writer.close()


async def test_a_client_that_does_not_read_is_idle_once_all_is_answered() -> None:
    front = unread_front()
    async with serving(front, StreamLimits(10, 100, 100, 60)) as (port, connections):
        with await one_that_does_not_read(port, front) as slow:
            connections.close_idle(asyncio.get_running_loop().time() + 11)
            await eventually(lambda: not is_held(slow))


async def test_lower_limits_hold_from_the_next_newcomer_on() -> None:
    async with serving(Front(), StreamLimits(10, 100, 100, BUDGET_S)) as (port, connections):
        writers = [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(10)]
        await eventually(lambda: len(connections) == 10)
        connections.limits = StreamLimits(10, 4, 4, BUDGET_S)
        writers.append((await asyncio.open_connection("127.0.0.1", port))[1])
        await eventually(lambda: len(connections) == 4)
        for writer in writers:
            writer.close()


async def test_a_stop_can_wait_until_the_answers_are_read() -> None:
    front = unread_front()
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S)) as (port, connections):
        with await one_that_does_not_read(port, front) as slow:
            connections.finish_all()
            gone = asyncio.create_task(connections.gone())
            await asyncio.sleep(0.02)
            assert not gone.done()
            assert await read_slowly(slow) == UNREAD * len(frame(REPLY))
            async with asyncio.timeout(PATIENT_S):
                await gone


async def test_a_stop_need_not_wait_for_a_client_that_does_not_read() -> None:
    front = unread_front()
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S)) as (port, connections):
        with await one_that_does_not_read(port, front) as slow:
            connections.finish_all()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await connections.gone()
            connections.close_all()
            await eventually(lambda: not is_held(slow))
