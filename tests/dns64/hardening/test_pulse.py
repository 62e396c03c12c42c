"""Answers held back for a forged address do not leave in one pulse (DNSBomb)."""

import asyncio
import socket
import struct
import threading
import time
from pathlib import Path

import dns.message
import pytest

from tests.dns64.app.running import running
from tests.dns64.hardening.cost import query
from tests.dns64.hardening.quick_upstream import quick_upstream
from tests.dns64.hardening.test_shares import client

VICTIM = "127.0.0.66"
ADDRESSES = 40
SO_TIMESTAMPNS = 35  # socket(7); Python does not name it
ONE = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\xcb\x00\x71"
LARGE = b"".join(ONE + bytes((number,)) for number in range(ADDRESSES))


async def received(sock: socket.socket, for_s: float) -> list[tuple[float, int]]:
    """(when, bytes) of every datagram, by the kernel's clock: a busy machine reads them later, and many at once."""
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    end, found = time.monotonic() + for_s, []
    while time.monotonic() < end:
        try:
            wire, extra, _, _ = sock.recvmsg(65535, 64)
        except BlockingIOError:
            await asyncio.sleep(0.005)
            continue
        seconds, nanoseconds = struct.unpack("qq", extra[0][2])
        found.append((seconds + nanoseconds / 1e9, len(wire)))
    return found


@pytest.mark.parametrize(("names", "workers"), [(1, 1), (3000, 3)], ids=["one name", "a name each, three workers"])
async def test_what_was_held_back_leaves_at_a_pace(tmp_path: Path, names: int, workers: int) -> None:
    held = threading.Event()
    with quick_upstream(held=held) as upstream:
        upstream.answer, upstream.count = LARGE, ADDRESSES.to_bytes(2)
        async with running(tmp_path, upstream.port, workers=workers, more={"[upstream]": "stagger_ms = 0"}) as one:
            with client(VICTIM, one.port) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
                for number in range(3000):
                    sock.send(query(f"n{number % names}.t.example.", "A", ident=number))
                    if number % 50 == 0:
                        await asyncio.sleep(0)
                early = await received(sock, 0.7)
                held.set()
                late = await received(sock, 2.0)
            # Turned away at once, and small.
            assert len(early) >= 500
            assert max(size_bytes for _, size_bytes in early) < 100
            windows = [sum(size_bytes for at, size_bytes in late if 0 <= at - start < 0.1) for start, _ in late]
            assert max(windows, default=0) <= 64 * 1024 + 0.1 * 1_000_000 + 40_000
            assert sum(size_bytes > 100 for _, size_bytes in late) <= 1001


async def test_a_client_that_has_shown_its_address_gets_all_at_once(tmp_path: Path) -> None:
    held = threading.Event()
    with quick_upstream(held=held) as upstream:
        async with running(tmp_path, upstream.port, more={"[upstream]": "stagger_ms = 0"}) as one:
            with client(VICTIM, one.port) as sock:
                loop = asyncio.get_running_loop()
                first = dns.message.make_query("cookie.ipv4only.arpa.", "AAAA", use_edns=0)
                first.use_edns(0, options=[dns.edns.GenericOption(10, bytes(8))])
                await loop.sock_sendall(sock, first.to_wire())
                cookie = dns.message.from_wire(await loop.sock_recv(sock, 4096)).options[-1].to_wire()
                for number in range(400):
                    asked = dns.message.make_query("one.t.example.", "A", id=number)
                    asked.use_edns(0, options=[dns.edns.GenericOption(10, cookie)])
                    sock.send(asked.to_wire())
                    if number % 50 == 0:
                        await asyncio.sleep(0.01)
                assert await received(sock, 0.5) == []
                held.set()
                assert len(await received(sock, 1.0)) == 400
