"""A DNS client that decides every bit it sends and keeps every byte it gets."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype

from .names import Names

_ids = itertools.count(0x1234)


@dataclass(frozen=True, slots=True)
class Query:
    """One question. `raw` builds the bytes itself, from the id; `source` is the client's IPv4 loopback address."""

    name: str = "@"
    rdtype: str = "AAAA"
    rdclass: str = "IN"
    rd: bool = True
    cd: bool = False
    ad: bool = False
    edns: int | None = 0
    payload: int = 1232
    do: bool = False
    z: int = 0
    options: tuple[tuple[int, bytes], ...] = ()
    source: str = ""
    raw: Callable[[int, Names], bytes] | None = field(default=None, compare=False)

    def to_wire(self, names: Names) -> bytes:
        qid = next(_ids) & 0xFFFF
        if self.raw is not None:
            return self.raw(qid, names)
        query = dns.message.QueryMessage(id=qid)
        query.flags = dns.flags.Flag(
            (dns.flags.RD if self.rd else 0) | (dns.flags.CD if self.cd else 0) | (dns.flags.AD if self.ad else 0)
        )
        name = dns.name.from_text(names.fill(self.name))
        query.find_rrset(
            query.question, name, dns.rdataclass.from_text(self.rdclass), dns.rdatatype.from_text(self.rdtype),
            create=True, force_unique=True,
        )  # fmt: skip
        if self.edns is not None:
            options: list[dns.edns.Option] = [
                dns.edns.GenericOption(dns.edns.OptionType.make(code), data) for code, data in self.options
            ]
            query.use_edns(self.edns, (0x8000 if self.do else 0) | self.z, self.payload, options=options)
        return query.to_wire()


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back: None for silence or a closed connection."""

    wire: bytes | None
    took_s: float


def ask(wire: bytes, transport: str, host: str, port: int, source: str = "", wait_s: float = 3.5) -> Heard:
    """Send one message and wait for one reply. The reply is not matched with the query: that is the judge's work."""
    with opened(transport, host, port, source, wait_s) as connection:
        start = time.monotonic()
        connection.send(wire)
        return Heard(connection.receive(), time.monotonic() - start)


def opened(transport: str, host: str, port: int, source: str = "", wait_s: float = 3.5) -> Connection:
    """A connected socket of either kind; use it as a context manager."""
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    sock.settimeout(wait_s)
    if source:
        sock.bind((source, 0))
    sock.connect((host, port))
    return UdpConnection(sock) if transport == "udp" else TcpConnection(sock)


class Connection(contextlib.AbstractContextManager["Connection"]):
    """Sends and receives whole messages; receive() gives None at a timeout or when the peer has closed."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, wire: bytes) -> None:
        raise AssertionError("abstract")

    def receive(self) -> bytes | None:
        raise AssertionError("abstract")


class UdpConnection(Connection):
    def send(self, wire: bytes) -> None:
        self.sock.send(wire)

    def receive(self) -> bytes | None:
        try:
            return self.sock.recv(65535)
        except OSError:
            return None


class TcpConnection(Connection):
    def send(self, wire: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self.sock.sendall(struct.pack("!H", len(wire)) + wire)

    def receive(self) -> bytes | None:
        try:
            length = self._exactly(2)
            return None if length is None else self._exactly(int.from_bytes(length, "big"))
        except OSError:
            return None

    def _exactly(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                return None
            data += more
        return data
