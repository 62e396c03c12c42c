"""Follow the controller's table: from the state file at start, then from the stream or from the file.

`start` reads the file before the first question is answered; `run` goes on until `stop`. Whatever fails,
the table in force stays, and `status` tells what has failed. docs/kubernetes.md, "What a consumer does".
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kun_base.journal import Journal
from kun_base.table_client import NoTable, Pauses, TableConnection, TableSource
from kun_base.table_fields import TableFault
from kun_base.table_file import aside, read_table_file, write_table_file
from kun_base.table_intake import LowerRevision, RemovalBounds, TableIntake
from kun_base.table_lines import read_line
from kun_base.table_state import FollowedTable, TableChange

LOOK_S = 1.0
# The file is written at most once a second, and no more than a twentieth of the time.
WRITE_S, WRITE_SHARE = 1.0, 20.0
APPLIED_S = 1.0


@dataclass(frozen=True, slots=True)
class FollowPlan:
    """What is followed. `source` None: the file alone. `file` None: nothing is kept over a restart."""

    source: TableSource | None
    file: Path | None
    bounds: RemovalBounds


class TableFollower:
    """`on_change` hears of every change when it is in force; `check` sees it before, and may raise TableFault."""

    def __init__(
        self,
        plan: FollowPlan,
        journal: Journal,
        on_change: Callable[[TableChange], None],
        check: Callable[[TableChange], None] = lambda change: None,
    ) -> None:
        self.plan = plan
        self._journal, self._on_change = journal, on_change
        self._intake = TableIntake(plan.bounds, check)
        self._connection = TableConnection(plan.source) if plan.source is not None else None
        self._unsaved, self._news = asyncio.Event(), asyncio.Event()
        self._stamp: tuple[int, ...] | None = None
        self._heard: float | None = None
        self._connected = False
        self._error = ""
        self.faults = self.connections = self.changes = 0

    @property
    def table(self) -> FollowedTable:
        """The table in force."""
        return self._intake.table

    def start(self) -> None:
        """Bring the file's table into force, if it is there and right. Does not raise: there may be a better one."""
        if self.plan.file is not None and (stamp := _stamp(self.plan.file)) is not None:
            self._stamp = stamp
            self._take_file()
            self._unsaved.clear()

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop`; what is not in the file by then is written."""
        async with asyncio.TaskGroup() as group:
            loops = [group.create_task(self._follow() if self._connection is not None else self._watch_file())]
            if self._connection is not None:
                loops += [group.create_task(self._keep_file()), group.create_task(self._say_applied())]
            await stop.wait()
            for loop in loops:
                loop.cancel()
        if self._connection is not None and self._unsaved.is_set():
            await self._write()

    def accept(self, version: str = "") -> bool:
        """Bring the held change into force. False: nothing is held, or another version."""
        held = self._intake.received.version
        change = self._intake.accept(version)
        if change is None:
            return False
        self._journal.warning("table-accepted", version=held)
        self._told(change)
        return True

    def bound(self, bounds: RemovalBounds) -> None:
        """Take new bounds; they count from the next commit."""
        self._intake.bounds = bounds

    def status(self, now: float | None = None) -> dict[str, Any]:
        """Tell what is in force, how old it is, and what is wrong. `now`: on the monotonic clock."""
        intake, source = self._intake, self.plan.source
        now = time.monotonic() if now is None else now
        mark = intake.in_force
        return {
            "source": source.url if source is not None else str(self.plan.file),
            "file": str(self.plan.file) if self.plan.file is not None else "",
            "connected": self._connected,
            "version": mark.version,  # checksum of the table in force
            "revision": mark.revision,
            "cluster": mark.cluster,
            "committed_at": mark.at,  # when the controller committed it
            "age_s": round(now - self._heard, 3) if self._heard is not None else None,
            "records": intake.table.counts(),
            "changes": self.changes,  # changes that came into force
            "faults": self.faults,  # changes and files that were refused
            "error": self._error,
            "held": self._held(),
        }

    def _held(self) -> dict[str, Any] | None:
        held = self._intake.held
        if not held.reason:
            return None
        removes = {kind: held.change.removed(kind) for kind in self.table.counts()}
        return {"version": self._intake.received.version, "reason": held.reason, "removes": removes}

    def _take_file(self) -> None:
        assert self.plan.file is not None
        try:
            self._take_lines(read_table_file(self.plan.file))
        except (OSError, TableFault) as error:
            self._fault(f"{self.plan.file}: {error}")
            return
        mark = self._intake.in_force
        self._journal.info("table-read", file=str(self.plan.file), version=mark.version, **self.table.counts())

    def _take_lines(self, lines: list[Any]) -> None:
        self._intake.connected("", "")
        for line in lines:
            change = self._intake.take(line, time.monotonic())
            if change is not None:
                self._told(change)
        self._heard, self._error = time.monotonic(), ""
        self._warn_of_held()

    async def _watch_file(self) -> None:
        """Take the file again whenever it is replaced. One that is gone changes nothing."""
        file = self.plan.file
        assert file is not None
        while True:
            await asyncio.sleep(LOOK_S)
            stamp = _stamp(file)
            if stamp is None or stamp == self._stamp:
                continue
            self._stamp = stamp
            try:
                self._take_lines(await aside(partial(read_table_file, file)))
            except (OSError, TableFault) as error:
                self._fault(f"{file}: {error}")

    async def _follow(self) -> None:
        """Connect, take lines, connect again."""
        assert self._connection is not None
        pauses, have = Pauses(), self._intake.have
        while True:
            began, was_fault = time.monotonic(), False
            self._intake.connected(have, self._connection.source.view)
            try:
                await self._connection.follow(have, self._take_line)
            except (NoTable, LowerRevision) as error:
                self._note(str(error))
            except TableFault as error:
                was_fault = True
                self._fault(str(error))
            finally:
                self._connected = False
            # What sent a fault may have sent others that did not show.
            have = "" if was_fault else self._intake.have
            await asyncio.sleep(pauses.take(time.monotonic() - began, was_fault=was_fault))

    def _take_line(self, data: bytes) -> bool:
        now = time.monotonic()
        held = self._intake.held.reason
        change = self._intake.take(read_line(data), now)
        self._heard = now
        if self._intake.is_between_changes and not self._connected:
            self._connected, self._error = True, ""
            self.connections += 1
            self._journal.info("table-connected", version=self._intake.received.version)
        if change is not None:
            self._told(change)
        elif self._intake.held.reason != held:
            self._warn_of_held()
        return not self._intake.is_between_changes

    def _told(self, change: TableChange) -> None:
        mark = self._intake.in_force
        if change:
            self.changes += 1
            self._on_change(change)
        self._journal.debug("table-in-force", version=mark.version, revision=mark.revision)
        self._unsaved.set()
        self._news.set()

    def _warn_of_held(self) -> None:
        if (held := self._held()) is not None:
            self._journal.warning("table-held", version=held["version"], reason=held["reason"])

    def _fault(self, text: str) -> None:
        self.faults += 1
        self._note(text)

    def _note(self, text: str) -> None:
        """One line in the log for each new text."""
        if text != self._error:
            self._journal.warning("table-not-followed", error=text)
        self._error = text

    async def _keep_file(self) -> None:
        if self.plan.file is None:
            return
        while True:
            await self._unsaved.wait()
            began = time.monotonic()
            await self._write()
            await asyncio.sleep(max(WRITE_S, (time.monotonic() - began) * WRITE_SHARE))

    async def _write(self) -> None:
        self._unsaved.clear()
        if self.plan.file is None:
            return
        try:
            await write_table_file(self.plan.file, self.table, self._intake.in_force)
        except OSError as error:
            self._journal.warning("table-not-kept", file=str(self.plan.file), error=str(error))

    async def _say_applied(self) -> None:
        assert self._connection is not None
        while True:
            await self._news.wait()
            self._news.clear()
            await self._connection.say_applied(self._intake.in_force.version)
            await asyncio.sleep(APPLIED_S)


def _stamp(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)
