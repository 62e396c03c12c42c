"""The run with attackers: what misses a target, what attackers ask, and how bad their upstream is."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import islice
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import pytest

from bench.ctools import LoadReport
from bench.names import NETWORK, name_of
from bench.soak.attackers import QUESTIONS, SOURCES, question
from bench.soak.siege import Siege
from bench.soak.upstream import LARGE, is_slow, reply_to
from bench.soak.verdict import Sample

CALM = LoadReport(100_000, 100_000, 0, 0, 0, 0, 0, 10.0, 50.0, 100.0, 200.0, 300.0)
FLAT = tuple(Sample(float(at), 60_000, 0.0) for at in range(100))
GOOD = Siege(100_000.0, 40_000.0, ("flood",), CALM, CALM, FLAT, {200: 100})
PATIENT_S = 30.0
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (GOOD, ""),
        (replace(GOOD, load=replace(CALM, lost=99, answered=99_901)), ""),
        (replace(GOOD, load=replace(CALM, lost=150, answered=99_850)), "0.15% lost"),
        (replace(GOOD, load=replace(CALM, failed=150)), "0.15% lost"),
        (replace(GOOD, load=replace(CALM, p99_us=301.0)), "p99 3.0 times"),
        (replace(GOOD, load=replace(CALM, wrong=1)), "1 wrong answers"),
        (replace(GOOD, samples=tuple(Sample(float(at), 60_000 + 200 * at, 0.0) for at in range(100))), "RSS grows"),
        (replace(GOOD, ready={200: 99, 503: 1}), "/readyz was not 200 throughout"),
        (replace(GOOD, ready={200: 99, 0: 1}), "/readyz was not 200 throughout"),
    ],
    ids=["good", "few lost", "lost", "servfail", "late", "wrong", "growth", "not ready", "no answer of readyz"],
)
def test_what_misses_a_target_is_named(changed: Siege, told: str) -> None:
    assert changed.good == (not told)
    assert any(fault.startswith(told) for fault in changed.faults()) if told else not changed.faults()
    assert ("NOT GOOD" in changed.text()) == (not changed.good)


@pytest.mark.parametrize("name", QUESTIONS)
def test_attackers_ask_what_is_a_question(name: str) -> None:
    asked = [dns.message.from_wire(wire) for wire in islice(QUESTIONS[name](), 200)]
    assert all(len(one.question) == 1 for one in asked)
    names = {one.question[0].name.to_text().lower() for one in asked}
    assert len(names) == {"expensive": 50, "dead-zone": 200, "bomb": 200, "flood": 20}[name]


def test_the_upstream_is_good_to_normal_names_and_bad_to_the_others() -> None:
    normal = dns.message.from_wire(_reply(question(name_of(7), 1)))
    assert normal.answer[0][0].address == str(IPv4Address(NETWORK + 7))
    assert dns.message.from_wire(_reply(question(name_of(7)))).answer == []
    assert reply_to(question("n1.dead.example.", 1), by_udp=True) is None
    assert is_slow(question("n1.slow.example.", 1))
    large = question("n1.large.example.", 1)
    assert dns.message.from_wire(_reply(large)).flags & dns.flags.TC
    whole = reply_to(large, by_udp=False)
    assert whole is not None
    assert len(dns.message.from_wire(whole).answer[0]) == LARGE


def _reply(wire: bytes) -> bytes:
    reply = reply_to(wire, by_udp=True)
    assert reply is not None
    return reply


@pytest.fixture
def listener() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        udp.bind(("127.0.0.1", 0))
        tcp.bind(udp.getsockname())
        tcp.listen()
        for sock in (udp, tcp):
            sock.settimeout(PATIENT_S)
        yield udp, tcp


@pytest.mark.parametrize("name", ["flood", "connections"])
def test_an_attacker_comes_from_an_address_of_its_own(listener: tuple[socket.socket, socket.socket], name: str) -> None:
    udp, tcp = listener
    argv = [sys.executable, "-m", "bench.soak.attackers", name, str(udp.getsockname()[1]), "0.1"]
    with subprocess.Popen(argv, cwd=ROOT) as attacker:
        try:
            if name == "connections":
                connection, peer = tcp.accept()
                connection.close()
            else:
                _, peer = udp.recvfrom(4096)
        finally:
            attacker.kill()
    assert peer[0] == SOURCES[name]
