"""One TCP or TLS connection to an upstream: frames in and out, answers find their question by id (RFC 7766, 7)."""

import asyncio
import socket
from typing import Protocol, cast

from kun_dns64.transport.attempt import Observed
from kun_dns64.transport.randomness import Randomness

IDLE_S = 10.0
# Of 65,536 ids; enough are left to find a free one quickly.
MOST_OUT = 60_000
# Bytes that may wait here because the other end does not read.
MOST_UNSENT = 1 << 20
# What the other end's kernel has not acknowledged for so long has been sent to nobody (tcp(7), TCP_USER_TIMEOUT).
UNACKNOWLEDGED_MS = 5000


class StreamQuestion(Protocol):
    """A question that is out on a connection."""

    def sent_on(self, connection: "UpstreamConnection", ident: int) -> bytes:
        """The packet to send."""
        ...

    def received(self, connection: "UpstreamConnection", wire: bytes) -> bool:
        """False: not the answer to this question, and it stays open."""
        ...

    def connection_left(self) -> None:
        """It still waits there, and is to be asked elsewhere too."""
        ...

    def connection_lost(self, connection: "UpstreamConnection", reason: str, *, alone: bool) -> None:
        """`alone`: it was the only one ever put there."""
        ...


class StreamOwner(Protocol):
    """The upstream behind the connections."""

    random: Randomness
    observed: Observed

    def connected(self, connection: "UpstreamConnection") -> None: ...

    def heard(self) -> None:
        """It has said something, whatever it was."""
        ...

    def freed(self, connection: "UpstreamConnection") -> None:
        """There may be room for a question that waits."""
        ...

    def lost(self, connection: "UpstreamConnection", *, unanswered: bool) -> None: ...


class UpstreamConnection(asyncio.Protocol):
    """Closes itself `IDLE_S` after its last answer."""

    def __init__(self, owner: StreamOwner) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self.out: dict[int, StreamQuestion] = {}
        self.given = self.answered = 0
        self.leaving = False
        self._buffer = bytearray()
        self._full = False
        # By the loop's clock: nothing has come since, and something should have.
        self._unheard_since: float | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(MOST_UNSENT)
        sock = transport.get_extra_info("socket")
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
        self._owner.connected(self)

    def has_room(self, most: int) -> bool:
        """Whether it can be given a question, where one connection is given `most` in all."""
        assert self._transport is not None
        if self._full or self._transport.is_closing():
            return False
        return self.given < most and len(self.out) < MOST_OUT

    def is_mute(self, now: float, patience_s: float) -> bool:
        """Whether nothing at all has come for so long, although something was asked."""
        return self._unheard_since is not None and now - self._unheard_since >= patience_s

    def put(self, asked: StreamQuestion) -> None:
        assert self._transport is not None
        self._stop_idle_timer()
        ident = self._owner.random.id()
        while ident in self.out:
            ident = self._owner.random.id()
        self.out[ident] = asked
        self.given += 1
        if self._unheard_since is None:
            self._unheard_since = self._loop.time()
        wire = asked.sent_on(self, ident)
        self._transport.write(len(wire).to_bytes(2) + wire)

    def free(self, ident: int) -> None:
        self.out.pop(ident, None)
        if not self.out and self.leaving:
            self.abort()
        elif not self.out and self._idle_timer is None:
            self._idle_timer = self._loop.call_later(IDLE_S, self.close)
        self._owner.freed(self)

    def leave(self) -> None:
        """It ends with the questions that are out here; whatever answers them first."""
        self.leaving = True
        if not self.out:
            self.abort()
        for asked in list(self.out.values()):
            asked.connection_left()

    def close(self) -> None:
        self._stop_idle_timer()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Without a word to the other end, which may not hear any."""
        self._stop_idle_timer()
        if self._transport is not None:
            self._transport.abort()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._owner.freed(self)

    def data_received(self, data: bytes) -> None:
        self._owner.heard()
        self._unheard_since = None
        self._buffer += data
        while len(self._buffer) >= 2:
            end = 2 + (self._buffer[0] << 8 | self._buffer[1])
            if len(self._buffer) < end:
                break
            wire = bytes(self._buffer[2:end])
            del self._buffer[:end]
            self._message(wire)
        if self.out:
            self._unheard_since = self._loop.time()

    def _message(self, wire: bytes) -> None:
        asked = self.out.get(int.from_bytes(wire[:2])) if len(wire) >= 12 else None
        if asked is not None and asked.received(self, wire):
            self.answered += 1
        else:
            self._owner.observed.wrong_replies += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_idle_timer()
        reason = (getattr(exc, "strerror", None) or str(exc)) if exc else "closed by the upstream"
        out, self.out = self.out, {}
        self._owner.lost(self, unanswered=bool(out))
        for asked in out.values():
            asked.connection_lost(self, reason, alone=self.given == 1)
        self._owner.freed(self)

    def _stop_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
