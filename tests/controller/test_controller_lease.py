"""Who may write: never two at once, by clocks that need not agree."""

from hypothesis import given
from hypothesis import strategies as st

from kun_cluster.policy.lease import DURATION_S, RENEW_WITHIN_S, SeenLease, Step, may_write, next_step, seen
from kun_cluster.state.clock import CautiousClock


def test_a_lease_is_free_when_it_has_not_changed_for_its_duration() -> None:
    lease = seen(None, "other", "7", 15.0, 100.0)
    assert next_step(lease, "me", 114.9) is Step.WAIT
    assert next_step(seen(lease, "other", "7", 15.0, 114.0), "me", 115.0) is Step.TAKE
    assert next_step(seen(lease, "other", "8", 15.0, 114.0), "me", 115.0) is Step.WAIT


def test_without_a_lease_it_is_made_and_a_given_up_one_is_taken_at_once() -> None:
    assert next_step(None, "me", 0.0) is Step.CREATE
    assert next_step(SeenLease("", "7", 0.0), "me", 0.0) is Step.TAKE
    assert next_step(SeenLease("me", "7", 0.0), "me", 0.0) is Step.RENEW


@given(st.floats(0, 1000), st.floats(0, 60))
def test_a_leader_stops_before_another_may_begin(renewed_at: float, later: float) -> None:
    now = renewed_at + later
    other_may_begin = next_step(SeenLease("me", "7", renewed_at), "other", now) is Step.TAKE
    assert not (may_write(renewed_at, now) and other_may_begin)
    assert RENEW_WITHIN_S < DURATION_S


def test_nobody_leads_without_a_renewal() -> None:
    assert not may_write(None, 0.0)


def test_a_clock_set_forward_ends_no_cool_down_and_one_set_back_makes_it_longer() -> None:
    clock = CautiousClock(wall_at_start=1000.0, monotonic_at_start=0.0)
    assert clock.now(wall=1010.0, monotonic=10.0) == 1010.0
    assert clock.now(wall=9999.0, monotonic=11.0) == 1011.0
    assert clock.now(wall=500.0, monotonic=12.0) == 500.0
