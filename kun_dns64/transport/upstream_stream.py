"""An upstream asked by TCP or TLS: connections are kept, many questions on each at once (RFC 7766 section 6.2.1)."""

import asyncio
import ssl
from dataclasses import replace
from typing import cast

from kun_dns64.config.endpoint import Scheme, UpstreamAddress
from kun_dns64.formats.response import matches
from kun_dns64.model.step import FailureKind
from kun_dns64.transport.attempt import (
    SPENT,
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
from kun_dns64.transport.errnos import failure_kind
from kun_dns64.transport.health import Health
from kun_dns64.transport.randomness import Randomness
from kun_dns64.transport.stream_connection import UpstreamConnection

CONNECT_S = 1.5
MAX_WAITING = 2000
MAX_CONNECTIONS = 16
# A connection that has said nothing for so long, asked something, is asked no more; twice as long for the next one.
MUTE_S, MAX_MUTE_S = 0.5, 8.0
# How long an upstream that closed with questions open is given no more on a connection than it answered on that.
LIMITED_S = 10.0
UNLIMITED = 1 << 62


class StreamUpstream:
    """One connection, as long as that answers all it is given; up to MAX_CONNECTIONS where it does not.

    A connection can die without a word. What is out on a mute one is asked on a new one too, and whichever answers
    first is heard: the upstream may only be slow.
    """

    def __init__(self, address: UpstreamAddress, observed: Observed, *, context: ssl.SSLContext | None = None) -> None:
        self.address, self.health, self.observed = address, Health(), observed
        # A truncated UDP answer brings us here with a udp:// address.
        self.spoken_to = replace(address, scheme=Scheme.TCP) if address.scheme is Scheme.UDP else address
        self.random = Randomness()
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._connections: list[UpstreamConnection] = []
        self._connecting: set[asyncio.Task[None]] = set()
        # In the order they came; the values say nothing.
        self._waiting: dict[StreamAttempt, None] = {}
        self._mute_s = MUTE_S
        self._most_each, self._limited_until = UNLIMITED, 0.0

    def send(self, request: Request, done: Done) -> Attempt:
        attempt = StreamAttempt(self, request, done)
        if not attempt.may_send:
            self._loop.call_soon(attempt.finish, SPENT)
        elif len(self._waiting) < MAX_WAITING:
            self.put(attempt)
        else:
            self._loop.call_soon(attempt.finish, failure(FailureKind.UNREACHABLE, "too many waiting"))
        return attempt

    async def close(self) -> None:
        for task in list(self._connecting):
            task.cancel()
        for connection in self._connections:
            connection.close()

    def put(self, attempt: "StreamAttempt") -> None:
        """On a connection that has room, now or when there is one."""
        self._waiting[attempt] = None
        self.leave_mute()
        self._give_out()

    def awaits(self, attempt: "StreamAttempt") -> bool:
        """Whether it waits for a connection."""
        return attempt in self._waiting

    def forget(self, attempt: "StreamAttempt") -> None:
        self._waiting.pop(attempt, None)

    def leave_mute(self) -> None:
        """What is out on connections that say nothing goes out on another, too."""
        now = self._loop.time()
        mute = [connection for connection in self._connections if connection.is_mute(now, self._mute_s)]
        for connection in mute:
            self._connections.remove(connection)
        for connection in mute:
            connection.leave()
        if mute:
            self._mute_s = min(2 * self._mute_s, MAX_MUTE_S)

    def connected(self, connection: UpstreamConnection) -> None:
        self._connections.append(connection)
        self._give_out()

    def heard(self) -> None:
        self._mute_s = MUTE_S

    def freed(self, connection: UpstreamConnection) -> None:
        if not connection.out and connection.given >= self._most() and connection in self._connections:
            self._connections.remove(connection)
            connection.close()
        self._give_out()

    def lost(self, connection: UpstreamConnection, *, unanswered: bool) -> None:
        """One that closes with questions open is given no more for a while than it has answered."""
        if connection in self._connections:
            self._connections.remove(connection)
        if unanswered and connection.given > 1 and not connection.leaving:
            self._most_each = max(1, min(self._most(), connection.answered))
            self._limited_until = self._loop.time() + LIMITED_S

    def _most(self) -> int:
        """So many questions are put on one connection."""
        return self._most_each if self._loop.time() < self._limited_until else UNLIMITED

    def _give_out(self) -> None:
        most = self._most()
        while self._waiting:
            connection = next((one for one in self._connections if one.has_room(most)), None)
            if connection is None:
                self._connect_more(most)
                return
            attempt = next(iter(self._waiting))
            del self._waiting[attempt]
            connection.put(attempt)

    def _connect_more(self, most: int) -> None:
        free = MAX_CONNECTIONS - len(self._connections)
        while len(self._connecting) < free and len(self._connecting) * most < len(self._waiting):
            self._connecting.add(self._loop.create_task(self._connect()))

    async def _connect(self) -> None:
        endpoint = self.address.endpoint
        problem, kind = "", FailureKind.UNREACHABLE
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._loop.create_connection(
                    lambda: UpstreamConnection(self),
                    endpoint.host,
                    endpoint.port,
                    ssl=self._context,
                    server_hostname=self.address.server_name if self._context else None,
                )
        except TimeoutError:
            problem = "no connection in time"
        except ssl.SSLCertVerificationError as error:
            problem = f"certificate: {error.verify_message}"
        except ssl.SSLError as error:
            problem = error.strerror or str(error)
        except OSError as error:
            problem, kind = error.strerror or str(error), failure_kind(error)
        finally:
            self._connecting.discard(cast(asyncio.Task[None], asyncio.current_task()))
        if problem and not self._connections and not self._connecting:
            waiting, self._waiting = self._waiting, {}
            for attempt in waiting:
                attempt.not_connected(kind, problem)


class StreamAttempt:
    """Out on one connection; on more where one was mute; on none while it waits."""

    # A connection that cannot be made here says so; in any other case silence is the upstream's.
    sends, lost_here = 1, False
    __slots__ = ("_done", "_out_on", "_request", "_upstream", "_was_alone")

    def __init__(self, upstream: StreamUpstream, request: Request, done: Done) -> None:
        self._upstream, self._request = upstream, request
        self._done: Done | None = done
        # The id and the packet on each connection.
        self._out_on: dict[UpstreamConnection, tuple[int, bytes]] = {}
        self._was_alone = False

    @property
    def may_send(self) -> bool:
        return self._request.may_send(self._upstream.spoken_to)

    def sent_on(self, connection: UpstreamConnection, ident: int) -> bytes:
        wire, _ = encode(self._request, ident)
        self._out_on[connection] = ident, wire
        self._request.sent(self._upstream.spoken_to)
        self._upstream.observed.asked(wire, self._upstream.spoken_to)
        return wire

    def again(self) -> None:
        """A stream loses nothing, unless it is dead without a word."""
        self._upstream.leave_mute()

    def read_waiting(self) -> None:
        """The loop does it."""

    def cancel(self) -> None:
        self._done = None
        self._leave()

    def received(self, connection: UpstreamConnection, wire: bytes) -> bool:
        ident, _ = self._out_on[connection]
        if not matches(wire, ident, self._request.question):
            return False
        self._upstream.observed.heard(wire, self._upstream.spoken_to)
        if knows_no_edns(wire, self._request) and self.may_send:
            self._upstream.observed.edns_fallbacks += 1
            self._leave()
            self._request = replace(self._request, edns=False)
            self._upstream.put(self)
        else:
            self.finish(read(wire, self._request))
        return True

    def connection_left(self) -> None:
        if not self.may_send:
            return
        self._upstream.observed.stream_retries += 1
        self._upstream.put(self)

    def connection_lost(self, connection: UpstreamConnection, reason: str, *, alone: bool) -> None:
        """An upstream may close an idle connection just as we write, or after each answer: then a new one is due."""
        _, wire = self._out_on.pop(connection, (0, b""))
        self._upstream.observed.out.discard(wire)
        if self._done is None or self._out_on or self._upstream.awaits(self):
            return
        # Once more where it was the only one ever put there: it may be what the upstream cannot take.
        if not self.may_send or (alone and self._was_alone):
            self.finish(failure(FailureKind.CLOSED, reason))
        else:
            self._was_alone = alone
            self._upstream.observed.stream_retries += 1
            self._upstream.put(self)

    def not_connected(self, kind: FailureKind, problem: str) -> None:
        if not self._out_on:
            self.finish(failure(kind, problem))

    def finish(self, result: Result) -> None:
        done, self._done = self._done, None
        self._leave()
        if done is not None:
            done(result)

    def _leave(self) -> None:
        self._upstream.forget(self)
        out_on, self._out_on = self._out_on, {}
        for connection, (ident, wire) in out_on.items():
            self._upstream.observed.out.discard(wire)
            connection.free(ident)
