import io
import json
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv6Network
from time import monotonic, time

import pytest

from kun_base.journal import Journal
from kun_nat64.agent.traffic_loop import TrafficLoop
from kun_nat64.cli.plan import planned
from kun_nat64.formats.joolcsv import parse_pool4
from kun_nat64.formats.jooldocument import document
from kun_nat64.model.announcement import WITHDRAWN
from kun_nat64.model.facts import Chain, JoolInstance, Pool4, Rule
from kun_nat64.model.health import ProbeResult, Symptom
from kun_nat64.model.joolfacts import LIMIT_MARK, Protocol
from kun_nat64.model.observation import Observation
from kun_nat64.model.spec import AgentSpec, Limit
from kun_nat64.model.standing import Reason, Standing
from kun_nat64.model.traffic import Session, Traffic
from kun_nat64.policy.desired import desired
from kun_nat64.policy.diff import plan
from kun_nat64.policy.guard import guard
from kun_nat64.policy.limits import CHAIN, DUMMY, limited
from kun_nat64.state.agent_state import Callbacks, State
from tests.nat64.admin.test_admin import Host
from tests.nat64.audit.flows import POOL6, listed, session
from tests.nat64.fake_host import FakeHost

POD0, POD1 = IPv6Network("2002:a01:2:1::10/128"), IPv6Network("2002:a01:2:1::11/128")
Specs = Callable[..., AgentSpec]


def holding(*counts: int) -> tuple[Session, ...]:
    return tuple(session(1000 + n, pod=pod) for pod, count in enumerate(counts) for n in range(count))


@pytest.mark.parametrize(
    ("counts", "before", "who"),
    [
        pytest.param((99, 5), (), set(), id="below"),
        pytest.param((100, 5), (), {POD0}, id="at the limit"),
        pytest.param((100, 300), (), {POD0, POD1}, id="several"),
        pytest.param((95, 5), (POD0,), {POD0}, id="not released at once"),
        pytest.param((90, 5), (POD0,), set(), id="released below nine tenths"),
        pytest.param((0, 5), (POD0,), set(), id="all of its sessions ended"),
    ],
)
def test_who_holds_too_many(counts: tuple[int, ...], before: tuple[IPv6Network, ...], who: set[IPv6Network]) -> None:
    assert limited(listed(holding(*counts)).held, before, Limit(100, 128)).keys() == who


def test_addresses_of_one_network_can_count_together() -> None:
    found = limited(listed(holding(60, 60)).held, (), Limit(100, 64))
    assert found == {IPv6Network("2002:a01:2:1::/64"): 120}


def test_without_a_limit_nobody_is_limited() -> None:
    assert limited(listed(holding(10_000)).held, (), Limit(0, 128)) == {}


def test_a_limited_client_is_marked_for_a_pool_that_nobody_answers(spec_with: Specs) -> None:
    spec = spec_with(nat64={"sessions_per_client": 100})
    facts = desired(spec, WITHDRAWN, [POD1, POD0])
    (chain,) = (fact for fact in facts if isinstance(fact, Chain) and fact.name == CHAIN)
    assert chain.table == "mangle"
    assert chain.rules == (
        "-s 2002:a01:2:1::10/128 -j MARK --set-xmark 0x6b6e/0xffffffff",
        "-s 2002:a01:2:1::11/128 -j MARK --set-xmark 0x6b6e/0xffffffff",
    )
    assert {fact for fact in facts if isinstance(fact, Pool4) and fact.mark} == {
        Pool4("kun", protocol, DUMMY, 1, 1, LIMIT_MARK) for protocol in Protocol
    }
    assert any(isinstance(fact, Rule) and fact.spec.endswith(f"-j {CHAIN}") for fact in facts)


def test_without_a_limit_there_is_no_chain_and_no_marked_pool(spec: AgentSpec) -> None:
    assert not any(CHAIN in str(fact) or str(DUMMY) in str(fact) for fact in desired(spec, WITHDRAWN))


def test_limiting_one_more_client_changes_one_chain_and_nothing_else(spec_with: Specs) -> None:
    spec = spec_with(nat64={"sessions_per_client": 100})
    todo = plan(desired(spec, WITHDRAWN, [POD0, POD1]), Observation(desired(spec, WITHDRAWN, [POD0])))
    assert [type(change.fact) for change in todo.changes] == [Chain]


