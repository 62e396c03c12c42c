"""Keeps gobgpd's configuration as [bgp] says, where the operator leaves it to the agent."""

import asyncio

from kun_nat64.agent.timing import pause
from kun_nat64.drivers.command import ProcessRunner, Runner
from kun_nat64.drivers.daemonfile import DaemonFile
from kun_nat64.model.errors import DriverError
from kun_nat64.state.agent_state import State

CHECK_S = 30.0
WARNING = "gobgpd"


class GobgpdConfLoop:
    def __init__(self, state: State, runner: Runner | None = None) -> None:
        self._state, self._file = state, DaemonFile(runner or ProcessRunner())

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. A file that cannot be written is said, and tried again: the daemon goes on with its old one."""
        while not stop.is_set():
            await self.settle()
            await pause(CHECK_S, stop)

    async def settle(self) -> None:
        state = self._state
        if not state.spec.bgp.manage_daemon:
            state.warnings.pop(WARNING, None)
            return
        try:
            done = await self._file.settle(state.spec.bgp)
        except DriverError as error:
            words = f"gobgpd goes on with its old configuration, the new one is not in place: {error}"
            if state.warnings.get(WARNING) != words:
                state.journal.error(WARNING, failed=str(error))
            state.warnings[WARNING] = words
            return
        state.warnings.pop(WARNING, None)
        if done:
            state.journal.warning(WARNING, done=done)
