"""An upstream that keeps up with a flood: a thread, one socket, replies cut from the questions."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.ports import free_port

A, AAAA = b"\x00\x01", b"\x00\x1c"
SOA = b"\xc0\x0c\x00\x06\x00\x01\x00\x00\x01\x2c\x00\x1a\x01n\x00\x01h\x00" + (300).to_bytes(4) * 5
ADDRESS = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\xcb\x00\x71\x07"


@dataclass
class QuickUpstream:
    """Answers by UDP: an address for A, a denial for AAAA. `is_dead(name)`: silence, for a name in wire format.

    `is_unknown(name)`: NXDOMAIN. `held`: replies are kept until the event is set; None: they leave at once.
    """

    is_dead: Callable[[bytes], bool]
    sock: socket.socket
    answer: bytes = ADDRESS
    count: bytes = b"\x00\x01"
    held: threading.Event | None = None
    is_unknown: Callable[[bytes], bool] = lambda _: False
    seen: int = 0
    _waiting: list[tuple[bytes, tuple[str, int]]] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.sock.getsockname()[1])

    def reply(self, wire: bytes) -> bytes | None:
        end = wire.index(0, 12) + 1
        if self.is_dead(wire[12:end].lower()):
            return None
        rest = wire[end : end + 4]
        if self.is_unknown(wire[12:end].lower()):
            return wire[:2] + b"\x81\x83\x00\x01\x00\x00\x00\x01\x00\x00" + wire[12:end] + rest + SOA
        if rest[:2] == A:
            return wire[:2] + b"\x81\x80\x00\x01" + self.count + bytes(4) + wire[12:end] + rest + self.answer
        return wire[:2] + b"\x81\x80\x00\x01\x00\x00\x00\x01\x00\x00" + wire[12:end] + rest + SOA

    def run(self) -> None:
        while True:
            try:
                wire, source = self.sock.recvfrom(4096)
            except TimeoutError:
                self._release()
                continue
            except OSError:
                return
            self.seen += 1
            reply = self.reply(wire)
            if reply is not None:
                self._waiting.append((reply, source))
            self._release()

    def _release(self) -> None:
        if self.held is not None and not self.held.is_set():
            return
        for reply, source in self._waiting:
            self.sock.sendto(reply, source)
        self._waiting.clear()


@contextmanager
def quick_upstream(
    is_dead: Callable[[bytes], bool] = lambda _: False, held: threading.Event | None = None
) -> Iterator[QuickUpstream]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind(("127.0.0.1", free_port()))
    sock.settimeout(0.02)
    made = QuickUpstream(is_dead, sock, held=held)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        sock.close()
        thread.join(2)
        time.sleep(0)
