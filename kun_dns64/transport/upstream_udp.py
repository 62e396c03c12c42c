"""An upstream asked by UDP; by TCP where the answer is truncated, garbled, or somebody is guessing.

Every question leaves from a port of its own, chosen by the kernel, as long as `FRESH_PER_S` allows; beyond that the
open ports are shared, one picked at random (RFC 5452 sections 4.5 and 9.2).
"""

import asyncio
import importlib.util
import os
import select
import socket
from dataclasses import replace
from typing import Any, Protocol

from kun_dns64.config.endpoint import UpstreamAddress
from kun_dns64.formats.response import is_truncated, matches
from kun_dns64.formats.wire import HEADER_SIZE
from kun_dns64.model.question import Question
from kun_dns64.model.step import FailureKind, UpstreamFailure
from kun_dns64.transport.attempt import (
    Attempt,
    Done,
    Observed,
    Request,
    Result,
    Upstream,
    encode,
    failure,
    knows_no_edns,
    read,
)
from kun_dns64.transport.health import Health
from kun_dns64.transport.randomness import Randomness

FRESH_PER_S = 4000
# Open ports: kept without a question while fewer than KEEP, never more than MOST.
KEEP, MOST = 32, 512
MAX_DATAGRAM = 65535
# No compiler was there when the wheel was built, or KUN_PURE_PYTHON=1 asks for the plain reader.
IN_PYTHON_ONLY = importlib.util.find_spec("kun_dns64.transport.portreader") is None or "KUN_PURE_PYTHON" in os.environ
# Ports with an answer that are read in one turn of the loop.
BURST = 128
DATAGRAMS = int(socket.SOCK_DGRAM) | int(socket.SOCK_NONBLOCK) | int(socket.SOCK_CLOEXEC)
# Wrong replies on one port before its questions move to TCP (RFC 5452 section 9.3).
GUESSES = 20
# An upstream that changed the case of a name is asked in plain case for so long.
PLAIN_CASE_S = 300.0


class UdpUpstream:
    """One address. `by_tcp` asks the same one over a stream."""

    def __init__(self, address: UpstreamAddress, by_tcp: Upstream, observed: Observed, *, randomise_case: bool) -> None:
        self.address, self.health = address, Health()
        self.by_tcp, self.observed = by_tcp, observed
        self.random = Randomness()
        self._randomise_case, self._plain_case_until = randomise_case, 0.0
        self._loop = asyncio.get_running_loop()
        self._ports: dict[int, Port] = {}
        self._shared: list[Port] = []
        # One for all ports: telling the event loop of each, for one answer, costs more than the port itself.
        self._epoll = select.epoll()
        self._loop.add_reader(self._epoll.fileno(), *self._reader())
        endpoint = address.endpoint
        self._family = int(socket.AF_INET6 if endpoint.address.version == 6 else socket.AF_INET)
        self._peer = endpoint.host, endpoint.port
        self._fresh, self._fresh_since = FRESH_PER_S, self._loop.time()

    def send(self, request: Request, done: Done) -> Attempt:
        attempt = UdpAttempt(self, request, done)
        attempt.start()
        return attempt

    async def close(self) -> None:
        for port in list(self._ports.values()):
            port.close()
        self._ports.clear()
        if not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
        await self.by_tcp.close()

    def case_bits(self) -> Randomness | None:
        if not self._randomise_case:
            return None
        return self.random if not self._plain_case_until or self._loop.time() >= self._plain_case_until else None

    def changed_case(self) -> None:
        self.observed.case_fallbacks += 1
        self._plain_case_until = self._loop.time() + PLAIN_CASE_S

    def port(self) -> "Port":
        """A port to ask from. Raises OSError when there is no route to the upstream, or no descriptor left."""
        if (self._fresh or self._loop.time() - self._fresh_since >= 1.0 or not self._ports) and self._may_open():
            port = self._open()
            self._ports[port.fileno] = port
            self._shared = []
            return port
        ports = self._shared
        if not ports:
            ports = self._shared = list(self._ports.values())
        return ports[self.random.below(len(ports))]

    def _open(self) -> "Port":
        sock = socket.SocketType(self._family, DATAGRAMS)
        try:
            sock.connect(self._peer)
            self._epoll.register(sock.fileno(), select.EPOLLIN)
        except OSError:
            sock.close()
            raise
        return Port(self, sock, self._loop)

    def _reader(self) -> tuple[Any, ...]:
        """What to call when ports have packets: the compiled reader where it was built."""
        if IN_PYTHON_ONLY:
            return (self._readable,)
        from kun_dns64.transport.portreader import drain

        return drain, self._epoll.fileno(), self._ports

    def _readable(self) -> None:
        for fileno, _ in self._epoll.poll(0, BURST):
            port = self._ports.get(fileno)
            if port is not None:
                port.readable()

    def released(self, port: "Port") -> None:
        """Nothing is out on `port` any more. The oldest idle one goes, so that ports do not grow old."""
        if len(self._ports) > KEEP:
            oldest = next(iter(self._ports.values()))
            self.drop(oldest if oldest.idle else port)

    def drop(self, port: "Port") -> None:
        self._ports.pop(port.fileno, None)
        self._shared = []
        port.close()

    def _may_open(self) -> bool:
        if not self._ports:
            return True
        now = self._loop.time()
        if now - self._fresh_since >= 1.0:
            self._fresh, self._fresh_since = FRESH_PER_S, now
        if not self._fresh or len(self._ports) >= MOST:
            return False
        self._fresh -= 1
        return True


class Asked(Protocol):
    """A question that is out on a port."""

    def received(self, wire: bytes) -> bool:
        """False: not the answer to this question, and it stays open (RFC 5452 section 9.1)."""
        ...

    def move_to_tcp(self) -> None: ...

    def finish(self, result: Result) -> None: ...


