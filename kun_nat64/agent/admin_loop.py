"""Keeps the admin port and the commands' socket open. Without them the agent goes on: the gateway is for the pods."""

import asyncio
import contextlib
import os
from pathlib import Path

from kun_nat64.agent.admin_pages import Admin
from kun_nat64.agent.timing import pause
from kun_nat64.state.agent_state import State

# Somebody else has the port, or the disk is full: that may end.
RETRY_S = 2.0
WARNING = "admin"


class AdminLoop:
    """`control`: the socket that `status` and `drain` use. One of the two does not wait for the other."""

    def __init__(self, state: State, admin: Admin, control: Path) -> None:
        self._state, self._admin, self._control = state, admin, control
        self._open = {"port": False, "socket": False}

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: what could not be opened is tried again. `open` has been called before."""
        while not stop.is_set() and not all(self._open.values()):
            await pause(RETRY_S, stop)
            await self.open()

    async def open(self) -> None:
        problems = [
            problem
            for what, opened in self._open.items()
            if not opened and (problem := await self._tried(what)) is not None
        ]
        state, before = self._state, self._state.warnings.get(WARNING)
        if not problems:
            state.warnings.pop(WARNING, None)
        else:
            state.warnings[WARNING] = "; ".join(problems)
        if state.warnings.get(WARNING) != before:
            (state.journal.error if problems else state.journal.info)(
                "admin", listen=self._listen, failed="; ".join(problems) or None
            )

    @property
    def _listen(self) -> str:
        return f"{self._state.spec.admin.host}:{self._state.spec.admin.port}"

    async def _tried(self, what: str) -> str | None:
        try:
            await (self._listen_public() if what == "port" else self._listen_local())
        except OSError as error:
            where = self._listen if what == "port" else self._control
            lost = "metrics, probes of balancers, the fleet" if what == "port" else "`status` and `drain`"
            return f"the admin {what} {where} does not work ({lost}), tried again: {error}"
        self._open[what] = True
        return None

    async def _listen_public(self) -> None:
        spec = self._state.spec.admin
        await self._admin.start_public(spec.host, spec.port)

    async def _listen_local(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._control.unlink()
        # Nobody else may open it from its first moment on; what changes things is refused to them in any case.
        before = os.umask(0o177)
        try:
            await self._admin.start_local(str(self._control))
        finally:
            os.umask(before)
