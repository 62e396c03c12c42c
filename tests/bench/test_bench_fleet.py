"""The simulation of a fleet agrees with the arithmetic of `kun-nat64 size`."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.fleet.router import HashThreshold, Resilient, placed
from bench.fleet.run import bench_fleet
from bench.fleet.scenario import Fleet, play
from kun_nat64.policy.spread import Hashed, imbalance, moved


@pytest.mark.parametrize("gateways", [2, 3, 4, 16])
@pytest.mark.parametrize("leaver", [0, 1])
def test_flows_move_as_computed(gateways: int, leaver: int) -> None:
    played = play(Fleet(1_000, 50, 30_000, gateways, Hashed.INNER), leaver)
    own, others = moved(gateways, leaver)
    assert (played.own, played.others) == (pytest.approx(own, abs=0.01), pytest.approx(others, abs=0.01))
    assert played.back == pytest.approx(played.own + played.others)
    assert played.imbalance < imbalance(30_000, gateways)


def test_a_resilient_group_moves_the_leavers_flows_and_none_at_the_return() -> None:
    played = play(Fleet(1_000, 50, 30_000, 4, Hashed.INNER, buckets=128), 3)
    assert (played.own, played.others, played.back) == (pytest.approx(0.25, abs=0.01), 0.0, 0.0)


def test_all_flows_of_a_node_go_to_one_gateway_when_outer_addresses_are_hashed() -> None:
    played = play(Fleet(1_000, 1, 500, 4, Hashed.NODE), 3)
    assert played.imbalance == 4.0


def test_buckets_settle_evenly_after_a_return() -> None:
    router = Resilient(range(4), 128)
    router.change(range(3))
    router.settle(range(4))
    flows = [place / 128 for place in range(128)]
    assert sorted(map(placed(router, flows).count, range(4))) == [32] * 4
    assert placed(HashThreshold(range(4)), flows).count(0) == 32


def test_the_report_has_a_row_a_fleet_and_a_plot_that_is_xml(tmp_path: Path) -> None:
    text = bench_fleet(tmp_path, quick=True, command="python -m bench fleet --quick")
    assert text.count("| 18,659 | 300 |") == 4 * 2 * 2
    assert ElementTree.fromstring((tmp_path / "fleet.svg").read_text()).tag.endswith("svg")
