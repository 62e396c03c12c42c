"""The upstream of a run with attackers: quick for normal names, and as bad as it can be for theirs.

`python -m bench.soak.upstream PORT` answers A of names below bench.example. as bench/names.py has them. Below
dead.example. nothing is ever answered, below slow.example. everything in one pulse each PULSE_S, and below
large.example. each name has LARGE addresses: TC=1 by UDP, all of them by TCP. Other types have no data.
"""

import selectors
import socket
import sys
import threading
import time
from ipaddress import IPv4Address

from bench.names import FIRST, FIRST_IPV4, NETWORK, NETWORK_SIZE
from bench.queries import wire_name

PULSE_S, LARGE = 1.5, 2000
A = b"\0\x01"
HEAD = b"\xc0\x0c\0\x01\0\x01\0\x01\x51\x80\0\x04"
SOA = b"\xc0\x0c\0\x06\0\x01\0\0\x01\x2c\0\x1a\x01n\0\x01h\0" + (300).to_bytes(4) * 5
DEAD, SLOW, BIG = b"\x04dead\x07example\0", b"\x04slow\x07example\0", b"\x05large\x07example\0"
ALL_ADDRESSES = b"".join(HEAD + (0x01020000 + number).to_bytes(4) for number in range(LARGE))
RECEIVE_BUFFER = 4 << 20


def address_of(name: bytes) -> IPv4Address:
    """Of a name of the benchmark's zone, in lower case and wire form."""
    digits = name[2 : 1 + name[0]]
    if name[1:2] == b"n" and digits.isdigit():
        return IPv4Address(NETWORK + int(digits) % NETWORK_SIZE)
    return FIRST_IPV4 if name == wire_name(FIRST) else IPv4Address(NETWORK)


def reply_to(wire: bytes, *, by_udp: bool) -> bytes | None:
    """None: never answered."""
    end = wire.index(0, 12) + 1
    name, question = wire[12:end].lower(), wire[12 : end + 4]
    if name.endswith(DEAD):
        return None
    if question[-4:-2] != A:
        return wire[:2] + b"\x81\x80\0\1\0\0\0\1\0\0" + question + SOA
    if not name.endswith(BIG):
        return wire[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question + HEAD + address_of(name).packed
    if by_udp:
        return wire[:2] + b"\x83\x80\0\1\0\0\0\0\0\0" + question
    return wire[:2] + b"\x81\x80\0\1" + LARGE.to_bytes(2) + b"\0\0\0\0" + question + ALL_ADDRESSES


def is_slow(wire: bytes) -> bool:
    return wire[12 : wire.index(0, 12) + 1].lower().endswith(SLOW)


def serve_udp(sock: socket.socket) -> None:
    """Until the process ends."""
    held: list[tuple[bytes, tuple[str, int]]] = []
    next_pulse = time.monotonic() + PULSE_S
    sock.settimeout(0.05)
    while True:
        try:
            wire, source = sock.recvfrom(4096)
        except TimeoutError:
            wire = b""
        if time.monotonic() >= next_pulse:
            for packet, asked_by in held:
                sock.sendto(packet, asked_by)
            held, next_pulse = [], time.monotonic() + PULSE_S
        reply = reply_to(wire, by_udp=True) if len(wire) > 16 else None
        if reply is None:
            continue
        if is_slow(wire):
            held.append((reply, source))
        else:
            sock.sendto(reply, source)


def serve_tcp(listener: socket.socket) -> None:
    """Until the process ends. One connection's frames come whole as a rule; a torn one ends it."""
    found = selectors.DefaultSelector()
    found.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in found.select():
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            if sock is listener:
                found.register(listener.accept()[0], selectors.EVENT_READ)
            elif not _answered(sock):
                found.unregister(sock)
                sock.close()


def _answered(sock: socket.socket) -> bool:
    try:
        data = sock.recv(65535)
        while len(data) >= 2 and len(data) >= (end := 2 + int.from_bytes(data[:2])):
            reply = reply_to(data[2:end], by_udp=False)
            if reply is not None:
                sock.sendall(len(reply).to_bytes(2) + reply)
            data = data[end:]
            if not data:
                return True
    except OSError:
        return False
    return False


def main() -> None:
    port = int(sys.argv[1])
    udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for sock in (udp, tcp):
        sock.bind(("127.0.0.1", port))
    tcp.listen(128)
    threading.Thread(target=serve_tcp, args=(tcp,), daemon=True).start()
    serve_udp(udp)


if __name__ == "__main__":
    main()
