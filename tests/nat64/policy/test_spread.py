"""How routers spread flows, against what was measured on a Linux router and against a simulation."""

import random

import pytest

from kun_nat64.policy.capacity import Load
from kun_nat64.policy.spread import fabric, imbalance, moved


def test_three_gateways_move_as_measured_on_a_linux_router() -> None:
    # 1,200 flows: the last of three leaves, 600 move; the one in the middle, 382 of its own and no other.
    assert moved(3, 2) == (pytest.approx(1 / 3), pytest.approx(1 / 6))
    assert moved(3, 1) == (pytest.approx(1 / 3), pytest.approx(0))


@pytest.mark.parametrize("gateways", range(2, 65))
def test_a_resilient_group_moves_the_leavers_flows_only(gateways: int) -> None:
    assert moved(gateways, gateways - 1, resilient=True) == (1 / gateways, 0.0)


@pytest.mark.parametrize("gateways", [2, 3, 5, 8, 64])
@pytest.mark.parametrize("end", [0, -1])
def test_at_either_end_of_a_hash_threshold_group_half_of_all_flows_move(gateways: int, end: int) -> None:
    own, others = moved(gateways, range(gateways)[end])
    assert own + others == pytest.approx(1 / 2)


@pytest.mark.parametrize(("balls", "gateways"), [(300, 3), (300, 8), (3_000, 16), (20_000, 64)])
def test_the_fullest_gateway_is_below_the_computed_share_in_nearly_all_cases(balls: int, gateways: int) -> None:
    chance, tries, beyond = random.Random(4), 100, 0
    for _ in range(tries):
        counts = [0] * gateways
        for _ in range(balls):
            counts[chance.randrange(gateways)] += 1
        beyond += max(counts) > imbalance(balls, gateways) * balls / gateways
    assert beyond <= 5


def test_nodes_are_spread_worse_than_flows_and_a_measured_share_wins() -> None:
    load = Load(18_659, 30)
    by_flow, by_node = fabric(load, 4, 1, 40_001), fabric(load, 4, 1, 40_001, nodes=300)
    assert 1 < by_flow.imbalance < 1.01 < by_node.imbalance < 1.3
    assert fabric(load, 4, 1, 40_001, nodes=300, known=1.5).imbalance == 1.5


def test_one_gateway_carries_all_and_a_few_balls_never_more_than_all() -> None:
    assert imbalance(10, 1) == 1.0
    assert imbalance(1, 4) == 4.0


def test_buckets_that_do_not_divide_evenly_add_to_the_imbalance() -> None:
    assert imbalance(1e9, 3, buckets=128) == pytest.approx(43 / (128 / 3), rel=1e-3)


@pytest.mark.parametrize("wrong", [(0, 3, 0), (10, 0, 0), (10, 200, 128)])
def test_numbers_out_of_range_are_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"above 0|do not reach"):
        imbalance(wrong[0], wrong[1], buckets=wrong[2])


@pytest.mark.parametrize("wrong", [(1, 0), (3, 3), (3, -1)])
def test_a_leaver_who_is_not_there_is_refused(wrong: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least two"):
        moved(*wrong)
