"""Keeps the admin ports and the commands' socket open. Without them the agent works on."""

import asyncio
import contextlib
import os
from pathlib import Path

from kun_nat64.agent.admin_pages import Admin
from kun_nat64.agent.timing import pause
from kun_nat64.model.warnings import WarningName
from kun_nat64.state.agent_state import State

# Somebody else has the port, or the disk is full: that may end.
RETRY_S = 2.0
SOCKET = "socket"


class AdminLoop:
    """Open ports and socket independently of each other. `control`: the socket of `status` and `drain`."""

    def __init__(self, state: State, admin: Admin, control: Path) -> None:
        self._state, self._admin, self._control = state, admin, control
        self._open: dict[str, bool] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Try again until `stop` to open missing ports. Call `open` before."""
        while not stop.is_set() and not all(self._open.values()):
            await pause(RETRY_S, stop)
            await self.open()

    async def open(self) -> None:
        self._open = self._open or dict.fromkeys((*_ports(self._state), SOCKET), False)
        problems = [
            problem
            for what, opened in self._open.items()
            if not opened and (problem := await self._tried(what)) is not None
        ]
        state, before = self._state, self._state.warnings.get(WarningName.ADMIN, "")
        state.warnings.warn(WarningName.ADMIN, "; ".join(problems))
        if "; ".join(problems) != before:
            (state.journal.error if problems else state.journal.info)(
                "admin", listen=", ".join(_ports(state)), failed="; ".join(problems) or None
            )

    async def _tried(self, what: str) -> str | None:
        try:
            await (self._listen_local() if what == SOCKET else self._admin.start_public(*_ports(self._state)[what]))
        except OSError as error:
            where = f"socket {self._control}" if what == SOCKET else f"port {what}"
            lost = "`status` and `drain`" if what == SOCKET else "metrics, probes of balancers, the fleet"
            return f"the admin {where} does not work ({lost}), tried again: {error}"
        self._open[what] = True
        return None

    async def _listen_local(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._control.unlink()
        # Nobody else may open it from its first moment on; what changes things is refused to them in any case.
        before = os.umask(0o177)
        try:
            await self._admin.start_local(str(self._control))
        finally:
            os.umask(before)


def _ports(state: State) -> dict[str, tuple[str, int]]:
    """The addresses of [admin] and [fleet], each once, as at the start: a change needs a restart."""
    spec = state.spec
    wanted = [(spec.admin.host, spec.admin.port), *([spec.fleet.listen] if spec.fleet.listen else [])]
    return {f"{host}:{port}": (host, port) for host, port in wanted}
