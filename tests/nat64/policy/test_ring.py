from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.model.announcement import WITHDRAWN
from kun_nat64.model.facts import OrphanReset, RingStep, Rule, Tunnel
from kun_nat64.model.fleet import Fleet, Member, MemberRing
from kun_nat64.model.health import Verdict
from kun_nat64.model.observation import Observation
from kun_nat64.model.ringfacts import MOST_MEMBERS, TO_NOBODY, RingSpec, ring_link
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Reason, Standing
from kun_nat64.policy.desired import desired, flow_watch, scope
from kun_nat64.policy.diff import plan
from kun_nat64.policy.guard import guard
from kun_nat64.policy.hard_failure import hard_faults
from kun_nat64.policy.ring import in_force, silent_members, step, takes
from tests.nat64.fake_host import after

A, B, C, D = (IPv4Address(f"10.2.{place}.2") for place in range(1, 5))
SpecWith = Callable[..., AgentSpec]


@pytest.fixture
def spec(spec_with: SpecWith) -> AgentSpec:
    return spec_with(fleet={"ring": True, "members": ["http://10.2.2.2:9465"]})


def ring(own: IPv4Address, *members: IPv4Address) -> RingSpec:
    return RingSpec(own, members, 8800, 20000)


@pytest.mark.parametrize(
    ("own", "answering", "wanted"),
    [
        (A, {B, C}, RingStep(B, 2)),
        (B, {A, C}, RingStep(C, 2)),
        (C, {A, B}, RingStep(A, 2)),
        (A, {C}, RingStep(C, 1)),
        (C, {A}, RingStep(A, 1)),
        (B, set(), TO_NOBODY),
    ],
    ids=["first", "middle", "last goes to the first", "one is left out", "the last one of two", "alone"],
)
def test_the_next_one_is_the_next_address_that_answers(
    own: IPv4Address, answering: set[IPv4Address], wanted: RingStep
) -> None:
    assert step(ring(own, *({A, B, C} - {own})), answering) == wanted


@pytest.mark.parametrize(
    ("standing", "verdict", "hard", "wanted"),
    [
        (Standing.FULL, Verdict.HEALTHY, (), True),
        (Standing.OUT, Verdict.HEALTHY, (), True),
        (Standing.DRAINING, Verdict.HEALTHY, (), True),
        (Standing.SOFT, Verdict.FAILED, (), True),
        (Standing.OUT, Verdict.UNPROVEN, (), True),
        (Standing.OUT, Verdict.FAILED, (), False),
        (Standing.OUT, Verdict.HEALTHY, (Reason.CARRIER_DOWN,), False),
    ],
    ids=["serves", "drained or holds down", "draining", "all fail", "agent starts", "canary dead", "no link"],
)
def test_a_gateway_whose_packets_get_nowhere_takes_none_of_the_ring(
    standing: Standing, verdict: Verdict, hard: tuple[Reason, ...], wanted: bool
) -> None:
    assert takes(standing, verdict, hard) is wanted
    assert step(ring(A, B), {B}, takes=wanted) == RingStep(B, 1, takes=wanted)
    assert step(ring(A, B), (), takes=wanted) == RingStep(takes=wanted)


@given(st.sets(st.integers(1, 2**32 - 1), min_size=2, max_size=MOST_MEMBERS + 1))
def test_a_packet_sees_every_member_once_where_they_agree(numbers: set[int]) -> None:
    gateways = {IPv4Address(number) for number in numbers}
    steps = {one: step(ring(one, *(gateways - {one})), gateways - {one}) for one in gateways}
    for origin in gateways:
        at, seen = origin, []
        for _ in range(steps[origin].others):
            following = steps[at].to
            assert following is not None
            at = following
            seen.append(at)
        assert sorted(seen) == sorted(gateways - {origin})
        assert steps[at].to == origin, "one more, and it is back"


@given(st.dictionaries(st.integers(0, 7), st.tuples(st.integers(0, 7), st.integers(1, MOST_MEMBERS)), min_size=1))
def test_a_packet_comes_to_its_end_whatever_the_members_believe(views: dict[int, tuple[int, int]]) -> None:
    """As the rules have it: what a packet may still see only falls (formats/ring_rules.py)."""
    for origin, (following, others) in views.items():
        at, left, hops = following, others + 1, 1
        while left > 1 and at in views:
            following, own_others = views[at]
            left = min(left - 1, own_others) if left > own_others + 1 else left - 1
            at, hops = following, hops + 1
        assert hops <= MOST_MEMBERS + 1, origin


def test_only_what_can_be_right_is_taken_over_from_an_earlier_agent() -> None:
    spec = ring(A, B, C)
    assert in_force(frozenset({RingStep(C, 1)}), spec) == RingStep(C, 1)
    for wrong in (RingStep(D, 1), RingStep(B, 3), RingStep(B, 0), RingStep(odd="changed by another program")):
        assert in_force(frozenset({wrong}), spec) == TO_NOBODY
    assert in_force(frozenset({RingStep(B, 1)}), None) == TO_NOBODY
    assert in_force(frozenset(), spec) == TO_NOBODY


