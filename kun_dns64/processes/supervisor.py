"""Keeps one worker process per core alive, and speaks for all of them."""

import asyncio
import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from kun_base.children import OWN
from kun_base.journal import Journal
from kun_dns64.config.settings import Settings
from kun_dns64.model.message import Query
from kun_dns64.model.rules import ClientNetworks
from kun_dns64.model.table_update import TableUpdate
from kun_dns64.processes.worker import Post, run_worker
from kun_dns64.processes.worker_rpc import Link, LinkClosed
from kun_dns64.serving.worker_group import Explanation, WorkerStatus
from kun_dns64.state.followed_rules import updated_rules
from kun_dns64.state.metrics import Metrics, summed
from kun_dns64.transport.sharding import Sharding
from kun_dns64.transport.shared_table import shared_limits
from kun_dns64.transport.sockets import ListenError, Listening, bind_sets, leave_group

START_S = 20.0
# Beyond the budget; a worker needs one second of it, and systemd's TimeoutStopSec in the shipped unit is 5 s.
STOP_S = 2.5
SHARD_EVERY_S = 2.0
# A worker that says nothing for SILENT_S, asked every PING_EVERY_S, loses its names to the others; after HANGS_S it is
# replaced.
PING_EVERY_S, SILENT_S, HANGS_S = 0.25, 0.75, 5.0
# A worker that lived shorter than this is started again later and later.
SHORT_LIFE_S = 10.0
FIRST_DELAY_S, MAX_DELAY_S = 0.05, 5.0


