"""Follows the controller's table: tenants, shares and the order to serve, drain or leave come from it.

Each change is judged as a whole. A change that contradicts the file is an error, a change that removes too much is
held. The table in force stays when the stream is lost.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from kun_base.errors import ConfigError, Fault
from kun_base.table_fields import TableFault
from kun_base.table_follower import FollowPlan, TableFollower
from kun_base.table_records import FollowedClient
from kun_base.table_state import TableChange
from kun_nat64.agent.timing import pause, woken
from kun_nat64.model.announcement import Announcement
from kun_nat64.model.drain import Drain, Phase
from kun_nat64.model.fleet import Fleet
from kun_nat64.model.plan import Change, Plan
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.warnings import WarningName
from kun_nat64.policy import drain as drain_policy
from kun_nat64.policy import fleet_view
from kun_nat64.policy.filechange import change_of
from kun_nat64.policy.table_merge import Networks, Place, TableRecords, merged, ordered, place_of, with_changes
from kun_nat64.state.agent_state import State

LOOK_S = 1.0
# Changes that come meanwhile are taken together: a look at the machine costs a dozen commands, and a table of a hundred
# thousand clients some tenths of a second, in a thread. Both take a tenth of the time at most.
PACE_S, SHARE = 0.3, 10
# Orders of the table that take a gateway out of service.
LEAVING = ("drain", "out")


@dataclass(frozen=True, slots=True)
class TableOrders:
    """What a table makes the agent do. `take`: a configuration, and the networks whose clients have changed in it.

    `approve`: changes that the guard passes, now. `set_drain`: a drain, and whether it is stored. `drain_turn`: the
    fleet as it is now, while it is decided whether this gateway may drain.
    """

    take: Callable[[AgentSpec, set[Place]], None]
    approve: Callable[[Iterable[Change]], None]
    set_drain: Callable[[Drain, bool], object]
    drain_turn: Callable[[], AbstractAsyncContextManager[Fleet]]


class TableLoop:
    """`base` is the file's own configuration. `plan` None: no table is followed."""

    def __init__(self, state: State, plan: FollowPlan | None, base: AgentSpec, orders: TableOrders) -> None:
        self._state, self.base, self._orders = state, base, orders
        self._networks: Networks = {}
        self._pending: dict[str, FollowedClient | None] = {}
        self._moved = asyncio.Event()
        self._follower = TableFollower(plan, state.journal, self._changed, self._check) if plan else None

    def start(self) -> None:
        """Brings the state file's table into force."""
        if self._follower is not None:
            self._follower.start()
            if self._moved.is_set():
                self._bring_into_force(*self._worked_out(*self._taken()))

    async def run(self, stop: asyncio.Event) -> None:
        if self._follower is None:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follower.run(stop))
            group.create_task(self._keep_obeying(stop))
            group.create_task(self._take_changes(stop))

    def status(self) -> dict[str, Any] | None:
        """None: nothing is followed."""
        if self._follower is None:
            return None
        return {**self._follower.status(), "desired": ordered(self.base, self._records())}

    def accept(self, version: str) -> bool:
        """Bring the held table into force. False: no table is held, or another version."""
        return self._follower is not None and self._follower.accept(version)

    def take_base(self, base: AgentSpec) -> AgentSpec:
        """Use another file as base; return its configuration with the table."""
        self.base = base
        if self._follower is not None and base.follow is not None:
            self._follower.bound(base.follow.bounds)
        return self.effective(base)

    def effective(self, base: AgentSpec) -> AgentSpec:
        """Return a file's configuration with the table in force. Raises ConfigError if they contradict."""
        if not self._has_table:
            return base
        try:
            return merged(base, self._records(), self._networks)
        except TableFault as fault:
            raise ConfigError(base.source, [Fault("follow", "the controller's table", str(fault))]) from fault

    @property
    def _has_table(self) -> bool:
        table = self._follower.table if self._follower is not None else None
        return table is not None and bool(table.pools or table.classes or table.gateways or table.clients)

    def _records(self, change: TableChange | None = None) -> TableRecords:
        """The table's records; with `change`, as they would be."""
        assert self._follower is not None
        table = self._follower.table
        if change is None:
            return TableRecords(table.pools, table.gateways, table.classes)
        return TableRecords(
            _changed(table.pools, change.pools),
            _changed(table.gateways, change.gateways),
            _changed(table.classes, change.classes),
        )

    def _check(self, change: TableChange) -> None:
        """Clients alone contradict nothing."""
        if change.pools or change.gateways or change.classes:
            merged(self.base, self._records(change), self._networks)

    def _changed(self, change: TableChange) -> None:
        self._pending |= change.clients
        self._moved.set()

    async def _take_changes(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await woken(self._moved, LOOK_S)
            if not self._moved.is_set():
                continue
            begun = self._state.clock()
            self._bring_into_force(*await asyncio.to_thread(self._worked_out, *self._taken()))
            await pause(max(PACE_S, (self._state.clock() - begun) * SHARE), stop)

    def _taken(self) -> tuple[AgentSpec, AgentSpec, Announcement, TableRecords, dict[str, FollowedClient | None]]:
        """Copy the input of the next configuration, because the table's own maps change while a thread reads."""
        self._moved.clear()
        pending, self._pending = self._pending, {}
        records = self._records()
        kept = TableRecords(dict(records.pools), dict(records.gateways), dict(records.classes))
        return self.base, self._state.spec, self._state.announcement, kept, pending

    def _worked_out(
        self,
        base: AgentSpec,
        old: AgentSpec,
        announced: Announcement,
        records: TableRecords,
        pending: dict[str, FollowedClient | None],
    ) -> tuple[AgentSpec, AgentSpec | TableFault, Plan, set[Place]]:
        """In a thread. The change is worked out here as well: what it needs is remembered then."""
        self._networks = with_changes(self._networks, pending)
        places = {place for network in pending if (place := place_of(network)) is not None}
        try:
            new = merged(base, records, self._networks)
        except TableFault as fault:
            return base, fault, Plan(), places
        return base, new, change_of(old, new, announced), places

    def _bring_into_force(self, base: AgentSpec, new: AgentSpec | TableFault, change: Plan, places: set[Place]) -> None:
        """A change within the table's limits need not pass the guard again."""
        state = self._state
        if isinstance(new, TableFault):  # a held change, accepted after the file had changed
            state.journal.error("table", not_taken=str(new))
            words = f"the table in force contradicts the file, which stays: {new}"
            state.warnings.warn(WarningName.TABLE_CONTRADICTION, words)
            return
        if base is not self.base:
            self._moved.set()  # another file has been taken meanwhile
            return
        state.warnings.end_warning(WarningName.TABLE_CONTRADICTION)
        self._orders.take(new, places)
        if change:
            self._orders.approve(change.changes)

    async def _keep_obeying(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.obey(ordered(self.base, self._records()) if self._has_table else "")
            await pause(LOOK_S, stop)

    async def obey(self, order: str) -> None:
        """Carry out the table's order. The last gateway stays, unless [guard] never_withdraw_last is false.

        Several gateways may leave while another one carries traffic.
        """
        fleet = self._state.fleet
        leaves = order in LEAVING and self._state.drain.phase is Phase.SERVING
        if not leaves or not fleet_view.others_carry(fleet):
            self._obey(order, fleet)
            return
        async with self._orders.drain_turn() as seen:
            self._obey(order, seen)

    def _obey(self, order: str, fleet: Fleet) -> None:
        state = self._state
        may_leave = not state.spec.guard.never_withdraw_last or fleet_view.others_carry(fleet)
        now, wall = state.clock(), state.wall()
        drain = drain_policy.follows(state.drain, order, may_leave=may_leave, now=now, wall=wall)
        if drain is not state.drain:
            self._orders.set_drain(drain, True)
        waits = order in LEAVING and drain.phase is Phase.SERVING
        named = not self._has_table or order
        words = _words(state.spec.gateway.name, order, waits=waits, named=bool(named))
        if state.warnings.warn(WarningName.TABLE, words):
            state.journal.warning("table", waits=words)


def _words(name: str, order: str, *, waits: bool, named: bool) -> str:
    if waits:
        return f"the controller's table orders {order}, but no other gateway is known to carry: this one keeps serving"
    return "" if named else f"the controller's table has no gateway {name}: its public ports come from its file alone"


def _changed(records: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in {**records, **changes}.items() if one is not None} if changes else records
