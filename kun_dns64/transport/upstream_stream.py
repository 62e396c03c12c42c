"""An upstream asked by TCP or TLS: one connection, reused, many questions on it at once (RFC 7766 section 6.2.1)."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import replace
from typing import cast

from kun_dns64.config.endpoint import Scheme, UpstreamAddress
from kun_dns64.formats.response import matches
from kun_dns64.model.step import FailureKind
from kun_dns64.transport.attempt import (
    Attempt,
    Done,
    Observed,
    Request,
    Result,
    encode,
    failure,
    knows_no_edns,
    read,
)
from kun_dns64.transport.health import Health
from kun_dns64.transport.randomness import Randomness

CONNECT_S = 1.5
IDLE_S = 10.0
MAX_WAITING = 2000
MAX_RETRIES = 3


class StreamUpstream:
    """Connects when there is something to ask, and keeps the connection for `IDLE_S` after the last answer."""

    def __init__(
        self,
        address: UpstreamAddress,
        observed: Observed,
        *,
        context: ssl.SSLContext | None = None,
        randomise_case: bool = False,
    ) -> None:
        self.address, self.health, self.observed = address, Health(), observed
        # A truncated UDP answer brings us here with a udp:// address.
        self.spoken_to = replace(address, scheme=Scheme.TCP) if address.scheme is Scheme.UDP else address
        self._context = context
        self.random = Randomness()
        self.case_bits = self.random if randomise_case else None
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._waiting: list[StreamAttempt] = []

    def send(self, request: Request, done: Done) -> Attempt:
        attempt = StreamAttempt(self, request, done)
        self.put(attempt)
        return attempt

    def put(self, attempt: "StreamAttempt") -> None:
        if self._connection is not None and self._connection.usable:
            self._connection.put(attempt)
            return
        if len(self._waiting) >= MAX_WAITING:
            asyncio.get_running_loop().call_soon(attempt.finish, failure(FailureKind.UNREACHABLE, "too many waiting"))
            return
        self._waiting.append(attempt)
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def forget(self, attempt: "StreamAttempt") -> None:
        with suppress(ValueError):
            self._waiting.remove(attempt)

    def lost(self, connection: "Connection") -> None:
        if self._connection is connection:
            self._connection = None

    async def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.close()

    async def _connect(self) -> None:
        loop, endpoint = asyncio.get_running_loop(), self.address.endpoint
        problem = ""
        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await loop.create_connection(
                    lambda: Connection(self),
                    endpoint.host,
                    endpoint.port,
                    ssl=self._context,
                    server_hostname=self.address.server_name if self._context else None,
                )
            self._connection = connection
        except TimeoutError:
            problem = "no connection in time"
        except ssl.SSLCertVerificationError as error:
            problem = f"certificate: {error.verify_message}"
        except (OSError, ssl.SSLError) as error:
            problem = error.strerror or str(error)
        finally:
            self._connecting = None
        waiting, self._waiting = self._waiting, []
        for attempt in waiting:
            if problem:
                attempt.finish(failure(FailureKind.UNREACHABLE, problem))
            else:
                self.put(attempt)


class Connection(asyncio.Protocol):
    """Frames in and out; answers find their question by id, in any order (RFC 7766 section 7)."""

    def __init__(self, upstream: StreamUpstream) -> None:
        self._upstream = upstream
        self._loop = asyncio.get_running_loop()
        self._out: dict[int, StreamAttempt] = {}
        self._buffer = bytearray()
        self._answered = 0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing() and len(self._out) < 60_000

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def put(self, attempt: "StreamAttempt") -> None:
        assert self._transport is not None
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        ident = self._upstream.random.id()
        while ident in self._out:
            ident = self._upstream.random.id()
        self._out[ident] = attempt
        wire = attempt.sent_on(self, ident)
        self._transport.write(len(wire).to_bytes(2) + wire)

    def free(self, ident: int) -> None:
        self._out.pop(ident, None)
        if not self._out and self._idle_timer is None and self.usable:
            self._idle_timer = self._loop.call_later(IDLE_S, self.close)

    def close(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._transport is not None:
            self._transport.close()
        self._upstream.lost(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 2:
            end = 2 + (self._buffer[0] << 8 | self._buffer[1])
            if len(self._buffer) < end:
                return
            wire = bytes(self._buffer[2:end])
            del self._buffer[:end]
            self._answered += 1
            attempt = self._out.get(int.from_bytes(wire[:2])) if len(wire) >= 12 else None
            if attempt is None or not attempt.received(wire):
                self._upstream.observed.wrong_replies += 1

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._upstream.lost(self)
        reason = (getattr(exc, "strerror", None) or str(exc)) if exc else "closed by the upstream"
        out, self._out = self._out, {}
        for attempt in out.values():
            attempt.connection_lost(reason, worked_before=self._answered > 0)


class StreamAttempt:
    __slots__ = ("_connection", "_done", "_ident", "_question", "_request", "_retries", "_upstream", "_wire")

    def __init__(self, upstream: StreamUpstream, request: Request, done: Done) -> None:
        self._upstream, self._request = upstream, request
        self._done: Done | None = done
        self._connection: Connection | None = None
        self._ident, self._wire, self._retries = 0, b"", 0
        self._question = request.question

    def sent_on(self, connection: Connection, ident: int) -> bytes:
        self._connection, self._ident = connection, ident
        self._wire, self._question = encode(self._request, ident, self._upstream.case_bits)
        self._upstream.observed.asked(self._wire, self._upstream.spoken_to)
        return self._wire

    def again(self) -> None:
        """A stream loses nothing."""

    def cancel(self) -> None:
        self._done = None
        self._leave()

    def received(self, wire: bytes) -> bool:
        if not matches(wire, self._ident, self._question):
            return False
        self._upstream.observed.heard(wire, self._upstream.spoken_to)
        if knows_no_edns(wire, self._request):
            self._upstream.observed.edns_fallbacks += 1
            self._leave()
            self._request = replace(self._request, edns=False)
            self._upstream.put(self)
        else:
            self.finish(read(wire, self._request))
        return True

    def connection_lost(self, reason: str, *, worked_before: bool) -> None:
        """An upstream may close an idle connection just as we write, or after each answer: then a new one is due."""
        self._upstream.observed.out.discard(self._wire)
        self._connection = None
        if worked_before and self._retries < MAX_RETRIES and self._done is not None:
            self._retries += 1
            self._upstream.observed.stream_retries += 1
            self._upstream.put(self)
        else:
            self.finish(failure(FailureKind.CLOSED, reason))

    def finish(self, result: Result) -> None:
        done, self._done = self._done, None
        self._leave()
        if done is not None:
            done(result)

    def _leave(self) -> None:
        self._upstream.forget(self)
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._upstream.observed.out.discard(self._wire)
            connection.free(self._ident)
