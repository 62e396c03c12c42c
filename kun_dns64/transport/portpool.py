"""The ports that questions to one upstream leave from (RFC 5452 sections 4.5 and 9.2).

Up to RENEWED_PER_S questions a second each have a new port. What they leave of that is saved up: after ten quiet
seconds SAVED questions have one each, however fast they come. Beyond that the last KEEP ports are shared, one picked at
random, and the oldest leaves for every new one: under load a port lives KEEP / RENEWED_PER_S = 0.64 s, and 400 of them
a second, 12 to 25 us each, are 1 % of a core at most. The miss path draws a shared port once for up to 32 questions
of a turn of the loop, which leave in one system call and whose answers are read in one.

Why that is enough. A forged answer must have the question's id, its port and its letters' case (section 9.1). The
kernel draws every port from its range (28,232 by default), so a packet of somebody who knows nothing is right once in
65,536 x 28,232 = 1.9e9, before the letters, whether a port carries one question or many: section 7.2's D is 1, since
equal questions are never out twice, and a packet that reaches another port of ours, or another question on the right
one, matches nothing there. Somebody who
has found an open port by other ways must use it within that 0.64 s, knows the question's port with 1 in KEEP, and has
GUESSES packets: then the port is closed, and what was out on it is asked by TCP (section 9.3).

Twin: fastpath/port_pool.pyx.
"""

import asyncio
import os
import select
import socket
from typing import NamedTuple, Protocol

from kun_dns64.transport.attempt import Observed
from kun_dns64.transport.errnos import LOCAL
from kun_dns64.transport.randomness import Randomness

RENEWED_PER_S, SAVED = 400.0, 4000.0
# Ports questions are given to; open ones at most, those included that only wait for their last answer.
KEEP, MOST = 256, 512
MAX_DATAGRAM = 65535
# Ports with an answer that are read in one turn of the loop.
BURST = 128
# Wrong replies on one port before its questions move to TCP (RFC 5452 section 9.3).
GUESSES = 20


class PortQuestion(Protocol):
    """A question that is out on a port."""

    def received(self, wire: bytes) -> bool:
        """False: not the answer to this question, and it stays open (RFC 5452 section 9.1)."""
        ...

    def move_to_tcp(self) -> None: ...

    def hinted(self, reason: str) -> None:
        """The network says that nobody is there, and the port is closed."""
        ...


class PortOwner(Protocol):
    """The upstream behind the ports. `connect` raises OSError when there is no route to it, or no descriptor left."""

    random: Randomness
    observed: Observed

    def connect(self) -> socket.SocketType: ...


class Port:
    """A connected socket: the kernel drops what comes from elsewhere, and tells of ICMP errors at once."""

    __slots__ = ("_given_up", "_pool", "_sock", "_wrong", "fileno", "leaving", "out", "upstream")

    def __init__(self, pool: "PortPool", sock: socket.SocketType) -> None:
        self._pool, self._sock, self.upstream = pool, sock, pool.owner
        self.out: dict[int, PortQuestion] = {}
        # Ids of questions that nobody waits for, while the port is open: one answer to each is late, not wrong.
        self._given_up: set[int] = set()
        self._wrong = 0
        self.leaving = False
        self.fileno = sock.fileno()

    def close(self) -> None:
        # Which takes it out of the epoll too.
        self._sock.close()
        self.fileno = -1

    def take(self, attempt: PortQuestion) -> int:
        """An id that is free on this port."""
        ident = self.upstream.random.id()
        while ident in self.out:
            ident = self.upstream.random.id()
        self.out[ident] = attempt
        return ident

    def send(self, wire: bytes) -> bool:
        """Whether the packet has left this machine; if not, it is as good as lost on the way, and sent again later."""
        try:
            self._sock.send(wire)
        except OSError as error:
            self._pool.loop.call_soon(self.failed, error.errno or 0)
            return False
        return True

    def free(self, ident: int) -> None:
        if self.out.pop(ident, None) is not None and not self.out and self.leaving:
            self._pool.drop(self)

    def give_up(self, ident: int) -> None:
        """`free` without an answer, which may still come."""
        self._given_up.add(ident)
        self.free(ident)

    def readable(self) -> bool:
        """Read one packet; whether there was one."""
        try:
            wire = self._sock.recv(MAX_DATAGRAM)
        except OSError as error:
            self.failed(error.errno or 0)
            return False
        ident = int.from_bytes(wire[:2])
        attempt = self.out.get(ident) if len(wire) >= 12 else None
        if attempt is None and ident in self._given_up:
            self._given_up.discard(ident)
        elif attempt is None or not attempt.received(wire):
            self.guessed()
        return True

    def read_waiting(self) -> None:
        """Read what has come to this port."""
        for _ in range(BURST):
            if self.fileno < 0 or not self.readable():
                return

    def guessed(self) -> None:
        self.upstream.observed.wrong_replies += 1
        self._wrong += 1
        if self._wrong >= GUESSES:
            self._pool.drop(self)
            for attempt in list(self.out.values()):
                attempt.move_to_tcp()

    def failed(self, number: int) -> None:
        """A send or a receive ended with this errno.

        Errors of this machine are losses. ICMP speaks of the address, and may be forged: the port is left, and its
        questions are asked again.
        """
        if number in LOCAL:
            return
        self._pool.drop(self)
        for attempt in list(self.out.values()):
            attempt.hinted(os.strerror(number))


