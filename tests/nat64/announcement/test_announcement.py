from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

import pytest

from kun_nat64.model.announcement import WITHDRAWN, Announcement
from kun_nat64.model.drain import Phase
from kun_nat64.model.fleet import ALONE, Fleet, Member
from kun_nat64.model.health import ProbeOutcome, Verdict
from kun_nat64.model.spec import Target, TargetKind
from kun_nat64.model.standing import WORDS, Reason, Standing
from kun_nat64.policy.announcement import AnnounceRules, Decision, Evidence, adopted, announcement_of, decide
from kun_nat64.policy.holddown import HoldDownRules

PING = Target(TargetKind.ICMP, IPv4Address("198.51.100.81"))
RULES = AnnounceRules(
    name="gw1", med=10, soft_fail_med=1000, drain_med=2000, hold_down=HoldDownRules(5.0, 300.0, 900.0)
)
HEALTHY, FAILED, UNPROVEN = Evidence(Verdict.HEALTHY), Evidence(Verdict.FAILED), Evidence(Verdict.UNPROVEN)
BROKEN = Evidence(Verdict.FAILED, hard=(Reason.INSTANCE_MISSING,))


@dataclass
class Gateway:
    """One gateway over scripted time; `wait` lets time pass in steps of a probe interval."""

    rules: AnnounceRules = RULES
    now: float = 0.0
    found: Announcement | None = None
    decision: Decision = field(init=False)

    def __post_init__(self) -> None:
        self.decision = adopted(self.found, self.rules, now=self.now)

    def see(self, evidence: Evidence) -> tuple[Standing, Reason]:
        self.decision = decide(self.decision, evidence, self.rules, now=self.now)
        return self.decision.standing, self.decision.reason

    def wait(self, seconds: float, evidence: Evidence) -> tuple[Standing, Reason]:
        steps = round(seconds / 0.2)
        for _ in range(steps):
            self.now += 0.2
            self.see(evidence)
        return self.decision.standing, self.decision.reason


def up() -> Gateway:
    gateway = Gateway()
    gateway.see(HEALTHY)
    return gateway


def member(seen_at: float, **changes: object) -> Member:
    well = Member("http://10.2.2.2:9465", "gw2", seen_at, Standing.FULL, Verdict.HEALTHY, full_for_s=3600.0)
    return replace(well, **changes)


def beside(evidence: Evidence, *members: Member, configured: int = 1) -> Evidence:
    return replace(evidence, fleet=Fleet(configured, members))


def test_every_reason_has_words() -> None:
    assert set(WORDS) == set(Reason)


def test_nothing_is_announced_before_the_first_proof() -> None:
    gateway = Gateway()
    assert gateway.see(UNPROVEN) == (Standing.OUT, Reason.STARTING)
    assert gateway.wait(60, UNPROVEN) == (Standing.OUT, Reason.STARTING)


def test_the_first_proof_announces_without_hold_down() -> None:
    assert Gateway().see(HEALTHY) == (Standing.FULL, Reason.HEALTHY)


@pytest.mark.parametrize(
    ("standing", "told"),
    [
        (Standing.FULL, Announcement(True, 10)),
        (Standing.SOFT, Announcement(True, 1000)),
        (Standing.DRAINING, Announcement(True, 2000, ("65535:0",))),
        (Standing.OUT, WITHDRAWN),
    ],
)
def test_what_bgp_is_told(standing: Standing, told: Announcement) -> None:
    assert announcement_of(standing, RULES) == told


@pytest.mark.parametrize("reason", [Reason.MODULE_MISSING, Reason.INSTANCE_MISSING, Reason.CARRIER_DOWN])
def test_a_hard_failure_withdraws_at_once_even_the_last(reason: Reason) -> None:
    gateway = up()
    assert gateway.see(Evidence(Verdict.HEALTHY, hard=(reason,))) == (Standing.OUT, reason)


def test_a_lost_quorum_raises_the_med_when_no_one_else_is_known() -> None:
    gateway = up()
    assert gateway.see(FAILED) == (Standing.SOFT, Reason.TARGETS_UNREACHABLE)
    assert gateway.wait(3600, FAILED) == (Standing.SOFT, Reason.TARGETS_UNREACHABLE)


