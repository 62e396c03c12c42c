"""One process that does it all: the fleet of one."""

import asyncio
from collections.abc import Sequence, Set
from dataclasses import replace
from typing import Any

from kun_base.journal import Journal
from kun_dns64.config.settings import Address, Settings
from kun_dns64.fastpath.selection import choose_parts
from kun_dns64.model.message import Query
from kun_dns64.model.rules import ClientNetworks
from kun_dns64.model.table_update import TableUpdate
from kun_dns64.serving.server import Server
from kun_dns64.serving.worker_control import perform
from kun_dns64.serving.worker_group import Explanation, WorkerStatus
from kun_dns64.state.metrics import Metrics, summed
from kun_dns64.transport.sockets import ListenError, Listening, bind_all


class Single:
    """Serves in this process; nothing is forked, nothing has to be told."""

    fixed_keys = frozenset({"server.workers"})

    def __init__(self, settings: Settings, sockets: Sequence[Listening], journal: Journal) -> None:
        assert settings.cookie_secret is not None
        self._sockets = list(sockets)
        self._asked_for = settings.addresses
        self._server = Server(settings, sockets, journal, (settings.cookie_secret,), choose_parts())
        self._journal = journal

    @property
    def listening(self) -> Sequence[Listening]:
        return self._sockets

    async def start(self) -> None:
        """Raises OSError when TLS files cannot be used."""
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    async def numbers(self) -> Metrics:
        return summed([self._server.snapshot()])

    async def standing(self) -> WorkerStatus:
        return self._server.standing()

    async def explain(self, query: Query) -> Explanation:
        return await self._server.explain(query)

    async def ask_workers(self, command: str, *arguments: Any) -> list[Any]:
        return [await perform(self._server, command, arguments)]

    async def use_gateways(self, pools_down: frozenset[str], generation: int) -> None:
        self._server.use_gateways(pools_down, generation)

    async def use_clients(self, networks: ClientNetworks) -> None:
        self._server.use_clients(networks)

    async def use_table(self, update: TableUpdate) -> None:
        self._server.use_table(update)
        # Queries have their turn between two parts.
        await asyncio.sleep(0)

    async def change(self, settings: Settings) -> None:
        if settings.workers != 1:
            # There is nobody to fork: this process holds threads and clients already.
            self._journal.warning("needs-restart", key="server.workers", wanted=settings.workers, running=1)
            settings = replace(settings, workers=1)
        wanted = settings.addresses
        fresh = self._bind_new(wanted, settings.freebind) if wanted != self._asked_for else []
        try:
            await self._server.change(settings)
        except OSError:
            for listening in fresh:
                listening.close()
            raise
        if wanted != self._asked_for:
            kept = [s for s in self._sockets if (s.endpoint, s.tls) in wanted]
            self._sockets, self._asked_for = [*kept, *fresh], wanted
            await self._server.listen_on(self._sockets)

    def _bind_new(self, wanted: Set[Address], freebind: bool) -> list[Listening]:
        """Sockets for the addresses that are not served yet. Raises OSError."""
        have = {(listening.endpoint, listening.tls) for listening in self._sockets}
        new = [key for key in wanted if key not in have]
        try:
            return bind_all(
                [endpoint for endpoint, tls in new if not tls],
                [endpoint for endpoint, tls in new if tls],
                freebind=freebind,
            )
        except ListenError as error:
            raise OSError(str(error)) from error
