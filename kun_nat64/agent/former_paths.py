"""Withdraws paths that an earlier agent or file announced and that are not ours any more."""

import asyncio

from kun_nat64.agent.announcer import Announcer, removals
from kun_nat64.drivers.speaker import take_back
from kun_nat64.model.announcement import LastAnnounced
from kun_nat64.state.agent_state import State


class FormerPaths:
    def __init__(self, state: State, announcer: Announcer) -> None:
        self._state, self._announcer = state, announcer

    def leave(self, last: LastAnnounced) -> None:
        """Withdraw those of these paths that are no longer ours; with another speaker, all of them."""
        bgp = self._state.spec.bgp
        if (last.speaker, last.api, last.paths_file) == (bgp.speaker, bgp.api, bgp.paths_file):
            stale = removals(last, set(map(str, bgp.prefixes)))
            if stale:
                self._announcer.poke(stale)
        elif last.prefixes:
            self._take_back(last)

    def _take_back(self, last: LastAnnounced) -> None:
        """Withdraw in a thread, because the former speaker may hang."""
        work = asyncio.get_running_loop().run_in_executor(None, take_back, last)
        work.add_done_callback(lambda done: self._left(last, done.exception()))

    def _left(self, last: LastAnnounced, error: BaseException | None) -> None:
        """Announce again: it may have been the same speaker with another address."""
        if error is not None:
            self._state.journal.error("bgp", left_behind=", ".join(last.prefixes), api=last.api, failed=str(error))
        self._announcer.poke()
