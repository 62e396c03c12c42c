"""A bound is the whole server's: three workers together allow what one would."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from kun_dns64.policy.client_share import ClientShare
from kun_dns64.policy.memory_share import HOT_BYTES, MIB, SOURCES, share
from tests.dns64.app.running import Running, eventually, running
from tests.dns64.config.reading import UPSTREAM, settings_of
from tests.dns64.hardening.cost import query
from tests.dns64.hardening.quick_upstream import quick_upstream
from tests.dns64.hardening.test_shares import client, dead

WORKERS, WAITING, OUT = 3, 90, 300
OF_CLIENT, OF_ALL = 6, 12
LIMITS = {
    "[server]": f"client_max_waiting = {WAITING}\ntcp_max_per_client = {OF_CLIENT}\ntcp_max_connections = {OF_ALL}",
    "[upstream]": f"max_outstanding = {OUT}\nstagger_ms = 0",
}


@asynccontextmanager
async def three_workers(folder: Path) -> AsyncIterator[Running]:
    with quick_upstream(dead) as upstream:
        async with running(folder, upstream.port, workers=WORKERS, more=LIMITS) as one:
            yield one


async def most_seen(one: Running, field: str, at_least: int) -> int:
    """The highest sum over the workers in some looks, from the one on that finds `at_least`."""
    seen: list[int] = []

    async def looked() -> bool:
        found = sum(worker[field] for worker in (await one.status())["workers"])
        if seen or found >= at_least:
            seen.append(found)
        return len(seen) == 5

    await eventually(looked)
    return max(seen)


def flood(source: str, port: int, count: int) -> None:
    """Names of its own, which nobody answers, in many zones."""
    with client(source, port) as sock:
        for number in range(count):
            sock.send(query(f"{source.replace('.', '-')}.n{number}.z{number % 50}.dead.example.", ident=number))


async def test_queries_of_one_client_that_wait(tmp_path: Path) -> None:
    async with three_workers(tmp_path) as one:
        flood("127.0.0.66", one.port, 400)
        # Names do not go to the workers in equal numbers.
        assert WAITING / 2 <= await most_seen(one, "pending", WAITING // 2) <= WAITING


async def test_questions_that_are_out(tmp_path: Path) -> None:
    async with three_workers(tmp_path) as one:
        for number in range(20):
            flood(f"127.0.2.{number}", one.port, 60)
        highest = 0.0

        async def is_full() -> bool:
            nonlocal highest
            highest = max(highest, await one.number("upstream_outstanding"))
            return await one.number("upstream_overflows_total") + await one.number("upstream_displaced_total") > 0

        await eventually(is_full)
        assert OUT / 3 <= highest <= OUT


async def is_served(source: str, one: Running) -> bool:
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.bind((source, 0))
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", one.port))
        wire = query("well.example.", "A")
        await loop.sock_sendall(sock, len(wire).to_bytes(2) + wire)
        reply = b""
        while len(reply) < 2 or len(reply) < 2 + int.from_bytes(reply[:2]):
            got = await loop.sock_recv(sock, 4096)
            if not got:
                return False
            reply += got
    return dns.message.from_wire(reply[2:]).rcode() == dns.rcode.NOERROR


async def connections_come_to(one: Running, most: int) -> None:
    async def fits() -> bool:
        return 0 < sum(worker["tcp_connections"] for worker in (await one.status())["workers"]) <= most

    await eventually(fits)


async def test_connections_of_one_client_and_of_all(tmp_path: Path) -> None:
    async with three_workers(tmp_path) as one:
        with ExitStack() as stack:

            def opened(source: str) -> None:
                sock = stack.enter_context(socket.socket())
                sock.bind((source, 0))
                sock.connect(("127.0.0.1", one.port))

            for _ in range(5 * OF_CLIENT):
                opened("127.0.0.66")
            await connections_come_to(one, OF_CLIENT)
            for _ in range(10):
                # Wherever its connection goes: those that are idle make room for it.
                assert await is_served("127.0.0.66", one)
            for number in range(5 * OF_ALL):
                opened(f"127.0.3.{number}")
            await connections_come_to(one, OF_ALL)
            assert await is_served("127.0.0.67", one)


def test_what_is_divided_adds_up_to_the_whole(tmp_path: Path) -> None:
    more = f'[server]\nworkers = {WORKERS}\n[dnstap]\nsocket = "dnstap.sock"\n'
    whole = settings_of(tmp_path, UPSTREAM + more)
    one = whole.of_one_worker()
    assert whole.dnstap is not None
    assert one.dnstap is not None
    pairs = [
        (one.limits.client_max_waiting, whole.limits.client_max_waiting),
        (one.asking.max_outstanding, whole.asking.max_outstanding),
        (one.dnstap.queue_bytes, whole.dnstap.queue_bytes),
        (ClientShare(1, False, WORKERS).most_at_once, ClientShare(1, False).most_at_once),
    ]
    assert all(0.9 * of_all <= WORKERS * own <= of_all for own, of_all in pairs)


@pytest.mark.parametrize("workers", [1, 2, 4, 16, 100])
def test_sources_and_replies_of_a_second_have_a_bound_for_all(workers: int) -> None:
    own = share(500_000, 512 * MIB, workers)
    assert own.hot_bytes * workers <= HOT_BYTES
    assert own.sources * workers <= SOURCES
