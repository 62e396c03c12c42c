"""Rollouts: one gateway at a time, never the last one, and stopped by the first that does not come back."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kun_cluster.formats.egress_objects import ObjectError, read_egress_object
from kun_cluster.formats.gateway_report import GatewayReport
from kun_cluster.formats.pool_orders import orders_value, read_orders
from kun_cluster.model.egress import Desired
from kun_cluster.model.rollout import NO_ORDERS, Orders, Rollout, RolloutPhase, RolloutRules
from kun_cluster.policy.rollout import Member, Outlook, next_orders
from kun_cluster.policy.statuses import gateway_status, pool_status
from tests.controller.objects import gateway, pool, rules

RULES = RolloutRules(drain_s=60, upgrade_s=600, return_s=120, hold_down_s=30)
OLD, NEW = "1.0.0", "1.1.0"
DRAINING, UPGRADING, RETURNING, STOPPED = RolloutPhase


def report(version: str = OLD, standing: str = "full", since_s: float = 100.0, **more: Any) -> GatewayReport:
    values = {
        "version": version, "announced": standing != "out", "withdrawn": standing == "out", "healthy": True,
        "standing": standing, "words": "as it says", "diagnosis": "", "last_packet_s_ago": 1.0, "drain": "serving",
        "table_version": "", "since_s": since_s,
    }  # fmt: skip
    return GatewayReport(**{**values, **more})


def member(name: str, version: str = OLD, **more: Any) -> Member:
    values = {"wanted": NEW, "report": report(version)}
    return Member(name, **{**values, **more})


DRAINED = report(standing="out", drain="drained")
DRAINS = report(standing="draining", drain="draining")
FALLEN = report(standing="out", diagnosis="the cable is out")
A, B, C = member("a"), member("b"), member("c")
RETURNED = replace(A, report=report(since_s=5))


def turn(phase: RolloutPhase, since: float = 1000.0, name: str = "a", **more: Any) -> Rollout:
    return Rollout(name, phase, since, **{"version": NEW, **more})


@pytest.mark.parametrize(
    ("members", "reason", "words"),
    [
        ([A, B, C], "Progressing", "a leaves the ECMP set"),
        ([RETURNED, replace(B, report=FALLEN), C], "Waiting", "b is the next; a is not back for long enough"),
        ([replace(RETURNED, report=report(NEW, since_s=5)), B, C], "Waiting", "b is the next; a is not back for long"),
        ([A, replace(B, report=None)], "Waiting", "does not answer"),
        ([A, replace(B, report=report(standing="soft"))], "Waiting", "as it says"),
        ([A, replace(B, serves=False)], "Waiting", "not desired to serve"),
        ([A, replace(B, cordoned=True)], "Waiting", "cordoned"),
        ([A], "Waiting", "only gateway"),
        ([replace(A, report=None), replace(B, report=report(NEW))], "Waiting", "a: its agent does not answer"),
        ([member("a", NEW), member("b", NEW)], "Current", "2 of 2"),
        ([replace(A, wanted=""), replace(B, wanted="")], "Current", ""),
    ],
    ids=[
        "all serve", "the fallen one goes first but the other must serve", "another is not back for long enough",
        "another is silent", "another is soft", "another shall not serve", "another's node is cordoned",
        "the only one", "the one to upgrade is silent", "all run it", "any version will do",
    ],
)  # fmt: skip
def test_it_begins_when_every_other_one_serves(members: list[Member], reason: str, words: str) -> None:
    found = next_orders(NO_ORDERS, members, RULES, 1000.0)
    assert (found.reason, words in found.message) == (reason, True), found.message
    started = found.orders.rollout
    assert (started is not None) is (reason == "Progressing")


def test_a_paused_rollout_ends_its_turn_and_begins_no_other() -> None:
    paused = replace(RULES, paused=True)
    assert next_orders(NO_ORDERS, [A, B], paused, 0.0).reason == "Paused"
    going = Orders(turn(UPGRADING))
    found = next_orders(going, [replace(A, report=report(NEW, "out", drain="drained")), B], paused, 1010.0)
    assert found.orders.rollout == turn(RETURNING, 1010.0)


def test_the_one_that_carries_nothing_goes_first() -> None:
    found = next_orders(NO_ORDERS, [A, B, replace(C, report=FALLEN)], RULES, 1000.0)
    assert found.orders.rollout == turn(DRAINING, name="c")


AFTER = 1000.0
STEPS = {
    "drained": (DRAINING, DRAINED, 5, UPGRADING, ""),
    "still draining": (DRAINING, DRAINS, 5, DRAINING, ""),
    "withdrawn, and time is up": (DRAINING, report(standing="out", drain="draining"), 60, UPGRADING, ""),
    "silent, and time is up": (DRAINING, None, 60, UPGRADING, ""),
    "silent for a moment": (DRAINING, None, 5, DRAINING, ""),
    "it does not withdraw": (DRAINING, DRAINS, 60, STOPPED, "a does not withdraw within 60 s: as it says"),
    "upgraded while it drained": (DRAINING, report(NEW, "out", drain="drained"), 5, RETURNING, ""),
    "nothing installed yet": (UPGRADING, DRAINED, 5, UPGRADING, ""),
    "silent while it restarts": (UPGRADING, None, 599, UPGRADING, ""),
    "the version is there": (UPGRADING, report(NEW, "out", drain="drained"), 5, RETURNING, ""),
    "never installed": (UPGRADING, DRAINED, 600, STOPPED, "runs 1.0.0 and does not report version 1.1.0 within 600 s"),
    "never there again": (UPGRADING, None, 600, STOPPED, "within 600 s: its agent does not answer"),
    "back, held down": (RETURNING, report(NEW, since_s=5), 50, RETURNING, ""),
    "not back yet": (RETURNING, report(NEW, "out"), 50, RETURNING, ""),
    "it does not come back": (
        RETURNING, report(NEW, "out", diagnosis="Jool is not loaded"), 120, STOPPED,
        "a did not come back within 120 s: Jool is not loaded",
    ),
    "still away": (STOPPED, report(NEW, "out"), 5000, STOPPED, ""),
    "back with the old version": (STOPPED, report(OLD), 5000, STOPPED, ""),
}  # fmt: skip


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_steps(step: tuple[RolloutPhase, GatewayReport | None, float, RolloutPhase, str]) -> None:
    phase, told, waited_s, then, words = step
    own = replace(A, report=told)
    found = next_orders(Orders(turn(phase, AFTER)), [own, B, C], RULES, AFTER + waited_s)
    rollout = found.orders.rollout
    assert rollout is not None
    assert (rollout.gateway, rollout.phase) == ("a", then)
    assert rollout.since == (AFTER if then is phase else AFTER + waited_s)
    assert words in found.message
    assert (found.reason == "Stopped") is (then is STOPPED)


@pytest.mark.parametrize("phase", [RETURNING, STOPPED])
def test_back_for_long_enough_is_the_next_ones_turn(phase: RolloutPhase) -> None:
    found = next_orders(Orders(turn(phase)), [replace(A, report=report(NEW, since_s=30)), B, C], RULES, 1500.0)
    assert found.orders.rollout == turn(DRAINING, 1500.0, "b")


def test_a_drain_is_taken_back_when_another_one_falls() -> None:
    before = Orders(turn(DRAINING))
    found = next_orders(before, [replace(A, report=DRAINS), replace(B, report=FALLEN), C], RULES, 1005.0)
    assert found.orders.rollout == turn(RETURNING, 1005.0)
    silent = next_orders(before, [replace(A, report=DRAINS), replace(B, report=None), C], RULES, 1005.0)
    assert silent.orders == before, "what is unknown ends nothing"


def test_a_drained_one_comes_back_when_nobody_else_carries() -> None:
    before = Orders(turn(UPGRADING))
    others = [replace(B, report=FALLEN), replace(C, report=FALLEN)]
    assert next_orders(before, [replace(A, report=DRAINED), others[0], C], RULES, 1005.0).orders == before
    found = next_orders(before, [replace(A, report=DRAINED), *others], RULES, 1005.0)
    assert found.orders.rollout == turn(RETURNING, 1005.0)


def test_another_wanted_version_begins_anew_after_a_stop_and_is_taken_over_before() -> None:
    newer = [replace(one, wanted="1.2.0") for one in (A, B)]
    stopped = Orders(turn(STOPPED, message="x"))
    started = next_orders(stopped, newer, RULES, 1500.0).orders.rollout
    assert started == turn(DRAINING, 1500.0, version="1.2.0")
    going = next_orders(Orders(turn(DRAINING)), [replace(newer[0], report=DRAINS), newer[1]], RULES, 1001.0)
    assert going.orders.rollout == turn(DRAINING, version="1.2.0")


@pytest.mark.parametrize("change", [None, {"serves": False}], ids=["deleted", "taken out by the operator"])
def test_the_operators_word_ends_a_turn(change: dict[str, bool] | None) -> None:
    own = [] if change is None else [replace(A, **change)]
    found = next_orders(Orders(turn(DRAINING)), [*own, B, C], RULES, 1001.0)
    assert found.orders.rollout is None or found.orders.rollout.gateway != "a"


def test_cordoned_nodes_drain_their_gateways_but_never_the_last_one() -> None:
    cordoned = [replace(one, cordoned=True, wanted="") for one in (A, B, C)]
    found = next_orders(NO_ORDERS, cordoned, RULES, 0.0)
    assert found.orders.cordoned == ("a", "b")
    again = next_orders(found.orders, [replace(cordoned[0], report=DRAINED), *cordoned[1:]], RULES, 5.0)
    assert again.orders.cordoned == ("a", "b")
    back = next_orders(again.orders, [replace(cordoned[0], cordoned=False), *cordoned[1:]], RULES, 9.0)
    assert back.orders.cordoned == ("b", "c")
    alone = next_orders(NO_ORDERS, [replace(A, cordoned=True)], RULES, 0.0)
    assert alone.orders.cordoned == ()


def test_a_cordon_ends_the_turn_of_its_gateway_and_holds_the_next_one_up() -> None:
    found = next_orders(Orders(turn(UPGRADING)), [replace(A, report=DRAINED, cordoned=True), B, C], RULES, 1001.0)
    assert (found.orders, found.reason) == (Orders(None, ("a",)), "Waiting")


def test_the_orders_are_kept_in_the_pools_status() -> None:
    orders = Orders(turn(STOPPED, message="why"), ("b", "c"))
    assert read_orders(orders_value(orders)) == orders
    assert read_orders(orders_value(NO_ORDERS)) == NO_ORDERS


@pytest.mark.parametrize(
    "status",
    [None, "x", {"rollout": 1}, {"rollout": {"gateway": "a", "phase": "Flying", "since": "2026-01-01T00:00:00Z"}},
     {"cordoned": "a"}, {"rollout": {"gateway": 1, "phase": "Draining", "since": "", "version": ""}},
     {"rollout": {"gateway": "a", "phase": "Draining", "since": "yesterday", "version": ""}}],
)  # fmt: skip
def test_what_is_not_understood_orders_nothing(status: object) -> None:
    assert read_orders(status) == NO_ORDERS


def test_the_table_tells_the_gateway() -> None:
    ordered = pool(version=NEW, orders=Orders(turn(DRAINING, name="gw1"), ("gw3",)))
    out = gateway("gw4", desired=Desired.OUT)
    found = rules(ordered, gateway("gw1"), gateway("gw2", version="9"), gateway("gw3"), out).gateway_records
    assert {name: (one.desired, one.version) for name, one in found.items()} == {
        "gw1": ("drain", NEW), "gw2": ("serve", "9"), "gw3": ("drain", NEW), "gw4": ("out", NEW),
    }  # fmt: skip


def test_the_conditions_say_whose_turn_it_is_and_why_it_stopped() -> None:
    words = "gw1 did not come back within 120 s: Jool is not loaded"
    stopped = Orders(turn(STOPPED, name="gw1", message=words))
    one = pool(version=NEW, orders=stopped)
    found = rules(one, gateway("gw1"), gateway("gw2"))
    reports = {"gw1": report(NEW, "out"), "gw2": report(OLD)}
    status = pool_status(one, found, [], [], reports, Outlook(stopped, "Stopped", words))
    last = status["conditions"][-1]
    assert (last["type"], last["status"], last["reason"], last["message"]) == ("RolledOut", "False", "Stopped", words)
    assert (status["current"], status["rollout"]["phase"]) == ("1/2", "Stopped")
    told = gateway_status(found.gateways["gw1"], one, [], reports["gw1"], 0.0)
    assert (told["order"], told["wantedVersion"], told["rollout"]) == ("Serve", NEW, "Stopped")


def test_times_that_contradict_each_other_are_refused() -> None:
    spec = {"vip": "203.0.113.1", "rollout": {"holdDown": "10m", "returnTimeout": "10m"}}
    document = {"metadata": {"name": "a"}, "spec": spec}
    with pytest.raises(ObjectError, match="longer than holdDown"):
        read_egress_object("EgressPool", document, strict=True)


class Fleet(RuleBasedStateMachine):
    """Agents that obey late, fall, fall silent, are installed or not; nodes that are cordoned; two leaders in turn."""

    @initialize(count=st.integers(1, 4))
    def begin(self, count: int) -> None:
        self.now = 0.0
        self.orders = NO_ORDERS
        self.members = {name: member(name) for name in "abcd"[:count]}

    def tell(self, name: str, told: GatewayReport | None) -> None:
        self.members[name] = replace(self.members[name], report=told)

    @rule(seconds=st.sampled_from((1.0, 31.0, 100.0, 700.0)))
    def decide(self, seconds: float) -> None:
        self.now += seconds
        found = next_orders(self.orders, list(self.members.values()), RULES, self.now)
        newly = {name for name in self.members if found.orders.drains(name) and not self.orders.drains(name)}
        staying = [one for name, one in self.members.items() if one.carries and not found.orders.drains(name)]
        if newly:
            assert staying, "the last one was ordered out"
        started = found.orders.rollout
        if started is not None and started.gateway in newly and started.gateway not in found.orders.cordoned:
            assert all(
                one.has_served(RULES.hold_down_s) and one.serves
                for name, one in self.members.items()
                if name != started.gateway
            ), "another one was out"
        self.orders = found.orders

    @rule(data=st.data(), obeys=st.booleans())
    def agent_speaks(self, data: st.DataObject, obeys: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.members)))
        told = self.members[name].report
        version = told.version if told is not None else OLD
        if self.orders.drains(name) and obeys:
            self.tell(name, replace(DRAINED, version=version))
        else:
            self.tell(name, report(version, since_s=data.draw(st.sampled_from((1.0, 60.0)))))

    @rule(data=st.data(), told=st.sampled_from((None, FALLEN, DRAINS)))
    def agent_fails(self, data: st.DataObject, told: GatewayReport | None) -> None:
        self.tell(data.draw(st.sampled_from(sorted(self.members))), told)

    @rule(data=st.data())
    def operator_installs(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.members)))
        told = self.members[name].report
        if told is not None:
            self.tell(name, replace(told, version=NEW))

    @rule(data=st.data(), cordoned=st.booleans(), serves=st.booleans())
    def operator_decides(self, data: st.DataObject, cordoned: bool, serves: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.members)))
        self.members[name] = replace(self.members[name], cordoned=cordoned, serves=serves)

    @invariant()
    def one_turn_at_a_time(self) -> None:
        rollout = self.orders.rollout
        own = {name for name in self.members if self.orders.drains(name) and name not in self.orders.cordoned}
        assert own <= ({rollout.gateway} if rollout is not None else set())


Fleet.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
test_never_two_out_at_once_and_never_the_last_one = Fleet.TestCase