def test_a_lost_quorum_withdraws_once_another_still_carries() -> None:
    gateway = up()
    assert gateway.see(beside(FAILED, member(gateway.now)))[0] is Standing.SOFT
    for _ in range(100):
        gateway.now += 0.2
        gateway.see(beside(FAILED, member(gateway.now)))
    assert (gateway.decision.standing, gateway.decision.reason) == (Standing.OUT, Reason.CANARY_DEAD)


def test_a_lost_route_back_to_the_nodes_withdraws_though_nobody_can_be_heard() -> None:
    gateway = up()
    assert gateway.see(replace(HEALTHY, no_way_back=True))[0] is Standing.FULL
    assert gateway.see(replace(FAILED, no_way_back=True)) == (Standing.OUT, Reason.NODES_CUT_OFF)


def test_a_witness_from_before_the_failure_proves_nothing() -> None:
    gateway = up()
    stale = member(gateway.now)
    assert gateway.wait(60, beside(FAILED, stale)) == (Standing.SOFT, Reason.TARGETS_UNREACHABLE)


@pytest.mark.parametrize(
    "other",
    [
        {"verdict": Verdict.FAILED},
        {"verdict": Verdict.UNPROVEN},
        {"standing": Standing.OUT},
        {"standing": Standing.DRAINING},
    ],
    ids=lambda changes: next(iter(changes.values())),
)
def test_who_does_not_carry_is_no_witness(other: dict[str, object]) -> None:
    gateway = up()
    for _ in range(100):
        gateway.now += 0.2
        gateway.see(beside(FAILED, member(gateway.now, **other)))
    assert gateway.decision.standing is Standing.SOFT


def test_where_all_fail_the_targets_are_suspect() -> None:
    gateway = up()
    assert gateway.see(beside(FAILED, member(0.0, verdict=Verdict.FAILED)))[1] is Reason.TARGETS_SUSPECT


def test_two_gateways_never_withdraw_because_of_each_other() -> None:
    """Both lose the targets, at any distance in time, and see each other with the delay of the polls."""
    for lag_steps in range(0, 60, 3):
        one, two = up(), Gateway(rules=replace(RULES, name="gw2"))
        two.see(HEALTHY)
        told = [(Standing.FULL, Verdict.HEALTHY)] * 2
        for step in range(200):
            verdicts = Verdict.FAILED, Verdict.FAILED if step >= lag_steps else Verdict.HEALTHY
            gateways = (one, two)
            if step % 5 == 0:
                told = [(g.decision.standing, v) for g, v in zip(gateways, verdicts, strict=True)]
                polled_at = one.now
            for mine, (standing, verdict) in ((0, told[1]), (1, told[0])):
                gateway = gateways[mine]
                gateway.now += 0.2
                seen = member(polled_at, name=f"gw{2 - mine}", standing=standing, verdict=verdict)
                gateway.see(beside(Evidence(verdicts[mine]), seen))
        assert Standing.OUT not in (one.decision.standing, two.decision.standing) or (
            one.decision.standing is Standing.OUT and two.decision.standing is Standing.SOFT
        ), f"lag of {lag_steps} steps"


def test_the_operator_may_ask_for_withdrawal_on_soft_failures() -> None:
    gateway = Gateway(rules=replace(RULES, never_withdraw_last=False))
    gateway.see(HEALTHY)
    assert gateway.see(FAILED) == (Standing.OUT, Reason.TARGETS_UNREACHABLE)


def test_health_that_is_not_proven_any_more_is_withdrawn() -> None:
    gateway = up()
    assert gateway.see(UNPROVEN) == (Standing.OUT, Reason.UNPROVEN)


def test_unproven_health_keeps_the_last_known_exit() -> None:
    gateway = up()
    assert gateway.see(beside(UNPROVEN)) == (Standing.SOFT, Reason.LAST_EXIT)


def test_unproven_health_withdraws_where_another_carries() -> None:
    gateway = up()
    gateway.see(beside(UNPROVEN, member(gateway.now)))
    gateway.now += 10
    assert gateway.see(beside(UNPROVEN, member(gateway.now))) == (Standing.OUT, Reason.UNPROVEN)


def test_an_adopted_path_stays_while_its_health_is_being_proven() -> None:
    gateway = Gateway(found=Announcement(True, 10))
    assert gateway.wait(10, UNPROVEN) == (Standing.FULL, Reason.ADOPTED)
    assert gateway.wait(1, HEALTHY) == (Standing.FULL, Reason.HEALTHY)


def test_an_adopted_path_that_is_never_proven_goes() -> None:
    assert Gateway(found=Announcement(True, 10)).wait(20, UNPROVEN) == (Standing.OUT, Reason.UNPROVEN)


