"""Follows the controller's table: tenants, shares and the order to serve, drain or leave come from it.

A change is judged as a whole before it is in force: what contradicts the file is a fault, what takes too much is held.
The table in force stays whatever becomes of the stream.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from kun_base.errors import ConfigError, Fault
from kun_base.table_fields import TableFault
from kun_base.table_follower import FollowPlan, TableFollower
from kun_base.table_state import TableChange
from kun_nat64.agent.timing import pause
from kun_nat64.model.drain import Drain, Phase
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy import drain as drain_policy
from kun_nat64.policy import fleet_view as witness
from kun_nat64.policy.filechange import change_of
from kun_nat64.policy.table_merge import Networks, Said, merged, ordered, with_changes
from kun_nat64.state.agent_state import State

LOOK_S = 1.0
WARNING, CONTRADICTION = "table", "table-contradiction"


class TableLoop:
    """`base` is the file's own configuration. Nothing is followed where `plan` is None."""

    def __init__(self, state: State, plan: FollowPlan | None, base: AgentSpec, take: Callable[[], None]) -> None:
        self._state, self.base, self._take = state, base, take
        self._networks: Networks = {}
        self._follower = TableFollower(plan, state.journal, self._changed, self._check) if plan else None
        self.set_drain: Callable[[Drain, bool], object] = _ignored

    def start(self) -> None:
        """Brings the state file's table into force."""
        if self._follower is not None:
            self._follower.start()
            self._state.table = self.status

    async def run(self, stop: asyncio.Event) -> None:
        if self._follower is None:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follower.run(stop))
            group.create_task(self._obey(stop))

    def status(self) -> dict[str, Any] | None:
        """None: nothing is followed."""
        if self._follower is None:
            return None
        return {**self._follower.status(), "desired": ordered(self.base, self._said())}

    def accept(self, version: str) -> bool:
        """What the bounds hold comes into force; False: nothing is held, or another version."""
        return self._follower is not None and self._follower.accept(version)

    def take_base(self, base: AgentSpec) -> AgentSpec:
        """Another file is in force; returns its configuration with the table."""
        self.base = base
        if self._follower is not None and base.follow is not None:
            self._follower.bound(base.follow.bounds)
        return self.effective(base)

    def effective(self, base: AgentSpec) -> AgentSpec:
        """A file's configuration with the table in force. Raises ConfigError where the two contradict each other."""
        if not self._has_table:
            return base
        try:
            return merged(base, self._said(), self._networks)
        except TableFault as fault:
            raise ConfigError(base.source, [Fault("follow", "the controller's table", str(fault))]) from fault

    @property
    def _has_table(self) -> bool:
        table = self._follower.table if self._follower is not None else None
        return table is not None and bool(table.pools or table.classes or table.gateways or table.clients)

    def _said(self, change: TableChange | None = None) -> Said:
        """The table's records; with `change`, as they would be."""
        assert self._follower is not None
        table = self._follower.table
        if change is None:
            return Said(table.pools, table.gateways, table.classes)
        return Said(
            _changed(table.pools, change.pools),
            _changed(table.gateways, change.gateways),
            _changed(table.classes, change.classes),
        )

    def _check(self, change: TableChange) -> None:
        """Clients alone contradict nothing."""
        if change.pools or change.gateways or change.classes:
            merged(self.base, self._said(change), self._networks)

    def _changed(self, change: TableChange) -> None:
        self._networks = with_changes(self._networks, change.clients)
        try:
            self._take()
        except ConfigError as error:  # a held change, accepted after the file had changed
            self._state.journal.error("table", not_taken=str(error))
            self._state.warnings[CONTRADICTION] = f"the table in force contradicts the file, which stays: {error}"
        else:
            self._state.warnings.pop(CONTRADICTION, None)

    async def _obey(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self.obey()
            await pause(LOOK_S, stop)

    def obey(self) -> None:
        """Does what the table wants of this gateway. The last exit stays, unless the guard is told otherwise."""
        state = self._state
        order = ordered(self.base, self._said()) if self._has_table else ""
        may_leave = not state.spec.guard.never_withdraw_last or witness.others_carry(state.fleet, after=float("-inf"))
        now, wall = state.clock(), state.wall()
        drain = drain_policy.follows(state.drain, order, may_leave=may_leave, now=now, wall=wall)
        if drain is not state.drain:
            self.set_drain(drain, True)
        waits = order in ("drain", "out") and drain.phase is Phase.SERVING
        named = not self._has_table or order
        words = _words(state.spec.gateway.name, order, waits=waits, named=bool(named))
        if words and state.warnings.get(WARNING) != words:
            state.journal.warning("table", waits=words)
        if words:
            state.warnings[WARNING] = words
        else:
            state.warnings.pop(WARNING, None)


def _words(name: str, order: str, *, waits: bool, named: bool) -> str:
    if waits:
        return f"the controller's table says {order}, and no other gateway is known to carry: this one goes on serving"
    return "" if named else f"the controller's table has no gateway {name}: its file alone says which ports it has"


def _changed(records: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in {**records, **changes}.items() if one is not None} if changes else records


def _ignored(_drain: Drain, _keep: bool) -> None:
    return None


def approved(old: AgentSpec, new: AgentSpec, state: State) -> None:
    """What follows from a table that has passed its bounds need not pass the guard once more."""
    change = change_of(old, new, state.announcement)
    state.approved |= {(one.action, one.fact) for one in change.changes}
