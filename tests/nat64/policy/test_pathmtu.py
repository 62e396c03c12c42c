import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.policy.pathmtu import LEAST, Swept, largest_passing, needed_for, possible_with


@given(st.integers(LEAST, 9000), st.integers(LEAST, 9000))
def test_the_largest_packet_that_passes_is_found(limit: int, most: int) -> None:
    assert largest_passing(lambda size: size <= limit, most) == min(limit, most)


def test_a_good_path_takes_one_packet() -> None:
    asked: list[int] = []
    largest_passing(lambda size: not asked.append(size), 1520)
    assert asked == [1520]


def test_a_dead_path_is_given_up_after_the_least_packet() -> None:
    asked: list[int] = []
    assert largest_passing(lambda size: bool(asked.append(size)), 1520) is None
    assert asked == [1520, LEAST]


def test_the_sums_are_those_of_the_headers() -> None:
    assert needed_for(1420) == 1480  # 1420 + 20 (TCP) + 40 (IPv6)
    assert possible_with(1500) == 1520  # IPv6 has 20 more than IPv4


@pytest.mark.parametrize(
    ("largest", "fits", "said"),
    [
        (None, False, "not even packets of 1280 bytes"),
        (1400, False, r"full TCP segments need 1480: \[gateway\] mss should be 1340"),
        (1480, True, "which is enough for TCP; the outside interface would carry 1500"),
        (1520, True, "all that the outside interface carries"),
    ],
)
def test_what_was_measured_is_said_in_numbers(largest: int | None, fits: bool, said: str) -> None:
    swept = Swept("icmp://198.51.100.81", largest, needed_for(1420), possible_with(1500))
    assert swept.mss_fits is fits
    assert re.search(said, swept.words)