class PortPool:
    """All ports of one upstream, and the one epoll for them.

    Telling the event loop of each, for a few answers, costs more than the port itself.
    """

    def __init__(self, owner: PortOwner, loop: asyncio.AbstractEventLoop) -> None:
        self.owner, self.loop = owner, loop
        self.ports: dict[int, Port] = {}
        # Oldest first; those that leave are not in it.
        self._shared: list[Port] = []
        self._tokens, self._counted_at = SAVED, 0.0
        self._epoll = select.epoll()
        loop.add_reader(self._epoll.fileno(), self.drain)

    def port(self, now: float) -> Port:
        """A port to ask from, at `now` of a monotonic clock in seconds.

        Raises what `PortOwner.connect` raises, where no port is open.
        """
        self._tokens = min(SAVED, self._tokens + (now - self._counted_at) * RENEWED_PER_S)
        self._counted_at = now
        if not self._shared or (self._tokens >= 1.0 and len(self.ports) < MOST):
            self._tokens = max(0.0, self._tokens - 1.0)
            try:
                return self._open()
            except OSError:
                # No descriptor is left, say; the open ones are as good as under load.
                if not self._shared:
                    raise
        return self._shared[self.owner.random.below(len(self._shared))]

    def _open(self) -> Port:
        sock = self.owner.connect()
        try:
            self._epoll.register(sock.fileno(), select.EPOLLIN)
        except OSError:
            sock.close()
            raise
        port = Port(self, sock)
        self.ports[port.fileno] = port
        self._shared.append(port)
        if len(self._shared) > KEEP:
            self._retire(self._shared.pop(0))
        return port

    def _retire(self, port: Port) -> None:
        port.leaving = True
        if not port.out:
            self.drop(port)

    def drop(self, port: Port) -> None:
        """Closes it; what is out there must be told by the caller."""
        if port.fileno < 0:
            return
        if not port.leaving:
            self._shared.remove(port)
        del self.ports[port.fileno]
        port.close()

    def drain(self) -> None:
        """One packet from each port that has some, at most BURST ports."""
        for fileno, _ in self._epoll.poll(0, BURST):
            port = self.ports.get(fileno)
            if port is not None:
                port.readable()

    def close(self) -> None:
        for port in list(self.ports.values()):
            self.drop(port)
        if not self._epoll.closed:
            self.loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    def __len__(self) -> int:
        return len(self.ports)


class PortTypes(NamedTuple):
    """The two types an upstream draws its random bits and its ports from: these, or their compiled twins."""

    randomness: type[Randomness]
    pool: type[PortPool]


PLAIN_PORTS = PortTypes(Randomness, PortPool)
