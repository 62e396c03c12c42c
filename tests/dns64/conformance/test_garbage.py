"""Packets nobody should send: mutated, cut and random, by UDP and TCP. FORMERR or silence, never an exception."""

from __future__ import annotations

import random
import struct

import dns.message
import pytest

from . import wire
from .case import a, synth
from .client import Query, ask, opened
from .garbage import cut, mutated, seeds
from .judge import judge
from .names import Names
from .run import Stage
from .script import Raw, Says, encode
from .server import V4, Server

ROUNDS = 4000


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
    rng, choice = random.Random(1035), seeds(Names.fresh())
    if kind == "cut":
        return list(cut(choice))
    if kind == "random":
        return [rng.randbytes(rng.randint(0, 80)) for _ in range(ROUNDS // 4)]
    return [mutated(rng, choice) for _ in range(ROUNDS)]


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
    raw = bytearray(encode(Says((good,)), dns.message.from_wire(query), names))
    body = len(names.own) + 1 + 4 + 12
    for _ in range(rng.randint(1, 4)):
        raw[rng.randrange(body, len(raw))] = rng.randrange(256)
    return bytes(raw[: rng.randint(body, len(raw))] if rng.random() < 0.3 else raw)


def _is_a_message(sent: bytes, heard: bytes) -> None:
    assert wire.is_well_formed(heard), heard.hex()
    assert heard[:2] == sent[:2]
    assert heard[12 : 12 + 16] == sent[12 : 12 + 16]
