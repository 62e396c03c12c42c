"""What the running agent knows, in one place. Every part writes its own fields; the decision is made here."""

from collections import Counter, deque
from collections.abc import Callable, Collection
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from kun_base.journal import Journal
from kun_nat64.model.announcement import WITHDRAWN, Announcement
from kun_nat64.model.drain import SERVING, Drain, Phase
from kun_nat64.model.facts import Fact, Facts, RingStep
from kun_nat64.model.fleet import ALONE, Fleet
from kun_nat64.model.foreign_objects import UNSEEN
from kun_nat64.model.health import ProbeResult, Verdict
from kun_nat64.model.plan import Action
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import WORDS
from kun_nat64.policy import announcement, drain, health
from kun_nat64.policy.announcement import AnnounceRules, Decision, Evidence
from kun_nat64.policy.desired import desired, scope
from kun_nat64.policy.drain import DrainRules
from kun_nat64.policy.health import Health, HealthRules
from kun_nat64.policy.holddown import FallRecord, HoldDownRules, recalled, recorded
from kun_nat64.policy.pathmtu import Swept
from kun_nat64.policy.ring import in_force, step, takes
from kun_nat64.state.client_history import ClientHistory
from kun_nat64.state.parts import (
    LATENCY_BOUNDS,
    BgpState,
    CounterState,
    Histogram,
    HostState,
    RingState,
    StandingChange,
    TrafficState,
)
from kun_nat64.state.past_diagnosis import PastDiagnosis
from kun_nat64.state.session_log_state import SessionLogState
from kun_nat64.state.traffic_rate import CarriedState

Clock = Callable[[], float]
REMEMBERED_CHANGES = 50
NARROW_LOOKS = 2


