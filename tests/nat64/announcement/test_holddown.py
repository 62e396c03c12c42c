import pytest

from kun_nat64.policy.holddown import (
    NO_FALLS,
    FallRecord,
    Falls,
    HoldDownRules,
    fell,
    forgiven,
    hold_s,
    recalled,
    recorded,
)

RULES = HoldDownRules(base_s=5.0, max_s=60.0, memory_s=900.0)


@pytest.mark.parametrize(
    ("falls", "seconds"), [(0, 0), (1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (6, 60), (5000, 60)]
)
def test_each_fall_doubles_the_hold_down_to_a_bound(falls: int, seconds: float) -> None:
    assert hold_s(Falls(falls), RULES) == seconds


def test_without_a_base_there_is_no_hold_down() -> None:
    assert hold_s(Falls(7), HoldDownRules(0.0, 60.0, 900.0)) == 0


@pytest.mark.parametrize(("later_s", "left"), [(0, 3), (899, 3), (900, 2), (1799, 2), (1800, 1), (2700, 0), (9000, 0)])
def test_a_quiet_time_forgets_one_fall_after_the_other(later_s: float, left: int) -> None:
    falls = NO_FALLS
    for _ in range(3):
        falls = fell(falls, RULES, now=100.0)
    assert forgiven(falls, RULES, now=100.0 + later_s).count == left


def test_forgetting_twice_is_forgetting_once() -> None:
    once = forgiven(Falls(3, 0.0), RULES, now=1000.0)
    assert forgiven(once, RULES, now=1000.0) == once


def test_a_new_fall_starts_the_quiet_time_anew() -> None:
    falls = fell(fell(NO_FALLS, RULES, now=0.0), RULES, now=850.0)
    assert forgiven(falls, RULES, now=1700.0).count == 2


def test_falls_are_as_old_under_the_next_agent_whose_clock_starts_anew() -> None:
    record = recorded(Falls(3, since=5000.0), 9, now=5100.0, wall=1_000_100.0)
    assert record == FallRecord(3, 1_000_000.0, 9)
    assert recalled(record, now=7.0, wall=1_000_200.0) == Falls(3, since=-193.0)


@pytest.mark.parametrize("wall", [900_000.0, 0.0, -1.0])
def test_falls_of_the_future_are_of_this_moment(wall: float) -> None:
    assert recalled(FallRecord(2, 1_000_000.0, 2), now=50.0, wall=wall) == Falls(2, since=50.0)


def test_nothing_recorded_is_nothing_fallen() -> None:
    assert recalled(FallRecord(), now=50.0, wall=1e9) == NO_FALLS
