"""One cycle: observe, compare with what is desired, plan, ask the guard, apply in batches, observe again.

The announcer makes the announcement. The cycle only compares BGP with the decision and wakes the announcer where they
differ. A failed change is logged once and tried again with growing pauses. By itself it never changes the announcement.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace

from kun_nat64.agent.carry_out import carry_out
from kun_nat64.agent.timing import woken
from kun_nat64.model.announcement import Announcement
from kun_nat64.model.area import Area
from kun_nat64.model.errors import DriverError
from kun_nat64.model.facts import BgpPath, Facts, JoolGlobal
from kun_nat64.model.host import Host
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Action, Change, Plan, Refusal, RefusalKind
from kun_nat64.model.speakers import SPEAKERS
from kun_nat64.model.standing import Reason
from kun_nat64.model.traffic import Traffic
from kun_nat64.model.warnings import WarningName
from kun_nat64.policy import fleet_view
from kun_nat64.policy.announcement_check import NOTHING_ODD, read_back
from kun_nat64.policy.diff import plan
from kun_nat64.policy.flow_loss import may_cut, without_probes
from kun_nat64.policy.guard import Circumstances, guard, passed
from kun_nat64.policy.hard_failure import hard_faults
from kun_nat64.policy.order import batches, holds_up_nothing
from kun_nat64.policy.probepath import probe_address
from kun_nat64.state.agent_state import State
from kun_nat64.state.diagnosis import note_diagnosis

# What happens in a burst (a link that goes, with its addresses and routes) is one reason to look, not ten.
LEAST_PAUSE_S = 0.1
PAUSED = "manually-enabled"
FIRST_BACK_OFF_S, LAST_BACK_OFF_S = 0.5, 30.0


class Cycle:
    """Run cycles until the agent stops. `remember` gets the observed facts before the first change."""

    def __init__(
        self,
        state: State,
        host: Host,
        poke_announcer: Callable[[tuple[Change, ...]], None],
        remember: Callable[[Facts], None] = lambda _: None,
    ) -> None:
        self._state, self._host = state, host
        self._poke_announcer, self._remember = poke_announcer, remember
        self._woken = asyncio.Event()
        self._fresh = True
        self._alike: tuple[Facts, Observation] | None = None

    def approve(self, changes: Iterable[Change], *, everything: bool = False) -> None:
        """Let the guard pass the changes of a new file. `everything`: also all other changes of the plan."""
        machine = self._state.machine
        machine.approved = frozenset((one.action, one.fact) for one in changes)
        machine.all_approved = everything

    def approve_more(self, changes: Iterable[Change]) -> None:
        """Approve these changes too, and start a cycle now."""
        self._state.machine.approved |= {(one.action, one.fact) for one in changes}
        self.wake(fresh=False)

    def note_hard(self, hard: tuple[Reason, ...]) -> None:
        """Note hard failures. The caller evaluates."""
        self._state.machine.hard = hard

    def wake(self, *, fresh: bool = True) -> None:
        """Start a cycle now; `fresh`: without cached observations."""
        self._fresh = self._fresh or fresh
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Observe, plan and apply again and again until `stop`; back off after failures."""
        back_off_s = 0.0
        while not stop.is_set():
            self._woken.clear()
            went_well = await self.turn()
            back_off_s = 0.0 if went_well else min(max(back_off_s * 2, FIRST_BACK_OFF_S), LAST_BACK_OFF_S)
            await self._rest(max(self._state.spec.gateway.observe_s, back_off_s))

    async def turn(self) -> bool:
        """Run one cycle. False: a change failed, and the next cycle may wait longer."""
        begun, machine = self._state.clock(), self._state.machine
        fresh, self._fresh = self._fresh, False
        todo = await self._plan(await self._look(fresh=fresh))
        self._note_plan(todo)
        machine.refusals = self._refusals(todo)
        failed = None
        if allowed := passed(todo, machine.refusals):
            self._remember((machine.seen or Observation()).facts)
            failed = await carry_out(
                allowed, self._host, made=self._note_done, failed=lambda _: None, stops_at_failure=False
            )
            machine.plan = await self._plan(await self._look(fresh=True))
        self._note_failure(failed)
        self._note_settled()
        machine.turns += 1
        machine.took_s = self._state.clock() - begun
        machine.durations.add(machine.took_s)
        return failed is None

    async def _look(self, *, fresh: bool) -> Observation:
        """Observe, and note hard failures, a lost path or a path to adopt."""
        state, machine = self._state, self._state.machine
        begun = state.clock()
        seen = await self._host.observe(state.scope, fresh=fresh)
        now = state.clock()
        self._note_unknown(machine.seen, seen)
        self._note_read_back(seen, begun)
        machine.seen, machine.seen_at = seen, now
        self._note_way(seen, now)
        if Area.LINKS not in seen.failures:
            machine.own = seen.own
        self._note_restart(seen)
        hard = hard_faults(state.desired(), seen, state.spec.gateway.outside)
        if hard != machine.hard:
            state.journal.warning("hard", faults=", ".join(hard) or "none")
        self.note_hard(hard)
        if not state.standing.knows_bgp and Area.BGP not in seen.failures:
            state.adopt(found_announcement(seen, state.spec.gateway.announced), now=now)
        state.evaluate(now=now)
        note_diagnosis(state)
        return seen

    async def _plan(self, seen: Observation) -> Plan:
        """The changes without those of BGP: the announcer makes them, and is woken here if BGP differs."""
        wanted = self._state.desired()
        if self._alike is not None and wanted is self._alike[0] and seen is self._alike[1]:
            return Plan()
        whole = plan(wanted, seen)
        self._alike = None if whole else (wanted, seen)
        if may_cut(whole.changes):
            whole = plan(wanted, seen, await self._traffic())
        paths = [change for change in whole.changes if change.fact.area is Area.BGP]
        if paths:
            own = self._state.spec.bgp.prefixes
            self._poke_announcer(tuple(one for one in paths if _prefix(one) not in own))
        return replace(whole, changes=tuple(change for change in whole.changes if change.fact.area is not Area.BGP))

    async def _traffic(self) -> Traffic | None:
        spec = self._state.spec
        try:
            return without_probes(await self._host.traffic(spec.nat64.instance), probe_address(spec))
        except DriverError:
            return None

    def _refusals(self, todo: Plan) -> tuple[Refusal, ...]:
        state = self._state
        seen = state.machine.seen or Observation()
        circumstances = Circumstances(
            other_exit=fleet_view.others_carry(state.fleet),
            foreign=seen.foreign,
            repair=state.machine.settled,
            approved=state.machine.approved,
            all_approved=state.machine.all_approved,
        )
        refusals = guard(todo, state.spec.guard, circumstances)
        for refusal in refusals:
            if refusal not in state.machine.refusals:
                state.journal.error("refused", plan=todo.checksum, why=str(refusal))
        return refusals

    def _note_settled(self) -> None:
        """Note that the desired state was reached once. A later difference is drift, and its repair cuts no flow."""
        state = self._state
        surplus = [one for one in state.machine.refusals if one.kind is RefusalKind.TOO_MANY_REMOVALS]
        left = passed(state.machine.plan, surplus).changes
        if all(map(holds_up_nothing, batches(left))):
            state.machine.settled = True
            state.machine.approved, state.machine.all_approved = frozenset(), False

    async def _rest(self, seconds: float) -> None:
        begun = self._state.clock()
        await woken(self._woken, seconds)
        left_s = begun + LEAST_PAUSE_S - self._state.clock()
        if left_s > 0:
            await asyncio.sleep(left_s)

    def _note_read_back(self, seen: Observation, begun: float) -> None:
        spec, speaker, machine = self._state.spec, self._state.speaker, self._state.machine
        if speaker.announced is None or not speaker.announced.wanted or speaker.announced != self._state.announcement:
            machine.read_back = NOTHING_ODD
        else:
            machine.read_back = read_back(
                machine.read_back,
                spec.bgp,
                seen,
                main=str(spec.gateway.announced),
                announced_at=speaker.announced_at,
                begun=begun,
            )

    def _note_way(self, seen: Observation, now: float) -> None:
        machine, way = self._state.machine, self._state.scope.way
        if way is None or Area.PROBES in seen.failures:
            return
        if way not in seen.facts:
            machine.way_since = float("inf")
        elif machine.way_since > now:
            machine.way_since = now

    def _note_restart(self, seen: Observation) -> None:
        """Warn of graceful restart in the speaker's file: a router then keeps the path of a dead gateway."""
        if Area.BGP in seen.failures:
            return
        words, longest = "", max((one.restart_s for one in seen.neighbours), default=0)
        if longest:
            kind = SPEAKERS[self._state.spec.bgp.speaker]
            words = (
                f"{kind.daemon} has graceful restart on: a router keeps our paths for up to {longest} s after a crash "
                f"of this machine, and its packets are lost; {kind.no_graceful_restart}"
            )
        self._state.warnings.warn(WarningName.GRACEFUL_RESTART, words)

    def _note_plan(self, todo: Plan) -> None:
        """Log each new difference once. After the first settled state a difference is drift."""
        machine = self._state.machine
        known = set(machine.plan.changes)
        for change in todo.changes if machine.settled else ():
            if change not in known:
                self._state.journal.warning("drift", change=str(change))
        machine.plan = todo

    def _note_done(self, batch: Iterable[Change]) -> None:
        machine, journal = self._state.machine, self._state.journal
        for change in batch:
            machine.mended[type(change.fact).__name__.lower()] += machine.settled
            journal.info("change", change=str(change))
            if isinstance(change.fact, JoolGlobal) and change.fact.name == PAUSED and change.action is Action.REPLACE:
                journal.warning("pause", undone="the translator was paused by hand", remedy="`kun-nat64 drain`")

    def _note_failure(self, failed: DriverError | None) -> None:
        before, self._state.machine.failed = self._state.machine.failed, failed
        if failed is not None and str(failed) != str(before):
            self._state.journal.error("apply", failed=str(failed))
        elif failed is None and before is not None:
            self._state.journal.info("apply", works_again=True)

    def _note_unknown(self, before: Observation | None, seen: Observation) -> None:
        known = before.failures if before else {}
        for area, error in seen.failures.items():
            if str(error) != str(known.get(area)):
                self._state.journal.error("observe", area=area, failed=str(error))
        for area in known.keys() - seen.failures.keys():
            self._state.journal.info("observe", area=area, works_again=True)


def _prefix(change: Change) -> object:
    return change.fact.prefix if isinstance(change.fact, BgpPath) else None


def found_announcement(seen: Observation, main: object) -> Announcement | None:
    """Return the announcement of the prefix `main` as BGP has it; None if BGP has no path for it."""
    for fact in seen.facts:
        if isinstance(fact, BgpPath) and fact.prefix == main:
            return Announcement(True, fact.med or 0, fact.communities)
    return None