class State:
    """`wake_announcer` and `wake_cycle` are called when the standing changes, `wake_counting` when health does.

    `clock` never goes back; `wall` may. `quiet_until`: before it no decision changes by time alone.
    """

    def __init__(self, spec: AgentSpec, journal: Journal, *, clock: Clock, wall: Clock, identity: str = "") -> None:
        self.journal, self.clock, self.wall = journal, clock, wall
        self.started_at = now = clock()
        # An agent recognises itself among its members by this; two gateways may have one name by mistake.
        self.identity = identity
        self.machine, self.speaker, self.flow, self.evidence = HostState(), BgpState(), TrafficState(), CounterState()
        self.ring, self.carried = RingState(), CarriedState()
        self.fleet: Fleet = ALONE
        self.jool_version = ""
        self.drain: Drain = SERVING
        # While it is being decided whether this gateway may drain: other gateways see it.
        self.drain_asked = False
        self.turns: deque[StandingChange] = deque(maxlen=REMEMBERED_CHANGES)
        self.around = UNSEEN
        self.ailments: deque[PastDiagnosis] = deque(maxlen=REMEMBERED_CHANGES)
        self.audit = SessionLogState()
        self.names = ClientHistory(spec.clients)
        # What the follower of the controller's table says of itself; None where nothing is followed.
        self.table: Callable[[], dict[str, Any] | None] = _nothing
        self.falls_total = 0
        # When the certificate of the admin pages ends, seconds since 1970.
        self.certificate_end: float | None = None
        self.swept: Swept | None = None
        self.swept_at = float("-inf")
        self.cut_off: tuple[str, ...] = ()
        self.narrow_looks = 0
        self.mss: int | None = None
        self.warnings: dict[str, str] = {}
        self.probes: Counter[tuple[str, str]] = Counter()
        self.latencies: dict[str, Histogram] = {}
        self.wake_announcer: Callable[[], None] = _nothing
        self.wake_cycle: Callable[[], None] = _nothing
        self.wake_counting: Callable[[], None] = _nothing
        self.keep_falls: Callable[[FallRecord], None] = _nothing_of
        self.health: Health = health.start(spec.health.targets)
        self.decision: Decision = announcement.adopted(None, announce_rules(spec), now=now)
        self.verdict = Verdict.UNPROVEN
        self.knows_bgp = False
        self.quiet_until = float("-inf")
        # Changes of a file that has passed the guard; all of them, where it was taken by force.
        self.approved: frozenset[tuple[Action, Fact]] = frozenset()
        self.forced = False
        # "": no file waits; "waits": for its turn in the fleet; "runs": it has been taken and is not proven yet.
        self.file_change = ""
        # Addresses of this machine, by the last look that saw them.
        self.own: frozenset[IPv4Address] = frozenset()
        self._desired_of: tuple[Any, ...] = ()
        self._desired: Facts = frozenset()
        self.take(spec)

    def take(self, spec: AgentSpec) -> None:
        """Lets a new configuration take force; targets that stay keep what is known of them."""
        self.narrow_looks, self.mss = 0, None
        self.quiet_until = float("-inf")
        self.spec, self.scope = spec, scope(spec)
        self.names.take(spec.clients, now=self.wall())
        self.health_rules, self.announce_rules = health_rules(spec), announce_rules(spec)
        self.drain_rules = DrainRules(spec.drain.grace_s, spec.drain.tcp_sessions_left)
        known = {one.target: one for one in self.health.targets}
        fresh = health.start(spec.health.targets)
        self.health = Health(tuple(known.get(one.target, one) for one in fresh.targets))
        if known.keys() != {one.target for one in fresh.targets}:
            # Other targets have proven nothing yet: as after a start, what is announced stays for `adopt_s`.
            self.decision = replace(self.decision, proven=False, failing_since=None)

    def follow(self, spec: AgentSpec, changed: Collection[tuple[int, int]]) -> None:
        """Takes what the controller's table has changed: tenants, clients (of networks that are `changed`) and ports.

        Health and BGP are the file's.
        """
        self.spec, self.scope = spec, scope(spec)
        self.names.take(spec.clients, changed, now=self.wall())

    def hear(self, result: ProbeResult, *, now: float) -> bool:
        """True when the target has become another state: time to decide anew."""
        name = result.target.text
        self.probes[name, result.symptom] += 1
        if result.latency_s is not None:
            self.latencies.setdefault(name, Histogram(LATENCY_BOUNDS)).add(result.latency_s)
        before, self.health = self.health, health.heard(self.health, result, self.health_rules, now=now)
        moved = [
            (was.state, is_.state)
            for was, is_ in zip(before.targets, self.health.targets, strict=True)
            if was.state is not is_.state
        ]
        for was, is_ in moved:
            self.journal.info(
                "target", target=name, state=is_, was=was, symptom=result.symptom, detail=result.detail or None
            )
        if moved:
            self.wake_counting()
        return bool(moved)

    def stood_still(self, seconds: float) -> None:
        self.journal.warning("stall", seconds=round(seconds, 3))
        self.health = health.after_a_stall(self.health, seconds)

    def evaluate(self, *, now: float) -> None:
        """Decides anew: for a look, a member's answer, a target that moved, and from `quiet_until` on as time goes by.

        Nothing is decided before it is known what an earlier agent announced.
        """
        self.quiet_until = now
        self.drain = drain.progressed(self.drain, self.drain_rules, now=now)
        verdict, self.verdict = self.verdict, health.verdict(self.health, self.health_rules, now=now)
        if verdict is not self.verdict:
            self.wake_counting()
        if not self.knows_bgp:
            return
        dead = set(health.dead_kinds(self.health))
        evidence = Evidence(
            verdict=self.verdict,
            hard=self.machine.hard,
            fleet=self.fleet,
            phase=self.drain.phase,
            dead_targets=tuple(one.target for one in self.health.targets if one.target.kind in dead),
            pool_use=self.flow.pool_use,
            pool_exhausted_in_s=self.flow.first_exhausted_s,
            too_narrow=self.too_narrow,
            cut_off=bool(self.cut_off),
        )
        before, self.decision = (
            self.decision,
            announcement.decide(self.decision, evidence, self.announce_rules, now=now),
        )
        if (before.standing, before.reason) != (self.decision.standing, self.decision.reason):
            self._tell(before, now)
        if self.decision.waits_for_nothing and self.drain.phase is Phase.SERVING:
            self.quiet_until = health.proof_ends(self.health, self.health_rules)

    def _tell(self, before: Decision, now: float) -> None:
        after = self.decision
        self.turns.append(StandingChange(self.wall(), after.standing, after.reason))
        self.journal.info(
            "announcement",
            standing=after.standing,
            was=before.standing,
            reason=after.reason,
            words=WORDS[after.reason],
            back_in_s=None if after.back_at is None else round(after.back_at - now, 1),
        )
        if before.standing is not after.standing:
            if after.falls.count > before.falls.count:
                self.falls_total += 1
                self.keep_falls(recorded(after.falls, self.falls_total, now=now, wall=self.wall()))
            self.wake_announcer()
            self.wake_cycle()

    @property
    def too_narrow(self) -> bool:
        """Full TCP segments are lost outside. Two sweeps must say so: one may have met a crowded link."""
        return self.narrow_looks >= NARROW_LOOKS

    def desired(self) -> Facts:
        """What the machine should be like now. Worked out anew only when what it follows from has changed."""
        near = self.machine.seen.near if self.machine.seen else frozenset()
        flow = self.flow
        found = (
            *(frozenset(flow.limited), self.own, near, self.mss, flow.full, flow.limited_tenants),
            self._ring_step(),
        )
        made_of = self.spec, self.announcement, *found
        # A spec is compared by identity: it may have thousands of addresses.
        if not self._desired_of or made_of[0] is not self._desired_of[0] or made_of[1:] != self._desired_of[1:]:
            self._desired_of, self._desired = made_of, desired(self.spec, self.announcement, *found)
        return self._desired

    def ring_step_of(self, answering: frozenset[IPv4Address]) -> RingStep:
        """What becomes of packets of unknown flows while these members answer."""
        carries = takes(self.decision.standing, self.verdict, self.machine.hard)
        return step(self.spec.fleet.ring, answering, takes=carries)

    def _ring_step(self) -> RingStep:
        """Until the members have had the time to answer, what an earlier agent found stays."""
        ring, seen = self.spec.fleet.ring, self.machine.seen
        if self.ring.answering is not None:
            return self.ring_step_of(self.ring.answering)
        return in_force(seen.facts if seen else frozenset(), ring)

    @property
    def announcement(self) -> Announcement:
        return announcement.announcement_of(self.decision.standing, self.announce_rules)

    def adopt(self, found: Announcement | None, *, now: float) -> None:
        """What an earlier agent announced; the falls that are known stay known."""
        self.knows_bgp, falls = True, self.decision.falls
        self.decision = replace(announcement.adopted(found, self.announce_rules, now=now), falls=falls)
        if found is None:
            self.speaker.told, self.speaker.told_at = WITHDRAWN, now
        if self.announcement.wanted:
            self.wake_announcer()  # telling BGP again what stands there changes nothing, and shows that it listens

    def recall_falls(self, record: FallRecord) -> None:
        """Falls under an earlier agent: a restart is no way around the hold-down."""
        self.falls_total = record.total
        falls = recalled(record, now=self.clock(), wall=self.wall())
        self.decision = replace(self.decision, falls=falls)


