"""An upstream asked by UDP; by TCP where the answer is truncated, garbled, or somebody is guessing.

Twin: fastpath/upstream_question.pxi.
"""

import asyncio
import socket
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import cast

from kun_dns64.config.endpoint import UpstreamAddress
from kun_dns64.formats.response import is_truncated, is_without_question, matches
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
from kun_dns64.transport.errnos import failure_kind
from kun_dns64.transport.health import Health
from kun_dns64.transport.portpool import Port, PortTypes
from kun_dns64.transport.randomness import Randomness
from kun_dns64.transport.sockets import sockaddr

DATAGRAMS = int(socket.SOCK_DGRAM) | int(socket.SOCK_NONBLOCK) | int(socket.SOCK_CLOEXEC)
# An upstream that changes the case of names is asked in plain case for so long. One that has repeated a name as asked
# must change so many in a row: one packet, perhaps forged, says little of it.
PLAIN_CASE_S = 300.0
CASE_CHANGES = 3


class UdpUpstream:
    """One address. `by_tcp` asks the same one over a stream."""

    def __init__(
        self, address: UpstreamAddress, by_tcp: Upstream, observed: Observed, ports: PortTypes, *, randomise_case: bool
    ) -> None:
        self.address, self.health = address, Health()
        self.by_tcp, self.observed = by_tcp, observed
        self.random = ports.randomness()
        # By the clock of time.monotonic, as the event loop's.
        self.randomise_case, self.plain_case_until = randomise_case, 0.0
        # Nothing shows yet that it repeats names as asked, or something that it does not any more.
        self.case_in_doubt, self._changes_left = True, 1
        endpoint = address.endpoint
        self._family = int(socket.AF_INET6 if endpoint.address.version == 6 else socket.AF_INET)
        # An interface may come and go, and have another number then.
        self._peer = None if endpoint.zone else sockaddr(endpoint)
        self.pool = ports.pool(self, asyncio.get_running_loop())

    def send(self, request: Request, done: Done) -> Attempt:
        attempt = UdpAttempt(self, request, done)
        attempt.start()
        return attempt

    async def close(self) -> None:
        self.pool.close()
        await self.by_tcp.close()

    def case_bits(self) -> Randomness | None:
        return self.random if self.randomise_case and monotonic() >= self.plain_case_until else None

    def kept_case(self, name: bytes) -> None:
        """It has repeated `name` as asked; which shows something where there are letters of both cases."""
        if name not in (name.lower(), name.upper()):
            self.case_in_doubt, self._changes_left = False, CASE_CHANGES

    def changed_case(self) -> None:
        self.observed.case_fallbacks += 1
        self.case_in_doubt = True
        self._changes_left -= 1
        if self._changes_left <= 0:
            self.plain_case_until, self._changes_left = monotonic() + PLAIN_CASE_S, 1

    def connect(self) -> socket.SocketType:
        """A new socket on a port the kernel draws. Raises OSError."""
        sock = socket.SocketType(self._family, DATAGRAMS)
        try:
            sock.connect(self._peer or sockaddr(self.address.endpoint))
        except OSError:
            sock.close()
            raise
        return sock


