"""Packets nobody should send, made from packets that somebody does; and an upstream that answers with such."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Iterator

from . import cases_edns, cases_header, wire
from .client import Query
from .names import Names

_NOTABLE = (0, 1, 63, 64, 127, 128, 191, 192, 193, 255)


def seeds(names: Names) -> list[bytes]:
    """Good queries, and some that are wrong in one place."""
    own = names.own
    return [
        Query().to_wire(names),
        Query(edns=None, rdtype="A").to_wire(names),
        Query(do=True, options=((10, bytes(8)), (8, b"\0\1\x18\0\x0a\7\1"), (12, bytes(20)))).to_wire(names),
        wire.header(1, qd=2) + wire.question(own) * 2,
        wire.header(1, an=1, ar=1) + wire.question(own) + wire.record(b"\xc0\x0c", 5, 1, 9, b"\xc0\x0c") + wire.opt(),
        wire.header(1, flags=0x2800) + wire.question(own, 6),
    ]


def all_seeds(names: Names) -> list[bytes]:
    """Those, and every packet that a row of the tables builds byte by byte (BIND's formerr shapes are among them)."""
    cases = (*cases_header.CASES, *cases_edns.CASES)
    return seeds(names) + [case.query.raw(1, names) for case in cases if case.query.raw is not None]


def mutated(rng: random.Random, choice: list[bytes]) -> bytes:
    """One of them with one to six wounds."""
    raw = bytearray(rng.choice(choice))
    for _ in range(rng.randint(1, 6)):
        kind, at = rng.randrange(5), rng.randrange(len(raw)) if raw else 0
        if kind == 0 and raw:
            raw[at] = rng.randrange(256)
        elif kind == 1 and raw:
            raw[at] = rng.choice(_NOTABLE)
        elif kind == 2:
            raw = raw[:at]
        elif kind == 3:
            raw[at:at] = rng.randbytes(rng.randint(1, 8))
        else:
            raw += raw[: rng.randint(0, 40)]
    return bytes(raw)


def cut(choice: list[bytes]) -> Iterator[bytes]:
    """Each of them, ended at every byte."""
    for seed in choice:
        yield from (seed[:length] for length in range(len(seed)))


class GarbageUpstream:
    """Answers every query, mostly with nonsense: the id and the question are right as often as not.

    Names that begin with `good` get one A record and a denial of everything else.
    """

    def __init__(self, seed: int = 0) -> None:
        self._rng = random.Random(seed)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._ended = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(4096)
            if self._ended:
                return
            with contextlib.suppress(OSError):
                self._socket.sendto(self._reply(query), client)

    def _reply(self, query: bytes) -> bytes:
        place = 12
        while query[place]:
            place += 1 + query[place]
        end = place + 5
        is_a = query[place + 1 : place + 3] == b"\0\1"
        record = wire.record(b"\xc0\x0c", 1, 1, 60, b"\xc0\0\2\x21") if is_a else b""
        head = query[:2] + b"\x81\x80\0\1" + int(is_a).to_bytes(2) + bytes(4)
        reply = head + query[12:end] + record
        if query[13:17].lower() == b"good":
            return reply
        wounded = mutated(self._rng, [reply])
        return reply[:end] + wounded[end:] if self._rng.random() < 0.5 else wounded

    def stop(self) -> None:
        self._ended = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            host, port = self.address.split(":")
            sock.sendto(b"", (host, int(port)))
        self._thread.join(5)
        self._socket.close()