def _nothing() -> None:
    return None


def _nothing_of(_: object) -> None:
    return None


def health_rules(spec: AgentSpec) -> HealthRules:
    # Longer than it takes to mend a probe namespace that somebody removed: that alone must not withdraw anything.
    # And longer than it takes to find a target dead: that has a name of its own.
    found_dead_s = (spec.health.fall + 1) * spec.health.interval_s + spec.health.timeout_s
    proof_s = max(5.0, 2.5 * spec.gateway.observe_s, found_dead_s)
    return HealthRules(spec.health.fall, spec.health.rise, spec.health.quorum, proof_s)


def announce_rules(spec: AgentSpec) -> AnnounceRules:
    detect_s = spec.health.interval_s * spec.health.fall + spec.health.timeout_s
    return AnnounceRules(
        name=spec.gateway.name,
        med=spec.bgp.med,
        soft_fail_med=spec.bgp.soft_fail_med,
        drain_med=spec.drain.med,
        hold_down=HoldDownRules(spec.health.hold_down_s, spec.health.hold_down_max_s, spec.health.flap_memory_s),
        never_withdraw_last=spec.guard.never_withdraw_last,
        confirm_s=detect_s + 2 * spec.fleet.poll_s,
        adopt_s=spec.health.interval_s * spec.health.rise * 2 + 5,
        pool_limit=spec.health.pool_limit,
        pool_forecast_s=spec.health.pool_forecast_s,
        spacing_s=max(spec.health.hold_down_s, 2 * spec.fleet.poll_s),
    )
