"""A flood of mutated packets by UDP and TCP, over an upstream that answers with garbage: alive, right and no larger."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import wire
from .case import synth
from .client import Query, ask
from .configs import plain
from .garbage import GarbageUpstream, all_seeds, cut, mutated
from .judge import judge
from .names import Names
from .run import Stage
from .server import V4, Server

# What the caches of this configuration may hold, and what an allocator keeps to itself.
GROWTH_KIB = 24 * 1024
SMALL_CACHE = {"max_entries": 2000, "max_bytes": 4_000_000}
BURST = 64
OF_TCP = 8


@pytest.fixture
def flooded(stage: Stage) -> Iterator[Server]:
    upstream = GarbageUpstream()
    config = plain(upstream={"servers": [f"udp://{upstream.address}"]}, cache=SMALL_CACHE)
    server = stage.servers.private("flood", config)
    yield server
    try:
        assert server.stop() == 0
    finally:
        upstream.stop()


def _rss_kib(pid: int) -> int:
    """Resident memory of the process and its children."""
    status = Path(f"/proc/{pid}/status").read_text()
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(_rss_kib(int(child)) for child in children)


def _still_answers(server: Server) -> None:
    name = f"good{time.monotonic_ns()}.t.example."
    for transport in ("udp", "tcp"):
        query, names = Query(name), Names.fresh()
        sent = query.to_wire(names)
        heard = ask(sent, transport, V4, server.port)
        expected = synth("192.0.2.33", ttl=60, owner=name).but(ede=(29,), ttl_slack=3)
        assert judge(query, sent, heard, expected, names, transport) == []
    assert server.new_trouble() == ""
    assert server.alive()


def _by_udp(server: Server, packets: list[bytes], sock: socket.socket) -> None:
    for start in range(0, len(packets), BURST):
        for packet in packets[start : start + BURST]:
            sock.send(packet)
        _drain(sock)


def _drain(sock: socket.socket) -> None:
    """Reads what has come; all of it must be replies."""
    try:
        while True:
            reply = sock.recv(65535, socket.MSG_DONTWAIT)
            assert len(reply) >= 12, reply.hex()
            assert reply[2] & 0x80, f"not a reply: {reply[:40].hex()}"
            assert wire.is_well_formed(reply), reply.hex()
    except BlockingIOError:
        return


def _by_tcp(server: Server, packets: list[bytes]) -> None:
    """All in one connection; the server may close it at any of them."""
    stream = b"".join(struct.pack("!H", len(packet)) + packet for packet in packets)
    with socket.create_connection((V4, server.port), 5) as sock:
        try:
            sock.sendall(stream)
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(2)
            while sock.recv(65535):
                pass
        except (ConnectionError, TimeoutError):
            return


@pytest.mark.parametrize(
    "packets",
    [
        pytest.param(50_000, marks=pytest.mark.timeout(300)),
        pytest.param(1_000_000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
    ],
)
def test_a_flood_of_mutated_packets_changes_nothing(flooded: Server, packets: int) -> None:
    rng, seeds = random.Random(packets), all_seeds(Names.fresh())
    short = list(cut(seeds))
    sent, batch, rss_kib = 0, 2000, []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sock.connect((V4, flooded.port))
        while sent < packets:
            wounded = [mutated(rng, seeds) if rng.random() < 0.9 else rng.choice(short) for _ in range(batch)]
            _by_udp(flooded, wounded[batch // OF_TCP :], sock)
            _by_tcp(flooded, wounded[: batch // OF_TCP])
            sent += batch
            if sent % (packets // 10) < batch:
                _still_answers(flooded)
                rss_kib.append(_rss_kib(flooded.process.pid))
    print(f"\n{sent} packets; resident KiB after each tenth: {rss_kib}")
    # The first three tenths fill the caches.
    assert max(rss_kib[3:]) - rss_kib[2] < GROWTH_KIB, rss_kib
