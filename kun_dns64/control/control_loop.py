"""The side that does not answer queries: reloads, watches files and gateways, serves the admin pages."""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from kun_base.adminhttp import AdminServer
from kun_base.children import reap_strangers
from kun_base.errors import ConfigError
from kun_base.journal import Journal
from kun_base.notify import notify, watchdog_interval_s
from kun_dns64.config.background_load import Source, load_aside, run_aside
from kun_dns64.config.network_files import ClientMembers, members_or_faults
from kun_dns64.config.settings import GatewayWatch, Settings
from kun_dns64.control.admin_socket import import_aside, listen_for_admin
from kun_dns64.control.control_socket import open_control_socket
from kun_dns64.control.event_log import EventLog
from kun_dns64.control.file_watch import FileWatch
from kun_dns64.control.gateway_watch import Seen, still_down
from kun_dns64.control.self_check import SelfCheck
from kun_dns64.control.table_feed import FeedLoop, TableFeed, feed_for, joined
from kun_dns64.model.table_update import FollowedRulesUpdate, TableUpdate
from kun_dns64.policy.config_difference import changed_keys, differences
from kun_dns64.policy.gateway import effect_of
from kun_dns64.serving.worker_group import WorkerGroup

LOOK_S = 1.0
MOST_CHANGES = 20
# Keys that a reload cannot put in force.
NEEDS_RESTART = frozenset({"control.socket", "control.group", "admin.certificate", "admin.key"})
# A reload that the world is not ready for is tried again; so is the admin address that is taken at the start.
FIRST_RETRY_S, MAX_RETRY_S, MAX_ADMIN_PAUSE_S = 1.0, 60.0, 5.0


