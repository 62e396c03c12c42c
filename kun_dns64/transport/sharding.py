"""A home for every name: the kernel picks the UDP socket of a port by the name that is asked for.

Without this it picks by addresses and ports, so that a name is asked of the upstream once per worker and cached as
often. The program is classic BPF (SO_ATTACH_REUSEPORT_CBPF, socket(7)); it sees a datagram from its DNS header on.
"""

import socket
from array import array
from collections.abc import Sequence
from pathlib import Path
from struct import Struct, pack

from kun_dns64.transport.sockets import Listening

SO_ATTACH_REUSEPORT_CBPF, SO_DETACH_REUSEPORT_BPF = 51, 68
HEADER_OCTETS = 12
# More would not pass: kernels before 6.7 take programs of 20 KiB (net.core.optmem_max), and this makes 12.
NAME_OCTETS = 96
# An odd number near 2**32 divided by the golden ratio: high bits of the product depend on all octets (Knuth 6.4).
FACTOR = 0x9E3779B1
FOLD = 0x20
_WORD = 0xFFFFFFFF

# <linux/filter.h>: operation, jump if true, jump if false, operand.
_INSTRUCTION = Struct("=HBBI")
LOAD_OCTET, SET_X, A_TO_X, X_TO_A = 0x30, 0x01, 0x07, 0x87
OR, ADD_X, MULTIPLY, SHIFT_RIGHT, MODULO = 0x44, 0x0C, 0x24, 0x74, 0x94
SKIP, SKIP_IF_EQUAL, RETURN_A = 0x05, 0x15, 0x16


def home(wire: bytes, count: int) -> int:
    """The socket, of `count`, that the program picks for this datagram; one cut short within the name goes to 0."""
    hashed = 0
    for place in range(HEADER_OCTETS, HEADER_OCTETS + NAME_OCTETS):
        if place >= len(wire):
            return 0
        if not wire[place]:
            break
        # Letters lose their case; other octets may lose a difference, never gain one.
        hashed = ((wire[place] | FOLD) + hashed) * FACTOR & _WORD
    return (hashed >> 16) % count


def program(count: int) -> bytes:
    """`home` as the kernel's instructions. A load behind the datagram's end ends it with 0."""
    per_octet = 7
    made = [(SET_X, 0, 0, 0)]
    for done in range(NAME_OCTETS):
        left = (NAME_OCTETS - done - 1) * per_octet
        made += [
            (LOAD_OCTET, 0, 0, HEADER_OCTETS + done),
            (SKIP_IF_EQUAL, 0, 1, 0),
            (SKIP, 0, 0, left + 4),
            (OR, 0, 0, FOLD),
            (ADD_X, 0, 0, 0),
            (MULTIPLY, 0, 0, FACTOR),
            (A_TO_X, 0, 0, 0),
        ]
    made += [(X_TO_A, 0, 0, 0), (SHIFT_RIGHT, 0, 0, 16), (MODULO, 0, 0, count), (RETURN_A, 0, 0, 0)]
    return b"".join(_INSTRUCTION.pack(*one) for one in made)


class Sharding:
    """Of all UDP ports that several workers share. `sets`: the sockets of each worker.

    The program counts the sockets of a port in the order they were bound, ours and those of a process that is about to
    follow or to leave alike. So it stands only while all of them are ours; else the kernel picks as it always does.
    """

    def __init__(self, sets: Sequence[Sequence[Listening]]) -> None:
        self._waiting = [found for found in by_address(sets).values() if len(found) > 1]
        self._attached: list[socket.socket] = []

    def attach(self) -> str:
        """Where it can be done now. Called again it does what was not possible before; the reason if it never will."""
        try:
            for sockets in list(self._waiting):
                if sockets_of_port(sockets[0]) == len(sockets):
                    attach(sockets[0], len(sockets))
                    self._attached.append(sockets[0])
                    self._waiting.remove(sockets)
        except OSError as error:
            self._waiting.clear()
            return error.strerror or str(error)
        return ""

    def detach(self) -> None:
        """To be called before a socket leaves: the program would go on giving it datagrams."""
        self._waiting.clear()
        while self._attached:
            self._attached.pop().setsockopt(socket.SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0)


def by_address(sets: Sequence[Sequence[Listening]]) -> dict[str, tuple[socket.socket, ...]]:
    """The UDP sockets of each address, each socket once."""
    found: dict[str, dict[int, socket.socket]] = {}
    for listening in (one for own in sets for one in own):
        if listening.udp is not None:
            found.setdefault(str(listening.endpoint), {})[listening.udp.fileno()] = listening.udp
    return {address: tuple(sockets.values()) for address, sockets in found.items()}


def attach(sock: socket.socket, count: int) -> None:
    """For all sockets that share this one's port. Raises OSError where the kernel cannot."""
    octets = array("B", program(count))
    address, size = octets.buffer_info()
    # struct sock_fprog; the kernel copies what it points to.
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, pack("@HP", size // _INSTRUCTION.size, address))


def sockets_of_port(sock: socket.socket) -> int:
    """How many sockets, of any process, are bound as this one is. Raises OSError where /proc does not tell."""
    table = Path("/proc/self/net/udp6" if sock.family == socket.AF_INET6 else "/proc/self/net/udp")
    host, port = sock.getsockname()[:2]
    own = f"{_as_listed(socket.inet_pton(sock.family, host.partition('%')[0]))}:{port:04X}"
    return sum(line.split(maxsplit=2)[1] == own for line in table.read_text().splitlines()[1:])


def _as_listed(address: bytes) -> str:
    """/proc/net writes words of the machine's own order."""
    return "".join(f"{word:08X}" for word in memoryview(address).cast("I"))
