"""Health checks: one question at a time, a growing pause while there is no answer, and no verdict without a packet."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from kun_dns64.config.endpoint import UpstreamAddress
from kun_dns64.model.message import Response
from kun_dns64.model.question import Rcode, RRType
from kun_dns64.model.step import FailureKind
from kun_dns64.transport import health_check
from kun_dns64.transport.attempt import Done, Request, Result, failure
from kun_dns64.transport.health import SILENCES_TO_DOUBT, Health
from kun_dns64.transport.health_check import HealthCheck

REFUSES = Result(Response(Rcode.REFUSED), b"a packet")


@dataclass
class Attempt:
    done: Done
    sends: int = 1
    lost_here: bool = False
    sent: int = 1
    cancelled: bool = False

    def again(self) -> None:
        self.sent += 1

    def read_waiting(self) -> None:
        pass

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Upstream:
    """Says `says` to every question, at once; None: nothing."""

    says: Result | None = None
    sends: int = 1
    address: UpstreamAddress = field(default_factory=lambda: UpstreamAddress.parse("udp://192.0.2.53"))
    health: Health = field(default_factory=Health)
    asked: list[Request] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)

    def send(self, request: Request, done: Done) -> Any:
        self.asked.append(request)
        attempt = Attempt(done, self.sends)
        self.attempts.append(attempt)
        if self.says is not None:
            asyncio.get_running_loop().call_soon(done, self.says)
        return attempt

    async def close(self) -> None:
        return None


class Clock:
    """Time of the checks and of their timers, moved by hand."""

    def __init__(self) -> None:
        self.now, self._due = 1000.0, list[tuple[float, Any]]()

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Any:
        timer = Timer(call)
        self._due.append((self.now + delay_s, timer))
        return timer

    async def pass_(self, seconds: float) -> None:
        end = self.now + seconds
        while due := sorted([one for one in self._due if one[0] <= end and one[1].call], key=lambda one: one[0]):
            self.now, timer = due[0]
            call, timer.call = timer.call, None
            call()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        self.now = end


@dataclass
class Timer:
    call: Callable[[], None] | None

    def cancel(self) -> None:
        self.call = None


class World:
    def __init__(self, clock: Clock) -> None:
        self.clock, self.upstream, self.changes = clock, Upstream(), list[bool]()
        self.check = HealthCheck(self.upstream, self.changes.append)
        self.check._loop = clock  # type: ignore[assignment]

    def silence(self, times: int = SILENCES_TO_DOUBT) -> None:
        for _ in range(times):
            self.upstream.health.silent(self.clock.now)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> World:
    clock = Clock()
    monkeypatch.setattr(health_check, "monotonic", lambda: clock.now)
    return World(clock)


async def test_doubt_asks_for_the_roots_name_servers_and_any_reply_is_life(world: World) -> None:
    world.upstream.says = REFUSES
    world.silence(100)
    await asyncio.sleep(0)
    ((asked, *_),) = ([one.question for one in world.upstream.asked],)
    assert (asked.name, asked.qtype) == (b"\x00", RRType.NS)
    assert (world.upstream.health.down, world.changes, world.check.passed) == (False, [], 1)


async def test_no_answer_makes_it_down_and_the_pauses_double_to_a_minute(world: World) -> None:
    world.silence()
    assert len(world.upstream.asked) == 1
    await world.clock.pass_(1.6)
    assert (world.upstream.attempts[0].sent, world.upstream.attempts[0].cancelled) == (3, True)
    assert (world.upstream.health.down, world.changes) == (True, [False])
    asked_at = []
    for _ in range(4000):
        before = len(world.upstream.asked)
        await world.clock.pass_(0.1)
        world.upstream.health.unreachable()
        if len(world.upstream.asked) > before:
            asked_at.append(world.clock.now)
    pauses = [round(b - a - health_check.ANSWER_S) for a, b in pairwise(asked_at)]
    assert pauses == [2, 4, 8, 16, 32] + [60] * (len(pauses) - 5)
    assert len(pauses) > 7
    assert world.changes == [False]


async def test_it_returns_by_its_check_without_any_client(world: World) -> None:
    world.silence()
    await world.clock.pass_(1.6)
    world.upstream.says = REFUSES
    await world.clock.pass_(1.0)
    assert (world.upstream.health.down, world.changes) == (False, [False, True])
    await world.clock.pass_(600)
    assert len(world.upstream.asked) == 2, "no doubt, no question"


async def test_it_returns_by_any_answer_to_a_client(world: World) -> None:
    world.silence()
    await world.clock.pass_(1.6)
    world.upstream.health.heard(0.01, world.clock.now)
    assert world.changes == [False, True]
    await world.clock.pass_(600)
    assert len(world.upstream.asked) == 1


async def test_a_refusal_makes_it_down_at_once(world: World) -> None:
    world.upstream.says = failure(FailureKind.UNREACHABLE, "Connection refused")
    world.upstream.health.unreachable()
    await asyncio.sleep(0)
    assert world.changes == [False]


@pytest.mark.parametrize("says", [None, failure(FailureKind.LOCAL, "Too many open files")])
async def test_what_could_not_be_sent_is_no_verdict_and_is_sent_a_second_later(
    world: World, says: Result | None
) -> None:
    world.upstream.says, world.upstream.sends = says, int(says is not None)
    world.upstream.health.unreachable()
    await world.clock.pass_(10)
    assert (world.upstream.health.down, world.changes) == (False, [])
    assert len(world.upstream.asked) in (4, 5, 10, 11)


@pytest.mark.parametrize(
    "says",
    [
        pytest.param(Result(failure(FailureKind.GARBAGE).outcome, b"unreadable"), id="garbled"),
        pytest.param(failure(FailureKind.TRUNCATED), id="truncated, and no TCP"),
        pytest.param(Result(Response(Rcode.SERVFAIL), b"a packet"), id="servfail"),
    ],
)
async def test_a_reply_of_no_use_is_a_reply(world: World, says: Result) -> None:
    world.upstream.says = says
    world.silence()
    await world.clock.pass_(5)
    assert (world.upstream.health.down, world.changes) == (False, [])


async def test_an_answer_to_a_client_while_the_check_is_out_is_enough(world: World) -> None:
    world.silence()
    await world.clock.pass_(1.0)
    world.upstream.health.heard(0.01, world.clock.now)
    await world.clock.pass_(1.0)
    assert (world.upstream.health.down, world.changes) == (False, [])


async def test_it_is_asked_when_somebody_wants_to_know_and_nothing_was_heard_for_long(world: World) -> None:
    world.upstream.says = REFUSES
    for _ in range(100):
        world.check.freshen()
        await world.clock.pass_(1.0)
    assert 9 <= len(world.upstream.asked) <= 11


async def test_a_flood_of_silence_makes_no_more_than_a_check_a_second(world: World) -> None:
    world.upstream.says = REFUSES
    for _ in range(100):
        world.silence(50)
        await world.clock.pass_(0.1)
    assert len(world.upstream.asked) <= 11


async def test_closed_it_asks_nothing_more(world: World) -> None:
    world.silence()
    world.check.close()
    world.silence()
    await world.clock.pass_(100)
    assert len(world.upstream.asked) == 1
