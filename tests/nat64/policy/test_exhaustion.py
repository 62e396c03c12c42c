import io
from collections.abc import Callable

import pytest

from kun_base.journal import Journal
from kun_nat64.model.announcement import WITHDRAWN
from kun_nat64.model.observation import Observation
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.desired import desired, scope
from kun_nat64.policy.exhaustion import is_full, refusals
from kun_nat64.state.agent_state import State
from kun_nat64.views.metrics_text import exposition

ONE, OTHER = ("192.0.2.11", "tcp"), ("192.0.2.12", "tcp")


@pytest.mark.parametrize(
    ("ports", "before", "full"),
    [
        ({ONE: (979, 1000)}, False, False),
        ({ONE: (980, 1000)}, False, True),
        ({ONE: (960, 1000)}, True, True),
        ({ONE: (949, 1000)}, True, False),
        ({ONE: (1000, 1000), OTHER: (0, 1000)}, False, False),
        ({ONE: (0, 1000), ("192.0.2.11", "udp"): (1000, 1000)}, False, False),
        ({}, True, False),
    ],
    ids=["room", "none left", "still none", "room again", "another address has some", "UDP alone", "not counted"],
)
def test_tcp_has_no_ports_left(ports: dict[tuple[str, str], tuple[int, int]], before: bool, full: bool) -> None:
    assert is_full(ports, before) is full


def test_the_table_is_there_only_while_the_ports_are_used_up(spec: AgentSpec) -> None:
    assert refusals(spec) not in desired(spec, WITHDRAWN)
    assert refusals(spec) in desired(spec, WITHDRAWN, full=True)
    assert refusals(spec) in scope(spec).tables, "it is looked for in any case, to be removed"


def test_errors_are_bounded_in_their_rate(spec_with: Callable[..., AgentSpec]) -> None:
    (chain,) = refusals(spec_with()).chains
    (rejecting,) = (rule for rule in chain.rules if "reject" in rule)
    assert "limit rate 100/second" in rejecting
    assert rejecting.endswith("reject with icmpv6 type addr-unreachable")


def test_what_our_tables_count_is_a_metric(spec: AgentSpec) -> None:
    state = State(spec, Journal("test", stream=io.StringIO()), clock=lambda: 0.0, wall=lambda: 0.0)
    state.machine.seen = Observation(counted=(("ip6 kun-nat64-full", "pods", 7),))
    row = 'kun_nat64_rule_packets_total{chain="pods",rule="counter",table="ip6 kun-nat64-full"} 7.0'
    assert row in exposition(state)
