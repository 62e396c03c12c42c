"""Listening sockets that systemd opened and keeps (sd_listen_fds(3)): nothing may be done to them that would last."""

import os
import socket
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from kun_dns64.config.endpoint import Endpoint
from kun_dns64.transport.sockets import ListenError, Listening, want_destination

FIRST_FD = 3
_ByEndpoint = dict[Endpoint, list[socket.socket]]


def inherited(workers: int) -> list[list[Listening]]:
    """A set of sockets for each worker, paired by address; empty without socket activation.

    A stream socket whose name (FileDescriptorName=) is `tls` serves DNS over TLS. Raises ListenError.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count, names = int(os.environ.get("LISTEN_FDS", "0")), os.environ.get("LISTEN_FDNAMES", "").split(":")
    for variable in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(variable, None)
    names += [""] * count
    return dealt([(socket.socket(fileno=FIRST_FD + i), names[i]) for i in range(count)], workers)


def dealt(handed: Sequence[tuple[socket.socket, str]], workers: int) -> list[list[Listening]]:
    """An address with several sockets (ReusePort=yes) gives each worker its own; what is too few is shared."""
    datagrams, streams, tls = _sorted(handed)
    for endpoint, found in datagrams.items():
        if endpoint not in streams:
            wanted = "a datagram socket without its stream socket; DNS needs both (RFC 7766 section 5)"
            raise ListenError(f"{endpoint}: {wanted}")
        if len(found) > workers:
            raise ListenError(
                f"{endpoint}: {len(found)} datagram sockets for {workers} workers: some would not be read"
            )
    return [
        [
            *(_listening(endpoint, found, datagrams, worker) for endpoint, found in streams.items()),
            *(Listening(end, None, found[worker % len(found)], tls=True, handed=True) for end, found in tls.items()),
        ]
        for worker in range(workers if handed else 0)
    ]


def _listening(
    endpoint: Endpoint, streams: Sequence[socket.socket], datagrams: Mapping[Endpoint, list[socket.socket]], worker: int
) -> Listening:
    found = datagrams.get(endpoint)
    udp = found[worker % len(found)] if found else None
    return Listening(endpoint, udp, streams[worker % len(streams)], handed=True)


def _sorted(handed: Sequence[tuple[socket.socket, str]]) -> tuple[_ByEndpoint, _ByEndpoint, _ByEndpoint]:
    """Datagram sockets, stream sockets, those of TLS, by address."""
    datagrams: _ByEndpoint = {}
    streams: _ByEndpoint = {}
    tls: _ByEndpoint = {}
    for sock, name in handed:
        sock.setblocking(False)
        os.set_inheritable(sock.fileno(), False)
        endpoint = endpoint_of(sock)
        if sock.type == socket.SOCK_STREAM:
            (tls if name == "tls" else streams).setdefault(endpoint, []).append(sock)
            continue
        datagrams.setdefault(endpoint, []).append(sock)
        if endpoint.is_wildcard:
            want_destination(sock)
    return datagrams, streams, tls


def endpoint_of(sock: socket.socket) -> Endpoint:
    """Raises ListenError for a socket of another family."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        raise ListenError(f"a socket of family {sock.family.name} was handed over; DNS needs IPv4 or IPv6")
    host, port = sock.getsockname()[:2]
    return Endpoint(ip_address(host), port)
