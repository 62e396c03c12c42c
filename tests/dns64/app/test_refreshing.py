"""Background questions: bounded for data that still holds, never left out for stale data."""

from types import SimpleNamespace

from kun_dns64.model.question import Question, RRType
from kun_dns64.model.step import Ask, AskedFlags, Heard
from kun_dns64.resolver import REFRESHES_PER_S, Resolver

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
    resolver._refresh_tick, resolver._refreshes = -1, 0
    return resolver, asked


def test_prefetches_are_bounded_and_the_answer_stays_the_memos() -> None:
    resolver, asked = resolver_that_hears(stale=False)
    heard = [resolver.cached(ASK) for _ in range(3 * REFRESHES_PER_S)]
    assert REFRESHES_PER_S <= len(asked) <= 2 * REFRESHES_PER_S, "one second's, or two where one ended in between"
    assert all(one is not None and one.steady_s == 1 for one in heard)


def test_stale_data_is_always_asked_anew_when_its_time_has_come() -> None:
    resolver, asked = resolver_that_hears(stale=True)
    for _ in range(2 * REFRESHES_PER_S):
        resolver.cached(ASK)
    assert len(asked) == 2 * REFRESHES_PER_S
