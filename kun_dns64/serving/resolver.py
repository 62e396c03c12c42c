"""Cache and upstreams behind one door: what resolutions look things up in, and what hears every upstream answer."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

from kun_base.journal import Journal
from kun_dns64.cache.answers import Cache, is_failure
from kun_dns64.cache.generations import Generations
from kun_dns64.config.endpoint import UpstreamAddress
from kun_dns64.config.settings import Settings
from kun_dns64.fastpath.selection import Parts
from kun_dns64.formats.render import SizeLimits
from kun_dns64.model.message import Query, Response
from kun_dns64.model.question import Question, Rcode, RRType
from kun_dns64.model.rules import Rules
from kun_dns64.model.step import Ask, AskedFlags, FailureKind, Heard, Reply, Rule, UpstreamFailure
from kun_dns64.policy.client_share import ClientShare
from kun_dns64.policy.lookup_pair import second_after_s
from kun_dns64.policy.memory_share import MemoryShare, share
from kun_dns64.serving.resolution import Decided, Resolution
from kun_dns64.state.metrics import Metrics, rcode_name
from kun_dns64.transport.attempt import Result, UpstreamTap
from kun_dns64.transport.exchange import LIFE_S
from kun_dns64.transport.upstreams import Outcome, Upstreams

# Names that were asked together end together, so the questions are spread: so many a second, and at once no more than
# an upstream's receive buffer holds. What is not fetched in time is fetched when it is asked for next.
REFRESHES_PER_S, REFRESHES_AT_ONCE = 2000.0, 100.0
# What the general path takes for one, in such as the miss path takes.
GENERAL_COST = 4
SERVFAIL = Reply(Rcode.SERVFAIL, Rule.UPSTREAM_FAILED)


class Resolver:
    """Answers queries by the rules in force. `rules` may be replaced at any time; running queries keep theirs."""

    def __init__(self, settings: Settings, metrics: Metrics, journal: Journal, parts: Parts) -> None:
        self.metrics, self._journal, self._parts = metrics, journal, parts
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._reply_limits = SizeLimits(settings.limits.udp_payload_max)
        self.rules: Rules = settings.rules
        self.cache = _cache(settings, parts.store)
        self.upstreams = self._make_upstreams(settings)
        self._retired: set[Upstreams] = set()
        # Whether a query's source is its own; who knows the cookies says so.
        self.is_proven: Callable[[Query], bool] = _is_never
        self._tap: UpstreamTap | None = None
        self._refreshes_left, self._refreshes_at = REFRESHES_AT_ONCE, 0.0

    def _make_upstreams(self, settings: Settings) -> Upstreams:
        return Upstreams(
            settings.groups, settings.asking, self._heard, self._parts.ports, self._upstream_changed, self._tried
        )

    @property
    def budget_s(self) -> float:
        return self._settings.limits.budget_s

    @property
    def memory(self) -> MemoryShare:
        """This worker's part of what the whole server may keep."""
        return _memory(self._settings)

    @property
    def reply_limits(self) -> SizeLimits:
        return self._reply_limits

    @property
    def second_after_s(self) -> float:
        """How long after a query the second question is put although the first is open; for both paths."""
        return second_after_s(self._settings.asking.stagger_s, self.budget_s)

    def change(self, settings: Settings) -> None:
        """Other settings; the cache stays unless its own limits change."""
        before, self._settings, self.rules = self._settings, settings, settings.rules
        self._reply_limits = SizeLimits(settings.limits.udp_payload_max)
        if (settings.cache, settings.workers) != (before.cache, before.workers):
            self.cache = _cache(settings, self._parts.store)
        if (settings.groups, settings.asking) != (before.groups, before.asking):
            self._retired.add(self.upstreams)
            self._loop.call_later(LIFE_S + 1, self._retire, self.upstreams)
            known = self.upstreams
            self.upstreams = self._make_upstreams(settings)
            self.upstreams.inherit(known)
            self.upstreams.observed.tap = self._tap
            for group in settings.groups:
                if settings.groups[group] != before.groups.get(group):
                    self.cache.recovered(group, monotonic())

    def tell(self, tap: UpstreamTap | None) -> None:
        """`tap` hears of what goes to upstreams and comes from them."""
        self._tap = self.upstreams.observed.tap = tap

    def _retire(self, upstreams: Upstreams) -> None:
        """Nothing is out there any more."""
        closing = self._loop.create_task(upstreams.close())
        closing.add_done_callback(lambda _: self._retired.discard(upstreams))

    def resolve(self, query: Query, decided: Decided, client: ClientShare | None = None) -> None:
        """`client`: whose share the query waits in; None: nobody's."""
        resolution = Resolution(self, query, self.rules, decided, client)
        self.guarded(resolution.start, resolution)

    def resume(
        self,
        query: Query,
        decided: Decided,
        rules: Rules,
        began: float,
        heard: tuple[Heard, ...],
        client: ClientShare | None = None,
    ) -> None:
        """`resolve` for a query that is under way under `rules` since `began`, and for which this much was heard."""
        resolution = Resolution(self, query, rules, decided, client)
        self.guarded(lambda: resolution.resume(began, heard), resolution)

    def guarded(self, call: Callable[[], None], resolution: Resolution) -> None:
        """A defect in a decision costs one answer, not the process."""
        try:
            call()
        except Exception as error:
            self.defect(error, repr(resolution.question))
            resolution.fail(SERVFAIL)

    def defect(self, error: Exception, question: str) -> None:
        """Count and log an error of this program's own."""
        self.metrics.count("internal_errors")
        self._journal.error("internal-error", exception=repr(error), question=question)

    def cached(self, ask: Ask, most: int = 0) -> Heard | None:
        """What need not be asked. Data that ends soon, and stale data now and then, is asked anew in the background.

        `most`: records of an answer that are enough; 0: all.
        """
        now = monotonic()
        heard = self.cache.lookup(ask.question, ask.flags, ask.group, now, most)
        if heard is None or not heard.refresh or ask.cached_only:
            return heard
        # Stale data says so once in half a minute: that hint is never let go by.
        if heard.stale or self.may_refresh(now, GENERAL_COST):
            self.metrics.count("background_refreshes")
            self.upstreams.ask(ask.question, ask.flags, ask.group, None)
        if heard.stale:
            return heard
        # Until the next tick it is the memo's again: not every use until the answer comes needs the long way.
        self.cache.put_off(ask.question, ask.flags, ask.group, now)
        return heard._replace(steady_s=1)

    def may_refresh(self, now: float, cost: int) -> bool:
        """Whether data that still holds may be fetched anew at `now`; takes `cost` from what may be spent on that."""
        left = self._refreshes_left + (now - self._refreshes_at) * REFRESHES_PER_S
        self._refreshes_left, self._refreshes_at = min(REFRESHES_AT_ONCE, left), now
        if self._refreshes_left < cost:
            return False
        self._refreshes_left -= cost
        return True

    def heard(self, ask: Ask, outcome: Outcome) -> Heard:
        """For `next_step`: what the upstream said, or stale data where it had no verdict (RFC 8767 section 5)."""
        said = outcome.result.outcome
        upstream, rtt_s = outcome.upstream, outcome.rtt_s
        if is_failure(said):
            remembered = isinstance(said, UpstreamFailure) and said.cached
            failed = Heard(ask.question, said, cached=remembered, upstream=upstream, rtt_s=rtt_s)
            return self._stale(ask) or failed
        now = monotonic()
        steady_s = self.cache.steady_s(ask.question, ask.flags, ask.group, now)
        return Heard(ask.question, said, upstream=upstream, rtt_s=rtt_s, steady_s=steady_s, tick=int(now))

    def timed_out(self, ask: Ask) -> Heard:
        """The budget ran out first. Remembered as a failure once, however many queries were waiting."""
        known = self.cache.lookup(ask.question, ask.flags, ask.group, monotonic())
        if known is not None:
            return known
        failed = UpstreamFailure(FailureKind.TIMEOUT, f"no answer within {self.budget_s:g} s")
        if self.upstreams.give_up(ask.question, ask.flags, ask.group):
            self._store_failure(ask.question, ask.flags, ask.group, failed)
        return self._stale(ask) or Heard(ask.question, failed)

    def _stale(self, ask: Ask) -> Heard | None:
        return self.cache.stale(ask.question, ask.flags, ask.group, monotonic())

    def _store_failure(self, question: Question, flags: AskedFlags, group: str, failed: UpstreamFailure) -> None:
        outage = not self.upstreams.usable(group)
        self.cache.store(question, flags, group, failed, monotonic(), outage)

    def _upstream_changed(self, upstream: UpstreamAddress, up: bool) -> None:
        """The line in the log is the control side's (control/event_log.py): one for all workers."""
        if not up:
            return
        for group in self.upstreams.groups_of(upstream):
            self.cache.recovered(group, monotonic())
            self.upstreams.zones.forget(group)

    async def close(self) -> None:
        """End all questions and connections to upstreams."""
        for upstreams in (self.upstreams, *self._retired):
            await upstreams.close()

    def _tried(self, upstream: str, result: Result) -> None:
        self.metrics.count("upstream_results", upstream, _result_label(result.outcome))

    def _heard(self, outcome: Outcome) -> None:
        result = outcome.result.outcome
        # A failure that queries have given up on is in the cache already.
        if not (outcome.given_up and is_failure(result)):
            outage = is_failure(result) and not self.upstreams.usable(outcome.group)
            self.cache.store(outcome.question, outcome.flags, outcome.group, result, monotonic(), outage)
        self.metrics.observe("upstream_seconds", outcome.rtt_s, outcome.upstream)
        if not outcome.awaited and isinstance(result, Response):
            self.metrics.count("late_answers")
            if outcome.question.qtype == RRType.AAAA and any(r.rtype == RRType.AAAA for r in result.answer):
                self.metrics.count("late_aaaa")


def _is_never(_: Query) -> bool:
    return False


def _memory(settings: Settings) -> MemoryShare:
    return share(settings.cache.max_entries, settings.cache.max_bytes, settings.workers)


def _cache(settings: Settings, store: type[Generations[Any]]) -> Cache:
    limits, own = settings.cache, _memory(settings)
    return Cache(own.answer_entries, own.answer_bytes, limits.max_ttl_s, limits.max_stale_s, limits.prefetch, store)


def _result_label(result: Response | UpstreamFailure) -> str:
    if isinstance(result, UpstreamFailure):
        return result.kind.value
    return rcode_name(result.rcode)