class Port:
    """A connected socket: the kernel drops what comes from elsewhere, and tells of ICMP errors at once."""

    __slots__ = ("_loop", "_sock", "_wrong", "fileno", "out", "upstream")

    def __init__(self, upstream: UdpUpstream, sock: socket.SocketType, loop: asyncio.AbstractEventLoop) -> None:
        self.upstream, self._sock, self._loop = upstream, sock, loop
        self.out: dict[int, Asked] = {}
        self._wrong = 0
        self.fileno = sock.fileno()

    @property
    def idle(self) -> bool:
        return not self.out

    def close(self) -> None:
        # Which takes it out of the epoll too.
        self._sock.close()

    def take(self, attempt: Asked) -> int:
        """An id that is free on this port."""
        ident = self.upstream.random.id()
        while ident in self.out:
            ident = self.upstream.random.id()
        self.out[ident] = attempt
        return ident

    def send(self, wire: bytes) -> None:
        try:
            self._sock.send(wire)
        except BlockingIOError:
            # As good as lost on the way: it is sent again later.
            return
        except OSError as error:
            self._loop.call_soon(self.unreachable, error)

    def free(self, ident: int) -> None:
        if self.out.pop(ident, None) is not None and not self.out:
            self.upstream.released(self)

    def readable(self) -> None:
        try:
            wire = self._sock.recv(MAX_DATAGRAM)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.unreachable(error)
            return
        attempt = self.out.get(int.from_bytes(wire[:2])) if len(wire) >= 12 else None
        if attempt is None or not attempt.received(wire):
            self.guessed()

    def guessed(self) -> None:
        self.upstream.observed.wrong_replies += 1
        self._wrong += 1
        if self._wrong >= GUESSES:
            self.upstream.drop(self)
            for attempt in list(self.out.values()):
                attempt.move_to_tcp()

    def unreachable(self, error: OSError) -> None:
        """ICMP speaks of the address, not of one question: all that are out here have failed."""
        self.upstream.drop(self)
        for attempt in list(self.out.values()):
            attempt.finish(failure(FailureKind.UNREACHABLE, error.strerror or "unreachable"))


class UdpAttempt:
    """One question: on a port, perhaps then by TCP."""

    __slots__ = ("_done", "_ident", "_port", "_question", "_request", "_stream", "_upstream", "_wire")

    def __init__(self, upstream: UdpUpstream, request: Request, done: Done) -> None:
        self._upstream, self._request = upstream, request
        self._done: Done | None = done
        self._port: Port | None = None
        self._stream: Attempt | None = None
        self._ident, self._wire = 0, b""
        self._question: Question = request.question

    @classmethod
    def out_already(cls, request: Request, done: Done, port: Port, ident: int, wire: bytes) -> "UdpAttempt":
        """An attempt whose packet `wire` has left from `port`."""
        attempt = cls(port.upstream, request, done)
        attempt._port, attempt._ident, attempt._wire = port, ident, wire
        name, qtype, qclass = request.question
        attempt._question = Question(wire[HEADER_SIZE : HEADER_SIZE + len(name)], qtype, qclass)
        port.out[ident] = attempt
        return attempt

    def start(self) -> None:
        try:
            port = self._upstream.port()
        except OSError as error:
            # Told later, like every other outcome.
            result = failure(FailureKind.UNREACHABLE, error.strerror or "no socket")
            asyncio.get_running_loop().call_soon(self.finish, result)
            return
        self._port, self._ident = port, port.take(self)
        self._wire, self._question = encode(self._request, self._ident, self._upstream.case_bits())
        self._upstream.observed.asked(self._wire, self._upstream.address)
        port.send(self._wire)

    def again(self) -> None:
        if self._port is not None:
            self._port.send(self._wire)

    def cancel(self) -> None:
        self._done = None
        self._leave_port()
        if self._stream is not None:
            self._stream.cancel()

    def received(self, wire: bytes) -> bool:
        """False: not the answer to this question, and it stays open (RFC 5452 section 9.1)."""
        if not matches(wire, self._ident, self._question):
            return False
        self._upstream.observed.heard(wire, self._upstream.address)
        if not matches(wire, self._ident, self._question, exact_case=True):
            self._upstream.changed_case()
            self.move_to_tcp()
        elif is_truncated(wire):
            self._upstream.observed.tcp_fallbacks += 1
            self.move_to_tcp(FailureKind.TRUNCATED)
        elif knows_no_edns(wire, self._request):
            self._upstream.observed.edns_fallbacks += 1
            self._leave_port()
            self._request = replace(self._request, edns=False)
            self.start()
        else:
            result = read(wire, self._request)
            if isinstance(result.outcome, UpstreamFailure):
                self.move_to_tcp()
            else:
                self.finish(result)
        return True

    def move_to_tcp(self, if_it_fails: FailureKind | None = None) -> None:
        """`if_it_fails`: what the attempt is then called (a truncated answer is no answer, RFC 2181 section 9)."""
        self._leave_port()

        def done(result: Result) -> None:
            if if_it_fails is not None and isinstance(result.outcome, UpstreamFailure):
                result = failure(if_it_fails, f"and by TCP: {result.outcome.detail or result.outcome.kind}")
            self.finish(result)

        self._stream = self._upstream.by_tcp.send(self._request, done)

    def finish(self, result: Result) -> None:
        done, self._done = self._done, None
        self._leave_port()
        if done is not None:
            done(result)

    def _leave_port(self) -> None:
        if self._port is not None:
            port, self._port = self._port, None
            self._upstream.observed.out.discard(self._wire)
            port.free(self._ident)
