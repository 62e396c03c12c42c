"""Background questions: bounded for data that still holds, never left out for stale data."""

from time import monotonic
from types import SimpleNamespace

import pytest

from kun_dns64.model.question import Question, RRType
from kun_dns64.model.step import Ask, AskedFlags, Heard
from kun_dns64.serving.resolver import GENERAL_COST, REFRESHES_AT_ONCE, REFRESHES_PER_S, Resolver

from ..world import answer

ASK = Ask(Question(b"\x01a\x00", RRType.A), AskedFlags(False, False), "")


def resolver_that_hears(stale: bool) -> tuple[Resolver, list[object]]:
    """Its cache knows every question and wants it asked anew; the list is what is asked."""
    asked: list[object] = []
    resolver = Resolver.__new__(Resolver)
    heard = Heard(ASK.question, answer("a 60 A 192.0.2.1"), cached=True, stale=stale, refresh=True)
    resolver.cache = SimpleNamespace(lookup=lambda *_: heard, put_off=lambda *_: None)  # type: ignore[assignment]
    resolver.upstreams = SimpleNamespace(ask=lambda *what: asked.append(what))  # type: ignore[assignment]
    resolver.metrics = SimpleNamespace(count=lambda *_: None)  # type: ignore[assignment]
    resolver._refreshes_left, resolver._refreshes_at = REFRESHES_AT_ONCE, monotonic()
    return resolver, asked


def test_prefetches_are_bounded_and_the_answer_stays_the_memos() -> None:
    resolver, asked = resolver_that_hears(stale=False)
    began = monotonic()
    heard = [resolver.cached(ASK) for _ in range(1000)]
    at_once, meanwhile = REFRESHES_AT_ONCE / GENERAL_COST, (monotonic() - began) * REFRESHES_PER_S / GENERAL_COST
    assert at_once <= len(asked) <= at_once + meanwhile + 1
    assert all(one is not None and one.steady_s == 1 for one in heard)


def test_stale_data_is_always_asked_anew_when_its_time_has_come() -> None:
    resolver, asked = resolver_that_hears(stale=True)
    for _ in range(1000):
        resolver.cached(ASK)
    assert len(asked) == 1000


@pytest.mark.parametrize("cost", [1, GENERAL_COST])
def test_questions_for_what_is_due_are_spread_over_a_second(cost: int) -> None:
    resolver, _ = resolver_that_hears(stale=False)
    resolver._refreshes_at = 1000.0
    asked = [
        millisecond
        for millisecond in range(1, 1001)
        for _ in range(10)
        if resolver.may_refresh(1000 + millisecond / 1000, cost)
    ]
    assert len(asked) == pytest.approx((REFRESHES_PER_S + REFRESHES_AT_ONCE) / cost, abs=2)
    late = [millisecond for millisecond in asked if millisecond > 500]
    assert len(late) == pytest.approx(REFRESHES_PER_S / cost / 2, abs=2)
