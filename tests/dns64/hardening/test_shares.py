"""One client, or one zone, takes nobody else's place: questions to upstreams, and queries that wait for them."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode

from tests.dns64.app.running import Running, running
from tests.dns64.hardening.cost import query
from tests.dns64.hardening.quick_upstream import quick_upstream

ASKED = 12
# Where this machine is busy an answer may be late. Without shares more than half fail.
FEW = 2
ATTACKER, OTHER = "127.0.0.66", "127.0.0.2"
LONGEST_BURST_S = 0.1
SMALL = {"[upstream]": "max_outstanding = 600\nstagger_ms = 0", "[server]": "client_max_waiting = 150"}


def dead(name: bytes) -> bool:
    return name.endswith(b"\x04dead\x07example\x00")


def client(source: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((source, 0))
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    return sock


async def flood(source: str, port: int, zone: str, per_s: int) -> None:
    """A new name below `zone` each time. Time for which this process was held up is not made good in a burst."""
    began, sent = time.monotonic(), 0
    with client(source, port) as sock:
        while True:
            due = int((time.monotonic() - began) * per_s)
            began += max(0.0, (due - sent) / per_s - LONGEST_BURST_S)
            for number in range(sent, min(due, sent + int(LONGEST_BURST_S * per_s))):
                sock.send(query(f"n{number}.{zone}.", ident=number & 0xFFFF))
                sent += 1
            await asyncio.sleep(0.01)


async def asked(source: str, one: Running, name: str, within_s: float = 8.0) -> dns.message.Message:
    loop = asyncio.get_running_loop()
    with client(source, one.port) as sock:
        await loop.sock_sendall(sock, query(name))
        async with asyncio.timeout(within_s):
            return dns.message.from_wire(await loop.sock_recv(sock, 65535))


async def failures(source: str, one: Running, zone: str) -> int:
    """Of healthy names asked one after the other."""
    replies = []
    for number in range(ASKED):
        replies.append(await asked(source, one, f"h{number}.{zone}."))
        await asyncio.sleep(0.05)
    return sum(reply.rcode() != dns.rcode.NOERROR or not reply.answer for reply in replies)


@asynccontextmanager
async def attacked(*floods: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Long enough for all that may be out to be out."""
    attacks = [asyncio.create_task(one) for one in floods]
    await asyncio.sleep(2.5)
    yield
    assert not any(attack.done() for attack in attacks)
    for attack in attacks:
        attack.cancel()
    await asyncio.gather(*attacks, return_exceptions=True)


async def test_a_dead_zone_takes_no_place_from_another_clients_names(tmp_path: Path) -> None:
    with quick_upstream(dead) as upstream:
        async with (
            running(tmp_path, upstream.port, more=SMALL) as one,
            attacked(flood(ATTACKER, one.port, "dead.example", 400)),
        ):
            assert await failures(OTHER, one, "well.example") <= FEW


async def test_nor_from_names_of_the_same_client(tmp_path: Path) -> None:
    """A forwarder asks for the attacker and for everybody else."""
    with quick_upstream(dead) as upstream:
        async with (
            running(tmp_path, upstream.port, more=SMALL) as one,
            attacked(flood(ATTACKER, one.port, "dead.example", 200)),
        ):
            assert await failures(ATTACKER, one, "well.example") <= FEW


async def test_nor_do_many_clients_together(tmp_path: Path) -> None:
    with quick_upstream(dead) as upstream:
        async with running(tmp_path, upstream.port, more=SMALL) as one:
            floods = [flood(f"127.0.1.{n}", one.port, f"z{n}.dead.example", 20) for n in range(20)]
            async with attacked(*floods):
                assert await failures(OTHER, one, "well.example") <= FEW


async def test_a_client_beyond_its_share_is_told_to_come_by_tcp(tmp_path: Path) -> None:
    with quick_upstream(dead) as upstream:
        async with running(tmp_path, upstream.port, more=SMALL) as one:
            with client(ATTACKER, one.port) as sock:
                for number in range(400):
                    sock.send(query(f"n{number}.dead.example.", ident=number))
                loop, told = asyncio.get_running_loop(), 0
                async with asyncio.timeout(1.5):
                    while told < 100:
                        reply = dns.message.from_wire(await loop.sock_recv(sock, 65535))
                        # One that has waited 0.2 s by then may have made room.
                        if reply.rcode() == dns.rcode.NOERROR:
                            assert reply.flags & dns.flags.TC
                            told += 1
