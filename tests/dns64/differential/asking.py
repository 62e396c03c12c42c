"""Asks one server many questions, some at a time, and keeps the replies."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence
from select import select

from .message import encode_name
from .zone import Asked

AT_ONCE = 48
AGAIN_S = 3.0
ATTEMPTS = 5
TYPES = {
    "A": 1, "NS": 2, "HINFO": 13, "MX": 15, "PTR": 12, "TXT": 16, "AAAA": 28, "LOC": 29, "SRV": 33, "NAPTR": 35,
    "SSHFP": 44, "TLSA": 52, "SVCB": 64, "HTTPS": 65, "ANY": 255, "CAA": 257, "TYPE65280": 65280,
}  # fmt: skip


def encode(asked: Asked, ident: int) -> bytes:
    """The query as a stub sends it."""
    flags = 0x0100 | (0x0010 if asked.cd else 0)
    head = struct.pack("!6H", ident, flags, 1, 0, 0, int(asked.edns or asked.do))
    question = encode_name(asked.name) + struct.pack("!HH", TYPES[asked.rdtype], 1)
    opt = b"\0\0\x29\x04\xd0\0\0" + (b"\x80\0" if asked.do else b"\0\0") + b"\0\0"
    return head + question + (opt if asked.edns or asked.do else b"")


class Asking:
    """One client with one UDP socket. Truncated replies are asked for again by TCP, as a stub does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.truncated: set[int] = set()

    def all(self, questions: Sequence[Asked]) -> list[bytes | None]:
        """The reply to each, by UDP or, where that was truncated, by TCP; None after `ATTEMPTS` without one."""
        replies: list[bytes | None] = [None] * len(questions)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            sock.connect(("127.0.0.1", self._port))
            self._by_udp(sock, questions, replies)
        return replies

    def _by_udp(self, sock: socket.socket, questions: Sequence[Asked], replies: list[bytes | None]) -> None:
        waiting: dict[int, tuple[int, bytes, float, int]] = {}
        following = iter(range(len(questions)))
        left = True
        while left or waiting:
            while left and len(waiting) < AT_ONCE:
                index = next(following, -1)
                left = index >= 0
                if left:
                    packet = encode(questions[index], index & 0xFFFF)
                    sock.send(packet)
                    waiting[index & 0xFFFF] = index, packet, time.monotonic(), 1
            if not waiting:
                return
            if next(iter(waiting.values()))[2] < time.monotonic() - AGAIN_S:
                self._again(sock, waiting)
            if not select((sock,), (), (), AGAIN_S)[0]:
                continue
            reply = sock.recv(65535)
            found = waiting.get(int.from_bytes(reply[:2]))
            if found is not None and reply[12:16] == found[1][12:16]:
                replies[found[0]] = reply if not reply[2] & 2 else self._by_tcp(*found[:2])
                del waiting[found[0] & 0xFFFF]

    def _again(self, sock: socket.socket, waiting: dict[int, tuple[int, bytes, float, int]]) -> None:
        """The oldest one once more; it goes to the end of the line."""
        ident, (index, packet, _, attempt) = next(iter(waiting.items()))
        del waiting[ident]
        if attempt < ATTEMPTS:
            sock.send(packet)
            waiting[ident] = index, packet, time.monotonic(), attempt + 1

    def _by_tcp(self, index: int, packet: bytes) -> bytes | None:
        self.truncated.add(index)
        with socket.create_connection(("127.0.0.1", self._port), 10) as sock:
            sock.sendall(len(packet).to_bytes(2) + packet)
            with sock.makefile("rb") as stream:
                size = int.from_bytes(stream.read(2))
                return stream.read(size) if size else None
