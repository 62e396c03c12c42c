"""A client that knows which policy is in force, and so which answer is right."""

import random
import socket
from ipaddress import IPv4Address, IPv6Address

from bench.names import NETWORK, NETWORK_SIZE, name_of
from bench.process import BenchError
from bench.queries import opt_record, query, random_case
from bench.soak.policy import right
from bench.soak.verdict import Asked
from bench.wire import first_address

ANSWER_S = 2.0
SERVFAIL = 2


class Client:
    """`allowed`: the policies an answer may follow, by number: one, or two while a reload is under way."""

    def __init__(self, port: int, names: int, seed: int) -> None:
        self._names, self._draw = names, random.Random(seed)
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.connect(("127.0.0.1", port))
        self._sock.settimeout(ANSWER_S)
        self._count = self._silent = 0
        self._wrong: list[str] = []

    def ask(self, allowed: tuple[int, ...]) -> None:
        """One name in drawn case, with a cookie. Silence and SERVFAIL are no answers, so not wrong ones."""
        index = self._draw.randrange(self._names)
        wire = query(random_case(name_of(index), self._draw), opt_record(self._draw.randbytes(8)))
        wire = self._draw.randbytes(2) + wire[2:]
        answer = self._answer(wire)
        if answer is None or answer[3] & 15 == SERVFAIL:
            self._silent += 1
            return
        self._count += 1
        expected = [right(number, IPv4Address(NETWORK + index % NETWORK_SIZE)) for number in allowed]
        if told := fault(wire, answer, expected):
            self._wrong.append(f"{name_of(index)} under policy {allowed}: {told}")

    def _answer(self, wire: bytes) -> bytes | None:
        try:
            self._sock.send(wire)
            while (answer := self._sock.recv(4096))[:2] != wire[:2]:
                pass  # one that came after its time
        except (TimeoutError, ConnectionRefusedError):
            return None
        return answer

    def told(self) -> Asked:
        return Asked(self._count, self._silent, tuple(self._wrong))

    def close(self) -> None:
        self._sock.close()


def fault(wire: bytes, answer: bytes, expected: list[IPv6Address]) -> str:
    """What is wrong with this answer to this query; "" if nothing."""
    end = wire.index(0, 12) + 5
    if answer[12:end] != wire[12:end]:
        return "the question is not echoed byte for byte"
    if answer[3] & 15 or answer[6:8] == b"\0\0":
        return f"rcode {answer[3] & 15}, {int.from_bytes(answer[6:8])} records"
    try:
        got = first_address(answer)
    except BenchError as wrong:
        return str(wrong)
    return "" if got in expected else f"{got}, not {' or '.join(map(str, expected))}"
