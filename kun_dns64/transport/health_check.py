"""Asks an upstream `. NS` when there is doubt whether it answers at all, and while it does not.

Every resolver has the root's NS in its cache, and every other server refuses at once, so an answer does not depend on
names that clients choose. The question goes by the upstream's own transport; any reply will do.
"""

import asyncio
from collections.abc import Callable
from time import monotonic

from kun_dns64.model.message import Response
from kun_dns64.model.question import Question, RRType
from kun_dns64.model.step import AskedFlags, FailureKind
from kun_dns64.transport.attempt import Attempt, Request, Result, Upstream
from kun_dns64.transport.health import Health

QUESTION = Question(b"\x00", RRType.NS)
# When the packet is sent again, and when the check has failed; seconds after its begin.
AGAIN_S, ANSWER_S = (0.3, 0.8), 1.5
FIRST_BACKOFF_S, MAX_BACKOFF_S = 1.0, 60.0
# So long after a reply to a check, silence about names starts no other.
CERTAIN_S = 1.0
# An upstream that has said nothing for so long is asked when somebody wants to know.
FRESH_S = 10.0


def shows_life(result: Result) -> bool:
    """Whether the upstream has said something, of use or not."""
    outcome = result.outcome
    return isinstance(outcome, Response) or bool(result.wire) or outcome.kind is FailureKind.TRUNCATED


class HealthCheck:
    """Of one upstream. At most one question is out; while it is down the next follows after 1, 2, 4 ... 60 s.

    A check whose packets this machine could not send says nothing: it is made again a second later, and the upstream
    stays what it was. `changed(up)` is called when the upstream goes down, and when it is back.
    """

    def __init__(self, upstream: Upstream, changed: Callable[[bool], None]) -> None:
        self._upstream, self._changed = upstream, changed
        self._loop = asyncio.get_running_loop()
        self._attempt: Attempt | None = None
        self._began = self._good_at = 0.0
        self._backoff_s = FIRST_BACKOFF_S
        # Those of the check that is out; when none is, the one that starts the next.
        self._timers: list[asyncio.TimerHandle] = []
        self.passed = self.failed = 0
        upstream.health.on_doubt, upstream.health.on_return = self.doubt, self._returned

    def doubt(self) -> None:
        """Asks, unless that is under way or has just been answered."""
        if not self._timers and monotonic() - self._good_at >= CERTAIN_S:
            self._ask()

    def freshen(self) -> None:
        """Asks where nothing has been heard for long."""
        if monotonic() - self._upstream.health.heard_at >= FRESH_S:
            self.doubt()

    def take_over(self, known: Health) -> None:
        """What was known of the same upstream before a reload. If it was down, checks go on from here."""
        health = self._upstream.health
        health.round_trip.take_over(known.round_trip)
        health.heard_at, health.down, health.down_since = known.heard_at, known.down, known.down_since
        health.why = known.why
        if health.down:
            self._ask()

    def close(self) -> None:
        self._upstream.health.on_doubt = self._upstream.health.on_return = _ignore
        self._stop()

    def _ask(self) -> None:
        self._stop()
        self._began = monotonic()
        self._timers = [self._loop.call_later(delay_s, self._again) for delay_s in AGAIN_S]
        self._timers.append(self._loop.call_later(ANSWER_S, self._expired))
        self._attempt = self._upstream.send(Request(QUESTION, AskedFlags()), self._heard)

    def _again(self) -> None:
        if self._attempt is not None:
            self._attempt.again()

    def _heard(self, result: Result) -> None:
        sent = self._stop()
        if shows_life(result):
            if not self._upstream.health.down:
                self._good()
            self._upstream.health.alive(monotonic())
            return
        if getattr(result.outcome, "kind", None) is FailureKind.LOCAL:
            self._not_asked()
        else:
            self._bad(_reason(result), grows=sent)

    def _expired(self) -> None:
        sent = self._stop()
        if self._upstream.health.heard_at >= self._began:
            self._good()
        elif sent:
            self._bad(f"no answer to . NS within {ANSWER_S:g} s", grows=True)
        else:
            self._not_asked()

    def _good(self) -> None:
        self._good_at, self._backoff_s = monotonic(), FIRST_BACKOFF_S
        self.passed += 1

    def _bad(self, why: str, *, grows: bool) -> None:
        """Down. Where there is no route, so that nothing is sent, it is tried again every second."""
        health = self._upstream.health
        self.failed += 1
        self._timers = [self._loop.call_later(self._backoff_s if grows else FIRST_BACKOFF_S, self._ask)]
        if grows:
            self._backoff_s = min(2 * self._backoff_s, MAX_BACKOFF_S)
        if not health.down:
            health.failed(monotonic(), why)
            self._changed(False)

    def _not_asked(self) -> None:
        """This machine could not send: no verdict."""
        self._timers = [self._loop.call_later(FIRST_BACKOFF_S, self._ask)]

    def _returned(self) -> None:
        """It has answered a question, this one or a client's."""
        self._stop()
        self._good()
        self._changed(True)

    def _stop(self) -> bool:
        """Whether any packet of the check that was out has left this machine."""
        for timer in self._timers:
            timer.cancel()
        self._timers = []
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return True
        attempt.cancel()
        return attempt.sends > 0


def _reason(result: Result) -> str:
    outcome = result.outcome
    if isinstance(outcome, Response):
        return ""
    return f"{outcome.kind.value}: {outcome.detail}" if outcome.detail else outcome.kind.value


def _ignore() -> None:
    return None
