"""Announces decisions by BGP in a loop of its own: a withdrawal never waits for other changes."""

import asyncio
from collections.abc import Callable, Collection, Iterable

from kun_nat64.agent.timing import woken
from kun_nat64.model.announcement import Announcement, LastAnnounced
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
    """Announce the present decision, never an older one. `poke` makes it announce again.

    `stale`: removals of our paths that the changed configuration no longer wants. `remember` is called with each new
    announcement, `warn_members` just before it, because flows will move.
    """

    def __init__(
        self,
        state: State,
        host: Host,
        remember: Callable[[LastAnnounced], None] = lambda _: None,
        warn_members: Callable[[], None] = lambda: None,
    ) -> None:
        self._state, self._host, self._remember, self._warn_members = state, host, remember, warn_members
        self.poked = asyncio.Event()
        self._stale: dict[Key, Change] = {}
        self._noted: LastAnnounced | None = None

    def poke(self, stale: Iterable[Change] = ()) -> None:
        """Announce again now. `stale`: paths of ours to withdraw."""
        self._stale |= {change.fact.key: change for change in stale}
        self.poked.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Carry out decisions until `stop`; retry what failed."""
        retry_s = FIRST_RETRY_S
        while not stop.is_set():
            await self.poked.wait()
            self.poked.clear()
            if stop.is_set() or await self.announce():
                retry_s = FIRST_RETRY_S
                continue
            retry_s = await self._back_off(retry_s)
        if self._state.standing.knows_bgp and self._state.speaker.announced != self._state.announcement:
            await self.announce()  # otherwise what was decided and not taken yet would stay undone

    async def announce(self) -> bool:
        """Announce once. False: the speaker did not accept it, and the state has the reason."""
        state = self._state
        spec, wanted = state.spec, state.announcement
        own = {("bgp", str(prefix)) for prefix in spec.bgp.prefixes}
        stale = {key: change for key, change in self._stale.items() if key not in own}
        if state.speaker.announced != wanted:
            self._warn_members()
        try:
            await self._host.apply((*stale.values(), *changes_for(spec, wanted)))
        except DriverError as error:
            self._failed(error)
            return False
        self._stale = {key: change for key, change in self._stale.items() if stale.get(key) is not change}
        is_new = state.speaker.announced != wanted
        state.speaker.announced, state.speaker.announced_at = wanted, state.clock()
        self._note(last_announced(spec.bgp, wanted))
        if is_new or state.speaker.failed is not None:
            state.journal.info("bgp", announced=wanted.wanted, med=wanted.med if wanted.wanted else None)
        state.speaker.failed = None
        return True

    def forget(self) -> None:
        """Somebody else withdrew our path: announce it again."""
        self._state.speaker.announced = None
        self.poke()

    def _note(self, now: LastAnnounced) -> None:
        if now != self._noted:
            self._noted = now
            self._remember(now)

    def _failed(self, error: DriverError) -> None:
        if str(error) != str(self._state.speaker.failed):
            self._state.journal.error("bgp", failed=str(error))
        self._state.speaker.failed = error

    async def _back_off(self, retry_s: float) -> float:
        await woken(self.poked, retry_s)
        return min(retry_s * 2, LAST_RETRY_S)


def last_announced(bgp: BgpSpec, wanted: Announcement) -> LastAnnounced:
    return LastAnnounced(bgp.speaker, bgp.api, tuple(map(str, bgp.prefixes)) if wanted.wanted else (), bgp.paths_file)


def removals(announced: LastAnnounced, kept: Collection[object]) -> tuple[Change, ...]:
    """Return removals of announced paths that are not in `kept` (prefixes as text)."""
    return tuple(Change(Action.REMOVE, any_path(prefix)) for prefix in announced.prefixes if prefix not in kept)


def changes_for(spec: AgentSpec, wanted: Announcement) -> tuple[Change, ...]:
    """Return the changes without observing: adding a path replaces it, removing a missing path does nothing."""
    full = Announcement(True, spec.bgp.med)
    paths = sorted((f for f in desired(spec, wanted if wanted.wanted else full) if f.area is Area.BGP), key=str)
    return tuple(Change(Action.ADD if wanted.wanted else Action.REMOVE, path) for path in paths)