@pytest.mark.parametrize(
    ("found", "standing"),
    [
        (None, Standing.OUT),
        (Announcement(True, 10), Standing.FULL),
        (Announcement(True, 1000), Standing.SOFT),
        (Announcement(True, 2000, ("65535:0",)), Standing.DRAINING),
    ],
)
def test_a_restart_takes_over_the_standing_it_finds(found: Announcement | None, standing: Standing) -> None:
    assert Gateway(found=found).decision.standing is standing


def test_coming_back_waits_for_the_hold_down() -> None:
    gateway = up()
    gateway.see(BROKEN)
    assert gateway.wait(4.8, HEALTHY) == (Standing.OUT, Reason.HOLD_DOWN)
    assert gateway.wait(0.6, HEALTHY) == (Standing.FULL, Reason.HEALTHY)


def test_the_hold_down_begins_anew_when_it_fails_again() -> None:
    gateway = up()
    gateway.see(BROKEN)
    gateway.wait(4, HEALTHY)
    gateway.see(BROKEN)
    assert gateway.wait(4, HEALTHY) == (Standing.OUT, Reason.HOLD_DOWN)


def test_every_fall_makes_the_next_return_later() -> None:
    gateway, waits = up(), []
    for _ in range(4):
        gateway.see(BROKEN)
        begun = gateway.now
        while gateway.decision.standing is not Standing.FULL:
            gateway.wait(0.2, HEALTHY)
        waits.append(gateway.now - begun)
    assert waits == pytest.approx([5, 10, 20, 40], abs=0.5)


def test_where_every_other_gateway_says_that_it_is_out_nobody_is_spared_by_a_hold_down() -> None:
    gateway = up()
    gateway.see(BROKEN)
    out = {"standing": Standing.OUT, "verdict": Verdict.FAILED, "full_for_s": None}
    assert gateway.see(beside(HEALTHY, member(0.0, **out))) == (Standing.FULL, Reason.HEALTHY)


@pytest.mark.parametrize(
    ("others", "configured"),
    [
        pytest.param([], 1, id="one that is silent may carry"),
        pytest.param([Standing.OUT], 2, id="one is out, another silent"),
        pytest.param([Standing.OUT, Standing.SOFT], 2, id="a sick one carries"),
        pytest.param([Standing.OUT, Standing.DRAINING], 2, id="one that drains carries"),
    ],
)
def test_where_another_gateway_carries_or_may_the_hold_down_stays(others: list[Standing], configured: int) -> None:
    gateway = up()
    gateway.see(BROKEN)
    members = [member(0.0, standing=standing, full_for_s=None) for standing in others]
    assert gateway.see(beside(HEALTHY, *members, configured=configured))[1] is Reason.HOLD_DOWN


def test_a_raised_med_goes_back_by_the_same_rules() -> None:
    gateway = up()
    gateway.see(FAILED)
    assert gateway.wait(4, HEALTHY) == (Standing.SOFT, Reason.HOLD_DOWN)
    assert gateway.wait(2, HEALTHY) == (Standing.FULL, Reason.HEALTHY)


def test_one_gateway_comes_back_at_a_time() -> None:
    gateway = Gateway()
    fresh = beside(HEALTHY, member(0.0, full_for_s=1.0))
    assert gateway.see(fresh) == (Standing.OUT, Reason.WAITING_TURN)
    assert gateway.see(beside(HEALTHY, member(0.0, full_for_s=6.0))) == (Standing.FULL, Reason.HEALTHY)


def test_among_those_that_wait_the_name_decides() -> None:
    waiting = {"standing": Standing.OUT, "full_for_s": None, "wants_back": True}
    assert Gateway().see(beside(HEALTHY, member(0.0, name="gw0", **waiting)))[1] is Reason.WAITING_TURN
    assert Gateway().see(beside(HEALTHY, member(0.0, name="gw2", **waiting)))[1] is Reason.HEALTHY


def test_waiting_for_a_turn_has_an_end() -> None:
    gateway = Gateway()
    stuck = beside(HEALTHY, member(0.0, name="gw0", standing=Standing.OUT, wants_back=True))
    assert gateway.wait(59, stuck)[1] is Reason.WAITING_TURN
    assert gateway.wait(3, stuck) == (Standing.FULL, Reason.HEALTHY)