class Crew:
    """The workers of one set of listening addresses. `sockets` holds those of each worker, and outlives it."""

    def __init__(
        self,
        settings: Settings,
        sockets: Sequence[Sequence[Listening]],
        journal: Journal,
    ) -> None:
        self.settings, self._sockets, self._journal = settings, sockets, journal
        self._links: dict[int, Link] = {}
        self._pids: dict[int, int] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._sharding = Sharding(sockets)
        self._shared = shared_limits(len(sockets))
        self._absent: frozenset[int] = frozenset()
        self.restarts = 0

    @property
    def listening(self) -> Sequence[Listening]:
        """One worker's: the others serve the same addresses."""
        return self._sockets[0]

    async def start(self) -> None:
        """Returns when every worker serves. Raises OSError when one does not come up."""
        self._keepers = [asyncio.create_task(self._keep(index)) for index in range(len(self._sockets))]
        try:
            async with asyncio.timeout(START_S):
                while len(await self.ask_all("ping")) < len(self._sockets):
                    if self.restarts:
                        raise OSError("a worker ended while starting")
                    await asyncio.sleep(0.01)
        except BaseException as error:
            # Also when a signal ends the program meanwhile.
            await self.stop()
            if isinstance(error, TimeoutError | OSError):
                raise OSError(f"the workers do not start: {error}") from error
            raise
        self._shard()
        self._keepers.append(asyncio.create_task(self._look_after()))

    async def stop(self) -> None:
        """Each worker answers what it has taken; one that does not end in time is killed."""
        self._stopping.set()
        self._sharding.detach()
        self._leave_groups()
        for index, link in self._links.items():
            link.tell("stop")
            if index in self._absent:
                # It would not hear.
                self._kill(self._pids[index])
        limit_s = self.settings.limits.budget_s + STOP_S
        _, late = await asyncio.wait(self._keepers, timeout=limit_s) if self._keepers else (set(), set())
        for pid in list(self._pids.values()):
            self._kill(pid)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for listening in (one for own in self._sockets for one in own):
            listening.close()

    def _leave_groups(self) -> None:
        """Whoever else serves these addresses gets the queries from now on; what waits here is answered."""
        for listening in (one for own in self._sockets for one in own):
            if listening.udp is not None and not listening.handed:
                leave_group(listening.udp)

    async def ask_all(self, name: str, *arguments: Any) -> list[Any]:
        """The answers of those that answer in time. Raises the OSError or ValueError that one of them met."""
        found = await asyncio.gather(
            *(link.ask(name, *arguments) for link in self._links.values()), return_exceptions=True
        )
        for answer in found:
            if isinstance(answer, (OSError, ValueError)) and not isinstance(answer, TimeoutError):
                raise answer
        return [answer for answer in found if not isinstance(answer, BaseException)]

    async def ask_present(self, name: str, *arguments: Any) -> list[Any]:
        """The answers of those that do not stand still, as far as they come at once."""
        links = [link for index, link in self._links.items() if index not in self._absent]
        found = await asyncio.gather(
            *(link.ask(name, *arguments, within_s=SILENT_S) for link in links), return_exceptions=True
        )
        return [answer for answer in found if not isinstance(answer, BaseException)]

    async def ask_one(self, name: str, *arguments: Any) -> Any:
        """Raises OSError when no worker is there."""
        for link in list(self._links.values()):
            with suppress(LinkClosed, TimeoutError):
                return await link.ask(name, *arguments)
        raise OSError("no worker answers")

    async def _keep(self, index: int) -> None:
        delay_s = FIRST_DELAY_S
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = loop.time()
            try:
                status = await self._one_life(index)
            except OSError as error:
                # No process or descriptor is left: that passes.
                self._journal.error("worker-not-started", worker=index, reason=str(error))
                status = -1
            if self._stopping.is_set():
                return
            self.restarts += 1
            self._journal.error("worker-died", worker=index, status=status)
            delay_s = FIRST_DELAY_S if loop.time() - began > SHORT_LIFE_S else min(delay_s * 2, MAX_DELAY_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._stopping.wait()

    async def _one_life(self, index: int) -> int:
        here, there = socket.socketpair()
        post = Post(self.settings, tuple(self._sockets[index]), there, self._journal, os.getpid(), self._shared[index])
        try:
            pid = os.fork()
        except OSError:
            here.close()
            there.close()
            raise
        if pid == 0:
            _be_worker(post)
        OWN.add(pid)
        there.close()
        here.setblocking(False)
        self._pids[index] = pid

        async def told(_name: str, _arguments: tuple[Any, ...]) -> None:
            """All that a worker says of its own accord is that it ends."""
            watching.cancel()
            self._present(index, False)

        link = self._links[index] = Link(here, told)
        watching = asyncio.create_task(self._watch(index, link, pid))
        try:
            await link.run()
        finally:
            watching.cancel()
            self._links.pop(index, None)
            self._present(index, False)
            status = await _reap(pid)
            self._shared[index].forget()
            OWN.discard(pid)
            self._pids.pop(index, None)
        return status

    async def _look_after(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(SHARD_EVERY_S):
                    await self._stopping.wait()
            self._shard()

    def _present(self, index: int, present: bool) -> None:
        """Whoever is absent loses its names until it answers again."""
        absent = self._absent - {index} if present else self._absent | {index}
        if absent != self._absent and not self._stopping.is_set():
            self._absent = absent
            self._sharding.leave_out(absent)

    def _shard(self) -> None:
        """Again and again: sockets of a process we follow may be there for a while."""
        if not self._stopping.is_set() and (reason := self._sharding.attach()):
            self._journal.warning("name-sharding-unavailable", reason=reason)

    async def _watch(self, index: int, link: Link, pid: int) -> None:
        """A worker that is alive but answers nothing is as good as dead."""
        await link.opened.wait()
        with suppress(LinkClosed):
            while True:
                if await self._answers(link, SILENT_S):
                    self._present(index, True)
                    await asyncio.sleep(PING_EVERY_S)
                    continue
                self._journal.warning("worker-silent", worker=index, pid=pid, silent_s=SILENT_S)
                self._present(index, False)
                if not await self._answers(link, HANGS_S - SILENT_S):
                    break
            self._journal.error("worker-hangs", worker=index, pid=pid)
            self._kill(pid)

    @staticmethod
    def _kill(pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    @staticmethod
    async def _answers(link: Link, within_s: float) -> bool:
        """Raises LinkClosed."""
        try:
            await link.ask("ping", within_s=within_s)
        except TimeoutError:
            return False
        return True

    def use_gateways(self, pools_down: frozenset[str], generation: int) -> None:
        """For workers yet to be born."""
        rules = replace(self.settings.rules, pools_down=pools_down, generation=generation)
        self.settings = replace(self.settings, rules=rules)

    def use_clients(self, networks: ClientNetworks) -> None:
        """For workers yet to be born."""
        rules = replace(self.settings.rules, client_networks=networks)
        self.settings = replace(self.settings, rules=rules)

    def use_table(self, update: TableUpdate) -> None:
        """For workers yet to be born."""
        rules = self.settings.rules
        if rules.followed is not None:
            rules.followed.apply(update.members)
            if update.rules is not None:
                self.settings = replace(self.settings, rules=updated_rules(rules, update.rules))


class Supervisor:
    """The fleet of several. Other listening addresses mean another crew beside the first, which then ends."""

    fixed_keys: frozenset[str] = frozenset()

    def __init__(self, settings: Settings, sockets: Sequence[Sequence[Listening]], journal: Journal) -> None:
        assert settings.cookie_secret is not None
        self._journal = journal
        self._crew = Crew(settings, sockets, journal)
        self._restarts_before = 0
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def listening(self) -> Sequence[Listening]:
        return self._crew.listening

    async def start(self) -> None:
        await self._crew.start()

    async def stop(self) -> None:
        await asyncio.gather(self._crew.stop(), *self._leaving, return_exceptions=True)

    async def numbers(self) -> Metrics:
        numbers = summed(await self._crew.ask_all("numbers"))
        numbers.set_count("worker_restarts", self._restarts_before + self._crew.restarts)
        return numbers

    async def standing(self) -> WorkerStatus:
        parts: list[WorkerStatus] = await self._crew.ask_present("standing")
        return WorkerStatus(any(part.forward for part in parts), tuple(one for part in parts for one in part.workers))

    async def explain(self, query: Query) -> Explanation:
        story: Explanation = await self._crew.ask_one("explain", query)
        return story

    async def ask_workers(self, command: str, *arguments: Any) -> list[Any]:
        if command == "log-level":
            self._journal.change(as_json=self._crew.settings.log_format == "json", level=arguments[0])
        return await self._crew.ask_all("control", command, *arguments)

    async def use_gateways(self, pools_down: frozenset[str], generation: int) -> None:
        self._crew.use_gateways(pools_down, generation)
        await self._crew.ask_all("gateways", pools_down, generation)

    async def use_clients(self, networks: ClientNetworks) -> None:
        self._crew.use_clients(networks)
        await self._crew.ask_all("clients", networks)

    async def use_table(self, update: TableUpdate) -> None:
        self._crew.use_table(update)
        await self._crew.ask_all("table", update)

    async def change(self, settings: Settings) -> None:
        before = self._crew.settings
        if (settings.listen, settings.tls, settings.workers) == (before.listen, before.tls, before.workers):
            # First: a worker may be born before the last has changed.
            self._crew.settings = settings
            try:
                await self._crew.ask_all("change", settings)
            except BaseException:
                self._crew.settings = before
                raise
            return
        try:
            sockets = bind_sets(settings.listen, settings.tls_listen, settings.workers, freebind=settings.freebind)
        except ListenError as error:
            raise OSError(str(error)) from error
        crew = Crew(settings, sockets, self._journal)
        await crew.start()
        self._restarts_before += self._crew.restarts
        leaving = asyncio.create_task(self._crew.stop())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        self._crew = crew


def _be_worker(post: Post) -> None:
    """Never returns: the supervisor's loop is still on the stack."""
    code = 1
    try:
        post.link.setblocking(False)
        code = run_worker(post)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


async def _reap(pid: int) -> int:
    """The exit status of a child that has closed its link; one that lingers is killed."""
    for _ in range(100):
        status = _status(pid, os.WNOHANG)
        if status is not None:
            return status
        await asyncio.sleep(0.01)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return _status(pid, 0) or 0


def _status(pid: int, options: int) -> int | None:
    found, status = os.waitpid(pid, options)
    return os.waitstatus_to_exitcode(status) if found else None
