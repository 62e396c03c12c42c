"""The short loop around `next_step`: it performs each `Ask` and calls again, until there is something to say.

Plain callbacks, no task per query: a query that is answered from the cache never leaves `start`.

Twin: fastpath/miss_path.pyx, fastpath/miss_query.pxi.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kun_dns64.formats.body import least_size
from kun_dns64.formats.render import SizeLimits, size_limit
from kun_dns64.formats.reply_size import records_for
from kun_dns64.model.message import Ede, EdeCode, Query, Transport
from kun_dns64.model.question import Question, Rcode
from kun_dns64.model.rules import Rules
from kun_dns64.model.step import Ask, Drop, FailureKind, Heard, Reply, Rule, UpstreamFailure
from kun_dns64.policy.client_share import ClientShare
from kun_dns64.policy.forward import DISPLACED
from kun_dns64.policy.next_step import next_step
from kun_dns64.state.metrics import Metrics
from kun_dns64.transport.upstreams import Outcome, Upstreams

# What stays of the budget for sending the reply, and what the last question may take beyond the first.
MARGIN_S, LAST_WORD_S = 0.1, 0.1

UDP = Transport.UDP
LIMITED = Reply(Rcode.SERVFAIL, Rule.RATE_LIMITED, ede=(Ede(EdeCode.OTHER, Rule.RATE_LIMITED.value),))
Decided = Callable[[Reply | Drop, tuple[Heard, ...]], None]


class Lookups(Protocol):
    """What a resolution needs of the resolver: cache, upstreams and the time limits."""

    upstreams: Upstreams
    metrics: Metrics
    is_proven: Callable[[Query], bool]

    @property
    def reply_limits(self) -> SizeLimits: ...
    @property
    def budget_s(self) -> float: ...
    @property
    def second_after_s(self) -> float: ...
    def cached(self, ask: Ask, most: int = 0) -> Heard | None: ...
    def heard(self, ask: Ask, outcome: Outcome) -> Heard: ...
    def timed_out(self, ask: Ask) -> Heard: ...
    def guarded(self, call: Callable[[], None], resolution: "Resolution") -> None: ...


@dataclass(slots=True)
class _Open:
    """A question of this query that is out, or was."""

    ask: Ask
    outcome: Heard | None = None


class Resolution:
    """One query on its way to its answer. Calls `decided` once, within the budget."""

    __slots__ = (
        "_client",
        "_client_counts",
        "_decided",
        "_given",
        "_heard",
        "_limit",
        "_loop",
        "_most",
        "_open",
        "_over",
        "_query",
        "_resolver",
        "_rules",
        "_timers",
        "_waiting",
        "began",
    )

    def __init__(
        self, resolver: Lookups, query: Query, rules: Rules, decided: Decided, client: ClientShare | None = None
    ) -> None:
        """`client`: whose share it waits in; None: nobody's."""
        self._client, self._over = client, False
        self._client_counts = query.transport is UDP
        self._resolver, self._query, self._rules, self._decided = resolver, query, rules, decided
        self._loop = asyncio.get_running_loop()
        self.began = self._loop.time()
        self._heard: tuple[Heard, ...] = ()
        self._given: tuple[Heard, ...] = ()
        # Of a reply by UDP no more is made than the largest can hold.
        self._limit = size_limit(query, resolver.reply_limits)
        self._most = records_for(resolver.reply_limits.udp_payload_max) if query.transport is UDP else 0
        self._open: dict[Question, _Open] = {}
        self._waiting: _Open | None = None
        self._timers: list[asyncio.TimerHandle] = []

    @property
    def question(self) -> Question:
        return self._query.question

    def fail(self, reply: Reply) -> None:
        """Ends with `reply`, whatever is still out or was heard."""
        self._heard = ()
        self._finish(reply)

    def displace(self) -> None:
        """Ends without an answer: its client has younger queries, and no room for all."""
        self.fail(DISPLACED)

    def resume(self, began: float, heard: tuple[Heard, ...]) -> None:
        """`start` for a query that came at `began` and for which this much has been heard."""
        self.began, self._heard, self._given = began, heard, heard
        self.start()

    def start(self) -> None:
        """Goes on as far as the cache reaches; upstream answers and timers call again."""
        while True:
            step = next_step(self._query, self._heard, self._rules, self._loop.time())
            if not isinstance(step, Ask):
                if any([one.cut for one in self._heard]) and not self._overflows(step):
                    # Too few of the records count: all of them must be looked at.
                    self._heard, self._most = self._given, 0
                    continue
                self._finish(step)
                return
            heard = self._known(step)
            if heard is None:
                return
            self._heard = (*self._heard, heard)

    def _overflows(self, step: Reply | Drop) -> bool:
        """Whether the reply will be truncated, so that no record beyond these would stand in it."""
        return isinstance(step, Reply) and least_size(step.answer) > self._limit

    def _known(self, ask: Ask) -> Heard | None:
        """What is known already; None: it has been asked, and `start` goes on when it is answered."""
        known = self._open.get(ask.question)
        if known is not None and known.outcome is not None:
            return known.outcome
        if known is None:
            cached = self._resolver.cached(ask, self._most)
            if cached is not None:
                return cached
            if ask.cached_only:
                return Heard(ask.question, UpstreamFailure(FailureKind.NOT_CACHED))
            known = self._put(ask)
            if _is_limited(known.outcome) and self._resolver.is_proven(self._query):
                self._client_counts = False
                known = self._put(ask)
            if _is_limited(known.outcome):
                self.fail(LIMITED)
                return None
        self._wait_for(known)
        return known.outcome

    def _put(self, ask: Ask) -> _Open:
        open_ = self._open[ask.question] = _Open(ask)
        self._resolver.upstreams.ask(
            ask.question,
            ask.flags,
            ask.group,
            self._answered,
            self._share_of_waiters(),
            None if self._client is None else self._client.allowance,
        )
        return open_

    def _share_of_waiters(self) -> ClientShare | None:
        """Where an address is proven, nobody can have answers sent to another."""
        return self._client if self._client_counts else None

    def _wait_for(self, open_: _Open) -> None:
        if open_.outcome is not None:
            return
        self._waiting = open_
        if self._client is not None:
            self._client.slow[self] = None
        self._stop_timers()
        budget, now = self._resolver.budget_s, self._loop.time()
        # Of a small budget they are shares, so that a timely AAAA is waited for under any (RFC 6147 section 5.1.1).
        last = self.began + budget - min(MARGIN_S, budget / 4)
        second = open_.ask.meanwhile
        if second is None:
            self._at(last, self._gave_up)
            return
        self._at(last - min(LAST_WORD_S, budget / 4), self._gave_up)
        if second not in self._open:
            self._at(max(self.began + self._resolver.second_after_s, now), self._ask_meanwhile)

    def _at(self, when: float, call: Callable[[], None]) -> None:
        self._timers.append(self._loop.call_at(when, call))

    def _ask_meanwhile(self) -> None:
        first = self._waiting
        if first is None or first.ask.meanwhile is None:
            return
        ask = Ask(first.ask.meanwhile, first.ask.flags, first.ask.group)
        if self._resolver.cached(ask) is None:
            self._resolver.metrics.count("stagger_saved")
            self._put(ask)

    def _answered(self, outcome: Outcome) -> None:
        open_ = self._open.get(outcome.question)
        if open_ is None:
            open_ = next(o for q, o in self._open.items() if q.key == outcome.question.key)
        open_.outcome = self._resolver.heard(open_.ask, outcome)
        self._go_on_with(open_)

    def _gave_up(self) -> None:
        """Out of time for the question we wait for. It stays out for the cache's sake, but for us it has failed."""
        open_ = self._waiting
        if open_ is None:
            return
        ask = open_.ask
        self._abandon(ask)
        open_.outcome = self._resolver.timed_out(ask)
        self._go_on_with(open_)

    def _abandon(self, ask: Ask) -> None:
        upstreams, client = self._resolver.upstreams, self._share_of_waiters()
        upstreams.abandon(ask.question, ask.flags, ask.group, self._answered, client)

    def _go_on_with(self, open_: _Open) -> None:
        if open_ is not self._waiting or open_.outcome is None:
            return
        self._waiting = None
        self._stop_timers()
        self._heard = (*self._heard, open_.outcome)
        self._resolver.guarded(self.start, self)

    def _stop_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _finish(self, step: Reply | Drop) -> None:
        if self._over:
            return
        self._over = True
        self._stop_timers()
        for open_ in self._open.values():
            if open_.outcome is None:
                self._abandon(open_.ask)
        if self._client is not None:
            self._client.slow.pop(self, None)
        self._decided(step, self._heard)


def _is_limited(heard: Heard | None) -> bool:
    outcome = None if heard is None else heard.outcome
    return isinstance(outcome, UpstreamFailure) and outcome.kind is FailureKind.LIMITED
