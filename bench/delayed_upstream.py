"""A resolver some way off: it answers after a fixed time, loses a share of what comes, and counts it.

`python -m bench.delayed_upstream PORT DELAY_MS LOSS`. By UDP: one address for A, a denial for all else. Two names tell
what has been counted so far, as an IPv4 address: `packets.count.` all packets, `questions.count.` different names and
types.
"""

import heapq
import random
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

from bench.authority import free_port
from bench.names import FIRST_IPV4
from bench.process import BenchError, running
from bench.queries import wire_name
from bench.wire import ask, client

Source = tuple[str, int]
A = b"\x00\x01"
COUNTS = {wire_name("packets.count."): 0, wire_name("questions.count."): 1}
SOA = b"\xc0\x0c\x00\x06\x00\x01\x00\x00\x01\x2c\x00\x1a\x01n\x00\x01h\x00" + (300).to_bytes(4) * 5
ADDRESS_HEAD = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04"
START_S = 20.0


class DelayedUpstream:
    """Pure but for what `turn` does: packets come in with a time, and leave with one."""

    def __init__(self, delay_s: float, loss: float) -> None:
        self._delay_s, self._loss = delay_s, loss
        self._drawn = random.Random(6298)
        self._packets = 0
        self._questions: set[bytes] = set()
        self._leaving: list[tuple[float, int, bytes, Source]] = []

    def take(self, wire: bytes, source: Source, now: float) -> bytes | None:
        """The reply to send at once; others leave after the delay."""
        end = wire.index(0, 12) + 1
        name = wire[12:end].lower()
        counted = COUNTS.get(name)
        if counted is not None:
            count = (self._packets, len(self._questions))[counted]
            return reply(wire, end, count.to_bytes(4))
        self._packets += 1
        self._questions.add(name + wire[end : end + 2])
        if self._drawn.random() >= self._loss:
            heapq.heappush(
                self._leaving, (now + self._delay_s, self._packets, reply(wire, end, FIRST_IPV4.packed), source)
            )
        return None

    def due(self, now: float) -> Iterator[tuple[bytes, Source]]:
        while self._leaving and self._leaving[0][0] <= now:
            _, _, wire, source = heapq.heappop(self._leaving)
            yield wire, source

    def pause_s(self, now: float) -> float:
        """How long nothing leaves."""
        return max(0.0, self._leaving[0][0] - now) if self._leaving else 1.0


def reply(wire: bytes, end: int, address: bytes) -> bytes:
    question = wire[12 : end + 4]
    if wire[end : end + 2] == A:
        return wire[:2] + b"\x81\x80\x00\x01\x00\x01" + bytes(4) + question + ADDRESS_HEAD + address
    return wire[:2] + b"\x81\x80\x00\x01\x00\x00\x00\x01\x00\x00" + question + SOA


def serve(port: int, upstream: DelayedUpstream) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind(("127.0.0.1", port))
        sock.setblocking(False)
        while True:
            turn(sock, upstream)


def turn(sock: socket.socket, upstream: DelayedUpstream) -> None:
    select.select([sock], [], [], upstream.pause_s(time.monotonic()))
    try:
        for _ in range(64):
            wire, source = sock.recvfrom(4096)
            at_once = upstream.take(wire, source, time.monotonic())
            if at_once is not None:
                sock.sendto(at_once, source)
    except BlockingIOError:
        pass
    for wire, target in upstream.due(time.monotonic()):
        sock.sendto(wire, target)


@contextmanager
def delayed_upstream(folder: Path, cores: Sequence[int], delay_ms: float, loss: float) -> Iterator[int]:
    """The port it answers on. Gone on leaving."""
    port = free_port()
    argv = (sys.executable, "-m", "bench.delayed_upstream", str(port), str(delay_ms), str(loss))
    root = str(Path(__file__).parent.parent)
    with running(argv, cores, folder, {"PYTHONPATH": root}):
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            try:
                counted(port)
            except BenchError:
                continue
            yield port
            return
        raise BenchError(f"the delayed upstream did not answer within {START_S:.0f} s")


def counted(port: int) -> tuple[int, int]:
    """(packets, different questions) so far."""
    found = []
    with client(port) as sock:
        sock.settimeout(0.5)
        for name in COUNTS:
            wire = bytes(2) + b"\x01\x00\x00\x01" + bytes(6) + name + A + b"\x00\x01"
            response = ask(sock, wire)
            if response is None:
                raise BenchError("the delayed upstream does not answer")
            found.append(int(IPv4Address(response[-4:])))
    return found[0], found[1]


if __name__ == "__main__":
    serve(int(sys.argv[1]), DelayedUpstream(float(sys.argv[2]) / 1000, float(sys.argv[3])))
