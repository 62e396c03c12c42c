"""One question put to a group of upstreams: attempts over time, until one of them answers well."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic

from kun_dns64.model.question import Rcode
from kun_dns64.model.step import FailureKind, UpstreamFailure
from kun_dns64.policy.retransmission import FIRST_RTO_S
from kun_dns64.transport.attempt import MAX_SENDS, SPENT, Attempt, Done, Request, Result, Upstream, failure
from kun_dns64.transport.health_check import shows_life

# Beyond every client's budget, so that a late answer still reaches the cache.
LIFE_S = 5.0
# An upstream that restarts refuses everything for a while: a question is put to it again for so long, and after these
# pauses. One that has been down for longer than that is not waited for.
RESTART_S = 2.0
FIRST_PAUSE_S, MAX_PAUSE_S = 0.05, 0.4
# The pauses before a packet that this machine did not send, as where a queue is full, is sent again.
FIRST_RESEND_S, MAX_RESEND_S = 0.02, 0.16
# A timer may be early by the resolution of the loop's clock.
CLOCK_S = 0.001
# Verdicts about the name, from any upstream. Everything else is about the upstream, and another may do better.
FINAL = frozenset((Rcode.NOERROR, Rcode.NXDOMAIN))
# RFC 8914: a validator has spoken (DNSSEC indeterminate to no NSEC, and unsupported digest); another upstream's answer
# would only go around it.
DNSSEC_EDE = frozenset((1, 2, *range(5, 13), 27))
# Nothing was said about the name, nor was it heard.
NOT_ASKED = frozenset((FailureKind.UNREACHABLE, FailureKind.CLOSED, FailureKind.LOCAL))

Finished = Callable[[Result, str, float], None]
# An upstream, and what came of one attempt at it.
Tried = Callable[[str, Result], None]


def nobody_counts(_upstream: str, _result: Result) -> None:
    return None


def is_final(result: Result) -> bool:
    """Whether asking another upstream cannot or must not give something better."""
    outcome = result.outcome
    if isinstance(outcome, UpstreamFailure):
        return False
    return outcome.rcode in FINAL or any(ede.code in DNSSEC_EDE for ede in outcome.ede)


@dataclass(slots=True)
class _Open:
    """An upstream that was asked, first at `sent_at`, and has not answered. `again`: it was sent more than once."""

    upstream: Upstream
    attempt: Attempt
    sent_at: float
    again: bool = False

    def put_again(self) -> None:
        if self.attempt.sends:
            self.again = True
        else:
            # What this machine did not send was not sent: the answer's time counts from now.
            self.sent_at = monotonic()
        self.attempt.again()


class Exchange:
    """Asks `upstreams` in order. Calls `finished(result, upstream, rtt_s)` once, at the latest after `LIFE_S`.

    An upstream that stays silent keeps its attempt open while the next is asked; the first good answer wins. `tried`
    hears of every attempt: also of one that failed or stayed silent before another answered.
    """

    __slots__ = (
        "_best", "_finished", "_loop", "_next", "_open", "_pause_s", "_request", "_resend_s", "_resends", "_silent_at",
        "_started", "_timer", "_tried", "_upstreams",
    )  # fmt: skip

    def __init__(
        self, request: Request, upstreams: Sequence[Upstream], finished: Finished, tried: Tried = nobody_counts
    ) -> None:
        self._request, self._upstreams, self._tried = request, upstreams, tried
        self._finished: Finished | None = finished
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, _Open] = {}
        self._next = self._resends = 0
        self._best: tuple[Result, str] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pause_s, self._resend_s = FIRST_PAUSE_S, FIRST_RESEND_S
        self._started = self._silent_at = monotonic()

    def start(self) -> None:
        self._ask_next()

    def adopted(self) -> Done:
        """Who hears what comes of the attempt that `adopt` will bring."""
        return partial(self._heard, 0)

    def adopt(self, upstream: Upstream, attempt: Attempt, sent_at: float) -> None:
        """`start` where the first upstream has been asked already, at `sent_at`."""
        self._open[0] = _Open(upstream, attempt, sent_at)
        self._next, self._started = 1, sent_at
        self._await_answer(max(0.0, sent_at + upstream.health.round_trip.rto_s() - monotonic()))

    def put_again(self) -> None:
        """One of the upstreams is back: what it has not heard is sent again."""
        for one in list(self._open.values()):
            one.put_again()

    def cancel(self) -> None:
        self._finished = None
        self._stop()

    def _ask_next(self) -> None:
        index = self._next
        self._next += 1
        upstream = self._upstreams[index]
        now = monotonic()
        self._open[index] = _Open(upstream, upstream.send(self._request, partial(self._heard, index)), now)
        if self._finished is not None:
            self._await_answer(upstream.health.round_trip.rto_s())

    def _ask_anew(self) -> None:
        """All from the first on, after none of them could be reached."""
        self._next = 0
        self._ask_next()

    def _arm(self, delay_s: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, then)

    def _await_answer(self, within_s: float) -> None:
        """Wait so long, then see what silence means. What this machine did not send is sent again before that."""
        self._silent_at = monotonic() + within_s
        lost_here = any(one.attempt.lost_here for one in self._open.values())
        self._arm(min(within_s, self._resend_s) if lost_here else within_s, self._silence)

    def _resend_lost(self) -> None:
        self._resend_s = min(2 * self._resend_s, MAX_RESEND_S)
        for one in list(self._open.values()):
            if one.attempt.lost_here:
                one.put_again()
        still_lost = any(one.attempt.lost_here for one in self._open.values())
        self._await_answer(max(self._silent_at - monotonic(), 0.0) if still_lost else self._next_rto_s())

    def _silence(self) -> None:
        """Nobody has answered in time: the next upstream, or the same packets again, or the end."""
        timer = self._timer
        for one in list(self._open.values()):
            one.attempt.read_waiting()
        if self._finished is None or self._timer is not timer:
            return
        now = monotonic()
        if now < self._silent_at - CLOCK_S:
            self._resend_lost()
            return
        for one in self._open.values():
            if one.attempt.sends:
                one.upstream.health.silent(one.sent_at)
        if now - self._started >= LIFE_S - 0.01:
            self._finish_with_best(failure(FailureKind.TIMEOUT))
            return
        if self._next < len(self._upstreams):
            self._ask_next()
            return
        # What this machine has lost itself was not sent: it does not count (RFC 9520 counts what servers get).
        if not any(one.attempt.lost_here for one in self._open.values()):
            self._resends += 1
        if self._resends < MAX_SENDS:
            for one in list(self._open.values()):
                if one.attempt.sends < MAX_SENDS:
                    one.put_again()
            self._await_answer(min(self._next_rto_s(), self._left_s(now)))
        else:
            self._await_answer(self._left_s(now))

    def _next_rto_s(self) -> float:
        """The timeout after a resend, doubled with each (RFC 6298 section 5.5)."""
        rto_s = max([one.upstream.health.round_trip.rto_s() for one in self._open.values()], default=FIRST_RTO_S)
        return float(rto_s * (1 << self._resends))

    def _left_s(self, now: float) -> float:
        return max(self._started + LIFE_S - now, 0.0)

    def _heard(self, index: int, result: Result) -> None:
        if self._finished is None:
            return
        one = self._open.pop(index)
        now = monotonic()
        if result is not SPENT:
            self._note(one, result, now)
        name = str(one.upstream.address)
        if result is not SPENT:
            self._tried(name, result)
        if is_final(result):
            self._finish(result, name, now - one.sent_at)
            return
        if self._best is None or (isinstance(self._best[0].outcome, UpstreamFailure) and result is not SPENT):
            self._best = result, name
        if self._next < len(self._upstreams):
            self._ask_next()
        elif not self._open:
            self._none_is_open(result, now)

    @staticmethod
    def _note(one: _Open, result: Result, now: float) -> None:
        """What the result says about the upstream; an error, as slow as a dead zone, says nothing about its speed."""
        health = one.upstream.health
        if is_final(result) and one.again:
            health.heard_after_resend(now)
        elif is_final(result):
            health.heard(now - one.sent_at, now)
        elif shows_life(result):
            health.alive(now)
        elif isinstance(result.outcome, UpstreamFailure) and result.outcome.kind is not FailureKind.LOCAL:
            health.unreachable()

    def _none_is_open(self, result: Result, now: float) -> None:
        """All have failed. One that may only restart is asked again for as long as a client waits."""
        best = self._best[0].outcome if self._best else result.outcome
        not_asked = isinstance(best, UpstreamFailure) and best.kind in NOT_ASKED
        may_return = any(upstream.health.down_for_s(now) < RESTART_S for upstream in self._upstreams)
        if not_asked and may_return and result is not SPENT and now - self._started < RESTART_S:
            self._arm(self._pause_s, self._ask_anew)
            self._pause_s = min(2 * self._pause_s, MAX_PAUSE_S)
        else:
            self._finish_with_best(result)

    def _finish_with_best(self, otherwise: Result) -> None:
        """The first reply in so many words, else the last failure."""
        result, name = self._best or (otherwise, str(self._upstreams[0].address))
        self._finish(result, name, monotonic() - self._started)

    def _finish(self, result: Result, name: str, rtt_s: float) -> None:
        finished, self._finished = self._finished, None
        for one in self._open.values():
            self._tried(str(one.upstream.address), failure(FailureKind.TIMEOUT, "silent until the question ended"))
        self._stop()
        if finished is not None:
            finished(result, name, rtt_s)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for one in self._open.values():
            one.attempt.cancel()
        self._open.clear()
