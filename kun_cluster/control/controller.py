"""The controller: watches, compiles, serves; and writes while it leads.

watch (7 informers) -> World -> table -> journals -> consumers. Events are taken as they come, and the table is settled
at most every 20 ms: a thousand pods that start together are a few changes, and one pod is not held up.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from kun_base.journal import Journal as Log
from kun_cluster.control.gateway_watch import GatewayWatch
from kun_cluster.control.leadership import Leadership
from kun_cluster.control.writer import Writer
from kun_cluster.formats.watch_events import Deleted, Unreadable
from kun_cluster.model.egress import EgressGateway
from kun_cluster.serving.table_server import TableServer
from kun_cluster.state.followers import Followers
from kun_cluster.state.table_view import TableView, everything, exceptions
from kun_cluster.state.world import KINDS, Object, World
from kun_cluster.watch.informer import Informer, Sink
from kun_cluster.watch.kube_client import KubeClient

SETTLE_S = 0.02
LOG_FAILURE_EVERY_S = 30.0


class Controller:
    """All parts of one replica. `started_at` and `ready_at` on the monotonic clock."""

    def __init__(
        self,
        client: KubeClient,
        *,
        cluster: str,
        namespace: str,
        identity: str,
        writes: bool,
        tokens: Callable[[], list[str]] | None,
        log: Log,
    ) -> None:
        self.log, self.client, self.identity, self.writes = log, client, identity, writes
        self.world, self.followers = World(), Followers()
        self.journals = {
            "all": TableView("all", everything, cluster),
            "exceptions": TableView("exceptions", exceptions, cluster),
        }
        sink = Sink(self._listed, self._changed, self._deleted, self._seen, self._failed, self._unreadable)
        self.informers = {kind: Informer(kind, client, sink) for kind in KINDS}
        self.server = TableServer(self.journals, self.followers, tokens, lambda: self.is_ready, self._dropped)
        self.leadership = Leadership(client, namespace, identity, log)
        self.gateways = GatewayWatch(self._accepted_gateways, lambda: self.leadership.leads)
        self.writer = Writer(
            self.world, self.journals["all"], self.followers, client, self.leadership, self.gateways, log
        )
        self.events: Counter[str] = Counter()
        self.failures: dict[str, tuple[float, str]] = {}
        self.is_ready, self.dropped = False, 0
        self.started_at, self.ready_at = time.monotonic(), 0.0
        self._dirty = asyncio.Event()

    @property
    def is_synced(self) -> bool:
        """Whether the first state of every kind is known."""
        return all(one.is_synced for one in self.informers.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Run until told to stop; gives the Lease up then."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one.run()) for one in self.informers.values()]
            tasks.append(group.create_task(self._settle()))
            if self.writes:
                tasks.append(group.create_task(self.leadership.run()))
                tasks.append(group.create_task(self.gateways.run()))
                tasks.append(group.create_task(self.writer.run(lambda: self.is_ready)))
            await stop.wait()
            for task in tasks:
                task.cancel()
        await self.leadership.release()

    async def _settle(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            if self.is_synced:
                self._publish()
            await asyncio.sleep(SETTLE_S)

    def _publish(self) -> None:
        changes = self.world.settle()
        now, revision = time.time(), self.world.revision
        changed = [journal.take(changes, revision, now) for journal in self.journals.values()]
        if not self.is_ready:
            self.is_ready, self.ready_at = True, time.monotonic()
            table = self.journals["all"]
            took = round(self.ready_at - self.started_at, 3)
            self.log.info("ready", version=table.version, clients=table.counts["client"], took_s=took)
        if any(changed):
            self.server.wake()

    def _accepted_gateways(self) -> list[EgressGateway]:
        return list(self.world.live.rules.gateways.values())

    def _listed(self, kind: str, objects: list[Object], unreadable: list[Unreadable]) -> None:
        self.failures.pop(kind, None)
        self.events[f"{kind} listed"] += 1
        self.world.list_all(kind, objects)
        for one in unreadable:
            self._unreadable(kind, one)
        self.writer.forget(kind)
        self._dirty.set()

    def _changed(self, kind: str, one: Object) -> None:
        self.events[f"{kind} changed"] += 1
        self.world.put(kind, one)
        self._dirty.set()

    def _deleted(self, kind: str, one: Deleted) -> None:
        self.events[f"{kind} deleted"] += 1
        self.world.drop(kind, one.namespace, one.name)
        self._dirty.set()

    def _seen(self, kind: str, version: str) -> None:
        self.world.see(kind, version)
        for journal in self.journals.values():
            journal.revision = self.world.revision

    def _dropped(self, name: str, reason: str) -> None:
        self.dropped += 1
        self.log.warning("consumer-dropped", consumer=name, reason=reason)

    def _failed(self, kind: str, text: str) -> None:
        """Note a failed watch; the same words are logged now and then, not each time."""
        self.events[f"{kind} failed"] += 1
        at, before = self.failures.get(kind, (0.0, ""))
        now = time.monotonic()
        if text != before or now > at + LOG_FAILURE_EVERY_S:
            self.failures[kind] = (now, text)
            self.log.warning("watch-failed", kind=kind, error=text)

    def _unreadable(self, kind: str, one: Unreadable) -> None:
        self.events[f"{kind} unreadable"] += 1
        self.world.cannot_read(kind, one.namespace, one.name, one.why)
        self.log.warning("object-unreadable", kind=kind, namespace=one.namespace or None, name=one.name, error=one.why)
