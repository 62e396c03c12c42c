"""Packets nobody should send: mutated, cut and random, by UDP and TCP. FORMERR or silence, never an exception."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

import dns.message
import pytest

from . import wire
from .case import a, synth
from .client import Query, ask, opened
from .judge import judge
from .names import Names
from .run import Stage
from .script import Raw, Says, encode
from .server import V4, Server

ROUNDS = 4000


def _seeds(names: Names) -> list[bytes]:
    own = names.own
    return [
        Query().to_wire(names),
        Query(edns=None, rdtype="A").to_wire(names),
        Query(do=True, options=((10, bytes(8)), (8, b"\0\1\x18\0\x0a\7\1"), (12, bytes(20)))).to_wire(names),
        wire.header(1, qd=2) + wire.question(own) * 2,
        wire.header(1, an=1, ar=1) + wire.question(own) + wire.record(b"\xc0\x0c", 5, 1, 9, b"\xc0\x0c") + wire.opt(),
        wire.header(1, flags=0x2800) + wire.question(own, 6),
    ]


def _mutated(rng: random.Random, seeds: list[bytes]) -> bytes:
    octets = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 6)):
        kind, at = rng.randrange(5), rng.randrange(len(octets)) if octets else 0
        if kind == 0 and octets:
            octets[at] = rng.randrange(256)
        elif kind == 1 and octets:
            octets[at] = rng.choice((0, 1, 63, 64, 127, 128, 191, 192, 193, 255))
        elif kind == 2:
            octets = octets[:at]
        elif kind == 3:
            octets[at:at] = rng.randbytes(rng.randint(1, 8))
        else:
            octets += octets[: rng.randint(0, 40)]
    return bytes(octets)


def _cut(seeds: list[bytes]) -> Iterator[bytes]:
    for seed in seeds:
        yield from (seed[:length] for length in range(len(seed)))


def _still_well(server: Server, stage: Stage) -> None:
    names = Names.fresh()
    stage.one.script(names, {"A": a(".33")})
    for transport in ("udp", "tcp"):
        sent = Query().to_wire(names)
        heard = ask(sent, transport, V4, server.port)
        assert judge(Query(), sent, heard, synth(".33"), names, transport) == []
    assert server.new_trouble() == ""
    assert server.alive()


def _packets(kind: str) -> list[bytes]:
    rng, seeds = random.Random(1035), _seeds(Names.fresh())
    if kind == "cut":
        return list(_cut(seeds))
    if kind == "random":
        return [rng.randbytes(rng.randint(0, 80)) for _ in range(ROUNDS // 4)]
    return [_mutated(rng, seeds) for _ in range(ROUNDS)]


@pytest.mark.parametrize("kind", ["cut", "random", "mutated"])
def test_c266_garbage_by_udp(stage: Stage, kind: str) -> None:
    server = stage.servers.get("plain")
    with opened("udp", V4, server.port, wait_s=0.001) as connection:
        for number, packet in enumerate(_packets(kind)):
            connection.sock.send(packet)
            if number % 16 == 0:
                while (reply := connection.receive()) is not None:
                    assert reply[2] & 0x80, f"not a reply: {reply[:40].hex()}"
    _still_well(server, stage)


@pytest.mark.parametrize("kind", ["cut", "mutated"])
def test_c266a_garbage_by_tcp(stage: Stage, kind: str) -> None:
    server = stage.servers.get("plain")
    packets = _packets(kind)[:1200]
    for start in range(0, len(packets), 20):
        with opened("tcp", V4, server.port, wait_s=0.01) as connection:
            try:
                for packet in packets[start : start + 20]:
                    connection.sock.sendall(struct.pack("!H", len(packet)) + packet)
            except ConnectionError:
                continue
    _still_well(server, stage)


@pytest.mark.parametrize("rdtype", ["AAAA", "A", "TXT"])
def test_c267_garbage_from_the_upstream_never_reaches_a_client(stage: Stage, rdtype: str) -> None:
    """Each reply keeps the id and the question, so that only its content can give it away."""
    server, rng = stage.servers.get("no-0x20"), random.Random(rdtype)
    good = {"AAAA": "@ 60 AAAA 2001:db8::1", "A": "@ 60 A 192.0.2.33", "TXT": "@ 60 TXT x"}[rdtype]
    for _ in range(150):
        names = Names.fresh()
        flip = rng.random()

        def build(query: bytes, flip: float = flip, names: Names = names) -> bytes:
            return _spoilt(query, names, good, random.Random(flip))

        stage.one.script(names, {"AAAA": Raw(build), "A": Raw(build), "TXT": Raw(build)})
        sent = Query(rdtype=rdtype).to_wire(names)
        with opened("udp", V4, server.port, wait_s=0.004) as connection:
            connection.send(sent)
            heard = connection.receive()
        if heard is not None:
            _is_a_message(sent, heard)
    _still_well(server, stage)


def _spoilt(query: bytes, names: Names, good: str, rng: random.Random) -> bytes:
    octets = bytearray(encode(Says((good,)), dns.message.from_wire(query), names))
    body = len(names.own) + 1 + 4 + 12
    for _ in range(rng.randint(1, 4)):
        octets[rng.randrange(body, len(octets))] = rng.randrange(256)
    return bytes(octets[: rng.randint(body, len(octets))] if rng.random() < 0.3 else octets)


def _is_a_message(sent: bytes, heard: bytes) -> None:
    assert wire.is_well_formed(heard), heard.hex()
    assert heard[:2] == sent[:2]
    assert heard[12 : 12 + 16] == sent[12 : 12 + 16]
