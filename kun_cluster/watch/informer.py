"""Keeps up with all objects of one kind, for ever.

The first state comes by the watch itself (sendInitialEvents): no page is too old before the last one is read. Every
bookmark moves the version on, so that a new connection goes on where the last one ended. Code 410, or an object that a
watch did not have any more, means: everything anew. A watch that is silent for longer than bookmarks are apart is dead.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from kun_cluster.formats.egress_objects import EgressObject
from kun_cluster.formats.watch_events import (
    Bookmark,
    Deleted,
    EventReader,
    Failed,
    Unreadable,
    Upsert,
    WatchEvent,
)
from kun_cluster.formats.workload_objects import Workload
from kun_cluster.watch.kube_client import PATHS, KubeClient
from kun_cluster.watch.kube_error import KubeError

GONE = 410
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
"""However long the API server was away, all is caught up within 10 s after it is back."""
SERVER_ENDS_S = 300
SILENCE_S = 100.0
"""The API server sends a bookmark about once a minute."""

Object = Workload | EgressObject


@dataclass(slots=True)
class Sink:
    """Where an informer puts what it hears. `listed` gets the whole first state, and those that cannot be read."""

    listed: Callable[[str, list[Object], list[Unreadable]], None]
    changed: Callable[[str, Object], None]
    deleted: Callable[[str, Deleted], None]
    seen: Callable[[str, str], None]
    failed: Callable[[str, str], None]
    unreadable: Callable[[str, Unreadable], None]


class Informer:
    """One kind. `is_synced` from the first complete state on; `last_heard` on the monotonic clock."""

    def __init__(self, kind: str, client: KubeClient, sink: Sink, silence_s: float = SILENCE_S) -> None:
        self.kind, self.is_synced, self.last_heard = kind, False, 0.0
        self._client, self._sink, self._silence_s = client, sink, silence_s
        self._reader = EventReader(kind)
        self._version = ""
        self._first: list[Upsert | Unreadable] | None = None

    async def run(self) -> None:
        """Follow until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            started = time.monotonic()
            try:
                await self._follow()
            except KubeError as error:
                if error.code == GONE:
                    self._version = ""
                else:
                    self._sink.failed(self.kind, str(error))
            except msgspec.DecodeError as error:
                self._version = ""
                self._sink.failed(self.kind, f"a line that is not an event: {error}")
            # A watch that held for a while was no failure: the server ends each of them now and then.
            pause_s = (
                FIRST_PAUSE_S if time.monotonic() - started > LONGEST_PAUSE_S else min(pause_s * 2, LONGEST_PAUSE_S)
            )
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))

    async def _follow(self) -> None:
        """One watch, from the version known or from nothing."""
        if self._version and await self._is_from_the_future():
            self._version = ""
        parameters = {"allowWatchBookmarks": "true", "timeoutSeconds": str(SERVER_ENDS_S + random.randrange(60))}
        if self._version:
            parameters["resourceVersion"] = self._version
            self._first = None
        else:
            parameters |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
            self._first = []
        async for line in self._client.lines(self.kind, parameters, self._silence_s):
            self.last_heard = time.monotonic()
            self._take(self._reader.read(line))

    async def _is_from_the_future(self) -> bool:
        """Whether the cluster was restored from an older state.

        The API server takes a watch from a version it has not reached, and stays silent until it gets there.
        """
        answer = await self._client.ask("GET", PATHS[self.kind], parameters={"limit": "1"})
        metadata = answer.get("metadata")
        newest = str(metadata.get("resourceVersion", "")) if isinstance(metadata, dict) else ""
        return newest.isdigit() and self._version.isdigit() and int(newest) < int(self._version)

    def _take(self, event: WatchEvent) -> None:
        match event:
            case Failed(code, message):
                raise KubeError(code, message)
            case Bookmark(version, ends_initial):
                if ends_initial and self._first is not None:
                    first, self._first = self._first, None
                    read = [one.read for one in first if isinstance(one, Upsert)]
                    self._sink.listed(self.kind, read, [one for one in first if isinstance(one, Unreadable)])
                    self.is_synced = True
                if self._first is None:
                    self._note(version)
            case Upsert() | Unreadable() if self._first is not None:
                self._first.append(event)
            case Deleted() if self._first is not None:
                # Cannot come before the first state is complete.
                raise KubeError(GONE, "an object was deleted before the first state was complete")
            case Upsert(read, version):
                self._sink.changed(self.kind, read)
                self._note(version)
            case Unreadable():
                self._sink.unreadable(self.kind, event)
                self._note(event.version)
            case Deleted():
                self._sink.deleted(self.kind, event)
                self._note(event.version)

    def _note(self, version: str) -> None:
        self._version = version
        self._sink.seen(self.kind, version)
