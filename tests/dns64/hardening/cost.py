"""What one question costs the program: CPU time of the process per question, asked by UDP, one after the other."""

import socket
import time
from collections.abc import Iterable
from pathlib import Path

import dns.message
import dns.rdatatype

from tests.dns64.transport.fake import reply_to

TICKS_PER_S = 100


def cpu_s(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def asked_all(port: int, wires: Iterable[bytes], within_s: float = 5.0) -> list[bytes]:
    """The replies, in the order of the questions. Blocks: the fake upstream must have answered before."""
    replies = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(within_s)
        sock.connect(("127.0.0.1", port))
        for wire in wires:
            sock.send(wire)
            replies.append(sock.recv(65535))
    return replies


def ms_each(pid: int, port: int, wires: list[bytes]) -> float:
    """Milliseconds of CPU per question."""
    before, began = cpu_s(pid), time.monotonic()
    asked_all(port, wires)
    assert time.monotonic() - began < 60
    return (cpu_s(pid) - before) * 1000 / len(wires)


def query(name: str, rtype: str = "AAAA", payload: int = 1232, flags: int = 0, ident: int = 1) -> bytes:
    """`flags`: bits beside RD."""
    message = dns.message.make_query(name, rtype, use_edns=0, payload=payload, id=ident)
    message.flags |= flags
    return message.to_wire()


def many_addresses(count: int) -> bytes:
    """The answer section of that many A records, owned by the question's name."""
    head = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04"
    return b"".join(head + (0xCB000000 + number).to_bytes(4) for number in range(count))


def with_many(asked: dns.message.Message, transport: str, count: int) -> list[bytes]:
    """For a fake upstream: `count` A records by TCP, TC=1 by UDP, NODATA for AAAA."""
    if asked.question[0].rdtype != dns.rdatatype.A:
        return [reply_to(asked).to_wire()]
    question = asked.to_wire()[12:].partition(b"\x00")[0]
    head = asked.id.to_bytes(2) + (b"\x83\x80" if transport == "udp" else b"\x81\x80") + b"\x00\x01"
    if transport == "udp":
        return [head + bytes(6) + question + b"\x00\x00\x01\x00\x01"]
    return [head + count.to_bytes(2) + bytes(4) + question + b"\x00\x00\x01\x00\x01" + many_addresses(count)]
