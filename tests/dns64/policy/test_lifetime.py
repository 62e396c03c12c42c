"""The arithmetic of lifetimes and sizes: one source, and the compiled module says what that says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_dns64.formats import reply_size
from kun_dns64.policy import lifetime
from kun_dns64.policy.lifetime import MAX_TTL, PREFETCH_PART, due_age, received_ttl
from tests.loading import interpreted

SECONDS = st.integers(0, 2**32 - 1)


LIFETIME, SIZE = interpreted(lifetime), interpreted(reply_size)


@given(SECONDS, SECONDS, SECONDS)
def test_the_compiled_arithmetic_is_that_of_its_source(first: int, second: int, third: int) -> None:
    for name in ("soa_ttl", "capped_ttl", "steady_seconds"):
        assert getattr(lifetime, name)(first, second) == getattr(LIFETIME, name)(first, second)
    assert lifetime.received_ttl(first, second, third) == LIFETIME.received_ttl(first, second, third)
    assert lifetime.reply_lifetime(first, second, third) == LIFETIME.reply_lifetime(first, second, third)
    assert lifetime.due_age(first, PREFETCH_PART) == LIFETIME.due_age(first, PREFETCH_PART)


@given(st.integers(0, 65535), st.integers(512, 65535))
def test_the_compiled_size_limit_is_that_of_its_source(payload: int, most: int) -> None:
    assert reply_size.offered(payload, most) == SIZE.offered(payload, most) == min(max(512, payload), most)


@pytest.mark.parametrize(
    ("ttl", "age", "left"),
    [
        pytest.param(300, 0, 300, id="as it came"),
        pytest.param(300, 299, 1, id="aged"),
        pytest.param(300, 301, 0, id="never below zero"),
        pytest.param(MAX_TTL + 1, 0, MAX_TTL, id="rfc8767-4-a-week-at-most"),
        pytest.param(2**31 - 1, 10, MAX_TTL - 10, id="the highest one there is"),
        pytest.param(2**31, 0, 0, id="rfc2181-8-the-sign-bit-means-zero"),
        pytest.param(2**32 - 1, 0, 0, id="rfc2181-8-all-bits-mean-zero"),
    ],
)
def test_a_received_ttl_counts_within_bounds(ttl: int, age: int, left: int) -> None:
    assert received_ttl(ttl, MAX_TTL, age) == left


@pytest.mark.parametrize(
    ("seconds", "age"), [(1, 1), (2, 2), (9, 9), (10, 10), (11, 10), (20, 19), (21, 19), (70, 64), (300, 271)]
)
def test_a_used_answer_is_fetched_anew_in_the_last_tenth_of_its_lifetime(seconds: int, age: int) -> None:
    assert due_age(seconds, PREFETCH_PART) == age


@pytest.mark.parametrize(
    ("steady_s", "own_steady_s", "least_ttl", "found"),
    [
        pytest.param(9, 0, 30, 9, id="as long as the cache says the same"),
        pytest.param(9, 3, 30, 4, id="in its last second a fixed TTL still holds"),
        pytest.param(9, 0, 5, 5, id="until a TTL has run out"),
        pytest.param(0, 3, 30, 0, id="not at all"),
    ],
)
def test_a_finished_reply_lives_until_the_first_of_its_ends(
    steady_s: int, own_steady_s: int, least_ttl: int, found: int
) -> None:
    assert lifetime.reply_lifetime(steady_s, own_steady_s, least_ttl) == found
