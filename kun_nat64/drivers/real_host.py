"""The real machine behind the port model/host.py: every area has its driver, and what did not move is left alone."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any, TypeVar

from kun_nat64.drivers.command import ProcessRunner, Runner
from kun_nat64.drivers.execwatch import ExecWatch
from kun_nat64.drivers.foreign_objects import look_around
from kun_nat64.drivers.jool import JoolDriver
from kun_nat64.drivers.kernel import KernelDriver
from kun_nat64.drivers.kernel_events import Notices
from kun_nat64.drivers.links import LinksDriver, LinksSeen
from kun_nat64.drivers.observation_cache import Memo
from kun_nat64.drivers.orphan_table import ResetsDriver
from kun_nat64.drivers.owntables import OwnTablesDriver
from kun_nat64.drivers.probeway import ProbeWayDriver
from kun_nat64.drivers.rules import RulesDriver
from kun_nat64.drivers.speaker import speaker_of
from kun_nat64.drivers.speaker_liveness import Pulse, SpeakerPulse, established
from kun_nat64.drivers.tenant_table import TenantTableDriver
from kun_nat64.drivers.traffic_counts import counted_traffic
from kun_nat64.model.area import Area
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import Facts, Neighbour
from kun_nat64.model.foreign_objects import Surroundings
from kun_nat64.model.nodeways import NodeWay
from kun_nat64.model.observation import Observation, Scope
from kun_nat64.model.plan import Change
from kun_nat64.model.probefacts import Passed
from kun_nat64.model.publiccounts import CountedTraffic
from kun_nat64.model.resetfacts import FlowWatch
from kun_nat64.model.sessionlist import SessionList
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.tenantfacts import TenantRules
from kun_nat64.model.traffic import Session, Traffic
from kun_nat64.policy.desired import widened
from kun_nat64.policy.flow_loss import ends_sessions
from kun_nat64.policy.probepath import probe_way

# A whole look now and then, for what no notice tells of (what other tools than `jool` do to Jool).
WHOLE_LOOK_S = 60.0
# A `jool` that has just been started has not done its work yet.
JOOL_DOUBT_S = 3.0
NOTHING = LinksSeen(frozenset(), (), (), frozenset())
NOT_LOOKED_AT: dict[Area, DriverError] = {
    area: DriverError(FailureKind.UNREACHABLE, ("look", area), "not looked at")
    for area in Area
    if area is not Area.LINKS
}
Found = TypeVar("Found")


class RealHost:
    """`notice` is called when the kernel says that somebody changed something; the next `observe` will look there."""

    def __init__(
        self, spec: AgentSpec, runner: Runner | None = None, notice: Callable[[Area], None] | None = None
    ) -> None:
        processes = ProcessRunner()
        self._runner = runner = runner or processes
        self._prefixes = tuple(map(str, spec.bgp.prefixes))
        self._speaker_pulse = SpeakerPulse(spec.bgp.api, len(spec.bgp.peers))
        self._kernel, self._links = KernelDriver(runner), LinksDriver(runner)
        self._rules, self._jool = RulesDriver(runner), JoolDriver(runner)
        self._resets = ResetsDriver(runner, self._jool)
        self._probe_way = ProbeWayDriver(runner)
        self._tables = OwnTablesDriver(runner)
        self._tenants = TenantTableDriver(runner)
        self._speaker = speaker_of(spec.bgp, runner)
        self._notices, self._notice = Notices(self._noticed), notice
        self._links_memo = Memo[LinksSeen](WHOLE_LOOK_S)
        self._rules_memo = Memo[Facts](WHOLE_LOOK_S)
        self._resets_memo = Memo[Facts](WHOLE_LOOK_S)
        self._way_memo = Memo[Facts](WHOLE_LOOK_S)
        self._tables_memo = Memo[Facts](WHOLE_LOOK_S)
        self._tenants_memo = Memo[Facts](WHOLE_LOOK_S)
        self._jool_memo = Memo[Facts](WHOLE_LOOK_S)
        self._jool_watch = ExecWatch("jool", processes.children, self._jool_runs)
        self._paths_memo = Memo[tuple[Facts, tuple[Neighbour, ...]]](spec.bgp.observe_s)
        self._memos: dict[Area, Memo[Any]] = {
            Area.LINKS: self._links_memo,
            Area.RULES: self._rules_memo,
            Area.RESETS: self._resets_memo,
            Area.PROBES: self._way_memo,
            Area.TABLES: self._tables_memo,
            Area.TENANTS: self._tenants_memo,
            Area.JOOL: self._jool_memo,
            Area.BGP: self._paths_memo,
        }
        self._pulse: Pulse = frozenset()
        self._watch: FlowWatch | None = None
        self._asked_tenants: TenantRules | None = None
        self._modules: Facts = frozenset()
        self._last: tuple[tuple[object, ...], Observation] = (), Observation()
        self._link_changes = 0

    def listen(self) -> None:
        """Subscribes to the kernel's notices, until `close`. Without it every look is a whole one."""
        self._notices.start()
        self._jool_watch.start()

    def _jool_runs(self) -> None:
        self._jool_memo.doubt(time.monotonic() + JOOL_DOUBT_S)
        if self._notice is not None:
            self._notice(Area.JOOL)

    def _noticed(self, area: Area) -> None:
        self._forget(area)
        if self._notice is not None:
            self._notice(area)

    async def observe(self, scope: Scope, *, fresh: bool = True) -> Observation:
        """Where nothing has moved, it is the same object as before."""
        now = time.monotonic()
        self._forget_what_may_have_moved(scope, fresh=fresh)
        failures: dict[Area, DriverError] = {}
        modules = self._kernel.observe_modules(scope.modules)
        if modules != self._modules:
            self._jool_memo.forget()
        self._modules = modules
        sysctls = self._sysctls(scope, failures)
        made_of, last = self._last
        if not failures and made_of == self._parts(now, scope, sysctls):
            return last
        jool = asyncio.create_task(
            _try(failures, Area.JOOL, self._jool_memo.get(now, lambda: self._look_at_jool(scope)))
        )
        rules = asyncio.create_task(_try(failures, Area.RULES, self._rules_memo.get(now, self._rules.observe)))
        resets = asyncio.create_task(
            _try(failures, Area.RESETS, self._resets_memo.get(now, lambda: self._resets.observe(scope.watch)))
        )
        way = asyncio.create_task(
            _try(failures, Area.PROBES, self._way_memo.get(now, lambda: self._probe_way.observe(scope.way)))
        )
        tables = asyncio.create_task(
            _try(failures, Area.TABLES, self._tables_memo.get(now, lambda: self._tables.observe(scope.tables)))
        )
        tenants = asyncio.create_task(
            _try(failures, Area.TENANTS, self._tenants_memo.get(now, lambda: self._tenants.observe(scope.tenants)))
        )
        links = await _try(failures, Area.LINKS, self._links_memo.get(now, lambda: self._look_at_links(scope)))
        links = links or NOTHING
        wider = widened(scope, links.facts)
        bgp = await _try(failures, Area.BGP, self._paths_memo.get(now, lambda: self._bgp(wider)))
        facts = links.facts | modules | sysctls | (bgp[0] if bgp else frozenset())
        facts |= (await jool or frozenset()) | (await rules or frozenset()) | (await resets or frozenset())
        facts |= (await way or frozenset()) | (await tables or frozenset()) | (await tenants or frozenset())
        neighbours, counters, given = bgp[1] if bgp else (), self._rules.counters, self._resets.given
        connections = established(self._pulse)
        seen = Observation(
            facts,
            links.foreign,
            links.reports,
            neighbours,
            failures,
            counters,
            given,
            connections,
            links.own,
            links.near,
            (*self._tables.packets(), *self._resets.packets()),
            self._tenants.refused,
            self._resets.ring,
        )
        parts = self._parts(now, scope, sysctls)
        self._last = (() if failures or any(part is None for part in parts) else parts), seen
        return seen

    def _parts(self, now: float, scope: Scope, sysctls: Facts) -> tuple[object, ...]:
        """What an observation is made of; None where something has to be looked at anew."""
        kept = (memo.kept(now) for memo in self._memos.values())
        return scope, self._modules, sysctls, self._rules.counters, *kept

    async def glimpse(self, scope: Scope) -> Observation | None:
        """The links alone; None where they could not be looked at, or where we changed them meanwhile."""
        begun = self._link_changes
        if begun % 2:
            return None
        try:
            seen = await self._links.observe(scope)
        except DriverError:
            return None
        if self._link_changes != begun:
            return None
        return Observation(seen.facts, seen.foreign, seen.reports, (), NOT_LOOKED_AT, near=seen.near)

    def _forget_what_may_have_moved(self, scope: Scope, *, fresh: bool) -> None:
        beat = self._speaker_pulse.take(time.monotonic())
        if fresh or beat != self._pulse:
            self._paths_memo.forget()
        if fresh or not self._jool_watch.works:
            self._jool_memo.forget()
        if fresh or not self._notices.covers(Area.LINKS):
            self._links_memo.forget()
        if fresh or not (self._notices.covers(Area.RULES) and self._rules.tells_changes):
            self._rules_memo.forget()
        if fresh or scope.watch != self._watch or not self._notices.covers(Area.RULES):
            self._resets_memo.forget()
        if fresh or not (self._notices.covers(Area.RULES) and self._notices.covers(Area.LINKS)):
            self._way_memo.forget()
        if fresh or not self._notices.covers(Area.RULES):
            self._tables_memo.forget()
        if fresh or scope.tenants != self._asked_tenants or not self._notices.covers(Area.RULES):
            self._tenants_memo.forget()
        self._pulse, self._watch, self._asked_tenants = beat, scope.watch, scope.tenants

    async def _look_at_links(self, scope: Scope) -> LinksSeen:
        self._notices.follow(scope.netns)  # first: what changes from here on is noticed
        return await self._links.observe(scope)

    async def _bgp(self, scope: Scope) -> tuple[Facts, tuple[Neighbour, ...]]:
        paths = await self._speaker.observe_paths(scope.prefixes)
        versions = {ip_network(prefix).version for prefix in scope.prefixes}
        return paths, await self._speaker.observe_neighbours(versions)

    async def _look_at_jool(self, scope: Scope) -> Facts:
        return await self._jool.observe(scope.instance, scope.globals)

    def _sysctls(self, scope: Scope, failures: dict[Area, DriverError]) -> Facts:
        try:
            return self._kernel.observe_sysctls(scope.sysctls)
        except (DriverError, OSError) as error:
            failures[Area.SYSCTLS] = (
                error if isinstance(error, DriverError) else DriverError(FailureKind.EXIT_CODE, ("sysctl",), str(error))
            )
            return frozenset()

    async def apply(self, changes: Sequence[Change]) -> None:
        """One batch: changes of one area. What was known of it is forgotten, however it ends."""
        if not changes:
            return
        area = changes[0].fact.area
        self._link_changes += area is Area.LINKS  # odd while they are under way
        try:
            await self._apply(area, changes)
        except OSError as error:
            raise DriverError(FailureKind.EXIT_CODE, ("change", area), str(error), error.errno) from error
        finally:
            self._link_changes += area is Area.LINKS
            if any(map(ends_sessions, changes)):
                self._resets.doubt()
                self._forget(Area.RULES)
            for moved in {area, *self._notices.settle()}:
                self._forget(moved)

    async def _apply(self, area: Area, changes: Sequence[Change]) -> None:
        if area is Area.JOOL:
            await self._jool.apply(changes)
        elif area is Area.RULES:
            await self._rules.apply(changes)
        else:
            appliers = {
                Area.LINKS: self._links.apply,
                Area.BGP: self._speaker.apply,
                Area.RESETS: self._resets.apply,
                Area.PROBES: self._probe_way.apply,
                Area.TABLES: self._tables.apply,
                Area.TENANTS: self._tenants.apply,
            }
            one = appliers.get(area, self._kernel.apply)
            for change in changes:
                await one(change)

    def _forget(self, area: Area) -> None:
        if area in self._memos:
            self._memos[area].forget()
        if area is Area.RULES:
            self._resets_memo.forget()  # the kernel's notices of nftables do not tell them apart
            self._tables_memo.forget()
            self._tenants_memo.forget()
        if area in (Area.RULES, Area.LINKS):
            self._way_memo.forget()
        if area is Area.LINKS:
            self._resets_memo.forget()  # the ring's rules name a device, which may be another one now

    def doubt_flows(self) -> None:
        """Somebody else made the translator anew: what it knew is gone."""
        self._resets.doubt()
        self._resets_memo.forget()

    async def borrowed(self) -> int:
        """TCP flows that came by the ring lately. Raises DriverError."""
        return await self._resets.borrowed()

    async def traffic(self, instance: str) -> Traffic:
        return await self._jool.traffic(instance)

    async def sessions_at(self, instance: str, port: int) -> tuple[tuple[Session, ...], bool]:
        return await self._jool.sessions_at(instance, port)

    async def flows(self, instance: str, probe: IPv6Address) -> SessionList:
        return await self._jool.flows(instance, probe)

    async def stats(self, instance: str) -> dict[str, int]:
        return await self._jool.stats(instance)

    async def carried(self) -> CountedTraffic:
        """By public address and protocol. Raises DriverError."""
        return await counted_traffic(self._runner)

    async def own_addresses(self) -> frozenset[IPv4Address]:
        """IPv4 addresses of every interface. Raises DriverError."""
        return await self._links.own_addresses()

    async def surroundings(self, spec: AgentSpec) -> Surroundings:
        return await look_around(self._runner, spec)

    async def ways_to(self, nodes: Sequence[IPv4Address | IPv6Address], vip: IPv4Address | None) -> tuple[NodeWay, ...]:
        """Raises DriverError."""
        return await self._links.ways_to(nodes, vip)

    async def passed(self, spec: AgentSpec) -> Passed | None:
        """Answers to probes that left by the uplink and came back; None: not counted. Never raises."""
        return await self._probe_way.passed(probe_way(spec))

    def withdraw_blocking(self) -> None:
        self._speaker.withdraw_blocking(self._prefixes)

    def close(self) -> None:
        self._notices.close()
        self._jool_watch.close()
        self._links.close()
        self._speaker.close()
        self._speaker_pulse.close()


async def _try(failures: dict[Area, DriverError], area: Area, look: Awaitable[Found]) -> Found | None:
    try:
        return await look
    except DriverError as error:
        failures[area] = error
        return None
    except OSError as error:  # no descriptors, no memory: of this area nothing is known, and the others go on
        failures[area] = DriverError(FailureKind.EXIT_CODE, ("look", area), str(error), error.errno)
        return None
