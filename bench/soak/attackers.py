"""One attacker for each way in which a client has taken more than its share.

`python -m bench.soak.attackers NAME PORT SHARE` asks from an address of its own until it is ended, at SHARE of the rate
at which that was found to hurt. Only on loopback.
"""

import random
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

from bench.names import name_of
from bench.queries import AAAA, IN, OPT, RD, random_case, wire_name

TURN_S = 0.01
A = 1


def question(name: str, rtype: int = AAAA, payload: int = 0) -> bytes:
    """With a drawn id; `payload`: what EDNS offers, 0: no EDNS."""
    head = struct.pack(">HHHHHH", random.getrandbits(16), RD, 1, 0, 0, 1 if payload else 0)
    opt = b"\0" + struct.pack(">HHIH", OPT, payload, 0, 0) if payload else b""
    return head + wire_name(name) + struct.pack(">HH", rtype, IN) + opt


def expensive() -> Iterator[bytes]:
    """Names with thousands of addresses, each question with another EDNS size."""
    number = 0
    while True:
        number += 1
        yield question(f"n{number % 50}.large.example.", A if number % 2 else AAAA, 512 + number * 7 % 3500)


def dead_zone() -> Iterator[bytes]:
    """New names of a zone that nobody answers."""
    number = 0
    while True:
        number += 1
        yield question(f"n{number}.dead.example.")


def bomb() -> Iterator[bytes]:
    """Names that a slow server answers all at once, asked from an address that may be forged."""
    number = 0
    while True:
        number += 1
        yield question(f"n{number}.slow.example.", A, 4096)


def flood() -> Iterator[bytes]:
    """Few names, asked as fast as it goes."""
    draw = random.Random(5)
    while True:
        yield question(random_case(name_of(draw.randrange(20)), draw), AAAA, 1232)


def send(questions: Iterator[bytes], source: str, port: int, per_s: float) -> None:
    """At this rate, for ever. Answers are thrown away."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        sock.connect(("127.0.0.1", port))
        sock.setblocking(False)
        began, sent = time.monotonic(), 0
        while True:
            due = (time.monotonic() - began) * per_s
            if due - sent > per_s:
                # This machine was busy: no burst for what was not sent in time.
                sent = int(due - per_s * TURN_S)
            while sent < due:
                sent += 1
                try:
                    sock.send(next(questions))
                except OSError:
                    break
            _empty(sock)
            time.sleep(TURN_S)


def _empty(sock: socket.socket) -> None:
    try:
        while sock.recv(65535):
            pass
    except OSError:
        return


def connections(source: str, port: int, per_s: float) -> None:
    """New connections all the time: silent, half a question, many large questions and no answer read."""
    many = b"".join(len(wire).to_bytes(2) + wire for wire in (question("n1.large.example.", A) for _ in range(60)))
    opened: list[socket.socket] = []
    number = 0
    while True:
        number += 1
        sock = socket.socket()
        sock.settimeout(1.0)
        try:
            sock.bind((source, 0))
            sock.connect(("127.0.0.1", port))
            sock.sendall((b"", b"\0\x40half", many)[number % 3])
            opened.append(sock)
        except OSError:
            sock.close()
        if len(opened) > 1000:
            opened.pop(0).close()
        time.sleep(1 / per_s)


# Questions or connections a second. The rates are those at which each was found to hurt.
RATES = {"expensive": 400.0, "dead-zone": 5000.0, "bomb": 3000.0, "flood": 5000.0, "connections": 300.0}
SOURCES = {name: f"127.0.7.{number}" for number, name in enumerate(RATES, 1)}
QUESTIONS: dict[str, Callable[[], Iterator[bytes]]] = {
    "expensive": expensive,
    "dead-zone": dead_zone,
    "bomb": bomb,
    "flood": flood,
}


def attack(name: str, port: int, share: float = 1.0) -> None:
    """`share`: of the usual rate."""
    per_s, source = RATES[name] * share, SOURCES[name]
    if name == "connections":
        connections(source, port, per_s)
    else:
        send(QUESTIONS[name](), source, port, per_s)


if __name__ == "__main__":
    attack(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
