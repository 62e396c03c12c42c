"""A home for every name: the kernel picks the UDP socket of a port by the name that is asked for.

Without this it picks by addresses and ports, so that a name is asked of the upstream once per worker and cached as
often. The program is classic BPF (SO_ATTACH_REUSEPORT_CBPF, socket(7)); it sees a datagram from its DNS header on.

The hash has a key that nobody outside knows: else whoever wanted could ask for names of one worker alone. Names longer
than NAME_BYTES have no home, for they may all begin alike: each goes to any worker, by chance.

A worker that is absent, dead or standing still, loses its names to the next one, and its share of new connections too.
"""

import secrets
import socket
from array import array
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from struct import Struct, pack
from typing import NamedTuple

from kun_dns64.transport.sockets import Listening

SO_ATTACH_REUSEPORT_CBPF, SO_DETACH_REUSEPORT_BPF = 51, 68
HEADER_BYTES = 12
# More would not pass: kernels before 6.7 take programs of 20 KiB (net.core.optmem_max), and this makes 12.
NAME_BYTES = 96
# An odd number near 2**32 divided by the golden ratio: high bits of the product depend on all bytes (Knuth 6.4).
FACTOR = 0x9E3779B1
FOLD = 0x20
LISTENING = "0A"  # of /proc/net/tcp
_WORD = 0xFFFFFFFF

# <linux/filter.h>: operation, jump if true, jump if false, operand.
_INSTRUCTION = Struct("=HBBI")
LOAD_BYTE, SET_X, A_TO_X, X_TO_A = 0x30, 0x01, 0x07, 0x87
OR, XOR_X, MULTIPLY, SHIFT_RIGHT, MODULO = 0x44, 0xAC, 0x24, 0x74, 0x94
LOAD_WORD, RANDOM = 0x20, 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM
SKIP, SKIP_IF_EQUAL, RETURN_A, RETURN = 0x05, 0x15, 0x16, 0x06
NOBODY: frozenset[int] = frozenset()
_Code = tuple[int, int, int, int]


class HomeKey(NamedTuple):
    """Of the hash (FNV-1a): what it begins with, and the odd number it multiplies by; 32 bits each."""

    basis: int
    factor: int


KNOWN_KEY = HomeKey(0x811C9DC5, FACTOR)


def secret_key() -> HomeKey:
    return HomeKey(secrets.randbits(32), secrets.randbits(32) | 0x40000001)


def home(wire: bytes, count: int, absent: frozenset[int] = NOBODY, key: HomeKey = KNOWN_KEY) -> int | None:
    """The socket, of `count`, that the program picks for this datagram; one cut short within the name goes to 0.

    None: any, by chance.
    """
    hashed = key.basis
    for place in range(HEADER_BYTES, HEADER_BYTES + NAME_BYTES):
        if place >= len(wire):
            return 0
        if not wire[place]:
            break
        # Letters lose their case; other bytes may lose a difference, never gain one.
        hashed = ((wire[place] | FOLD) ^ hashed) * key.factor & _WORD
    else:
        return None
    picked = (hashed >> 16) % count
    return substitutes(count, absent).get(picked, picked)


def substitutes(count: int, absent: frozenset[int]) -> dict[int, int]:
    """Who stands in for each that is absent: the next one that is there. Empty where nobody is."""
    there = [index for index in range(count) if index not in absent]
    if not there:
        return {}
    return {gone: next((index for index in there if index > gone), there[0]) for gone in sorted(absent)}


def program(count: int, absent: frozenset[int] = NOBODY, key: HomeKey = KNOWN_KEY) -> bytes:
    """`home` as the kernel's instructions. A load behind the datagram's end ends it with 0."""
    per_byte = 7
    by_chance = [(LOAD_WORD, 0, 0, RANDOM), (SKIP, 0, 0, 2)]
    made = [(SET_X, 0, 0, key.basis)]
    for done in range(NAME_BYTES):
        left = (NAME_BYTES - done - 1) * per_byte + len(by_chance)
        made += [
            (LOAD_BYTE, 0, 0, HEADER_BYTES + done),
            (SKIP_IF_EQUAL, 0, 1, 0),
            (SKIP, 0, 0, left + 4),
            (OR, 0, 0, FOLD),
            (XOR_X, 0, 0, 0),
            (MULTIPLY, 0, 0, key.factor),
            (A_TO_X, 0, 0, 0),
        ]
    made += by_chance
    made += [(X_TO_A, 0, 0, 0), (SHIFT_RIGHT, 0, 0, 16), (MODULO, 0, 0, count), *_picked(count, absent)]
    return b"".join(_INSTRUCTION.pack(*one) for one in made)


