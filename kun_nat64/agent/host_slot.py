"""The one place that holds the host: another BGP speaker in the file makes another host, under running loops."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from kun_nat64.model.foreign_objects import Surroundings
from kun_nat64.model.host import Host
from kun_nat64.model.nodeways import NodeWay
from kun_nat64.model.observation import Observation, Scope
from kun_nat64.model.plan import Change
from kun_nat64.model.probefacts import Passed
from kun_nat64.model.publiccounts import CountedTraffic
from kun_nat64.model.sessionlist import SessionList
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.traffic import Session, Traffic


class RunningHost(Host, Protocol):
    """A host with the methods that the agent needs beside observing and applying (drivers/real_host.py)."""

    def listen(self) -> None: ...
    async def passed(self, spec: AgentSpec) -> Passed | None: ...
    async def ways_to(
        self, nodes: Sequence[IPv4Address | IPv6Address], vip: IPv4Address | None
    ) -> tuple[NodeWay, ...]: ...
    def doubt_flows(self) -> None: ...
    async def borrowed(self) -> int: ...
    async def carried(self) -> CountedTraffic: ...
    async def own_addresses(self) -> frozenset[IPv4Address]: ...
    async def glimpse(self, scope: Scope) -> Observation | None: ...
    def close(self) -> None: ...


class HostSlot(RunningHost):
    """Pass each call to the present host, which can be replaced."""

    def __init__(self, host: RunningHost) -> None:
        self._host = host

    @property
    def present(self) -> RunningHost:
        return self._host

    def replace(self, host: RunningHost) -> None:
        """Close the present host and listen with `host` from now on."""
        self._host.close()
        self._host = host
        host.listen()

    def listen(self) -> None:
        self._host.listen()

    async def observe(self, scope: Scope, *, fresh: bool = True) -> Observation:
        return await self._host.observe(scope, fresh=fresh)

    async def glimpse(self, scope: Scope) -> Observation | None:
        return await self._host.glimpse(scope)

    async def apply(self, changes: Sequence[Change]) -> None:
        await self._host.apply(changes)

    async def traffic(self, instance: str) -> Traffic:
        return await self._host.traffic(instance)

    async def flows(self, instance: str, probe: IPv6Address) -> SessionList:
        return await self._host.flows(instance, probe)

    async def sessions_at(self, instance: str, port: int) -> tuple[tuple[Session, ...], bool]:
        return await self._host.sessions_at(instance, port)

    async def stats(self, instance: str) -> dict[str, int]:
        return await self._host.stats(instance)

    async def surroundings(self, spec: AgentSpec) -> Surroundings:
        return await self._host.surroundings(spec)

    async def passed(self, spec: AgentSpec) -> Passed | None:
        return await self._host.passed(spec)

    async def ways_to(self, nodes: Sequence[IPv4Address | IPv6Address], vip: IPv4Address | None) -> tuple[NodeWay, ...]:
        return await self._host.ways_to(nodes, vip)

    def doubt_flows(self) -> None:
        self._host.doubt_flows()

    async def borrowed(self) -> int:
        return await self._host.borrowed()

    async def carried(self) -> CountedTraffic:
        return await self._host.carried()

    async def own_addresses(self) -> frozenset[IPv4Address]:
        return await self._host.own_addresses()

    def withdraw_blocking(self) -> None:
        self._host.withdraw_blocking()

    def close(self) -> None:
        self._host.close()
