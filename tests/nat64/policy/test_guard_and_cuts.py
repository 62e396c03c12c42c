from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from time import process_time

from kun_base.prefix import sixtofour_prefix
from kun_nat64.model.facts import Address, BgpPath, Fact, JoolInstance, Pool4, Protocol, Tunnel
from kun_nat64.model.observation import Foreign, Observation
from kun_nat64.model.plan import Plan, RefusalKind
from kun_nat64.model.spec import GuardSpec
from kun_nat64.model.traffic import Endpoint4, Endpoint6, Session, Traffic
from kun_nat64.policy.diff import plan
from kun_nat64.policy.flow_loss import may_cut
from kun_nat64.policy.guard import Circumstances, guard

SPEC = GuardSpec(max_removals=5, never_withdraw_last=True)
ALONE, WITH_OTHERS = Circumstances(other_exit=False), Circumstances(other_exit=True)
PUBLIC, VIP = IPv4Address("192.0.2.11"), IPv4Address("203.0.113.1")
INSTANCE = JoolInstance("kun", sixtofour_prefix(VIP))
PATH = BgpPath(IPv4Network(VIP), IPv4Address("10.2.1.2"), 10)


def session(port: int, protocol: Protocol = Protocol.TCP) -> Session:
    pod, target = IPv6Address("2002:a01:2:1::10"), IPv6Address("2002:cb00:7101::c633:6450")
    remote = Endpoint4(IPv4Address("198.51.100.80"), 80)
    return Session(protocol, Endpoint6(pod, port), Endpoint6(target, 80), Endpoint4(PUBLIC, port), remote, 7200.0)


def ports(first: int, last: int) -> Pool4:
    return Pool4("kun", Protocol.TCP, PUBLIC, first, last)


def planned(desired: set[Fact], observed: set[Fact], *sessions: Session) -> Plan:
    return plan(frozenset(desired), Observation(frozenset(observed)), Traffic((), sessions))


def kinds(todo: Plan, circumstances: Circumstances = WITH_OTHERS) -> set[RefusalKind]:
    return {refusal.kind for refusal in guard(todo, SPEC, circumstances)}


def test_taking_ports_away_cuts_the_flows_that_use_them_and_no_others() -> None:
    todo = planned(
        {INSTANCE, ports(20000, 29999)},
        {INSTANCE, ports(20000, 39999)},
        session(25000),
        session(30001),
        session(30002),
        session(30003, Protocol.UDP),
    )
    assert [cut.flows for cut in todo.cuts] == [2]
    assert "2 live flows are cut: they use Jool kun pool4 tcp 192.0.2.11 30000-39999" in str(todo)


def test_each_range_that_goes_is_counted_for_itself_both_ends_included() -> None:
    todo = planned({INSTANCE}, {INSTANCE, ports(1000, 1009), ports(2000, 2009)}, *map(session, (999, 1000, 1009, 2009)))
    assert [(cut.flows, cut.reason.rpartition(" ")[2]) for cut in todo.cuts] == [(2, "1000-1009"), (1, "2000-2009")]


def test_ranges_whose_flows_nobody_knows_are_one_reason() -> None:
    removed = {ports(first, first + 9) for first in range(1000, 2000, 100)}
    todo = plan(frozenset({INSTANCE}), Observation(frozenset({INSTANCE, *removed})))
    (cut,) = todo.cuts
    assert cut.flows is None
    assert "192.0.2.11 1000-1009 and 9 more entries of pool4" in cut.reason
    assert may_cut(todo.changes)


def test_counting_walks_through_the_sessions_once() -> None:
    """Ten thousand entries and as many sessions: each with each would take minutes."""
    removed = {replace(ports(20000, 29999), address=PUBLIC + number) for number in range(10_000)}
    begun = process_time()
    todo = planned({INSTANCE}, {INSTANCE, *removed}, *(session(20000 + number) for number in range(10_000)))
    assert [cut.flows for cut in todo.cuts] == [10_000]
    assert process_time() - begun < 5.0


def test_taking_unused_ports_away_cuts_nothing_and_passes() -> None:
    todo = planned({INSTANCE, ports(20000, 29999)}, {INSTANCE, ports(20000, 39999)}, session(25000))
    assert todo.cuts == ()
    assert kinds(todo) == set()


