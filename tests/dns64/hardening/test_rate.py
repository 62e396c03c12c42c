"""A client has its rate once, whatever the number of workers its queries reach."""

import asyncio
import time
from pathlib import Path

import dns.flags
import dns.message

from tests.dns64.app.running import running
from tests.dns64.hardening.cost import query
from tests.dns64.hardening.quick_upstream import quick_upstream
from tests.dns64.hardening.test_shares import client

RATE = 100


async def test_three_workers_give_one_client_one_rate(tmp_path: Path) -> None:
    more = {"[server]": f"rate_limit_per_s = {RATE}"}
    with quick_upstream() as upstream:
        async with running(tmp_path, upstream.port, workers=3, more=more) as one:
            loop, full, began = asyncio.get_running_loop(), 0, time.monotonic()
            with client("127.0.0.66", one.port) as sock:
                for number in range(600):
                    sock.send(query(f"n{number}.t.example.", ident=number))
                    if number % 50 == 0:
                        await asyncio.sleep(0)
                took_s = time.monotonic() - began
                while True:
                    try:
                        async with asyncio.timeout(1.0):
                            reply = dns.message.from_wire(await loop.sock_recv(sock, 65535))
                    except TimeoutError:
                        break
                    full += not reply.flags & dns.flags.TC
            assert RATE / 2 <= full <= RATE * (1 + took_s) + RATE / 2
