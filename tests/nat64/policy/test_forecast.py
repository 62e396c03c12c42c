from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.model.health import Verdict
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Reason, Standing
from kun_nat64.policy.announcement import Evidence, adopted, announcement_of, decide
from kun_nat64.policy.forecast import SAMPLES, WINDOW_S, Course, exhausted_in_s, forecasts, seen, slope
from kun_nat64.state.rules import announce_rules

ONE = ("192.0.2.11", "tcp")
TOTAL = 40_001


def course(used: Callable[[float], int], seconds: int = 900, pace: int = 15) -> Course:
    courses: dict[tuple[str, str], Course] = {}
    for at in range(0, seconds + 1, pace):
        courses = seen(courses, {ONE: (used(at), TOTAL)}, now=float(at))
    return courses[ONE]


@pytest.mark.parametrize(
    ("used", "left"),
    [
        pytest.param(lambda at: 10_000 + at * 10, 2100.1, id="ten a second"),
        pytest.param(lambda at: 10_000 + at * 10 + (20_000 if 300 < at < 400 else 0), 2100.1, id="a burst on the way"),
        pytest.param(lambda at: 10_000, None, id="flat"),
        pytest.param(lambda at: 30_000 - at * 10, None, id="falling"),
        pytest.param(lambda at: TOTAL, 0.0, id="nothing left"),
    ],
)
def test_time_to_exhaustion_follows_the_course(used: Callable[[float], int], left: float | None) -> None:
    found = exhausted_in_s(course(used), now=900)
    assert found == (None if left is None else pytest.approx(left, abs=1))


def test_time_goes_on_between_the_samples() -> None:
    grown = course(lambda at: 10_000 + int(at) * 10)
    assert exhausted_in_s(grown, now=910) == pytest.approx((exhausted_in_s(grown, now=900) or 0) - 10)


def test_a_few_samples_say_nothing() -> None:
    assert exhausted_in_s(course(lambda at: int(at) * 100, seconds=60), now=60) is None


def test_what_is_older_than_the_window_is_forgotten() -> None:
    grown_once = course(lambda at: min(int(at), 900) * 10, seconds=3600)
    assert slope(grown_once) == 0
    assert grown_once.samples[0][0] >= 3600 - WINDOW_S


def test_samples_are_bounded_however_often_one_looks() -> None:
    assert len(course(lambda at: int(at), seconds=2000, pace=1).samples) <= SAMPLES + 1


def test_a_pool_that_was_changed_starts_anew_and_one_that_is_gone_is_forgotten() -> None:
    courses = seen({ONE: course(lambda at: int(at))}, {ONE: (5, 100)}, now=1000)
    assert courses[ONE].samples == ((1000, 5),)
    assert seen(courses, {}, now=1015) == {}


def test_only_what_will_be_used_up_is_forecast() -> None:
    other = ("192.0.2.12", "udp")
    courses = {ONE: course(lambda at: int(at) * 10), other: course(lambda at: 7)}
    assert set(forecasts(courses, now=900)) == {ONE}


@given(st.lists(st.integers(0, TOTAL), min_size=1, max_size=80))
def test_a_forecast_is_never_before_now(values: list[int]) -> None:
    courses: dict[tuple[str, str], Course] = {}
    for turn, value in enumerate(values):
        courses = seen(courses, {ONE: (value, TOTAL)}, now=turn * 15.0)
    left = exhausted_in_s(courses[ONE], now=len(values) * 15.0)
    assert left is None or left >= 0


@pytest.mark.parametrize(
    ("keys", "use", "left", "soft"),
    [
        pytest.param({}, 0.96, None, True, id="default limit"),
        pytest.param({"pool_limit": 0.8}, 0.81, None, True, id="limit of the operator"),
        pytest.param({"pool_limit": 1.0}, 0.99, None, False, id="limit raised"),
        pytest.param({}, 0.5, 10.0, False, id="a forecast alone changes nothing by default"),
        pytest.param({"pool_forecast_s": 600}, 0.5, 599.0, True, id="forecast within the time"),
        pytest.param({"pool_forecast_s": 600}, 0.5, 601.0, False, id="forecast later"),
        pytest.param({"pool_forecast_s": 600}, 0.5, None, False, id="no forecast"),
    ],
)
def test_a_pool_that_is_nearly_exhausted_raises_med_as_the_operator_says(
    spec_with: Callable[..., AgentSpec], keys: dict[str, float], use: float, left: float | None, soft: bool
) -> None:
    rules = announce_rules(spec_with(health=keys))
    well = Evidence(Verdict.HEALTHY)
    decision = decide(adopted(announcement_of(Standing.FULL, rules), rules, now=0), well, rules, now=1)
    decision = decide(decision, replace(well, pool_use=use, pool_exhausted_in_s=left), rules, now=2)
    expected = (Standing.SOFT, Reason.POOL_NEARLY_EXHAUSTED) if soft else (Standing.FULL, Reason.HEALTHY)
    assert (decision.standing, decision.reason) == expected
