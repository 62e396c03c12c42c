"""What the running agent knows, in parts with one writer each; the decision about the VIP is made here, from all."""

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any

from kun_base.journal import Journal
from kun_nat64.model.announcement import WITHDRAWN, Announcement
from kun_nat64.model.drain import SERVING, Drain, Phase
from kun_nat64.model.facts import Facts, RingStep
from kun_nat64.model.fleet import ALONE, Fleet
from kun_nat64.model.health import ProbeOutcome, ProbeResult, Symptom
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import WORDS
from kun_nat64.policy import announcement, drain, health
from kun_nat64.policy.announcement import Decision, Evidence
from kun_nat64.policy.desired import desired, scope
from kun_nat64.policy.drain import DrainRules
from kun_nat64.policy.holddown import FallRecord, recalled, recorded
from kun_nat64.policy.ring import in_force, step, takes
from kun_nat64.state.client_history import ClientHistory
from kun_nat64.state.parts import (
    REMEMBERED_CHANGES,
    BgpState,
    CounterState,
    DrainTurnState,
    HostState,
    NodeWayState,
    PathState,
    ReloadState,
    RingState,
    StandingChange,
    StandingState,
    TrafficState,
)
from kun_nat64.state.past_diagnosis import PastDiagnosis
from kun_nat64.state.probe_state import ProbeState
from kun_nat64.state.rules import announce_rules, health_rules
from kun_nat64.state.session_log_state import SessionLogState
from kun_nat64.state.traffic_rate import CarriedState
from kun_nat64.state.warnings import Warnings

Clock = Callable[[], float]