def connection_program(count: int, absent: frozenset[int]) -> bytes:
    """For new connections: any listener that is there, by chance."""
    made = [(LOAD_WORD, 0, 0, RANDOM), (MODULO, 0, 0, count), *_picked(count, absent)]
    return b"".join(_INSTRUCTION.pack(*one) for one in made)


def _picked(count: int, absent: frozenset[int]) -> list[_Code]:
    """Ends with the socket whose number is in A, or its substitute."""
    made: list[_Code] = []
    for gone, other in substitutes(count, absent).items():
        made += [(SKIP_IF_EQUAL, 0, 1, gone), (RETURN, 0, 0, other)]
    return [*made, (RETURN_A, 0, 0, 0)]


class Sharding:
    """Of all UDP ports that several workers share. `sets`: the sockets of each worker.

    The program counts the sockets of a port in the order they were bound, ours and those of a process that is about to
    follow or to leave alike. So it stands only while all of them are ours; else the kernel picks as it always does.
    Listeners of streams have a program only while somebody is absent. `key`: of the hash.
    """

    def __init__(self, sets: Sequence[Sequence[Listening]], key: HomeKey | None = None) -> None:
        self._key = key or secret_key()
        self._waiting = [found for found in by_address(sets).values() if len(found) > 1]
        self._attached: list[tuple[socket.socket, ...]] = []
        self._listeners = [found for found in listeners(sets) if len(found) > 1]
        self._absent = NOBODY

    def attach(self) -> str:
        """Where it can be done now. Called again it does what was not possible before; the reason if it never will."""
        try:
            for sockets in list(self._waiting):
                if sockets_of_port(sockets[0]) == len(sockets):
                    attach(sockets[0], program(len(sockets), self._absent, self._key))
                    self._attached.append(sockets)
                    self._waiting.remove(sockets)
        except OSError as error:
            self._waiting.clear()
            return error.strerror or str(error)
        return ""

    def leave_out(self, absent: frozenset[int]) -> None:
        """Names and new connections of these workers go to others, and come back when they are not absent any more."""
        self._absent = absent
        with suppress(OSError):
            for sockets in self._attached:
                attach(sockets[0], program(len(sockets), absent, self._key))
            for sockets in self._listeners:
                if not absent:
                    detach(sockets[0])
                elif sockets_of_port(sockets[0]) == len(sockets):
                    attach(sockets[0], connection_program(len(sockets), absent))

    def detach(self) -> None:
        """To be called before a socket leaves: the program would go on giving it datagrams."""
        self._waiting.clear()
        for sockets in (*self._attached, *self._listeners):
            detach(sockets[0])
        self._attached, self._listeners = [], []


def by_address(sets: Sequence[Sequence[Listening]]) -> dict[str, tuple[socket.socket, ...]]:
    """The UDP sockets of each address, each socket once."""
    found: dict[str, dict[int, socket.socket]] = {}
    for listening in (one for own in sets for one in own):
        if listening.udp is not None:
            found.setdefault(str(listening.endpoint), {})[listening.udp.fileno()] = listening.udp
    return {address: tuple(sockets.values()) for address, sockets in found.items()}


def listeners(sets: Sequence[Sequence[Listening]]) -> list[tuple[socket.socket, ...]]:
    """The stream sockets of each address that are ours alone."""
    found: dict[tuple[str, bool], list[socket.socket]] = {}
    for listening in (one for own in sets for one in own):
        if not listening.handed:
            found.setdefault((str(listening.endpoint), listening.tls), []).append(listening.tcp)
    return [tuple(sockets) for sockets in found.values()]


def detach(sock: socket.socket) -> None:
    """Does nothing where there is no program, or the socket has left its group."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0)


def attach(sock: socket.socket, code: bytes) -> None:
    """For all sockets that share this one's port. Raises OSError where the kernel cannot."""
    raw = array("B", code)
    address, size = raw.buffer_info()
    # struct sock_fprog; the kernel copies what it points to.
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, pack("@HP", size // _INSTRUCTION.size, address))


def sockets_of_port(sock: socket.socket) -> int:
    """How many sockets, of any process, are bound as this one is. Raises OSError where /proc does not tell.

    Of streams those that listen.
    """
    kind = "tcp" if sock.type == socket.SOCK_STREAM else "udp"
    table = Path(f"/proc/self/net/{kind}{'6' if sock.family == socket.AF_INET6 else ''}")
    host, port = sock.getsockname()[:2]
    own = f"{_as_listed(socket.inet_pton(sock.family, host.partition('%')[0]))}:{port:04X}"
    rows = (line.split(maxsplit=4) for line in table.read_text().splitlines()[1:])
    return sum(row[1] == own and (kind == "udp" or row[3] == LISTENING) for row in rows)


def _as_listed(address: bytes) -> str:
    """/proc/net writes words of the machine's own order."""
    return "".join(f"{word:08X}" for word in memoryview(address).cast("I"))
