"""A packet that this machine did not send was not sent: it goes out soon, and tells nothing about the upstream."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kun_dns64.config.endpoint import UpstreamAddress
from kun_dns64.model.message import Response
from kun_dns64.model.question import Question, Rcode
from kun_dns64.model.step import AskedFlags
from kun_dns64.transport.attempt import MAX_SENDS, Done, Request, Result
from kun_dns64.transport.exchange import Exchange
from kun_dns64.transport.health import Health

REQUEST = Request(Question(b"\x03www\x01t\x07example\x00", 1), AskedFlags())
GOOD = Result(Response(Rcode.NOERROR), b"a packet")


@dataclass
class Upstream:
    """The first `lost` packets to it do not leave this machine. It answers the next at once, or never if `silent`."""

    lost: int = 0
    silent: bool = False
    address: UpstreamAddress = field(default_factory=lambda: UpstreamAddress.parse("udp://192.0.2.53"))
    health: Health = field(default_factory=Health)
    attempts: list["Attempt"] = field(default_factory=list)

    def send(self, request: Request, done: Done) -> Any:
        attempt = Attempt(self, done)
        self.attempts.append(attempt)
        attempt.again()
        return attempt

    async def close(self) -> None:
        return None


@dataclass
class Attempt:
    upstream: Upstream
    done: Done
    sends: int = 0
    lost_here: bool = False

    def again(self) -> None:
        self.lost_here = self.upstream.lost > 0
        if self.lost_here:
            self.upstream.lost -= 1
            return
        self.sends += 1
        if not self.upstream.silent:
            asyncio.get_running_loop().call_soon(self.done, GOOD)

    def read_waiting(self) -> None:
        return None

    def cancel(self) -> None:
        self.done = lambda _: None


async def outcome_of(upstreams: Sequence[Upstream]) -> tuple[Result, str, float]:
    finished: asyncio.Future[tuple[Result, str, float]] = asyncio.get_running_loop().create_future()
    Exchange(REQUEST, upstreams, lambda *what: finished.set_result(what)).start()
    return await asyncio.wait_for(finished, 20)


async def test_a_packet_not_sent_leaves_soon_and_its_answer_is_measured() -> None:
    """The timeout used to double with each: the answer to the only packet that left counted as ambiguous."""
    upstream = Upstream(lost=3)
    result, _, _ = await outcome_of([upstream])
    round_trip = upstream.health.round_trip
    assert result is GOOD
    assert (round_trip.samples, round_trip.unclear, round_trip.doublings) == (1, 0, 0)
    assert round_trip.srtt_s < 0.02, "the time before the packet left is no time of the upstream"


async def test_the_next_upstream_is_asked_where_nothing_can_be_sent_to_the_first() -> None:
    first, second = Upstream(lost=1_000_000), Upstream()
    result, _, _ = await outcome_of([first, second])
    assert result is GOOD
    assert (len(second.attempts), first.health.silences) == (1, 0)


async def test_a_packet_that_left_is_sent_at_most_three_times_beside_one_that_cannot_leave() -> None:
    """RFC 9520 section 3.1."""
    silent, cut_off = Upstream(silent=True), Upstream(lost=1_000_000)
    await outcome_of([silent, cut_off])
    assert [attempt.sends for attempt in silent.attempts] == [MAX_SENDS]
    assert [attempt.sends for attempt in cut_off.attempts] == [0]


async def test_a_lost_resend_is_made_good_too() -> None:
    silent = Upstream(silent=True)
    finished = asyncio.get_running_loop().create_future()
    exchange = Exchange(REQUEST, [silent], lambda *what: finished.set_result(what))
    exchange.start()
    silent.lost, silent.silent = 2, False
    exchange.put_again()
    assert silent.attempts[0].lost_here
    result, _, _ = await asyncio.wait_for(finished, 20)
    assert result is GOOD
    assert silent.health.round_trip.unclear == 1, "two packets left: which one is answered is not known"
