"""Keeps the speaker's neighbours and filters as [bgp] says, where the operator leaves them to the agent."""

import asyncio

from kun_nat64.agent.timing import pause
from kun_nat64.drivers.command import ProcessRunner, Runner
from kun_nat64.drivers.daemon_configuration import configuration_of
from kun_nat64.model.errors import DriverError
from kun_nat64.model.speakers import FRR, SPEAKERS
from kun_nat64.model.warnings import WarningName
from kun_nat64.state.agent_state import State

CHECK_S = 30.0
# A bgpd that started again has lost what it was given: until it has it again there is no session.
CHECK_FRR_S = 5.0
# The warning has the name of the daemon.
WARNINGS = {kind.name: WarningName(kind.daemon) for kind in SPEAKERS.values()}


class SpeakerConfLoop:
    def __init__(self, state: State, runner: Runner | None = None) -> None:
        self._state, self._runner = state, runner or ProcessRunner()
        self._speaker = state.spec.bgp.speaker
        self._daemon = configuration_of(self._speaker, self._runner)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. What cannot be written is warned about, and tried again: the daemon keeps its old file."""
        while not stop.is_set():
            await self.settle()
            await pause(CHECK_FRR_S if self._speaker == FRR.name else CHECK_S, stop)

    async def settle(self) -> None:
        state = self._state
        if not state.spec.bgp.manage_daemon:
            self._forget()
            return
        if state.spec.bgp.speaker != self._speaker:
            self._speaker = state.spec.bgp.speaker
            self._daemon = configuration_of(self._speaker, self._runner)
        try:
            done = await self._daemon.settle(state.spec.bgp)
        except DriverError as error:
            daemon = WARNINGS[self._speaker]
            words = f"{daemon} goes on with its old configuration, the new one is not in place: {error}"
            if state.warnings.warn(daemon, words):
                state.journal.error(daemon, failed=str(error))
            return
        self._forget()
        if done:
            state.journal.warning(WARNINGS[self._speaker], done=done)

    def _forget(self) -> None:
        for daemon in WARNINGS.values():
            self._state.warnings.end_warning(daemon)
