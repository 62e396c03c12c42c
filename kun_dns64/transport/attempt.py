"""The port between a group of upstreams and one upstream: put a question once, hear what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from kun_dns64.config.endpoint import UpstreamAddress
from kun_dns64.formats.names import scramble
from kun_dns64.formats.render import encode_ask
from kun_dns64.formats.response import parse_response
from kun_dns64.formats.wire import HEADER_SIZE, RCODE_MASK
from kun_dns64.model.message import Response
from kun_dns64.model.question import Question, Rcode
from kun_dns64.model.step import AskedFlags, FailureKind, UpstreamFailure
from kun_dns64.transport.health import Health
from kun_dns64.transport.randomness import Randomness

CHOKING = frozenset((Rcode.FORMERR, Rcode.NOTIMP))
# To one server, by one transport (RFC 9520 section 3.1).
MAX_SENDS = 3


@dataclass(frozen=True, slots=True)
class Request:
    """`sends`: how often it left for each server by a stream, whatever the attempt and the connection."""

    question: Question
    flags: AskedFlags
    edns: bool = True
    sends: dict[UpstreamAddress, int] = field(default_factory=dict, compare=False)

    def may_send(self, to: UpstreamAddress) -> bool:
        """Whether it may be put there once more."""
        return self.sends.get(to, 0) < MAX_SENDS

    def sent(self, to: UpstreamAddress) -> None:
        self.sends[to] = self.sends.get(to, 0) + 1

    def not_sent(self, to: UpstreamAddress) -> None:
        """It counted as sent, and there was no connection to send it on."""
        self.sends[to] -= 1


@dataclass(frozen=True, slots=True)
class Result:
    """`wire` is the packet the response was read from, b"" when there was none."""

    outcome: Response | UpstreamFailure
    wire: bytes = b""


Done = Callable[[Result], None]


class Attempt(Protocol):
    """One question on its way to one upstream. `done` is called at most once, and never after `cancel`.

    `sends`: packets that have left this machine; before the first, silence is not the upstream's. `lost_here`: the last
    packet did not leave.
    """

    @property
    def sends(self) -> int: ...

    @property
    def lost_here(self) -> bool: ...

    def again(self) -> None:
        """There is no answer yet: the same packet once more, or another connection where this one may be dead."""
        ...

    def read_waiting(self) -> None:
        """Take what has come already: after a pause of this process timers are called before packets are read."""
        ...

    def cancel(self) -> None: ...


class Upstream(Protocol):
    address: UpstreamAddress
    health: Health

    def send(self, request: Request, done: Done) -> Attempt: ...

    async def close(self) -> None: ...


class UpstreamTap(Protocol):
    """Whoever is to know of every message to and from upstreams."""

    def asked(self, wire: bytes, address: UpstreamAddress) -> None: ...

    def heard(self, wire: bytes, address: UpstreamAddress) -> None: ...


@dataclass(slots=True)
class Observed:
    """Counters that all upstreams of a worker share, and the packets that are out, to know our own when they return."""

    wrong_replies: int = 0
    case_fallbacks: int = 0
    tcp_fallbacks: int = 0
    edns_fallbacks: int = 0
    stream_retries: int = 0
    out: set[bytes] = field(default_factory=set)
    tap: UpstreamTap | None = None

    def asked(self, wire: bytes, address: UpstreamAddress) -> None:
        """A question is out."""
        self.out.add(wire)
        if self.tap is not None:
            self.tap.asked(wire, address)

    def heard(self, wire: bytes, address: UpstreamAddress) -> None:
        """An answer to a question of ours has come."""
        if self.tap is not None:
            self.tap.heard(wire, address)


def encode(request: Request, ident: int, random: Randomness | None = None) -> tuple[bytes, Question]:
    """The packet, and the question as it stands in it: in random case (draft-vixie-dnsext-dns0x20) given randomness."""
    question = request.question
    if random is not None:
        name = scramble(question.name, random.bits(len(question.name)))
        question = Question(name, question.qtype, question.qclass)
    return encode_ask(question, request.flags, ident, request.edns), question


def read(wire: bytes, request: Request) -> Result:
    """A packet that answers this request, as far as id and question tell.

    The question's own case goes back into the packet, so that names compressed against it lose the random one.
    """
    name = request.question.name
    end = HEADER_SIZE + len(name)
    if wire[4:6] != b"\x00\x00" and wire[HEADER_SIZE:end] != name:
        wire = wire[:HEADER_SIZE] + name + wire[end:]
    return Result(parse_response(wire, request.question), wire)


def knows_no_edns(wire: bytes, request: Request) -> bool:
    """FORMERR (RFC 6891 section 7), or NOTIMP from some, without an OPT of its own: this server chokes on ours."""
    return request.edns and wire[3] & RCODE_MASK in CHOKING and wire[10:12] == b"\x00\x00"


def failure(kind: FailureKind, detail: str = "") -> Result:
    return Result(UpstreamFailure(kind, detail))


# It was put as often as it may be. No reply, and nothing about the upstream that was not said before.
SPENT = failure(FailureKind.TIMEOUT, f"asked {MAX_SENDS} times, and not answered")
