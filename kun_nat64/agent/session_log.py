"""Writes the session log: lines and rows from each list of Jool's sessions, in a thread."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Protocol

from kun_base.journal import Journal
from kun_base.version import version
from kun_nat64.drivers.session_database import SessionBook
from kun_nat64.drivers.sessionfile import SessionFile
from kun_nat64.drivers.sessionlock import FolderLock
from kun_nat64.formats.elastic_common_schema import EcsLines
from kun_nat64.model.audit import Record
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.session_tracking import Ledger, Look, News, WhoWas, nobody
from kun_nat64.state.session_log_state import SessionLogState, Sink

# What could not be written waits for the disk, up to so many records for each sink.
MOST_WAITING = 200_000


class Store(Protocol):
    """Store records. Raises OSError when it cannot; the caller then passes the same records again."""

    def keep(self, news: News, now: float, *, last: bool) -> None: ...
    def trim(self, now: float) -> int: ...
    @property
    def jump(self) -> str: ...
    def close(self) -> None: ...


class LineStore:
    def __init__(self, file: SessionFile, lines: EcsLines) -> None:
        self._file, self._lines = file, lines
        self.trim = file.trim
        self.close = file.close

    @property
    def jump(self) -> str:
        return self._file.jump

    def keep(self, news: News, now: float, *, last: bool) -> None:
        self._file.write(self._lines.lines(news.started, news.ended), now)


class RowStore:
    def __init__(self, book: SessionBook) -> None:
        self._book = book
        self.trim = book.trim
        self.close = book.close

    @property
    def jump(self) -> str:
        return self._book.jump

    def keep(self, news: News, now: float, *, last: bool) -> None:
        self._book.write(news.started, news.ended, now, last=last)


@dataclass
class Outlet:
    """Hold a store and the records that wait for it. `report`: its state, for /status."""

    store: Store
    report: Sink
    waiting: list[News] = field(default_factory=list)

    def take(self, news: News, now: float, *, last: bool = True) -> None:
        """`last`: with these records the store is complete up to `now`, a time that the database keeps."""
        self.waiting.append(news)
        try:
            self.store.keep(_joined(self.waiting), now, last=last)
        except OSError as error:
            self.report.failed = str(error)
            self._let_go()
        else:
            self.report.failed = ""
            self.report.records += sum(map(_size, self.waiting))
            self.waiting.clear()
        self.report.waiting = sum(map(_size, self.waiting))
        if last:
            self._trim(now)

    def _trim(self, now: float) -> None:
        try:
            self.report.size_bytes = self.store.trim(now)
        except OSError as error:
            self.report.failed = self.report.failed or str(error)

    def _let_go(self) -> None:
        while self.waiting and sum(map(_size, self.waiting)) > MOST_WAITING:
            self.report.dropped += _size(self.waiting.pop(0))


def _size(news: News) -> int:
    return len(news.started) + len(news.ended)


def _joined(parts: list[News]) -> News:
    if len(parts) == 1:
        return parts[0]
    return News(_all(one.started for one in parts), _all(one.ended for one in parts))


def _all(parts: Iterable[tuple[Record, ...]]) -> tuple[Record, ...]:
    return tuple(record for part in parts for record in part)


class SessionLog:
    """Write lists of sessions in a thread. `offer` returns at once.

    A list that arrives while another is being written is skipped: live sessions are in the next one.
    """

    def __init__(
        self, spec: AgentSpec, report: SessionLogState, journal: Journal, who_was: WhoWas | None = None
    ) -> None:
        self._spec, self._report, self._journal, self._who_was = spec, report, journal, who_was or nobody
        self._thread = ThreadPoolExecutor(1, "session-log")
        self._busy: asyncio.Future[None] | None = None
        self._ledger: Ledger | None = None
        self._book: SessionBook | None = None
        self._outlets: list[Outlet] = []
        self._lock = FolderLock(Path(spec.audit.database)) if spec.audit.log else None
        self._said = ""
        # What an earlier log could not do is not this one's trouble.
        report.failed = ""
        for sink in report.sinks.values():
            sink.failed, sink.waiting = "", 0

    @property
    def wanted(self) -> bool:
        return self._lock is not None

    def after(self, before: "SessionLog | None") -> None:
        """End `before`, which writes the same files, before the first record."""
        if before is not None:
            self._thread.submit(before.end)

    def offer(self, look: Look) -> asyncio.Future[None] | None:
        """Write this list soon. The future ends when it is written."""
        if not self.wanted:
            return None
        if self._busy is not None and not self._busy.done():
            self._report.skipped += 1
            return self._busy
        self._busy = asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, look)
        return self._busy

    def _guarded(self, look: Look) -> None:
        """No failure of the log stops the gateway."""
        begun = monotonic()
        try:
            self._take(look)
        except OSError as error:
            self._report.failed = str(error)
        self._report.took_s = monotonic() - begun
        self._tell()

    def _take(self, look: Look) -> None:
        if self._ledger is None:
            self._ledger = self._begin(look.begun)
        timeouts, place = self._spec.audit.timeouts, self._book.current if self._book else 0
        waiting: News | None = None
        for news in self._ledger.take(look, timeouts, place, self._who_was):
            if waiting is not None:
                self._keep(waiting, look.done, last=False)
            waiting = news
        self._keep(waiting or News(), look.done, last=True)
        report = self._report
        report.failed, report.looked_at, report.living = "", look.done, len(self._ledger)
        if self._book:
            report.set_aside = tuple(self._book.set_aside)

    def _keep(self, news: News, now: float, *, last: bool) -> None:
        for outlet in self._outlets:
            outlet.take(news, now, last=last)
            self._note_jump(outlet.store.jump)

    def _begin(self, now: float) -> Ledger:
        """Raises OSError when another agent has the folder, or it cannot be made: tried again at the next look."""
        assert self._lock is not None
        self._lock.take()
        audit, gateway = self._spec.audit, self._spec.gateway
        book = SessionBook(Path(audit.database), audit.database_limit, audit.keep_s)
        looked_at = book.start(now)
        lines = EcsLines(
            gateway.name, gateway.vip or self._spec.bgp.next_hop6 or self._spec.bgp.router_id, gateway.pool6, version()
        )
        file = SessionFile(Path(audit.log), audit.log_limit, audit.keep_s)
        self._book = book
        self._outlets = [
            Outlet(LineStore(file, lines), self._report.sinks["log"]),
            Outlet(RowStore(book), self._report.sinks["database"]),
        ]
        return Ledger(book.living(), looked_at)

    def _note_jump(self, words: str) -> None:
        """Note a jump of the clock until the next start, for readers of the log."""
        if words and words != self._report.jump:
            self._journal.error("session-log", clock=words)
            self._report.jump = words

    def _tell(self) -> None:
        """Log each new problem once, and its end once."""
        problem = self._report.problem
        if problem != self._said:
            level: Callable[..., None] = self._journal.error if problem else self._journal.info
            level("session-log", failed=problem or None, works=None if problem else True)
        self._said = problem

    async def close(self) -> None:
        await asyncio.to_thread(self.end)

    def end(self) -> None:
        """Blocks until what is being written is written. Later calls of `offer` are not allowed."""
        self._thread.shutdown()
        for outlet in self._outlets:
            outlet.store.close()
        if self._lock is not None:
            self._lock.release()
