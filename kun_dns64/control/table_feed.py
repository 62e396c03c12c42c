"""From the followed table to the workers: what they are told when it changes.

The follower runs beside the control loop alone. Changes that come close together are told at once, and many members in
several messages, so that no worker is busy with one for long.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from kun_base.journal import Journal
from kun_base.table_follower import FollowPlan, TableFollower
from kun_base.table_state import TableChange
from kun_dns64.config.settings import GatewayWatch, Settings
from kun_dns64.model.members_update import MembersUpdate
from kun_dns64.policy.followed_clients import FollowedClients
from kun_dns64.state.followed_rules import (
    OWNER,
    FollowedPolicies,
    FollowedRules,
    check_for_resolver,
    with_followed,
    without_followed,
)

TOGETHER_S = 0.02
# Members in one message: a worker takes about 2 ms for them.
AT_ONCE = 500

# A part of an update, and the policies where they are others.
Part = tuple[MembersUpdate, FollowedPolicies | None]


class TableFeed:
    """`clients`: what workers that are yet to be born start with; those who serve change it by what `parts` says."""

    def __init__(self, plan: FollowPlan, journal: Journal) -> None:
        self.clients = FollowedClients()
        self._follower = TableFollower(plan, journal, self._changed, self._check)
        self._rules = FollowedRules(self._follower.table)
        self._pending: dict[str, None] = {}
        self._told, self._told_classes = self._rules.policies, b""
        self._dirty = asyncio.Event()

    def start(self) -> None:
        """What the state file holds is in force at once."""
        self._follower.start()
        for members, _ in self.parts():
            self.clients.apply(members)

    async def run(self, stop: asyncio.Event, use: Callable[[], Awaitable[None]]) -> None:
        """Follow until `stop`; `use` is called when `parts` has something to say."""
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(self._tell(use))
            await self._follower.run(stop)
            telling.cancel()

    async def _tell(self, use: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await use()
            await asyncio.sleep(TOGETHER_S)

    def parts(self) -> Iterator[Part]:
        """What has changed since the last call; to be told in this order, each before the next is asked for."""
        self._rules.settle()
        names, self._pending = list(self._pending), {}
        for start in range(0, max(len(names), 1), AT_ONCE):
            members = tuple(self._rules.member(name) for name in names[start : start + AT_ONCE])
            # Looked at anew for each part: classes may have come since the last one.
            classes = self._rules.class_policies()
            update = MembersUpdate(members, classes if classes != self._told_classes else None)
            policies = self._rules.policies if self._rules.policies is not self._told else None
            self._told, self._told_classes = self._rules.policies, classes
            if members or update.policies is not None or policies is not None:
                yield update, policies

    def joined(self, settings: Settings) -> Settings:
        """These settings with the table's rules and gateways instead of those that they may have had."""
        policies = self._told
        rules = with_followed(settings.rules, policies, self.clients)
        return replace(settings, rules=rules, gateways=_with_urls(settings.gateways, policies))

    def is_for(self, plan: FollowPlan | None) -> bool:
        """Whether it follows what this plan says, bounds aside."""
        mine = self._follower.plan
        return plan is not None and replace(mine, bounds=plan.bounds) == plan

    def bound(self, plan: FollowPlan) -> None:
        """Take the bounds of another plan for the same table."""
        self._follower.bound(plan.bounds)

    def accept(self, version: str) -> bool:
        """Bring the held change into force; False where there is none, or another."""
        return self._follower.accept(version)

    def status(self) -> dict[str, Any]:
        """What is in force, how old it is, and what is wrong."""
        return self._follower.status()

    def who(self, address: IPv4Address | IPv6Address) -> dict[str, str] | None:
        """Whose address it is, by the table."""
        table = self._follower.table
        found = table.client_of(address)
        if found is None:
            return None
        network, client = found
        return {
            "network": network,
            "namespace": client.namespace,
            "pod": client.name,
            "class": client.class_name,
            "policy": table.classes[client.class_name].policy,
        }

    def _check(self, change: TableChange) -> None:
        check_for_resolver(change, self._follower.table)

    def _changed(self, change: TableChange) -> None:
        self._rules.take(change)
        self._pending.update(dict.fromkeys(change.clients))
        self._dirty.set()


class FeedLoop:
    """Runs the feed of the present configuration; a new configuration may follow another table."""

    def __init__(self, feed: TableFeed | None) -> None:
        self.feed = feed
        self._changed = asyncio.Event()

    def follow(self, feed: TableFeed | None) -> None:
        """Go on with this feed."""
        if feed is not self.feed:
            self.feed = feed
            self._changed.set()

    async def run(self, use: Callable[[], Awaitable[None]]) -> None:
        """Until it is cancelled. `use` is called when there is something to tell."""
        while True:
            self._changed.clear()
            stop, feed = asyncio.Event(), self.feed
            changed = asyncio.create_task(self._changed.wait())
            running = changed if feed is None else asyncio.create_task(feed.run(stop, use))
            try:
                await asyncio.wait([changed, running], return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()
                stop.set()
                if running is not changed:
                    # It writes what is not in its file yet.
                    await running


def feed_for(plan: FollowPlan | None, before: TableFeed | None, journal: Journal) -> TableFeed | None:
    """The feed of this plan: `before`, where it follows the same table, or a new one, which has read its file."""
    if plan is None:
        return None
    if before is not None and before.is_for(plan):
        return before
    feed = TableFeed(plan, journal)
    feed.start()
    return feed


def joined(settings: Settings, feed: TableFeed | None) -> Settings:
    """Settings with the followed table, or without one."""
    if feed is not None:
        return feed.joined(settings)
    gateways = _with_urls(settings.gateways, FollowedPolicies())
    return replace(settings, rules=without_followed(settings.rules), gateways=gateways)


def _with_urls(gateways: GatewayWatch, policies: FollowedPolicies) -> GatewayWatch:
    own = {name: urls for name, urls in gateways.urls.items() if not name.startswith(OWNER)}
    return replace(gateways, urls={**own, **policies.urls})