def test_draining_keeps_translating_and_says_so_to_the_network() -> None:
    gateway = up()
    assert gateway.see(replace(HEALTHY, phase=Phase.DRAINING)) == (Standing.DRAINING, Reason.DRAINING)
    assert gateway.see(replace(HEALTHY, phase=Phase.DRAINED)) == (Standing.OUT, Reason.DRAINED)


def test_a_drain_is_no_fall_and_undrain_comes_back_at_once() -> None:
    gateway = up()
    gateway.see(replace(HEALTHY, phase=Phase.DRAINING))
    gateway.see(replace(HEALTHY, phase=Phase.DRAINED))
    assert gateway.decision.falls.count == 0
    assert gateway.see(HEALTHY) == (Standing.FULL, Reason.HEALTHY)


def test_a_drain_taken_back_half_way_comes_back_at_once() -> None:
    gateway = up()
    gateway.see(replace(HEALTHY, phase=Phase.DRAINING))
    assert gateway.see(HEALTHY) == (Standing.FULL, Reason.HEALTHY)


def test_a_drain_announces_nothing_that_was_out() -> None:
    assert Gateway().see(replace(HEALTHY, phase=Phase.DRAINING)) == (Standing.OUT, Reason.DRAINING)


def test_a_hard_failure_ends_a_drain_by_withdrawal() -> None:
    gateway = up()
    gateway.see(replace(HEALTHY, phase=Phase.DRAINING))
    assert gateway.see(replace(BROKEN, phase=Phase.DRAINING)) == (Standing.OUT, Reason.INSTANCE_MISSING)


def test_a_dead_protocol_raises_the_med_only_where_another_gateway_reaches_it() -> None:
    gateway = up()
    dead = replace(HEALTHY, dead_targets=(PING,))
    assert gateway.wait(60, dead) == (Standing.FULL, Reason.HEALTHY)
    reached = member(gateway.now + 60, targets={str(PING): ProbeOutcome.OK})
    assert gateway.wait(1, beside(dead, reached)) == (Standing.SOFT, Reason.KIND_UNREACHABLE)


def test_nearly_used_up_ports_raise_the_med() -> None:
    gateway = up()
    assert gateway.see(replace(HEALTHY, pool_use=0.94))[0] is Standing.FULL
    assert gateway.see(replace(HEALTHY, pool_use=0.95)) == (Standing.SOFT, Reason.POOL_NEARLY_EXHAUSTED)


def test_equal_evidence_at_the_same_time_changes_nothing() -> None:
    gateway = up()
    gateway.see(BROKEN)
    before = gateway.decision
    gateway.see(BROKEN)
    assert gateway.decision == before
    assert replace(HEALTHY, fleet=ALONE) == HEALTHY


def test_a_link_that_flaps_is_held_down_also_outside_the_ecmp_set() -> None:
    """A gateway with few ports left is announced with a raised MED: its coming and going moves flows as well."""
    soft = replace(HEALTHY, pool_use=0.99)
    gateway = up()
    gateway.see(soft)
    turns = 0
    for _ in range(10):
        for evidence, seconds in ((BROKEN, 1.0), (soft, 19.0)):
            before = gateway.decision.standing
            gateway.wait(seconds, evidence)
            turns += gateway.decision.standing is not before
    assert gateway.decision.falls.count >= 3
    assert turns <= 10


def test_one_failure_is_one_fall_however_many_steps_it_takes() -> None:
    gateway = up()
    gateway.see(FAILED)
    assert gateway.see(BROKEN) == (Standing.OUT, Reason.INSTANCE_MISSING)
    assert gateway.decision.falls.count == 1


def test_an_undrained_gateway_that_waited_for_its_turn_has_no_hold_down() -> None:
    gateway = up()
    for _ in range(4):
        gateway.see(BROKEN)
        gateway.wait(120, HEALTHY)
    gateway.see(replace(HEALTHY, phase=Phase.DRAINED))
    other = member(gateway.now, name="gw0", standing=Standing.OUT, wants_back=True, full_for_s=None)
    third = member(gateway.now, url="http://10.2.2.3:9465", name="gw3")
    assert gateway.see(beside(HEALTHY, other, third, configured=2)) == (Standing.OUT, Reason.WAITING_TURN)
    gateway.now += 0.2
    third = member(gateway.now, url="http://10.2.2.3:9465", name="gw3")
    assert gateway.see(beside(HEALTHY, third)) == (Standing.FULL, Reason.HEALTHY)
