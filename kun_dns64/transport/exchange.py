"""One question put to a group of upstreams: attempts over time, until one of them answers well."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic

from kun_dns64.model.message import Response
from kun_dns64.model.question import Rcode
from kun_dns64.model.step import FailureKind, UpstreamFailure
from kun_dns64.transport.attempt import Attempt, Done, Request, Result, Upstream, failure

# Beyond every client's budget, so that a late answer still reaches the cache.
LIFE_S = 5.0
# To one server, by one transport (RFC 9520 section 3.1).
MAX_SENDS = 3
# Verdicts about the name, from any upstream. Everything else is about the upstream, and another may do better.
FINAL = frozenset((Rcode.NOERROR, Rcode.NXDOMAIN))
# RFC 8914: a validator has spoken (DNSSEC indeterminate to no NSEC, and unsupported digest); another upstream's answer
# would only go around it.
DNSSEC_EDE = frozenset((1, 2, *range(5, 13), 27))

Finished = Callable[[Result, str, float], None]


def is_final(result: Result) -> bool:
    """Whether asking another upstream cannot or must not give something better."""
    outcome = result.outcome
    if isinstance(outcome, UpstreamFailure):
        return False
    return outcome.rcode in FINAL or any(ede.code in DNSSEC_EDE for ede in outcome.ede)


class Exchange:
    """Asks `upstreams` in order. Calls `finished(result, upstream, rtt_s)` once, at the latest after `LIFE_S`.

    An upstream that stays silent keeps its attempt open while the next is asked; the first good answer wins. `probe` is
    asked beside the first: an upstream that was dead, and may be back.
    """

    __slots__ = (
        "_best", "_finished", "_loop", "_next", "_open", "_probe", "_request", "_resends", "_started", "_timer",
        "_upstreams",
    )  # fmt: skip

    def __init__(
        self, request: Request, upstreams: Sequence[Upstream], probe: Upstream | None, finished: Finished
    ) -> None:
        self._request, self._upstreams, self._probe = request, upstreams, probe
        self._finished: Finished | None = finished
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, tuple[Upstream, Attempt, float]] = {}
        self._next = self._resends = 0
        self._best: tuple[Result, str] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._started = monotonic()

    def start(self) -> None:
        if self._probe is not None:
            self._send(-1, self._probe)
        self._ask_next()

    def adopted(self) -> Done:
        """Who hears what comes of the attempt that `adopt` will bring."""
        return partial(self._heard, 0)

    def adopt(self, upstream: Upstream, attempt: Attempt, sent_at: float) -> None:
        """`start` where the first upstream has been asked already, at `sent_at`."""
        self._open[0] = upstream, attempt, sent_at
        self._next, self._started = 1, sent_at
        self._arm(max(0.0, sent_at + upstream.health.patience_s() - monotonic()))

    def cancel(self) -> None:
        self._finished = None
        self._stop()

    def _ask_next(self) -> None:
        index = self._next
        self._next += 1
        upstream = self._upstreams[index]
        self._send(index, upstream)
        if self._finished is not None:
            self._arm(upstream.health.patience_s())

    def _send(self, index: int, upstream: Upstream) -> None:
        now = monotonic()
        self._open[index] = upstream, upstream.send(self._request, partial(self._heard, index)), now

    def _arm(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, self._silence)

    def _silence(self) -> None:
        """Nobody has answered in time: the next upstream, or the same packets again, or the end."""
        now = monotonic()
        if now - self._started >= LIFE_S - 0.01:
            for upstream, _, _ in self._open.values():
                upstream.health.silent(now)
            self._finish_with_best(failure(FailureKind.TIMEOUT))
            return
        if self._next < len(self._upstreams):
            last = self._open.get(self._next - 1)
            if last is not None:
                last[0].health.silent(now)
            self._ask_next()
            return
        self._resends += 1
        if self._resends < MAX_SENDS:
            for _, attempt, _ in list(self._open.values()):
                attempt.again()
            self._arm(min(0.3 * 2**self._resends, self._left_s(now)))
        else:
            self._arm(self._left_s(now))

    def _left_s(self, now: float) -> float:
        return max(self._started + LIFE_S - now, 0.0)

    def _heard(self, index: int, result: Result) -> None:
        if self._finished is None:
            return
        upstream, _, sent_at = self._open.pop(index)
        now = monotonic()
        if isinstance(result.outcome, Response):
            upstream.health.heard(now - sent_at, now)
        elif result.outcome.kind in (FailureKind.UNREACHABLE, FailureKind.CLOSED, FailureKind.TIMEOUT):
            upstream.health.failed(now)
        name = str(upstream.address)
        if is_final(result):
            self._finish(result, name, now - sent_at)
            return
        if index >= 0 and (self._best is None or isinstance(self._best[0].outcome, UpstreamFailure)):
            self._best = result, name
        if self._next < len(self._upstreams):
            self._ask_next()
        elif not self._open:
            self._finish_with_best(result)

    def _finish_with_best(self, otherwise: Result) -> None:
        """The first reply in so many words, else the first failure: what the operator's first choice said."""
        result, name = self._best or (otherwise, str(self._upstreams[0].address))
        self._finish(result, name, monotonic() - self._started)

    def _finish(self, result: Result, name: str, rtt_s: float) -> None:
        finished, self._finished = self._finished, None
        self._stop()
        if finished is not None:
            finished(result, name, rtt_s)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for _, attempt, _ in self._open.values():
            attempt.cancel()
        self._open.clear()
