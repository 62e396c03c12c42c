"""The retransmission timeout: its arithmetic, and what it makes of upstreams near and far, with losses."""

import heapq
import random
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_dns64.policy import retransmission
from kun_dns64.policy.retransmission import FIRST_RTO_S, MIN_RTO_S, MIN_VARIATION_S, RoundTrip, longest_rto_s
from tests.loading import interpreted

BUDGET_S = 1.8
SENDS = 3
LIFE_S = 5.0


def trip(*rtts_s: float) -> RoundTrip:
    made = RoundTrip()
    made.ceiling_s = longest_rto_s(BUDGET_S)
    for rtt_s in rtts_s:
        made.measured(rtt_s)
    return made


def test_before_a_sample_the_timeout_leaves_time_for_another_packet() -> None:
    assert trip().rto_s() == FIRST_RTO_S < BUDGET_S / 2


def test_the_first_sample_and_the_next_are_smoothed_as_rfc_6298_section_2_says() -> None:
    made = trip(0.3)
    assert (made.srtt_s, made.rttvar_s) == (0.3, 0.15)
    made.measured(0.4)
    # The variation takes the old mean: beta is 1/4, alpha 1/8.
    assert made.rttvar_s == pytest.approx(0.75 * 0.15 + 0.25 * 0.1)
    assert made.srtt_s == pytest.approx(7 / 8 * 0.3 + 1 / 8 * 0.4)
    assert made.rto_s() == pytest.approx(made.srtt_s + 4 * made.rttvar_s)


@pytest.mark.parametrize(
    ("rtt_s", "rto_s"),
    [
        pytest.param(0.001, MIN_RTO_S, id="floor, section 2.4"),
        pytest.param(0.3, 0.3 + MIN_VARIATION_S, id="even times leave room for a pause, section 2.3"),
        pytest.param(3.0, BUDGET_S / 2, id="ceiling, section 2.5"),
    ],
)
def test_the_timeout_has_a_floor_and_a_ceiling(rtt_s: float, rto_s: float) -> None:
    assert trip(*[rtt_s] * 200).rto_s() == pytest.approx(rto_s)


def test_an_answer_after_a_resend_is_no_sample_and_doubles_the_timeout_until_the_next() -> None:
    made = trip(*[0.001] * 50)
    srtt_s = made.srtt_s
    made.ambiguous()
    assert (made.srtt_s, made.samples, made.rto_s()) == (srtt_s, 50, 2 * MIN_RTO_S)
    for _ in range(100):
        made.ambiguous()
    assert made.rto_s() == made.ceiling_s
    made.measured(0.001)
    assert made.rto_s() == MIN_RTO_S


def test_a_small_budget_bounds_the_timeout_below_the_floor() -> None:
    made = trip(0.001)
    made.ceiling_s = longest_rto_s(0.2)
    assert made.rto_s() == pytest.approx(0.1)


Delay = Callable[[random.Random], float]


def simulated(delay_s: Delay, loss: float, questions: int = 20_000, per_s: float = 500.0) -> tuple[float, float]:
    """(packets for each answer, the slowest hundredth of a percent in seconds) of questions put one by one.

    Each is sent again at its timeout, doubled each time. Either way a packet is lost with half of `loss`.
    """
    drawn, upstream = random.Random(1), trip()
    packets, taken, order = 0, list[float](), count()
    sends, begun, timeouts, over = dict[int, int](), dict[int, float](), dict[int, float](), set[int]()
    events: list[tuple[float, int, str, int]] = [(n / per_s, next(order), "send", n) for n in range(questions)]
    heapq.heapify(events)
    while events:
        now, _, kind, number = heapq.heappop(events)
        if number in over:
            continue
        if kind == "send":
            packets += 1
            sends[number] = sends.get(number, 0) + 1
            begun.setdefault(number, now)
            timeouts[number] = 2 * timeouts[number] if number in timeouts else upstream.rto_s()
            if drawn.random() >= loss:
                heapq.heappush(events, (now + delay_s(drawn), next(order), "answer", number))
            if sends[number] < SENDS:
                heapq.heappush(events, (now + timeouts[number], next(order), "send", number))
        else:
            over.add(number)
            taken.append(now - begun[number])
            if sends[number] == 1:
                upstream.measured(now - begun[number])
            else:
                upstream.ambiguous()
    return packets / len(taken), sorted(taken)[int(len(taken) * 0.9999)]


def even(seconds: float) -> Delay:
    return lambda _: seconds


def spread(low_s: float, high_s: float) -> Delay:
    return lambda drawn: drawn.uniform(low_s, high_s)


DELAYS = [
    pytest.param(even(0.001), id="1 ms"),
    pytest.param(even(0.05), id="50 ms"),
    pytest.param(even(0.3), id="300 ms"),
    pytest.param(even(0.6), id="600 ms"),
    pytest.param(spread(0.2, 0.3), id="200 to 300 ms"),
    pytest.param(spread(0.001, 0.15), id="1 to 150 ms"),
    pytest.param(lambda drawn: 0.02 + drawn.expovariate(1 / 0.03), id="20 ms and an exponential tail of 30"),
]


@pytest.mark.parametrize("delay_s", DELAYS)
def test_hardly_a_question_is_sent_twice_and_a_lost_one_is_answered_within_the_budget(delay_s: Delay) -> None:
    asked, slowest_s = simulated(delay_s, loss=0.001)
    assert asked <= 1.02
    assert slowest_s < BUDGET_S


def test_an_upstream_that_becomes_slow_is_asked_twice_for_a_moment_only() -> None:
    """Karn's rule alone would never learn the new time; that each late answer doubles the timeout does."""
    moments = count()

    def slower(_: random.Random) -> float:
        return 0.001 if next(moments) < 2000 else 0.5

    asked, _ = simulated(slower, loss=0.0)
    assert asked <= 1.05


@given(st.lists(st.one_of(st.floats(0, 20), st.none()), max_size=60), st.floats(0.2, 30))
def test_the_compiled_module_says_what_its_source_says(rtts_s: list[float | None], budget_s: float) -> None:
    source: Any = INTERPRETED
    pair = [RoundTrip(), source.RoundTrip()]
    for one in pair:
        one.ceiling_s = longest_rto_s(budget_s)
        for rtt_s in rtts_s:
            if rtt_s is None:
                one.ambiguous()
            else:
                one.measured(rtt_s)
    first, second = [(one.srtt_s, one.rttvar_s, one.samples, one.unclear, one.rto_s()) for one in pair]
    assert first == second


INTERPRETED = interpreted(retransmission)
