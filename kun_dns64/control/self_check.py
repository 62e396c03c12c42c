"""Asks this server's own sockets a question, so that readiness is what a client would find.

Asked for readiness, at most once a second: each address by UDP once for every worker, by TCP or TLS once. What does not
answer three times in a row, while its worker takes no other queries either, does not serve.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from kun_base.journal import Journal
from kun_dns64.config.endpoint import Endpoint
from kun_dns64.config.resolvconf import is_local
from kun_dns64.formats.self_check import mark_of, question, who_answered
from kun_dns64.transport.sharding import home
from kun_dns64.transport.sockets import Listening, sockaddr

if TYPE_CHECKING:
    import ssl

EVERY_S, ANSWER_S = 1.0, 0.5
FAILURES = 3
MAX_ANSWER = 4096


@dataclass(frozen=True, slots=True)
class Found:
    """What one round of questions found: `silent`, by names such as `udp 127.0.0.1:53 worker 0`."""

    silent: frozenset[str]
    asked: frozenset[str]


class SelfCheck:
    """`silent`: what does not serve, in words; empty: all does."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = asyncio.Lock()
        self._at = 0.0
        self._failures: dict[str, int] = {}
        self._taken: dict[int, int] = {}
        self._tls: ssl.SSLContext | None = None
        self.silent: tuple[str, ...] = ()

    async def run(
        self, listening: Sequence[Listening], count: int, workers: Sequence[Mapping[str, Any]], secret: bytes
    ) -> None:
        """One round, unless the last was a moment ago. `count`: sockets of each address; `workers`: as in /status."""
        async with self._lock:
            if monotonic() - self._at < EVERY_S:
                return
            found = await self._round(listening, count, mark_of(secret))
            self._at = monotonic()
            busy = self._busy(workers)
            self._failures = {
                name: 0 if name not in found.silent or busy else self._failures.get(name, 0) + 1 for name in found.asked
            }
            silent = tuple(sorted(name for name, times in self._failures.items() if times >= FAILURES))
            if silent != self.silent:
                self._journal.warning("self-check", silent="; ".join(silent) or "none")
            self.silent = silent

    def _busy(self, workers: Iterable[Mapping[str, Any]]) -> bool:
        """Whether every worker has taken queries since the last round: one under a flood may lose ours."""
        before, self._taken = self._taken, {worker["pid"]: worker["queries"] for worker in workers}
        return bool(before) and all(taken > before.get(pid, taken) for pid, taken in self._taken.items())

    async def _round(self, listening: Sequence[Listening], count: int, mark: bytes) -> Found:
        asked: dict[str, asyncio.Task[bool]] = {}
        for one in listening:
            endpoint = reachable(one.endpoint)
            if endpoint is None:
                continue
            for index in range(count if one.udp is not None else 0):
                asking = self._by_udp(endpoint, mark, index, count)
                asked[f"udp {one.endpoint} worker {index}"] = asyncio.create_task(asking)
            kind = "tls" if one.tls else "tcp"
            asked[f"{kind} {one.endpoint}"] = asyncio.create_task(self._by_stream(endpoint, mark, one.tls))
        await asyncio.gather(*asked.values())
        return Found(frozenset(name for name, task in asked.items() if not task.result()), frozenset(asked))

    @staticmethod
    async def _by_udp(endpoint: Endpoint, mark: bytes, index: int, count: int) -> bool:
        """By a name whose home is the worker; the kernel may bring it elsewhere, and an answer is an answer."""
        wire = next(made for made in _questions(mark) if home(made, count) == index)
        family = socket.AF_INET6 if endpoint.address.version == 6 else socket.AF_INET
        loop = asyncio.get_running_loop()
        with suppress(OSError, TimeoutError), socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            sock.connect(sockaddr(endpoint))
            async with asyncio.timeout(ANSWER_S):
                await loop.sock_sendall(sock, wire)
                return who_answered(wire, await loop.sock_recv(sock, MAX_ANSWER)) is not None
        return False

    async def _by_stream(self, endpoint: Endpoint, mark: bytes, tls: bool) -> bool:
        wire = next(_questions(mark))
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(ANSWER_S):
                context = self._context() if tls else None
                reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port, ssl=context)
                try:
                    writer.write(len(wire).to_bytes(2) + wire)
                    size = int.from_bytes(await reader.readexactly(2))
                    return who_answered(wire, await reader.readexactly(size)) is not None
                finally:
                    writer.close()
        return False

    def _context(self) -> "ssl.SSLContext":
        """Whether it answers is asked, not whether its certificate is good for our own address."""
        if self._tls is None:
            import ssl

            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE
        return self._tls


def _questions(mark: bytes) -> Iterator[bytes]:
    """Ever others: a name has a home, and an answer belongs to one question."""
    while True:
        yield question(mark, int.from_bytes(os.urandom(2)), secrets.token_hex(6).encode())


def reachable(endpoint: Endpoint) -> Endpoint | None:
    """Where this machine itself reaches a listener; None where the address is not there (yet)."""
    if endpoint.is_wildcard:
        loopback = "[::1]" if endpoint.address.version == 6 else "127.0.0.1"
        endpoint = Endpoint.parse(f"{loopback}:{endpoint.port}")
    return endpoint if is_local(endpoint) else None
