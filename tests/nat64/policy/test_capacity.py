"""The arithmetic behind `kun-nat64 size`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.policy.capacity import MAX_USE, Fabric, Load, capacity


def test_the_platform_of_18659_pods() -> None:
    found = capacity(Load(18_659, 30), Fabric(gateways=4, spare=1, ports=40_001, imbalance=1.2))
    assert (found.flows, found.flows_each, found.flows_each_short) == (559_770, 167_931, 223_908)
    assert (found.addresses, found.addresses_in_all) == (7, 28)
    assert found.use_short == pytest.approx(223_908 / (7 * 40_001))


@given(st.integers(1, 2_000_000), st.floats(0.1, 500), st.integers(2, 64), st.integers(1, 65_536), st.floats(1.0, 4.0))
def test_ports_suffice_with_spares_gone_and_one_address_less_would_not_do(
    pods: int, flows: float, gateways: int, ports: int, imbalance: float
) -> None:
    found = capacity(Load(pods, flows), Fabric(gateways, gateways // 2, ports, imbalance))
    assert found.use <= found.use_short <= MAX_USE + 1e-9
    assert found.flows_each_short > (found.addresses - 1) * ports * MAX_USE - 1e-6


@pytest.mark.parametrize("fabric", [Fabric(1, 1), Fabric(3, 3), Fabric(2, 1, ports=0)])
def test_a_fabric_that_carries_nothing_is_refused(fabric: Fabric) -> None:
    with pytest.raises(ValueError, match=r"at least one|above 0"):
        capacity(Load(10, 1), fabric)
