"""One TCP socket of this network namespace, by sock_diag(7): the kernel looks it up in its hash.

Reading /proc/net/tcp makes it walk through the whole table, whose size follows the machine's memory: milliseconds for a
handful of lines.
"""

import socket
import struct

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST = 4, 20, 1
HEADER = struct.Struct("=IHHII")
# Family, protocol, extensions, padding, states; ports, addresses, interface, cookie (nobody's).
REQUEST = struct.Struct("=BBBBI2s2s16s16sIII")
ANY_STATE, ANY_COOKIE = 0xFFFFFFFF, 0xFFFFFFFF
# Family, state, timer, retransmits; the socket; expires, queues, user, inode.
ANSWER = struct.Struct("=BBBB48sIIIII")

# (inode, state) as /proc/net/tcp has them.
Found = tuple[str, str]


class SocketDiag:
    """One descriptor for all questions. The kernel has answered before the question's system call returns."""

    def __init__(self) -> None:
        self._kernel: socket.socket | None = None

    def look_up(self, local: str, remote: str) -> Found | None:
        """`local` and `remote` as /proc/net/tcp writes them. None: no such socket, or a kernel that does not tell."""
        try:
            if self._kernel is None:
                kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
                self._kernel = socket.socket(socket.AF_NETLINK, kind, NETLINK_SOCK_DIAG)
            self._kernel.sendto(_question(local, remote), (0, 0))
            return _found(self._kernel.recv(8192))
        except OSError:
            self.close()  # so that no late answer is taken for the next one
            return None

    def close(self) -> None:
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None


def _question(local: str, remote: str) -> bytes:
    family = socket.AF_INET if len(local) == len("0100007F:0000") else socket.AF_INET6
    (source, source_port), (target, target_port) = _bytes(local), _bytes(remote)
    asked = REQUEST.pack(
        family, socket.IPPROTO_TCP, 0, 0, ANY_STATE, source_port, target_port, source, target, 0, ANY_COOKIE, ANY_COOKIE
    )
    return HEADER.pack(HEADER.size + len(asked), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0) + asked


def _found(data: bytes) -> Found | None:
    if len(data) < HEADER.size + ANSWER.size or HEADER.unpack_from(data)[1] != SOCK_DIAG_BY_FAMILY:
        return None
    answer = ANSWER.unpack_from(data, HEADER.size)
    return str(answer[9]), f"{answer[1]:02X}"


def _bytes(end: str) -> tuple[bytes, bytes]:
    """Address, filled up to 16 bytes, and port, as the network writes them. /proc writes words as the machine does."""
    address, port = end.split(":")
    words = [int(address[place : place + 8], 16) for place in range(0, len(address), 8)]
    return struct.pack(f"={len(words)}I", *words).ljust(16, b"\0"), bytes.fromhex(port)