class UdpAttempt:
    """One question: on a port, perhaps then by TCP, or on both.

    A reply ends it only if it repeats the question as it was put, random case included: a forger who cannot see the
    question must not end it by an error either.
    """

    __slots__ = (
        "_done", "_hints", "_ident", "_if_tcp_fails", "_in_doubt", "_may_randomise", "_port", "_question",
        "_randomised", "_request", "_stream", "_upstream", "_wire", "lost_here", "sends",
    )  # fmt: skip

    def __init__(self, upstream: UdpUpstream, request: Request, done: Done) -> None:
        self._upstream, self._request = upstream, request
        self._done: Done | None = done
        self._port: Port | None = None
        self._stream: Attempt | None = None
        self._if_tcp_fails: Done | None = None
        self._in_doubt = False
        self._ident, self._wire = 0, b""
        self._question: Question = request.question
        self._may_randomise, self._randomised = True, False
        self._hints = 0
        self.sends, self.lost_here = 0, False

    @classmethod
    def out_already(
        cls,
        upstream: UdpUpstream,
        request: Request,
        done: Done,
        port: Port,
        ident: int,
        wire: bytes,
        randomised: bool,
        left_here: bool,
    ) -> "UdpAttempt":
        """An attempt whose packet `wire` was sent from `port`."""
        attempt = cls(upstream, request, done)
        attempt._randomised, attempt.sends, attempt.lost_here = randomised, int(left_here), not left_here
        attempt._port, attempt._ident, attempt._wire = port, ident, wire
        name, qtype, qclass = request.question
        attempt._question = Question(wire[HEADER_SIZE : HEADER_SIZE + len(name)], qtype, qclass)
        port.out[ident] = attempt
        return attempt

    def start(self) -> None:
        try:
            port = self._upstream.pool.port(monotonic())
        except OSError as error:
            # Told later, like every other outcome.
            result = failure(failure_kind(error), error.strerror or "no socket")
            asyncio.get_running_loop().call_soon(self.finish, result)
            return
        self._port, self._ident = port, port.take(self)
        bits = self._upstream.case_bits() if self._may_randomise else None
        self._randomised = bits is not None
        self._wire, self._question = encode(self._request, self._ident, bits)
        self._upstream.observed.asked(self._wire, self._upstream.address)
        self._send(port)

    def _send(self, port: Port) -> None:
        self.lost_here = not port.send(self._wire)
        self.sends += not self.lost_here

    def again(self) -> None:
        if self._port is not None:
            self._send(self._port)
        if self._stream is not None:
            self._stream.again()

    def read_waiting(self) -> None:
        if self._port is not None:
            self._port.read_waiting()

    def cancel(self) -> None:
        self._done = None
        self._leave_port(answered=False)
        if self._stream is not None:
            self._stream.cancel()

    def received(self, wire: bytes) -> bool:
        """False: not the answer to this question, and it stays open (RFC 5452 section 9.1)."""
        if not matches(wire, self._ident, self._question):
            return False
        self._upstream.observed.heard(wire, self._upstream.address)
        if is_without_question(wire):
            self._doubt(wire)
        elif self._randomised and self._changed_case(wire):
            self._upstream.changed_case()
            self.move_to_tcp(self._ask_in_plain_case)
        elif is_truncated(wire):
            self._upstream.observed.tcp_fallbacks += 1
            self.move_to_tcp(self._still_truncated)
        elif knows_no_edns(wire, self._request):
            self._upstream.observed.edns_fallbacks += 1
            self._leave_port()
            self._request = replace(self._request, edns=False)
            self.start()
        else:
            result = read(wire, self._request)
            if isinstance(result.outcome, UpstreamFailure):
                self.move_to_tcp(lambda _: self.finish(result))
            else:
                self.finish(result)
        return True

    def _doubt(self, wire: bytes) -> None:
        """An error that repeats no question, as of a server that could not read it, or of a forger: TCP will tell.

        The port stays open meanwhile, and longer where TCP does not work: then the true answer may still come here.
        """
        if self._in_doubt:
            return
        self._in_doubt = True
        self._by_tcp(self._ask_without_edns if knows_no_edns(wire, self._request) else self._still_in_doubt)

    def _still_in_doubt(self, by_tcp: Result) -> None:
        if self._port is None:
            self.finish(by_tcp)

    def _ask_without_edns(self, _: Result) -> None:
        """It may be one that knows no EDNS, and cannot be asked by TCP."""
        self._upstream.observed.edns_fallbacks += 1
        self._leave_port()
        self._in_doubt, self._request = False, replace(self._request, edns=False)
        self.start()

    def _changed_case(self, wire: bytes) -> bool:
        if not matches(wire, self._ident, self._question, exact_case=True):
            return True
        self._upstream.kept_case(self._question.name)
        return False

    def hinted(self, reason: str) -> None:
        """ICMP is a hint that anybody can forge: another port is tried, then TCP, which has to be refused too."""
        self._leave_port()
        self._hints += 1
        if self._hints == 1:
            self.start()
        else:
            self.move_to_tcp(partial(self._refused_too, reason))

    def _refused_too(self, reason: str, by_tcp: Result) -> None:
        of_tcp = cast(UpstreamFailure, by_tcp.outcome)
        self.finish(failure(of_tcp.kind, f"{reason}, and by TCP: {of_tcp.detail or of_tcp.kind}"))

    def move_to_tcp(self, if_it_fails: Done | None = None) -> None:
        """`if_it_fails` hears of a failure there; without it, that is the outcome."""
        self._leave_port()
        self._by_tcp(if_it_fails)

    def _by_tcp(self, if_it_fails: Done | None) -> None:
        self._if_tcp_fails, self.lost_here = if_it_fails, False
        # What leaves by TCP is not counted beside the packets: the bound holds for each transport.
        self.sends = max(self.sends, 1)
        if self._stream is None:
            self._stream = self._upstream.by_tcp.send(self._request, self._heard_by_tcp)

    def _heard_by_tcp(self, result: Result) -> None:
        self._stream = None
        otherwise, self._if_tcp_fails = self._if_tcp_fails, None
        if otherwise is not None and isinstance(result.outcome, UpstreamFailure):
            otherwise(result)
        else:
            self.finish(result)

    def _still_truncated(self, by_tcp: Result) -> None:
        """A truncated answer is no answer (RFC 2181 section 9)."""
        reason = cast(UpstreamFailure, by_tcp.outcome)
        self.finish(failure(FailureKind.TRUNCATED, f"and by TCP: {reason.detail or reason.kind}"))

    def _ask_in_plain_case(self, _: Result) -> None:
        """It may be one that changes the case, and cannot be asked by TCP."""
        self._may_randomise = False
        self.start()

    def finish(self, result: Result) -> None:
        done, self._done = self._done, None
        self._leave_port()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()
        if done is not None:
            done(result)

    def _leave_port(self, *, answered: bool = True) -> None:
        if self._port is not None:
            port, self._port = self._port, None
            self._upstream.observed.out.discard(self._wire)
            leave = port.free if answered else port.give_up
            leave(self._ident)
