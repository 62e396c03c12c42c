"""What only the leader does: allocations, and the statuses of our objects."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from kun_base.journal import Journal as Log
from kun_cluster.control.gateway_watch import GatewayWatch
from kun_cluster.control.leadership import Leadership
from kun_cluster.formats.allocation_object import allocation_object
from kun_cluster.model.egress import API_VERSION, Desired, EgressAllocation, EgressPool, Meta
from kun_cluster.model.problem import Problem
from kun_cluster.policy.allocation import AllocationPlan, plan_allocations
from kun_cluster.policy.classes import class_name, modes
from kun_cluster.policy.gateways import wanted_version
from kun_cluster.policy.rollout import Member, Outlook, next_orders
from kun_cluster.policy.statuses import Status, gateway_status, policy_status, pool_status, timed
from kun_cluster.state.clock import CautiousClock
from kun_cluster.state.followers import Follower, Followers
from kun_cluster.state.table_view import TableView
from kun_cluster.state.world import World
from kun_cluster.watch.kube_client import PATHS, KubeClient
from kun_cluster.watch.kube_error import KubeError

ROUND_S = 1.0
TELL_EVERY_S = 5.0
"""Statuses look at every pod: that is not done for each change of one."""
GONE, CONFLICT = 404, 409
PER_ROUND = 200
"""Writes of one kind in one round: the API server has other clients."""


class Writer:
    """Looks once a second at what is and what shall be; writes what is missing while this replica leads."""

    def __init__(
        self,
        world: World,
        journal: TableView,
        followers: Followers,
        client: KubeClient,
        leadership: Leadership,
        gateways: GatewayWatch,
        log: Log,
    ) -> None:
        self._world, self._journal, self._followers = world, journal, followers
        self._client, self._leadership, self._gateways, self._log = client, leadership, gateways, log
        self._clock = CautiousClock(time.time(), time.monotonic())
        self._written: dict[tuple[str, str], dict[str, Any]] = {}
        self._unmet: tuple[Problem, ...] = ()
        self.outlooks: dict[str, Outlook] = {}
        self.errors: Counter[str] = Counter()

    async def run(self, is_synced: Callable[[], bool]) -> None:
        """Write until cancelled. Nothing is written before all kinds are known: what is not seen would look gone."""
        told_at, told_of = 0.0, None
        while True:
            if self._leadership.leads and is_synced():
                await self.allocate()
                await self.roll()
                now, rules = time.monotonic(), self._world.live.rules
                if rules is not told_of or now >= told_at + TELL_EVERY_S:
                    await self.tell()
                    told_at, told_of = now, rules
            else:
                self._written.clear()
                self.outlooks.clear()
                self._lost(self._now())
            await asyncio.sleep(ROUND_S)

    async def allocate(self) -> None:
        """One plan of allocations, carried out as far as it goes."""
        world = self._world
        world_rules = world.live.rules
        now = self._now()
        plan = plan_allocations(world_rules, world.objects["EgressAllocation"], now, self._lost(now))
        self._unmet = plan.unmet
        for write, one in self._writes(plan):
            if not self._leadership.leads:
                return
            try:
                await write(one)
            except KubeError as error:
                # Somebody else was first, or it is gone: the watch tells what is so now, and the next plan goes on.
                self.errors[str(error.code)] += 1
                if error.code not in (CONFLICT, GONE):
                    self._log.warning("allocation-not-written", name=one.meta.name, error=str(error))
                    return

    def _writes(
        self, plan: AllocationPlan
    ) -> Iterator[tuple[Callable[[EgressAllocation], Awaitable[None]], EgressAllocation]]:
        steps = [
            *((self._replace, one) for one in (*plan.release, *plan.give_back)),
            *((self._create, one) for one in plan.create),
            *((self._delete, one) for one in plan.delete),
        ]
        yield from steps[:PER_ROUND]

    async def _create(self, one: EgressAllocation) -> None:
        await self._client.ask("POST", PATHS["EgressAllocation"], allocation_object(one))
        event = "allocation-given" if one.is_held else "allocation-kept"
        self._log.info(event, name=one.meta.name, owner=str(one.owner), gateway=one.gateway or None)

    async def _replace(self, one: EgressAllocation) -> None:
        await self._client.ask("PUT", f"{PATHS['EgressAllocation']}/{one.meta.name}", allocation_object(one))
        event = "allocation-given-back" if one.is_held else "allocation-released"
        self._log.info(event, name=one.meta.name, owner=str(one.owner))

    async def _delete(self, one: EgressAllocation) -> None:
        conditions = {"uid": one.meta.uid, "resourceVersion": one.meta.resource_version}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": conditions}
        await self._client.ask("DELETE", f"{PATHS['EgressAllocation']}/{one.meta.name}", body)
        self._log.info("allocation-cooled", name=one.meta.name)

    async def roll(self) -> None:
        """Bring the rollout of each pool one step on. Nothing is decided before every agent was asked."""
        if not self._gateways.is_known:
            return
        now = self._now()
        for name in self._world.live.rules.pools.by_name:
            pool = self._world.objects["EgressPool"].get(name)
            if pool is None or not self._leadership.leads:
                continue
            outlook = next_orders(pool.orders, self._members(pool), pool.rollout_rules, now)
            self.outlooks[name] = outlook
            if outlook.orders != pool.orders:
                status = self._pool_status(replace(pool, orders=outlook.orders), self._problems())
                await self._write_status("EgressPool", pool.meta, status)
                if ("EgressPool", name) in self._written:
                    self._log.info("rollout", pool=name, reason=outlook.reason, message=outlook.message)

    def _members(self, pool: EgressPool) -> list[Member]:
        nodes, reports = self._world.objects["Node"], self._gateways.reports
        found = []
        for name, one in self._world.live.rules.gateways.items():
            if one.pool == pool.meta.name:
                node = nodes.get(one.node)
                cordoned = node is not None and (node.unschedulable or node.out_of_service)
                serves = one.desired is Desired.SERVE
                found.append(Member(name, wanted_version(one, pool), serves, cordoned, reports.get(name)))
        return found

    async def tell(self) -> None:
        """Write the statuses that are not as they should be."""
        for kind, meta, wanted in list(self._statuses())[:PER_ROUND]:
            if not self._leadership.leads or not await self._write_status(kind, meta, wanted):
                return

    async def _write_status(self, kind: str, meta: Meta, wanted: Status) -> bool:
        """Write one status where it is not there yet. False: the API server does not take writes now.

        A pool's status has orders in it: it is written over the version that they follow from, and no other.
        """
        key = (kind, meta.full_name)
        try:
            there = self._written.get(key)
            if there is None:
                there = await self._status_there(kind, meta)
            status = timed(wanted, there, time.time())
            if status != there:
                names = {"name": meta.name} | ({"namespace": meta.namespace} if meta.namespace else {})
                names |= {"resourceVersion": meta.resource_version} if kind == "EgressPool" else {}
                body = {"apiVersion": API_VERSION, "kind": kind, "metadata": names, "status": status}
                await self._client.apply_status(kind, meta.namespace, meta.name, body)
            self._written[key] = status
        except KubeError as error:
            self._written.pop(key, None)
            self.errors[str(error.code)] += 1
            if error.code not in (CONFLICT, GONE):
                self._log.warning("status-not-written", object=f"{kind} {meta.full_name}", error=str(error))
                return False
        return True

    def forget(self, kind: str) -> None:
        """Read the statuses of a kind anew: its objects were listed, maybe out of an older state of etcd."""
        for key in [key for key in self._written if key[0] == kind]:
            del self._written[key]

    async def _status_there(self, kind: str, meta: Meta) -> dict[str, Any]:
        base, plural = PATHS[kind].rsplit("/", 1)
        where = f"{base}/namespaces/{meta.namespace}/{plural}" if meta.namespace else PATHS[kind]
        found: dict[str, Any] = (await self._client.ask("GET", f"{where}/{meta.name}")).get("status") or {}
        return found

    def _statuses(self) -> Iterator[tuple[str, Meta, Status]]:
        world, live = self._world, self._world.live
        rules, problems = live.rules, self._problems()
        pools = world.objects["EgressPool"]
        for pool in pools.values():
            yield "EgressPool", pool.meta, self._pool_status(pool, problems)
        for gateway in world.objects["EgressGateway"].values():
            report = self._gateways.reports.get(gateway.meta.name)
            status = gateway_status(gateway, pools.get(gateway.pool), problems, report, time.time())
            yield "EgressGateway", gateway.meta, status
        pods = live.survey().pods
        for policy in world.objects["EgressPolicy"].values():
            version = self._journal.class_version(class_name(policy, ipv4) for ipv4 in modes(policy))
            programmed = {role: self._programmed(role, version) for role in ("resolver", "gateway")}
            name = policy.meta.full_name
            yield (
                "EgressPolicy",
                policy.meta,
                policy_status(policy, rules, problems, pods.get(name, 0), programmed, version),
            )

    def _now(self) -> float:
        return self._clock.now(time.time(), time.monotonic())

    def _lost(self, now: float) -> Mapping[str, EgressAllocation]:
        """What went without having cooled, and cools now; asked also while another replica leads, to note the time."""
        return self._world.lost.cooling(self._world.live.rules.pools.by_name, now)

    def _problems(self) -> list[Problem]:
        return [*self._world.problems(), *self._unmet]

    def _pool_status(self, pool: EgressPool, problems: list[Problem]) -> Status:
        there = self._world.objects["EgressAllocation"]
        allocations = [*there.values(), *self._lost(self._now()).values()]
        rules, reports = self._world.live.rules, self._gateways.reports
        return pool_status(pool, rules, problems, allocations, reports, self.outlooks.get(pool.meta.name))

    def _programmed(self, role: str, version: str) -> tuple[int, int]:
        def is_as_new(follower: Follower) -> bool:
            return self._journal.is_as_new(follower.applied, version)

        return self._followers.programmed(role, is_as_new)
