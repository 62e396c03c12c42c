"""Tells BGP what was decided. A lane of its own: a withdrawal never waits for the rest of the machine."""

import asyncio

from kun_nat64.model.announcement import Announcement
from kun_nat64.model.area import Area
from kun_nat64.model.errors import DriverError
from kun_nat64.model.host import Host
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.desired import desired
from kun_nat64.state import State
from kun_nat64.waiting import woken

FIRST_RETRY_S, LAST_RETRY_S = 0.2, 5.0


class Announcer:
    """`poke` makes it tell BGP again what the decision is now; it never acts on an older one.

    `stale`: paths of ours that no decision wants any more, since the VIP is another one now.
    """

    def __init__(self, state: State, host: Host) -> None:
        self._state, self.host = state, host
        self.poked = asyncio.Event()
        self._stale: tuple[Change, ...] = ()

    def poke(self, stale: tuple[Change, ...] = ()) -> None:
        self._stale = stale or self._stale
        self.poked.set()

    async def run(self, stop: asyncio.Event) -> None:
        retry_s = FIRST_RETRY_S
        while not stop.is_set():
            await self.poked.wait()
            self.poked.clear()
            if stop.is_set() or await self.tell():
                retry_s = FIRST_RETRY_S
                continue
            retry_s = await self._back_off(retry_s)

    async def tell(self) -> bool:
        """One attempt. False: the speaker did not take it, and the state says why."""
        state = self._state
        wanted = state.announcement
        try:
            await self.host.apply((*self._stale, *changes_for(state.spec, wanted)))
        except DriverError as error:
            self._failed(error)
            return False
        self._stale = ()
        told = state.speaker.told != wanted
        state.speaker.told, state.speaker.told_at = wanted, state.clock()
        if told or state.speaker.failed is not None:
            state.journal.info("bgp", announced=wanted.wanted, med=wanted.med if wanted.wanted else None)
        state.speaker.failed = None
        return True

    def _failed(self, error: DriverError) -> None:
        if str(error) != str(self._state.speaker.failed):
            self._state.journal.error("bgp", failed=str(error))
        self._state.speaker.failed = error

    async def _back_off(self, retry_s: float) -> float:
        await woken(self.poked, retry_s)
        return min(retry_s * 2, LAST_RETRY_S)


def changes_for(spec: AgentSpec, wanted: Announcement) -> tuple[Change, ...]:
    """Without a look first: adding a path replaces the one that is there, removing one that is gone does nothing."""
    full = Announcement(True, spec.bgp.med)
    paths = sorted((f for f in desired(spec, wanted if wanted.wanted else full) if f.area is Area.BGP), key=str)
    return tuple(Change(Action.ADD if wanted.wanted else Action.REMOVE, path) for path in paths)