def test_cutting_some_flows_by_a_change_of_pool4_is_said_but_not_refused() -> None:
    todo = planned({INSTANCE, ports(20000, 29999)}, {INSTANCE, ports(20000, 39999)}, session(30001))
    assert todo.cuts
    assert kinds(todo) == set()


def test_another_pool6_cuts_everything_and_is_refused_while_flows_live() -> None:
    other = JoolInstance("kun", sixtofour_prefix(IPv4Address("203.0.113.2")))
    todo = planned({other}, {INSTANCE}, session(1), session(2))
    assert [cut.flows for cut in todo.cuts] == [2]
    assert kinds(todo) == {RefusalKind.LIVE_SESSIONS}


def test_another_pool6_passes_when_nothing_flows() -> None:
    other = JoolInstance("kun", sixtofour_prefix(IPv4Address("203.0.113.2")))
    assert kinds(planned({other}, {INSTANCE})) == set()


def test_flows_that_could_not_be_counted_are_taken_to_be_there() -> None:
    other = JoolInstance("kun", sixtofour_prefix(IPv4Address("203.0.113.2")))
    todo = plan(frozenset({other}), Observation(frozenset({INSTANCE})))
    assert [cut.flows for cut in todo.cuts] == [None]
    assert kinds(todo) == {RefusalKind.LIVE_SESSIONS}
    assert may_cut(todo.changes)


def test_another_vip_is_refused_while_flows_live() -> None:
    other = IPv4Address("203.0.113.2")
    todo = planned(
        {Address("lo", other, 32), Tunnel("kun64", other, 8800)},
        {Address("lo", VIP, 32), Tunnel("kun64", VIP, 8800)},
        session(1),
    )
    assert kinds(todo) == {RefusalKind.LIVE_SESSIONS}


def test_another_mtu_of_the_tunnel_cuts_nothing() -> None:
    todo = planned({Tunnel("kun64", VIP, 1480)}, {Tunnel("kun64", VIP, 8800)}, session(1))
    assert todo.changes
    assert not may_cut(todo.changes)


def test_more_removals_than_allowed_are_refused_with_both_numbers() -> None:
    observed: set[Fact] = {Address("lo", IPv4Address(f"203.0.113.{n}"), 32) for n in range(1, 8)}
    refusals = guard(planned(set(), observed), SPEC, WITH_OTHERS)
    assert [str(refusal) for refusal in refusals if refusal.kind is RefusalKind.TOO_MANY_REMOVALS] == [
        "too-many-removals: the plan removes 7 objects, guard.max_removals = 5"
    ]


def test_exactly_as_many_removals_as_allowed_pass() -> None:
    observed: set[Fact] = {Address("eth9", IPv4Address(f"203.0.113.{n}"), 32) for n in range(1, 6)}
    assert kinds(planned(set(), observed)) == set()


def test_the_last_exit_is_not_withdrawn() -> None:
    todo = planned(set(), {PATH})
    assert kinds(todo, ALONE) == {RefusalKind.LAST_EXIT}
    assert kinds(todo, WITH_OTHERS) == set()
    assert not guard(todo, GuardSpec(5, never_withdraw_last=False), ALONE)


def test_raising_the_med_of_the_last_exit_passes() -> None:
    worse = BgpPath(PATH.prefix, PATH.next_hop, 1000)
    assert kinds(planned({worse}, {PATH}), ALONE) == set()


def test_a_foreign_object_in_the_way_is_named_with_its_remedy_and_no_force_helps() -> None:
    foreign = Foreign("kun64 is a link of kind dummy, not a sit tunnel", "Rename it.")
    todo = planned({Tunnel("kun64", VIP, 8800)}, set())
    (refusal,) = guard(todo, SPEC, Circumstances(other_exit=True, foreign=(foreign,)))
    assert refusal.kind is RefusalKind.FOREIGN_OBJECT
    assert not refusal.forcible
    assert "dummy" in refusal.reason
    assert "Rename it." in refusal.reason


def test_an_empty_plan_always_passes() -> None:
    foreign = (Foreign("x", "y"),)
    assert guard(Plan(), SPEC, Circumstances(other_exit=False, foreign=foreign)) == ()
