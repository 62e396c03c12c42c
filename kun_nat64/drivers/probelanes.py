"""One lane for each target: sends a probe, and knows its answer when it comes back.

Lanes use few, fixed source ports, so that probing takes a handful of the translator's ports and not one for each
probe: Jool holds the port of a closed TCP connection for four minutes.
"""

import ctypes
import errno
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from ipaddress import IPv6Address

from kun_nat64.formats import dnsprobe, icmp6
from kun_nat64.model.health import ProbeResult, Symptom
from kun_nat64.model.spec import Target

FIRST_PORT = 20000
NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH)
_libc = ctypes.CDLL(None, use_errno=True)
_NOBODY = struct.pack("H26x", socket.AF_UNSPEC)

Report = Callable[[ProbeResult], None]


class Lane(ABC):
    """In flight: sequence number to time of sending. A probe is reported once: when answered, refused or expired."""

    next_header = socket.IPPROTO_ICMPV6

    def __init__(self, target: Target, address: IPv6Address, report: Report) -> None:
        self.target, self.address, self._report = target, address, report
        self.in_flight: dict[int, float] = {}
        self._seq = 0

    def send(self, now: float) -> int:
        """One more probe; its number. One that cannot be sent is reported at once, as unknown: it proves nothing."""
        self._seq = (self._seq + 1) & 0xFFFF
        self.in_flight[self._seq] = now
        try:
            self._transmit(self._seq)
        except OSError as error:
            self.finish(self._seq, Symptom.NOT_SENT, now, detail=str(error))
        return self._seq

    def finish(
        self, seq: int, symptom: Symptom, now: float, error_from: IPv6Address | None = None, detail: str = ""
    ) -> None:
        sent_at = self.in_flight.pop(seq, None)
        if sent_at is None:
            return
        latency = now - sent_at if symptom in (Symptom.ANSWERED, Symptom.REFUSED) else None
        self._report(ProbeResult(self.target, symptom, latency, error_from, detail))

    def finish_all(self, symptom: Symptom, now: float, error_from: IPv6Address | None = None) -> None:
        for seq in list(self.in_flight):
            self._abandon(seq)
            self.finish(seq, symptom, now, error_from)

    def expire(self, before: float, symptom: Symptom, now: float) -> None:
        """Ends every probe that was sent at or before `before`."""
        for seq in [seq for seq, sent_at in self.in_flight.items() if sent_at <= before]:
            self._abandon(seq)
            self.finish(seq, symptom, now)

    @abstractmethod
    def _transmit(self, seq: int) -> None:
        """Sends one probe. Raises OSError."""

    def _abandon(self, seq: int) -> None:  # noqa: B027 - a lane may leave it as it is
        """Nothing to undo, where a probe is one packet."""

    def drain(self, now: float) -> None:  # noqa: B027 - a lane may leave it as it is
        """Takes in what has arrived and was not yet looked at."""

    def sockets(self) -> list[socket.socket]:
        """Those that the lane owns."""
        return []

    def close(self) -> None:
        for sock in self.sockets():
            sock.close()


class IcmpLane(Lane):
    """Shares the raw socket of the canary, which also hears the errors about the other lanes' packets."""

    def __init__(self, target: Target, address: IPv6Address, report: Report, raw: socket.socket, ident: int) -> None:
        super().__init__(target, address, report)
        self._raw, self.ident = raw, ident
        self._to = (str(address), 0)

    def is_at(self, source: str) -> bool:
        """Addresses are written the same way nearly always; reading one takes longer than all the rest of a probe."""
        return source == self._to[0] or IPv6Address(source) == self.address

    def _transmit(self, seq: int) -> None:
        self._raw.sendto(icmp6.echo_request(self.ident, seq), self._to)


class DnsLane(Lane):
    next_header = socket.IPPROTO_UDP

    def __init__(self, target: Target, address: IPv6Address, report: Report, sock: socket.socket) -> None:
        super().__init__(target, address, report)
        self.sock = sock
        sock.connect((str(address), target.port))

    def _transmit(self, seq: int) -> None:
        # An ICMPv6 error about the last question would make this send fail in its place.
        self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.sock.send(dnsprobe.question(seq, self.target.name))

    def drain(self, now: float) -> None:
        while True:
            try:
                data = self.sock.recv(4096)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMPv6 error, which the raw socket hears with its sender
            ident = dnsprobe.answer_ident(data)
            if ident is not None:
                self.finish(ident, Symptom.ANSWERED, now)

    def sockets(self) -> list[socket.socket]:
        return [self.sock]


class TcpLane(Lane):
    """Connects, and takes the handshake back with a reset: connect(2) to AF_UNSPEC frees a socket for the next time.

    A bound socket keeps its port over that, so a few sockets make the same few mappings again and again.
    """

    next_header = socket.IPPROTO_TCP

    def __init__(self, target: Target, address: IPv6Address, report: Report, slots: list[socket.socket]) -> None:
        super().__init__(target, address, report)
        self.slots = slots
        self._to = (str(address), target.port)

    def slot(self, seq: int) -> socket.socket:
        return self.slots[seq % len(self.slots)]

    def _transmit(self, seq: int) -> None:
        code = self.slot(seq).connect_ex(self._to)
        if code not in (0, errno.EINPROGRESS):
            _disconnect(self.slot(seq))
            raise OSError(code, "connect")

    def drain(self, now: float) -> None:
        for seq in list(self.in_flight):
            self._look(seq, now)

    def _look(self, seq: int, now: float) -> None:
        sock = self.slot(seq)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0 and not _is_connected(sock):
            return
        self._abandon(seq)
        self.finish(seq, _symptom_of(code), now, detail="" if code == 0 else errno.errorcode.get(code, str(code)))

    def _abandon(self, seq: int) -> None:
        _disconnect(self.slot(seq))

    def sockets(self) -> list[socket.socket]:
        return self.slots


def _symptom_of(code: int) -> Symptom:
    if code == 0:
        return Symptom.ANSWERED
    if code == errno.ECONNREFUSED:
        return Symptom.REFUSED
    return Symptom.NO_ROUTE_HERE if code in NO_ROUTE else Symptom.NOT_SENT


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def _disconnect(sock: socket.socket) -> None:
    _libc.connect(sock.fileno(), _NOBODY, len(_NOBODY))
    # Disconnecting a half-open socket leaves ECONNRESET behind, for the next attempt to stumble over.
    sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def tcp_sockets(first_port: int, count: int) -> list[socket.socket]:
    """Sockets bound to ports of their own, in the namespace of the calling thread. Raises OSError."""
    return [_bound(socket.SOCK_STREAM, first_port + index) for index in range(count)]


def udp_socket(port: int) -> socket.socket:
    return _bound(socket.SOCK_DGRAM, port)


def raw_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMPV6)
    icmp6_filter = 1  # ICMP6_FILTER of <linux/icmpv6.h>; the socket module does not name it
    sock.setsockopt(socket.IPPROTO_ICMPV6, icmp6_filter, icmp6.filter_mask())
    return sock


def _bound(kind: int, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6, kind | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("::", port))
    return sock