def _nothing(*_: object) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the state calls. `keep_falls`: store them for the next agent.

    `wake_announcer`, `wake_cycle`: the standing has changed. `wake_counters`: the health has. `table_status`: what the
    follower of the controller's table reports; None where nothing is followed.
    """

    wake_announcer: Callable[[], None] = _nothing
    wake_cycle: Callable[[], None] = _nothing
    wake_counters: Callable[[], None] = _nothing
    keep_falls: Callable[[FallRecord], None] = _nothing
    table_status: Callable[[], dict[str, Any] | None] = _nothing


class State:
    """`clock` never goes back; `wall` may. `identity`: an agent recognises itself among its members by it.

    Of the methods here, evaluate() may be called by everybody: it takes nothing but the time. Each of the others is
    called from one module, which tests/nat64/state/test_writers.py names.
    """

    def __init__(
        self,
        spec: AgentSpec,
        journal: Journal,
        *,
        clock: Clock,
        wall: Clock,
        identity: str = "",
        callbacks: Callbacks | None = None,
    ) -> None:
        self.journal, self.clock, self.wall, self.identity = journal, clock, wall, identity
        self._callbacks = callbacks or Callbacks()
        self.wake_cycle, self.table_status = self._callbacks.wake_cycle, self._callbacks.table_status
        self.started_at = now = clock()
        self._use(spec)
        self.names = ClientHistory(spec.clients)
        self.machine, self.speaker, self.flow, self.evidence = HostState(), BgpState(), TrafficState(), CounterState()
        self.ring, self.path, self.node_ways, self.reload = RingState(), PathState(), NodeWayState(), ReloadState()
        self.carried, self.drain_turn = CarriedState(), DrainTurnState()
        self.probes, self.warnings, self.audit = ProbeState(spec.health.targets), Warnings(), SessionLogState()
        self.standing = StandingState(announcement.adopted(None, self.announce_rules, now=now))
        self.past_diagnoses: deque[PastDiagnosis] = deque(maxlen=REMEMBERED_CHANGES)
        self._fleet: Fleet = ALONE
        self._drain: Drain = SERVING
        self._desired_of: tuple[Any, ...] = ()
        self._desired: Facts = frozenset()

    def _use(self, spec: AgentSpec) -> None:
        self.spec, self.scope = spec, scope(spec)
        self.health_rules, self.announce_rules = health_rules(spec), announce_rules(spec)
        self.drain_rules = DrainRules(spec.drain.grace_s, spec.drain.tcp_sessions_left)

    @property
    def fleet(self) -> Fleet:
        """The other gateways, by their last answers."""
        return self._fleet

    @property
    def drain(self) -> Drain:
        return self._drain

    @property
    def announcement(self) -> Announcement:
        return announcement.announcement_of(self.standing.decision.standing, self.announce_rules)

    def take_file(self, spec: AgentSpec) -> None:
        """Bring a file's configuration into force; targets that stay keep what is known of them."""
        self._use(spec)
        self.path.forget_path()
        self.standing.quiet_until = float("-inf")
        self.names.take_clients(spec.clients, now=self.wall())
        if self.probes.take_targets(spec.health.targets):
            # Other targets have proven nothing yet: as after a start, what is announced stays for `adopt_s`.
            self.standing.decision = replace(self.standing.decision, proven=False, failing_since=None)

    def take_table(self, spec: AgentSpec, changed: Collection[tuple[int, int]]) -> None:
        """Bring into force what the controller's table has changed: tenants, ports, clients of networks in `changed`.

        Health and BGP are the file's.
        """
        self.spec, self.scope = spec, scope(spec)
        self.names.take_clients(spec.clients, changed, now=self.wall())

    def take_fleet(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def take_drain(self, drain: Drain) -> None:
        self._drain = drain

    def take_probe(self, result: ProbeResult, *, now: float) -> bool:
        """Take a probe's result. True: the target has become another state, and it is time to decide anew.

        A flush of nft removes the route of the probes, too. A probe lost while it was missing proves nothing.
        """
        if result.outcome is ProbeOutcome.FAILED and now - self.spec.health.timeout_s < self.machine.way_since:
            result = replace(result, symptom=Symptom.NOT_SENT, detail="the way of the probes was missing")
        moved = self.probes.record(result, self.health_rules, now=now)
        for was, is_ in moved:
            target, detail = result.target.text, result.detail or None
            self.journal.info("target", target=target, state=is_, was=was, symptom=result.symptom, detail=detail)
        if moved:
            self._callbacks.wake_counters()
        return bool(moved)

    def take_stall(self, seconds: float) -> None:
        """The agent stood still: what went unanswered meanwhile proves nothing."""
        self.journal.warning("stall", seconds=round(seconds, 3))
        self.probes.forgive_stall(seconds)

    def evaluate(self, *, now: float) -> None:
        """Decide anew: for a look, a member's answer, a target that moved, and from `quiet_until` on as time goes by.

        Nothing is decided before it is known what an earlier agent announced.
        """
        part = self.standing
        part.quiet_until = now
        self._drain = drain.progressed(self._drain, self.drain_rules, now=now)
        verdict, part.verdict = part.verdict, health.verdict(self.probes.health, self.health_rules, now=now)
        if verdict is not part.verdict:
            self._callbacks.wake_counters()
        if not part.knows_bgp:
            return
        before, part.decision = (
            part.decision,
            announcement.decide(part.decision, self._evidence(), self.announce_rules, now=now),
        )
        if (before.standing, before.reason) != (part.decision.standing, part.decision.reason):
            self._report_change(before, now)
        if part.decision.waits_for_nothing and self._drain.phase is Phase.SERVING:
            part.quiet_until = health.proof_ends(self.probes.health, self.health_rules)

    def _evidence(self) -> Evidence:
        dead = set(health.dead_kinds(self.probes.health))
        return Evidence(
            verdict=self.standing.verdict,
            hard=self.machine.hard,
            fleet=self._fleet,
            phase=self._drain.phase,
            dead_targets=tuple(one.target for one in self.probes.health.targets if one.target.kind in dead),
            pool_use=self.flow.pool_use,
            pool_exhausted_in_s=self.flow.first_exhausted_s,
            too_narrow=self.path.too_narrow,
            cut_off=bool(self.node_ways.cut_off),
            no_way_back=bool(self.evidence.around.back.nodes),
        )

    def _report_change(self, before: Decision, now: float) -> None:
        part, after = self.standing, self.standing.decision
        part.changes.append(StandingChange(self.wall(), after.standing, after.reason))
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
                part.falls_total += 1
                self._callbacks.keep_falls(recorded(after.falls, part.falls_total, now=now, wall=self.wall()))
            self._callbacks.wake_announcer()
            self.wake_cycle()

    def desired(self) -> Facts:
        """What the machine should be like now. Worked out anew only when what it follows from has changed."""
        near = self.machine.seen.near if self.machine.seen else frozenset()
        flow, own = self.flow, self.machine.own
        found = (
            *(frozenset(flow.limited), own, near, self.path.mss, flow.full, flow.limited_tenants),
            self._ring_step(),
        )
        made_of = self.spec, self.announcement, *found
        # A spec is compared by identity: it may have thousands of addresses.
        if not self._desired_of or made_of[0] is not self._desired_of[0] or made_of[1:] != self._desired_of[1:]:
            self._desired_of, self._desired = made_of, desired(self.spec, self.announcement, *found)
        return self._desired

    def ring_step_of(self, answering: frozenset[IPv4Address]) -> RingStep:
        """What becomes of packets of unknown flows while these members answer."""
        carries = takes(self.standing.decision.standing, self.standing.verdict, self.machine.hard)
        return step(self.spec.fleet.ring, answering, takes=carries)

    def _ring_step(self) -> RingStep:
        """Until the members have had the time to answer, what an earlier agent found stays."""
        ring, seen = self.spec.fleet.ring, self.machine.seen
        if self.ring.answering is not None:
            return self.ring_step_of(self.ring.answering)
        return in_force(seen.facts if seen else frozenset(), ring)

    def adopt(self, found: Announcement | None, *, now: float) -> None:
        """Go on from what an earlier agent announced; the falls that are known stay known."""
        part, falls = self.standing, self.standing.decision.falls
        part.knows_bgp = True
        part.decision = replace(announcement.adopted(found, self.announce_rules, now=now), falls=falls)
        if found is None:
            self.speaker.announced, self.speaker.announced_at = WITHDRAWN, now
        if self.announcement.wanted:
            # Announcing again what is there changes nothing, and shows that BGP listens.
            self._callbacks.wake_announcer()

    def recall_falls(self, record: FallRecord) -> None:
        """Take over the falls under an earlier agent: a restart is no way around the hold-down."""
        self.standing.falls_total = record.total
        falls = recalled(record, now=self.clock(), wall=self.wall())
        self.standing.decision = replace(self.standing.decision, falls=falls)