class Control:
    """Runs beside a fleet until `stop` is set. `settings` are those in force."""

    def __init__(
        self,
        source: Source,
        settings: Settings,
        fleet: WorkerGroup,
        journal: Journal,
        feed: TableFeed | None = None,
    ) -> None:
        """`feed`: of the table that `settings` have in them already."""
        self.source, self.settings, self.fleet, self._journal = source, settings, fleet, journal
        self.reload_wanted = asyncio.Event()
        self.problems: tuple[str, ...] = ()
        self.reloads = {"ok": 0, "failed": 0}
        self.pools_down: frozenset[str] = frozenset()
        self.gateways_seen: Seen = {}
        self.events = EventLog(journal, fleet)
        self._watch = FileWatch(settings.watched)
        self._network_watch = FileWatch(settings.watched_networks)
        self._gateways_changed = asyncio.Event()
        self._feeds = FeedLoop(feed)
        self._changing = asyncio.Lock()
        self._retry_s = FIRST_RETRY_S
        self.self_check = SelfCheck(journal)
        self._make_admin: Callable[[], AdminServer]
        self._admin: AdminServer | None = None

    async def run(
        self,
        stop: asyncio.Event,
        make_admin: Callable[[], AdminServer],
        listening: socket.socket | None,
        make_operations: Callable[[], AdminServer] | None = None,
    ) -> None:
        """`listening`: where the admin pages are served; None: nowhere, or later if that address is taken.

        `make_operations`: for the control socket.
        """
        self._make_admin = make_admin
        self._admin = await self._open_admin(listening)
        operations = await self._open_control(make_operations)
        works = [self._reloading(), self._looking(), self._gateways(), self._feeds.run(self._use_table), _watchdog()]
        if listening is None and self.settings.admin is not None:
            works.append(self._admin_later())
        background = [asyncio.create_task(work) for work in works]
        try:
            ended = asyncio.create_task(stop.wait())
            # A background task ends only by a defect, which must not pass in silence.
            await asyncio.wait([ended, *background], return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            for task in background:
                if task.done() and not task.cancelled():
                    task.result()
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            for server in (self._admin, operations):
                if server is not None:
                    await server.close()

    async def _open_control(self, make_operations: Callable[[], AdminServer] | None) -> AdminServer | None:
        if make_operations is None or self.settings.control.path is None:
            return None
        await import_aside("aiohttp.web", "kun_dns64.control.operations")
        operations = make_operations()
        await open_control_socket(self.settings.control, operations, self._journal)
        return operations

    async def _open_admin(self, listening: socket.socket | None) -> AdminServer | None:
        if listening is None:
            return None
        # What pages need is loaded now: later there may be no file left to open it with.
        await import_aside("aiohttp.web", "kun_dns64.control.metrics_text", "kun_dns64.control.explanation")
        admin = self._make_admin()
        await admin.start_on(listening)
        host, port = listening.getsockname()[:2]
        self._journal.info("admin", listen=f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        return admin

    async def _admin_later(self) -> None:
        pause_s = FIRST_RETRY_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, MAX_ADMIN_PAUSE_S)
            async with self._changing:
                # A reload may have moved it.
                if self._admin is None and self.settings.admin is not None:
                    with suppress(ConfigError):
                        self._admin = await self._open_admin(listen_for_admin(self.settings.admin))

    @property
    def feed(self) -> TableFeed | None:
        """The table that is followed; None: none is."""
        return self._feeds.feed

    async def reload(self) -> bool:
        """The whole configuration anew, checked as one; a bad one leaves the old in force. True: it is in force."""
        notify("RELOADING=1")
        before = self.settings.written
        async with self._changing:
            try:
                await self._put_in_force(await load_aside(self.source))
                self.problems, self._retry_s = (), FIRST_RETRY_S
            except ConfigError as error:
                self.problems = tuple(str(fault) for fault in error.faults)
                self._retry_s = FIRST_RETRY_S
            except (OSError, ValueError) as error:
                self.problems = (str(error),)
                self._try_again_later()
        self.reloads["failed" if self.problems else "ok"] += 1
        if self.problems:
            self.events.write("error", "reload-refused", errors=len(self.problems), first=self.problems[0])
        else:
            self.events.write("info", "reloaded", generation=self.settings.rules.generation, **self._difference(before))
        notify("READY=1")
        return not self.problems

    def _difference(self, before: Mapping[str, Any]) -> dict[str, object]:
        """What a reload changed, and what of it waits for a restart."""
        after = self.settings.written
        lines, waiting = differences(before, after), self.waiting_for_restart(before)
        more = [f"and {len(lines) - MOST_CHANGES} more"] if len(lines) > MOST_CHANGES else []
        return {
            "changed": "; ".join([*lines[:MOST_CHANGES], *more]) or "nothing in the file",
            "needs_restart": " ".join(waiting) or None,
        }

    def waiting_for_restart(self, before: Mapping[str, Any]) -> list[str]:
        """Keys that changed since `before` and that a reload cannot put in force."""
        keys = changed_keys(before, self.settings.written)
        return sorted(keys & (NEEDS_RESTART | self.fleet.fixed_keys))

    def _try_again_later(self) -> None:
        """The file is right, and the world is not ready for it: an address is missing, say."""
        asyncio.get_running_loop().call_later(self._retry_s, self.reload_wanted.set)
        self._retry_s = min(2 * self._retry_s, MAX_RETRY_S)

    def tell_notices(self, settings: Settings) -> None:
        for text in settings.notices:
            self._journal.warning("notice", text=text)

    async def _put_in_force(self, settings: Settings) -> None:
        if not settings.groups[""] and self.settings.groups[""]:
            # resolv.conf is rewritten: nobody to ask is worse than the servers of a moment ago.
            settings = replace(settings, groups={**settings.groups, "": self.settings.groups[""]})
        await self._use_parts()
        feed = feed_for(settings.follow, self.feed, self._journal)
        settings = joined(settings, feed)
        gateways_before = self.settings.gateways
        generation = self.settings.rules.generation + 1
        down = still_down(self.pools_down, gateways_before, settings.gateways)
        rules = replace(settings.rules, generation=generation, pools_down=down)
        secret = settings.cookie_secret or self.settings.cookie_secret
        settings = replace(settings, rules=rules, cookie_secret=secret)
        await self._change_fleet_and_admin(settings)
        self._journal.change(as_json=settings.log_format == "json", level=settings.log_level)
        self.settings, self.pools_down = settings, down
        if feed is not None and settings.follow is not None:
            feed.bound(settings.follow)
        self._feeds.follow(feed)
        self._watch = FileWatch(settings.watched)
        self._network_watch = FileWatch(settings.watched_networks)
        self.tell_notices(settings)
        if settings.gateways != gateways_before:
            self._gateways_changed.set()

    async def _change_fleet_and_admin(self, settings: Settings) -> None:
        """Both or neither: the new admin address is listened on before anything changes."""
        if settings.admin == self.settings.admin:
            await self.fleet.change(settings)
            return
        fresh = await self._open_admin(listen_for_admin(settings.admin))
        try:
            await self.fleet.change(settings)
        except BaseException:
            if fresh is not None:
                await fresh.close()
            raise
        before, self._admin = self._admin, fresh
        if before is not None:
            await before.close()

    async def _reloading(self) -> None:
        while True:
            await self.reload_wanted.wait()
            self.reload_wanted.clear()
            await self.reload()

    async def _looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self.events.look(self.settings)
            if self._watch.changed():
                self.reload_wanted.set()
            if self._network_watch.changed():
                await self._use_clients()
            if os.getpid() == 1:
                reap_strangers()

    async def _use_clients(self) -> None:
        """The files of clients' networks anew, and nothing else: other clients notice nothing."""
        async with self._changing:
            sources = self.settings.client_sources
            try:
                members: ClientMembers = await run_aside("network files", partial(members_or_faults, sources))
                await self.fleet.use_clients(members.networks)
            except ConfigError as error:
                self.problems = tuple(str(fault) for fault in error.faults)
            except (OSError, ValueError) as error:
                self.problems = (str(error),)
            else:
                self.problems = ()
                rules = replace(self.settings.rules, client_networks=members.networks)
                self.settings = replace(self.settings, rules=rules, watched_networks=members.stamps)
                self._network_watch = FileWatch(members.stamps)
        self.reloads["failed" if self.problems else "ok"] += 1
        if self.problems:
            self.events.write("error", "networks-refused", errors=len(self.problems), first=self.problems[0])
        else:
            self._journal.info("networks", entries=sum(len(index) for index in members.networks))

    async def _use_table(self) -> None:
        async with self._changing:
            await self._use_parts()

    async def _use_parts(self) -> None:
        """Tell the workers what has changed in the followed table."""
        if self.feed is None:
            return
        for members, policies in self.feed.parts():
            if policies is None:
                await self.fleet.use_table(TableUpdate(members))
                continue
            before, settings = self.settings.gateways, self.feed.joined(self.settings)
            self.pools_down = still_down(self.pools_down, before, settings.gateways)
            generation = settings.rules.generation + 1
            rules = replace(settings.rules, generation=generation, pools_down=self.pools_down)
            self.settings = replace(settings, rules=rules)
            said = FollowedRulesUpdate(policies.pools, policies.clients, generation, self.pools_down)
            await self.fleet.use_table(TableUpdate(members, said))
            if settings.gateways != before:
                self._gateways_changed.set()

    async def _gateways(self) -> None:
        """The watch of the present configuration; a new configuration gets a new watch."""
        while True:
            self._gateways_changed.clear()
            changed = asyncio.create_task(self._gateways_changed.wait())
            watching = asyncio.create_task(self._watch_gateways(self.settings.gateways))
            try:
                await asyncio.wait([changed, watching], return_when=asyncio.FIRST_COMPLETED)
                if watching.done():
                    watching.result()
            finally:
                changed.cancel()
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

    async def _watch_gateways(self, gateways: GatewayWatch) -> None:
        if not gateways.urls:
            self.gateways_seen = {}
            await asyncio.Event().wait()
        from kun_dns64.control.gateway_watch import watch

        await watch(gateways, partial(self._use_gateways, gateways), self._polled, self.pools_down)

    def _polled(self, seen: Seen) -> None:
        self.gateways_seen = seen
        self.events.gateways(seen)

    async def _use_gateways(self, watched: GatewayWatch, down: frozenset[str]) -> None:
        async with self._changing:
            # A reload may have ended the watch that waited for it.
            if watched != self.settings.gateways or down == self.pools_down:
                return
            self.pools_down = down
            generation = self.settings.rules.generation + 1
            rules = replace(self.settings.rules, pools_down=down, generation=generation)
            self.settings = replace(self.settings, rules=rules)
            await self.fleet.use_gateways(down, generation)
        words = " ".join(name or "default" for name in sorted(down)) or "none"
        effects = "; ".join(f"{name or 'default'}: {effect_of(rules, name)}" for name in sorted(down)) or None
        self.events.write("warning" if down else "info", "gateways", pools_down=words, effect=effects)


async def _watchdog() -> None:
    interval_s = watchdog_interval_s()
    while True:
        await asyncio.sleep(interval_s or 3600)
        if interval_s:
            notify("WATCHDOG=1")
