"""Long pipelines: what one connection may take of a turn of the loop (RFC 7766 section 6.2.1.1)."""

import asyncio
import random
import socket
import time
from contextlib import suppress

from kun_dns64.transport.connections import TURN_S, StreamLimits
from kun_dns64.transport.tcp_server import MAX_IN_FLIGHT
from tests.dns64.transport.clients import (
    RECEIVE_BYTES,
    SEND_BYTES,
    eventually,
    serving,
)
from tests.dns64.transport.test_listeners import BUDGET_S, HEADER, Front, closed, frame, read_frame


def slow_front() -> Front:
    """Two or three queries make a turn."""
    front = Front()

    def answer(wire: bytes) -> bytes:
        time.sleep(TURN_S / 2)
        return wire

    front.answer = answer
    return front


async def most_in_a_turn(front: Front, count: int) -> int:
    """Of the queries that are taken in one turn of the loop, until `count` are taken."""
    most, before = 0, len(front.sources)
    while before < count:
        await asyncio.sleep(0)
        now = len(front.sources)
        most, before = max(most, now - before), now
    return most


async def test_a_long_pipeline_leaves_every_turn_of_the_loop_to_others() -> None:
    front, chunks, each = slow_front(), 30, 20
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S)) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def pipeline() -> None:
            for _ in range(chunks):
                writer.write(frame(HEADER) * each)
                await asyncio.sleep(0)

        sending = asyncio.create_task(pipeline())
        # What is left of one reading, and what is taken of the next.
        assert await most_in_a_turn(front, chunks * each) <= 3 + 3
        await sending
        for _ in range(chunks * each):
            await read_frame(reader)
        writer.close()


async def test_many_long_pipelines_leave_every_turn_of_the_loop_to_others() -> None:
    front, many, each = slow_front(), 20, 30
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S)) as (port, _):
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(many)]
        for _, writer in opened:
            writer.write(frame(HEADER) * each)
        # The first takes a turn, the others a query each, and one of those that wait a turn.
        assert await most_in_a_turn(front, many * each) <= 3 + many + 3
        for reader, writer in opened:
            for _ in range(each):
                await read_frame(reader)
            writer.close()


async def test_no_more_is_read_while_queries_are_left() -> None:
    front, sent, all_of_it = slow_front(), 0, frame(HEADER) * 150_000
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S)) as (port, _):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
            while len(front.sources) < 300:
                with suppress(BlockingIOError):
                    sent += sock.send(all_of_it[sent:])
                await asyncio.sleep(0)
            # What both ends of the kernel hold, and one reading of it.
            assert sent < 8 * RECEIVE_BYTES


async def test_queries_arrive_whole_however_they_were_cut() -> None:
    seeded, front = random.Random(7766), slow_front()
    queries = [HEADER + seeded.randbytes(seeded.choice([0, 1, 40, 3000])) for _ in range(200)]
    stream = b"".join(map(frame, queries))
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S)) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def send_in_pieces() -> None:
            at = 0
            while at < len(stream):
                size = seeded.choice([1, 2, 13, 700, 20_000])
                writer.write(stream[at : at + size])
                at += size
                await asyncio.sleep(0)

        sending = asyncio.create_task(send_in_pieces())
        assert [await read_frame(reader) for _ in queries] == queries
        await sending
        writer.close()


async def test_a_half_closed_connection_gets_all_answers_of_a_long_pipeline() -> None:
    front, many = Front(), 3 * MAX_IN_FLIGHT
    front.holding = True
    async with serving(front, StreamLimits(10, 100, 100, BUDGET_S)) as (port, connections):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(HEADER) * many)
        writer.write_eof()
        for _ in range(many):
            await front.holds.acquire()
            wire, send = front.held.pop()
            send(wire)
        for _ in range(many):
            assert await read_frame(reader) == HEADER
        assert await closed(reader)
        await eventually(lambda: len(connections) == 0)
        writer.close()
