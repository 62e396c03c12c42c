"""Cache and upstreams behind one door: what resolutions look things up in, and what hears every upstream answer."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from kun_base.journal import Journal
from kun_dns64.config.settings import Settings
from kun_dns64.metrics import Metrics
from kun_dns64.model.message import Query, Response
from kun_dns64.model.question import Rcode, RRType
from kun_dns64.model.rules import Rules
from kun_dns64.model.step import Ask, FailureKind, Heard, Reply, Rule, UpstreamFailure
from kun_dns64.resolution import Decided, Resolution
from kun_dns64.transport.upstreams import Outcome, Upstreams

SERVFAIL = Reply(Rcode.SERVFAIL, Rule.UPSTREAM_FAILED)


class Resolver:
    """Answers queries by the rules in force. `rules` may be replaced at any time; running queries keep theirs."""

    def __init__(self, settings: Settings, rules: Rules, metrics: Metrics, journal: Journal) -> None:
        self.metrics, self._journal, self.rules = metrics, journal, rules
        self._loop = asyncio.get_running_loop()
        self.budget_s, self.stagger_s = settings.limits.budget_s, settings.asking.stagger_s
        self._settings = settings
        self.upstreams = Upstreams(settings.groups, settings.asking, self._heard)

    def resolve(self, query: Query, decided: Decided) -> None:
        resolution = Resolution(self, query, self.rules, decided)
        self.guarded(resolution.start, resolution)

    def guarded(self, call: Callable[[], None], resolution: Resolution) -> None:
        """A defect in a decision costs one answer, not the process."""
        try:
            call()
        except Exception as error:
            self.metrics.count("internal_errors")
            self._journal.error("internal-error", exception=repr(error), question=repr(resolution.question))
            resolution.fail(SERVFAIL)

    def cached(self, ask: Ask) -> Heard | None:
        return None

    def better(self, heard: Heard, stale: Heard | None) -> Heard:
        """Stale data before none (RFC 8767 section 5), and before an upstream that has no verdict about the name."""
        outcome = heard.outcome
        useless = isinstance(outcome, UpstreamFailure) or outcome.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN)
        return replace(stale, refresh=False) if useless and stale is not None else heard

    def timed_out(self, ask: Ask) -> Heard:
        return Heard(ask.question, UpstreamFailure(FailureKind.TIMEOUT, f"no answer within {self.budget_s:g} s"))

    async def close(self) -> None:
        await self.upstreams.close()

    def _heard(self, outcome: Outcome) -> None:
        result = outcome.result.outcome
        said = _result_label(result)
        self.metrics.count("upstream_results", outcome.upstream, said)
        self.metrics.observe("upstream_seconds", outcome.rtt_s, outcome.upstream)
        if not outcome.awaited and isinstance(result, Response):
            self.metrics.count("late_answers")
            if outcome.question.qtype == RRType.AAAA and any(r.rtype == RRType.AAAA for r in result.answer):
                self.metrics.count("late_aaaa")


_RCODE_NAMES = {int(rcode): rcode.name for rcode in Rcode}


def _result_label(result: Response | UpstreamFailure) -> str:
    if isinstance(result, UpstreamFailure):
        return result.kind.value
    return rcode_name(result.rcode)


def rcode_name(rcode: int) -> str:
    return _RCODE_NAMES.get(rcode) or f"RCODE{rcode}"