@pytest.mark.parametrize(("before", "after"), [([], [POD0]), ([POD0], [])], ids=["limited", "released"])
def test_limits_come_and_go_without_the_guards_objection(
    spec_with: Specs, before: list[IPv6Network], after: list[IPv6Network]
) -> None:
    spec = spec_with(nat64={"sessions_per_client": 100})
    todo = plan(desired(spec, WITHDRAWN, after), Observation(desired(spec, WITHDRAWN, before)))
    assert [type(change.fact) for change in todo.changes] == [Chain, Pool4, Pool4, Pool4]
    assert not guard(todo, replace(spec.guard, max_removals=0))


async def test_a_plan_beside_a_running_agent_lifts_no_limit(spec_with: Specs) -> None:
    spec = spec_with(nat64={"sessions_per_client": 100})
    todo, _, _ = await planned(spec, FakeHost(desired(spec, WITHDRAWN, [POD0, POD1])))
    assert not todo
    other = spec_with(nat64={"sessions_per_client": 0})
    todo, _, _ = await planned(other, FakeHost(desired(spec, WITHDRAWN, [POD0, POD1])))
    assert todo, "the file has no limits any more"


def test_taking_the_limit_away_cuts_no_flow(spec_with: Specs) -> None:
    before, after = desired(spec_with(nat64={"sessions_per_client": 100}), WITHDRAWN), desired(spec_with(), WITHDRAWN)
    todo = plan(after, Observation(before), Traffic((), holding(3)))
    assert len(todo.changes) == 2
    assert todo.cuts == ()


def test_a_marked_entry_is_read_and_written_as_one() -> None:
    text = (
        "Mark,Protocol,Address,Min port,Max port,Iterations,Iterations fixed\n"
        "0,TCP,192.0.2.11,20000,60000,1024,0\n27502,TCP,192.0.0.8,1,1,1024,0\n7,TCP,192.0.2.99,1,9,1024,0\n"
    )
    entries = parse_pool4(text, "kun")
    assert [(entry.mark, str(entry.address)) for entry in entries] == [(0, "192.0.2.11"), (LIMIT_MARK, "192.0.0.8")]
    written = json.loads(document(JoolInstance("kun", POOL6), [], entries))["pool4"]
    assert sorted(entry["mark"] for entry in written) == [0, LIMIT_MARK]


async def test_a_client_is_limited_by_the_next_look_and_released_by_a_later_one(spec_with: Specs) -> None:
    said = io.StringIO()
    woken: list[int] = []
    state = State(
        spec_with(nat64={"sessions_per_client": 100}),
        Journal("test", stream=said),
        clock=monotonic,
        wall=time,
        callbacks=Callbacks(wake_cycle=lambda: woken.append(1)),
    )
    host = Host()
    count = TrafficLoop(state, host)
    for holds in (50, 100, 98, 10):
        host.now_flowing = Traffic((), holding(holds))
        await count.count()
        marked = any(POD0.with_prefixlen in str(fact) for fact in state.desired())
        assert marked == (holds in (100, 98))
    assert len(woken) == 2
    assert state.flow.limited_total == 1
    assert "2002:a01:2:1::10/128" in said.getvalue()


async def test_ports_that_are_used_up_raise_the_med_at_the_count_and_not_at_some_later_look(spec_with: Specs) -> None:
    pool4 = [{"address": "192.0.2.11", "ports": "20000-20099", "protocols": ["tcp", "udp", "icmp"]}]
    state = State(spec_with(nat64={"pool4": pool4}), Journal("test", stream=io.StringIO()), clock=monotonic, wall=time)
    state.adopt(None, now=state.clock())
    for _ in range(20):
        for target in state.spec.health.targets:
            state.take_probe(ProbeResult(target, Symptom.ANSWERED, 0.01), now=state.clock())
    state.evaluate(now=state.clock())
    assert state.standing.decision.standing is Standing.FULL
    assert state.standing.quiet_until > state.clock(), "time alone would have nobody ask"
    host = Host()
    host.now_flowing = Traffic((), tuple(session(20000 + n) for n in range(99)))
    await TrafficLoop(state, host).count()
    assert (state.standing.decision.standing, state.standing.decision.reason) == (
        Standing.SOFT,
        Reason.POOL_NEARLY_EXHAUSTED,
    )
