"""Ports for servers under test, below the range the kernel hands out to clients."""

from __future__ import annotations

import itertools
import os
import socket

_FIRST, _LAST = 20000, 32000
_next = itertools.count(_FIRST + os.getpid() * 37 % (_LAST - _FIRST))


def free_port(*hosts: str) -> int:
    """A port that is free for UDP and TCP on every one of the addresses (127.0.0.1 unless told)."""
    ends = list(itertools.product(hosts or ("127.0.0.1",), (socket.SOCK_STREAM, socket.SOCK_DGRAM)))
    for _ in range(_LAST - _FIRST):
        port = _FIRST + next(_next) % (_LAST - _FIRST)
        if all(_is_free(host, port, kind) for host, kind in ends):
            return port
    raise RuntimeError("no free port on loopback")


def _is_free(host: str, port: int, kind: socket.SocketKind) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
