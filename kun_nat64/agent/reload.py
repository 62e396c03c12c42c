"""Puts a new file in force, at SIGHUP or for `apply --force`. A refused file changes nothing.

A change that takes the gateway out of service waits for its turn, because all gateways of a fleet may get their files
at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kun_base.errors import ConfigError
from kun_nat64.agent.timing import pause, woken
from kun_nat64.model.errors import DriverError
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Plan, Refusal, RefusalKind
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.standing import Standing
from kun_nat64.model.traffic import Traffic
from kun_nat64.model.warnings import WarningName
from kun_nat64.policy import filechange, fleet_view
from kun_nat64.policy.flow_loss import may_cut, without_probes
from kun_nat64.policy.probepath import probe_address
from kun_nat64.state.agent_state import State

NOT_TAKEN = "the new file is refused; the old one stays in force"
# A fleet whose gateways do not come back for so long is one where no further gateway should change.
LONGEST_TURN_S = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one attempt: whether the file is in force now, and the reasons against it."""

    taken: bool
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Means:
    """The functions of the agent that a reload needs.

    `look`: observe the host with the scope of that file. `approve`: let the guard pass the file's changes; True: all
    changes. `keep`: store the file for the next start, once the host is as it says.
    """

    load: Callable[[], AgentSpec]
    look: Callable[[AgentSpec], Awaitable[Observation]]
    count: Callable[[str], Awaitable[Traffic]]
    approve: Callable[[Plan, bool], None]
    take: Callable[[AgentSpec], None]
    keep: Callable[[AgentSpec], None] = lambda _: None


class Reload:
    def __init__(self, state: State, means: Means) -> None:
        self._state, self._means = state, means
        self._woken = asyncio.Event()
        # Beside the event, which time sets as well.
        self._asked = False
        self._since = 0.0
        self._kept: AgentSpec | None = None

    def poke(self) -> None:
        """Read the file soon: it may have changed."""
        self._asked = True
        self._woken.set()

    def wake(self) -> None:
        """Check now whether a reload was requested, or whether one has ended."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Reload whenever asked, until `stop`."""
        while not stop.is_set():
            await woken(self._woken, 1.0)
            self._woken.clear()
            if self._asked and not stop.is_set():
                self._asked = False
                await self.now(stop=stop)
            self._note_end()

    async def now(self, *, force: bool = False, stop: asyncio.Event | None = None) -> Outcome:
        """Try once. `force`: at once, and even if the guard refuses."""
        try:
            new = self._means.load()
        except ConfigError as error:
            return self._refused([f"the file is wrong: {error}"])
        old = self._state.spec
        change, against = await self._judge(old, new)
        if force:
            against = tuple(one for one in against if not one.forcible)
        elif not against and filechange.is_dangerous(change):
            against = await self._turn(stop or asyncio.Event())
            if self._asked or self._state.spec.written is not old.written:
                return Outcome(False)  # there is a newer file, which decides
        if against:
            return self._refused([str(one) for one in against])
        self._take(new, change, force=force)
        return Outcome(True)

    async def _judge(self, old: AgentSpec, new: AgentSpec) -> tuple[Plan, tuple[Refusal, ...]]:
        state = self._state
        change = filechange.change_of(old, new, state.announcement)
        if may_cut(change.changes):
            change = filechange.change_of(old, new, state.announcement, await self._traffic(old))
        gateways = (old.gateway, new.gateway)
        same = len({(one.tunnel, one.vip, one.outside, one.uplink) for one in gateways}) == 1
        seen = Observation() if same else await self._means.look(new)
        carried = fleet_view.others_carry(state.fleet)
        return change, filechange.refusals(old, new, change, seen, other_exit=carried)

    async def _traffic(self, spec: AgentSpec) -> Traffic | None:
        try:
            return without_probes(await self._means.count(spec.nat64.instance), probe_address(spec))
        except DriverError:
            return None

    async def _turn(self, stop: asyncio.Event) -> tuple[Refusal, ...]:
        """Wait until no other gateway is changing. Each one announces that it waits before it begins."""
        state = self._state
        fleet = state.spec.fleet
        if not fleet.members:
            return ()
        state.reload.phase = filechange.WAITS
        begun = state.clock()
        try:
            await pause(2 * (fleet.poll_s + fleet.timeout_s), stop)
            while not self._asked and not stop.is_set():
                if filechange.may_change(
                    state.spec.gateway.name, state.fleet, spacing_s=state.announce_rules.spacing_s
                ):
                    return self._alone()
                if state.clock() - begun > LONGEST_TURN_S:
                    reason = f"another gateway was changing for {LONGEST_TURN_S:g} s: see `kun-nat64 status` there"
                    return (Refusal(RefusalKind.WAITS, reason),)
                await pause(fleet.poll_s, stop)
            return ()
        finally:
            state.reload.phase = ""

    def _alone(self) -> tuple[Refusal, ...]:
        """Check again that another gateway carries traffic: that may have changed during the wait."""
        if fleet_view.others_carry(self._state.fleet):
            return ()
        reason = "no other gateway is known to carry meanwhile: the pods would have no way out"
        return (Refusal(RefusalKind.LAST_EXIT, reason),)

    def _take(self, new: AgentSpec, change: Plan, *, force: bool) -> None:
        state = self._state
        changed = new != state.spec
        state.warnings.end_warning(WarningName.CONFIG)
        self._means.approve(change, force)
        if filechange.is_dangerous(change):
            state.reload.phase, self._since = filechange.RUNS, state.clock()
        self._means.take(new)
        state.journal.info("reload", changed=changed, forced=force or None)

    def _note_end(self) -> None:
        state = self._state
        if state.machine.settled and not state.machine.approved and self._is_another_file(state.spec):
            self._kept = state.spec
            self._means.keep(state.spec)
        if state.reload.phase == filechange.RUNS:
            done = state.standing.decision.standing is Standing.FULL and not state.machine.approved
            if done or state.clock() - self._since > LONGEST_TURN_S:
                state.reload.phase = ""

    def _is_another_file(self, spec: AgentSpec) -> bool:
        """The controller's table makes another spec of the same file."""
        return self._kept is None or (spec is not self._kept and spec.written is not self._kept.written)

    def warn_not_taken(self, words: str) -> None:
        """Warn that the new file is refused, and why."""
        self._state.warnings.warn(WarningName.CONFIG, f"{NOT_TAKEN}: {words}")

    def _refused(self, reasons: list[str]) -> Outcome:
        words = "; ".join(reasons)
        self.warn_not_taken(words)
        self._state.journal.error("reload", failed=words)
        return Outcome(False, tuple(reasons))