def test_the_tunnels_are_facts_and_lead_to_each_member(spec_with: SpecWith) -> None:
    spec = spec_with(fleet={"ring": True, "members": ["http://10.2.2.2:9465", "http://10.2.3.2:9465"]})
    wanted = desired(spec, WITHDRAWN, ring=RingStep(B, 2))
    tunnels = {one for one in wanted if isinstance(one, Tunnel) and one.name.startswith("kunr-")}
    assert tunnels == {Tunnel(ring_link(to), local=A, remote=to, mtu=8800) for to in (B, C)}
    assert RingStep(B, 2) in wanted
    assert ring_link(B) in scope(spec).tunnels


def test_without_the_key_nothing_of_a_ring_is_there(spec_with: SpecWith) -> None:
    wanted = desired(spec_with(fleet={"ring": False}), WITHDRAWN)
    assert not [one for one in wanted if isinstance(one, RingStep) or "kunr" in str(one) or " ring" in str(one)]


def test_a_fleet_has_a_ring_by_default_where_its_members_have_addresses(spec_with: SpecWith) -> None:
    assert spec_with().fleet.ring is not None
    without = (
        {"fleet": {"members": []}},
        {"fleet": {"members": ["http://gw2.example:9465"]}},
        {"nat64": {"reset_orphans": False}},
    )
    assert [spec_with(**keys).fleet.ring for keys in without] == [None, None, None]


def test_a_table_that_is_made_anew_gets_its_step_in_the_same_plan(spec: AgentSpec) -> None:
    wanted = desired(spec, WITHDRAWN, ring=RingStep(B, 1))
    watch = flow_watch(spec)
    assert watch is not None
    changed = (wanted - {OrphanReset(watch)}) | {OrphanReset("changed by another program")}
    todo = plan(wanted, Observation(changed))
    assert [str(one) for one in todo.changes][-1].startswith("+ ring")
    assert after(todo.changes, changed) == wanted
    assert not plan(wanted, Observation(after(todo.changes, changed)))


def test_members_that_come_and_go_are_no_many_removals_and_no_hard_failure(spec_with: SpecWith) -> None:
    three = spec_with(fleet={"ring": True, "members": [f"http://10.2.{place}.2:9465" for place in (2, 3, 4)]})
    two = spec_with(fleet={"ring": True, "members": [f"http://10.2.{place}.2:9465" for place in (2, 3)]})
    todo = plan(desired(two, WITHDRAWN), Observation(desired(three, WITHDRAWN)))
    assert not guard(todo, two.guard)
    assert [str(one) for one in todo.changes] == [
        "- tunnel kunr-0a020402: sit local 10.2.1.2, mtu 8800, ttl 64, remote 10.2.4.2, up"
    ]
    wanted = desired(three, WITHDRAWN)
    without = frozenset(one for one in wanted if not (isinstance(one, Tunnel) and one.name.startswith("kunr")))
    assert not hard_faults(wanted, Observation(without), "eth1")


def test_protocol_41_for_the_ring_does_not_come_from_outside(spec: AgentSpec) -> None:
    rules = [one.spec for one in desired(spec, WITHDRAWN) if isinstance(one, Rule) and one.table == "raw"]
    assert any(one.startswith("-d 10.2.1.2/32 -i eth1 -p 41") and one.endswith("-j DROP") for one in rules)


def member(name: str, its: MemberRing | None) -> Member:
    return Member(f"http://{name}", name, 0.0, Standing.FULL, Verdict.HEALTHY, ring=its)


REASONS = {
    "an older one": (None, frozenset(), "without one: gw2 (older version, or fleet.ring = false)"),
    "a filter inwards": (MemberRing(B, frozenset({A}), frozenset({A})), frozenset(), "from 10.2.2.2 to 10.2.1.2"),
    "a filter outwards": (MemberRing(B, frozenset({A})), frozenset({B}), "from 10.2.1.2 to 10.2.2.2"),
    "a filter both ways": (MemberRing(B, frozenset({A})), frozenset(), "between 10.2.1.2 and 10.2.2.2"),
    "it names others": (MemberRing(B, frozenset({C})), frozenset(), "gw2 does not name 10.2.1.2"),
}


@pytest.mark.parametrize(("its", "heard", "words"), REASONS.values(), ids=REASONS.keys())
def test_a_member_that_does_not_answer_is_named_with_the_reason(
    its: MemberRing | None, heard: frozenset[IPv4Address], words: str
) -> None:
    (found,) = silent_members(ring(A, B, C), {C}, heard, Fleet(2, (member("gw2", its), member("gw3", MemberRing(C)))))
    assert words in found


def test_members_that_answer_are_not_spoken_of() -> None:
    assert silent_members(ring(A, B), {B}, frozenset(), Fleet(1, (member("gw2", None),))) == []
