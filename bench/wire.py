"""Single queries over UDP: the first answer, the check that it is the right one, cookies to begin with."""

import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv6Address

from bench.process import BenchError
from bench.queries import AAAA, opt_record, query, server_cookie

RETRY_S = 0.001


@contextmanager
def client(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        yield sock


def first_answer(port: int, name: str, deadline_s: float, check_alive: Callable[[], None]) -> bytes:
    """Asks every millisecond until something answers NOERROR with data. Raises BenchError when the deadline is over.

    `check_alive` is called now and then, and raises when there is nothing left to wait for.
    """
    wire, end = query(name), time.monotonic() + deadline_s
    said = "nothing"
    with client(port) as sock:
        sock.settimeout(RETRY_S)
        while time.monotonic() < end:
            response = ask(sock, wire)
            if response and response[3] & 15 == 0 and response[6:8] != b"\0\0":
                return response
            if response:
                said = f"rcode {response[3] & 15} without data"
                time.sleep(RETRY_S)
            check_alive()
    raise BenchError(f"no answer within {deadline_s:.0f} s ({said})")


def ask(sock: socket.socket, wire: bytes) -> bytes | None:
    """None: nothing yet, or the port is still closed (ICMP)."""
    try:
        sock.send(wire)
        return sock.recv(4096)
    except TimeoutError:
        return None
    except ConnectionRefusedError:
        time.sleep(RETRY_S)
        return None


def first_address(response: bytes) -> IPv6Address:
    """The first record of the answer section, which must be an AAAA. Raises BenchError."""
    at = after_name(response, after_name(response, 12) + 4)
    rtype, _, _, length = struct.unpack_from(">HHIH", response, at)
    if rtype != AAAA or length != 16:
        raise BenchError(f"the answer is no AAAA record, but of type {rtype}")
    return IPv6Address(response[at + 10 : at + 26])


def after_name(response: bytes, at: int) -> int:
    """Where the name at `at` ends: behind its root label, or its pointer (RFC 1035 section 4.1.4)."""
    while response[at]:
        if response[at] & 0xC0:
            return at + 2
        at += response[at] + 1
    return at + 1


def learn_cookies(port: int, clients: Sequence[bytes], name: str) -> list[bytes]:
    """Each client's cookie with the server's part, as after its first exchange (RFC 7873 section 5.2)."""
    learnt = []
    with client(port) as sock:
        sock.settimeout(0.5)
        for cookie in clients:
            response = ask(sock, query(name, opt_record(cookie)))
            learnt.append(server_cookie(response, cookie) if response else cookie)
    return learnt
