"""Listening sockets, bound here. Those that systemd hands over: activation.py."""

import contextlib
import errno
import fcntl
import socket
import struct
import termios
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kun_dns64.config.endpoint import Endpoint

RECEIVE_BUFFER = 4 * 1024 * 1024
# Of a connection, inherited from its listener: unless told, the kernel keeps 4 MB for a client that does not read.
# It takes twice this, for what it needs itself (socket(7)).
SEND_BUFFER = 64 * 1024
BACKLOG = 1024
CHANCES = 20
# Linux <linux/in.h>; the socket module of Python 3.11 has no name for it.
IP_PKTINFO = 8


# Linux <linux/in.h> and <linux/in6.h>.
IP_FREEBIND, IPV6_FREEBIND = 15, 78
# An address that is taken, or not there yet, or whose interface is not: the world may change without the operator.
PASSES = frozenset((errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENXIO, errno.ENETDOWN, errno.ENOBUFS))


class ListenError(Exception):
    """An address cannot be listened on. `passes`: not now, but later perhaps; else it is the operator's to mend."""

    def __init__(self, text: str, *, passes: bool = False) -> None:
        super().__init__(text)
        self.passes = passes


@dataclass(frozen=True, slots=True)
class Listening:
    """One listening address: `udp` is None where only streams are served. `handed`: others keep the sockets too."""

    endpoint: Endpoint
    udp: socket.socket | None
    tcp: socket.socket
    tls: bool = False
    handed: bool = False

    def close(self) -> None:
        for sock in (self.udp, self.tcp):
            if sock is not None:
                sock.close()


def bind_all(plain: Iterable[Endpoint], tls: Iterable[Endpoint] = (), *, freebind: bool = False) -> list[Listening]:
    """UDP and TCP on each plain address, TCP on each TLS one. Raises ListenError for the first that fails.

    `freebind`: also where this machine does not have the address (ip(7), IP_FREEBIND).
    """
    bound: list[Listening] = []
    try:
        # One by one: what is bound before a failure has to be closed.
        bound.extend(_bind_plain(endpoint, freebind) for endpoint in plain)
        bound.extend(_bind_tls(endpoint, freebind) for endpoint in tls)
    except BaseException:
        for listening in bound:
            listening.close()
        raise
    return bound


def bind_sets(
    plain: Sequence[Endpoint], tls: Sequence[Endpoint], count: int, *, freebind: bool = False
) -> list[list[Listening]]:
    """The same addresses `count` times: the kernel spreads what arrives over the sets (SO_REUSEPORT)."""
    first = bind_all(plain, tls, freebind=freebind)
    # Where port 0 was asked for, the others take the port that the first was given.
    plain, tls = [s.endpoint for s in first if not s.tls], [s.endpoint for s in first if s.tls]
    return [first, *(bind_all(plain, tls, freebind=freebind) for _ in range(count - 1))]


def _bind_plain(endpoint: Endpoint, freebind: bool) -> Listening:
    """Port 0: any that is free for both; TCP may find the one that UDP was given taken, then another is tried."""
    for chance in range(CHANCES):
        udp = _bind(endpoint, socket.SOCK_DGRAM, freebind)
        actual = Endpoint(endpoint.address, udp.getsockname()[1])
        try:
            return Listening(actual, udp, _bind(actual, socket.SOCK_STREAM, freebind))
        except ListenError:
            udp.close()
            if endpoint.port or chance == CHANCES - 1:
                raise
    raise AssertionError("the last chance returns or raises")


def _bind_tls(endpoint: Endpoint, freebind: bool) -> Listening:
    return Listening(endpoint, None, _bind(endpoint, socket.SOCK_STREAM, freebind), tls=True)


def _bind(endpoint: Endpoint, kind: int, freebind: bool) -> socket.socket:
    try:
        return _bound(endpoint, kind, freebind)
    except OSError as error:
        what = "TCP" if kind == socket.SOCK_STREAM else "UDP"
        # An interface that is not there has no number of an error.
        passes = error.errno in PASSES or error.errno is None
        reason = f"cannot listen on {endpoint} ({what}): {error.strerror or error}"
        raise ListenError(reason, passes=passes) from error


def _bound(endpoint: Endpoint, kind: int, freebind: bool) -> socket.socket:
    family = socket.AF_INET6 if endpoint.address.version == 6 else socket.AF_INET
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        _prepare(sock, endpoint)
        if freebind:
            _allow_any_address(sock)
        sock.bind(sockaddr(endpoint))
        if kind == socket.SOCK_STREAM:
            sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _allow_any_address(sock: socket.socket) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)


def sockaddr(endpoint: Endpoint) -> tuple[object, ...]:
    """As bind() and connect() want it; a link-local address with the number of its interface. Raises OSError."""
    if endpoint.address.version == 4:
        return endpoint.host, endpoint.port
    return endpoint.bare, endpoint.port, 0, _interface(endpoint.zone)


def _interface(zone: str) -> int:
    """By name, or by number (RFC 4007 section 11.2); 0: none."""
    if zone.isascii() and zone.isdigit():
        return int(zone)
    return socket.if_nametoindex(zone) if zone else 0


def _prepare(sock: socket.socket, endpoint: Endpoint) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if sock.family == socket.AF_INET6:
        # Each family has its own socket, whatever net.ipv6.bindv6only says.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if sock.type == socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    if endpoint.is_wildcard:
        want_destination(sock)


def want_destination(sock: socket.socket) -> None:
    """Asks the kernel to tell where each datagram was sent to, so that the reply leaves from there (RFC 2181 4.1)."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)


def leave_group(sock: socket.socket) -> None:
    """New datagrams go to the other sockets of the port; what is queued here can still be read and answered."""
    nowhere = ("::1", 9) if sock.family == socket.AF_INET6 else ("127.0.0.1", 9)
    with contextlib.suppress(OSError):
        sock.connect(nowhere)


def forget_unread(sock: socket.socket) -> None:
    """What the other end has not taken when this stream is closed goes with it, and a reset tells so.

    The kernel would keep it, a closed socket and megabytes, for as long as the other end says that it has no room.
    """
    # It may have been reset meanwhile.
    with contextlib.suppress(OSError):
        (unread,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))
        if unread:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
