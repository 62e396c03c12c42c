"""Looks at the workers once a second, and writes what changed. Keeps the last events for the page."""

import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kun_base.certificate_end import certificate_end
from kun_base.journal import Journal
from kun_dns64.config.settings import Settings
from kun_dns64.serving.worker_group import WorkerGroup, WorkerPulse
from kun_dns64.state.server_events import Event, ServerEvents

MOST_KEPT = 50
# Of ten minutes.
POINTS, POINT_S = 120, 5.0
CERTIFICATES_EVERY = 60


@dataclass(frozen=True, slots=True)
class PastEvent:
    """`at`: seconds since 1970."""

    at: float
    event: Event


class Course:
    """How queries and the upstreams' times went: a point every few seconds."""

    def __init__(self) -> None:
        self.queries_per_s: deque[float] = deque(maxlen=POINTS)
        self.latencies_ms: dict[str, deque[float]] = {}
        self._at, self._queries = float("-inf"), 0

    def note(self, found: Iterable[WorkerPulse], now: float) -> None:
        if now - self._at < POINT_S:
            return
        pulses = list(found)
        queries = sum(pulse.queries for pulse in pulses)
        if self._at != float("-inf"):
            # A worker that was replaced begins at 0.
            self.queries_per_s.append(max(0, queries - self._queries) / (now - self._at))
        self._at, self._queries = now, queries
        times: dict[str, list[float]] = {}
        for pulse in pulses:
            for one in pulse.upstreams:
                times.setdefault(one.upstream, []).append(1000 * one.srtt_s)
        kept = {name: self.latencies_ms.get(name, deque(maxlen=POINTS)) for name in times}
        for name, values in times.items():
            kept[name].append(sum(values) / len(values))
        self.latencies_ms = kept


class EventLog:
    def __init__(self, journal: Journal, workers: WorkerGroup) -> None:
        self._journal, self._workers = journal, workers
        self._changes = ServerEvents()
        self._looks = 0
        self.course = Course()
        self.recent: deque[PastEvent] = deque(maxlen=MOST_KEPT)
        # When the certificate of each file ends, seconds since 1970.
        self.certificate_ends: dict[str, float] = {}

    def write(self, level: str, name: str, **fields: object) -> None:
        self._tell([Event(level, name, fields)])

    def _tell(self, events: Iterable[Event]) -> None:
        for event in events:
            self._journal.write(event.level, event.name, **event.fields)
            self.recent.append(PastEvent(time.time(), event))

    async def look(self, settings: Settings) -> None:
        now = time.monotonic()
        try:
            found: list[WorkerPulse] = await self._workers.ask_workers("pulse")
        except (OSError, ValueError):
            found = []
        if found:
            self.course.note(found, now)
            self._tell(self._changes.upstreams(_by_upstream(found), _groups(settings), now))
            self._tell(self._changes.limits([pulse.limited for pulse in found], now))
            self._tell(self._changes.cache([pulse.full for pulse in found], now))
        if self._looks % CERTIFICATES_EVERY == 0:
            files = _certificates(settings)
            self.certificate_ends = _ends(files)
            self._tell(self._changes.certificates(self.certificate_ends, time.time()))
        self._looks += 1

    def gateways(self, seen: Mapping[str, Mapping[str, str]]) -> None:
        """`seen`: why each gateway of each pool is down, "" for one that is up."""
        self._tell(self._changes.gateways(seen, time.monotonic()))


def _by_upstream(found: Iterable[WorkerPulse]) -> dict[str, list[tuple[bool, str]]]:
    rows: dict[str, list[tuple[bool, str]]] = {}
    for pulse in found:
        for one in pulse.upstreams:
            rows.setdefault(one.upstream, []).append((one.up, one.why))
    return rows


def _groups(settings: Settings) -> dict[str, list[str]]:
    return {group: [str(one) for one in upstreams] for group, upstreams in settings.groups.items()}


def _certificates(settings: Settings) -> list[str]:
    own = [str(settings.tls.certificate)] if settings.tls else []
    return [*own, *([settings.access.certificate] if settings.access.certificate else [])]


def _ends(files: Iterable[str]) -> dict[str, float]:
    """A file that cannot be read now has been said at its reload."""
    found = {}
    for file in files:
        try:
            found[file] = certificate_end(Path(file).read_bytes())
        except (OSError, ValueError):
            continue
    return found
