"""Tells BGP what was decided. A lane of its own: a withdrawal never waits for the rest of the machine."""

import asyncio
from collections.abc import Callable, Collection, Iterable

from kun_nat64.agent.timing import woken
from kun_nat64.model.announcement import Announcement, Told
from kun_nat64.model.area import Area, Key
from kun_nat64.model.errors import DriverError
from kun_nat64.model.facts import any_path
from kun_nat64.model.host import Host
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.spec import AgentSpec, BgpSpec
from kun_nat64.policy.desired import desired
from kun_nat64.state.agent_state import State

FIRST_RETRY_S, LAST_RETRY_S = 0.2, 5.0


class Announcer:
    """`poke` makes it tell BGP again what the decision is now; it never acts on an older one.

    `stale`: removals of paths of ours that no decision wants any more, since the configuration has changed.
    `remember` is called with what BGP was told, when that is something else than before; `warn_members` just before
    routers are told something else: flows will move.
    """

    def __init__(self, state: State, host: Host, remember: Callable[[Told], None] = lambda _: None) -> None:
        self._state, self.host, self._remember = state, host, remember
        self.poked = asyncio.Event()
        self._stale: dict[Key, Change] = {}
        self._noted: Told | None = None
        self.warn_members: Callable[[], None] = _nobody

    def poke(self, stale: Iterable[Change] = ()) -> None:
        self._stale |= {change.fact.key: change for change in stale}
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
        if self._state.knows_bgp and self._state.speaker.told != self._state.announcement:
            await self.tell()  # the last word: what was decided and not taken yet would stay undone

    async def tell(self) -> bool:
        """One attempt. False: the speaker did not take it, and the state says why."""
        state = self._state
        spec, wanted = state.spec, state.announcement
        own = {("bgp", str(prefix)) for prefix in spec.bgp.prefixes}
        stale = {key: change for key, change in self._stale.items() if key not in own}
        if state.speaker.told != wanted:
            self.warn_members()
        try:
            await self.host.apply((*stale.values(), *changes_for(spec, wanted)))
        except DriverError as error:
            self._failed(error)
            return False
        self._stale = {key: change for key, change in self._stale.items() if stale.get(key) is not change}
        told = state.speaker.told != wanted
        state.speaker.told, state.speaker.told_at = wanted, state.clock()
        self._note(told_to(spec.bgp, wanted))
        if told or state.speaker.failed is not None:
            state.journal.info("bgp", announced=wanted.wanted, med=wanted.med if wanted.wanted else None)
        state.speaker.failed = None
        return True

    def _note(self, told: Told) -> None:
        if told != self._noted:
            self._noted = told
            self._remember(told)

    def _failed(self, error: DriverError) -> None:
        if str(error) != str(self._state.speaker.failed):
            self._state.journal.error("bgp", failed=str(error))
        self._state.speaker.failed = error

    async def _back_off(self, retry_s: float) -> float:
        await woken(self.poked, retry_s)
        return min(retry_s * 2, LAST_RETRY_S)


def _nobody() -> None:
    return None


def told_to(bgp: BgpSpec, wanted: Announcement) -> Told:
    return Told(bgp.speaker, bgp.api, tuple(map(str, bgp.prefixes)) if wanted.wanted else (), bgp.paths_file)


def removals(told: Told, kept: Collection[object]) -> tuple[Change, ...]:
    """Of what was told and is not among `kept`, prefixes as text."""
    return tuple(Change(Action.REMOVE, any_path(prefix)) for prefix in told.prefixes if prefix not in kept)


def changes_for(spec: AgentSpec, wanted: Announcement) -> tuple[Change, ...]:
    """Without a look first: adding a path replaces the one that is there, removing one that is gone does nothing."""
    full = Announcement(True, spec.bgp.med)
    paths = sorted((f for f in desired(spec, wanted if wanted.wanted else full) if f.area is Area.BGP), key=str)
    return tuple(Change(Action.ADD if wanted.wanted else Action.REMOVE, path) for path in paths)
