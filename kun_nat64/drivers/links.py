"""Links, addresses, routes and the probe's namespace: looks and changes, through netlink."""

import asyncio
import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from socket import AF_INET, AF_INET6

from kun_base.prefix import sixtofour_network
from kun_nat64.drivers import linkchange, nearnodes
from kun_nat64.drivers.command import Runner, failed
from kun_nat64.drivers.linkdump import (
    ROUTE_PROTOCOL,
    Link,
    addresses,
    obstacles,
    own_links,
    read_link,
    reports,
    routes,
    tunnel_of,
)
from kun_nat64.drivers.netlink import NetlinkThread, Session
from kun_nat64.drivers.netns import RUN_NETNS, namespace_identity
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import Address, Fact, Facts, LinkState, Netns, NodeRouter, Route, Tunnel, Veth
from kun_nat64.model.nodeways import NodeWay
from kun_nat64.model.observation import Foreign, LinkReport, Scope
from kun_nat64.model.plan import Action, Change
from kun_nat64.policy.probepath import INNER_LINK

# Set by kun-nat64.service, in which nothing can be mounted: who finds this file makes the namespace.
NETNS_REQUEST = "KUN_NAT64_NETNS_REQUEST"
NETNS_WAIT_S, NETNS_LOOK_S = 5.0, 0.1


@dataclass(frozen=True, slots=True)
class LinksSeen:
    facts: Facts
    foreign: tuple[Foreign, ...]
    reports: tuple[LinkReport, ...]
    own: frozenset[IPv4Address] = frozenset()
    near: Facts = frozenset()


class LinksDriver:
    """Works in the namespace `home`, "" for the agent's own, and in the probe's, for as long as that one exists."""

    def __init__(self, runner: Runner, home: str = "") -> None:
        self._runner = runner
        self._own = NetlinkThread(home)
        self._inside: dict[str, tuple[tuple[int, int], NetlinkThread]] = {}

    async def observe(self, scope: Scope) -> LinksSeen:
        """Raises DriverError."""
        there, inside = await self._observe_inside(scope.netns)
        here = await self._own.call(_links, "link", "show")
        loopback = [link for link in here if link.name == "lo"]
        veths = [link for link in here if link.ours and link.kind == "veth"]
        tunnels = [link for link in here if link.kind == "sit" and (link.ours or link.name in scope.tunnels)]
        names = {link.index: link.name for link in (*loopback, *veths, *tunnels)}
        found: set[Fact] = {*inside, *own_links(here, there, scope)}
        mine, own = await self._own.call(lambda ip: _all_addresses(ip, names, scope.vip), "address", "show")
        found.update(fact for fact in mine if not _of_others(fact, {link.name for link in tunnels}, scope.vip))
        every = {link.index: link.name for link in here}
        found.update(await self._own.call(lambda ip: _routes(ip, every, ""), "route", "show"))
        ways = await self._own.call(lambda ip: nearnodes.observe(ip, scope), "rule", "show")
        found.update(ways.there)
        foreign, links = tuple(obstacles(here, scope)), tuple(reports(here, scope.links))
        return LinksSeen(frozenset(found), foreign, links, own, ways.wanted)

    async def ways_to(self, nodes: Iterable[IPv4Address | IPv6Address], vip: IPv4Address | None) -> tuple[NodeWay, ...]:
        """Raises DriverError."""
        return await self._own.call(lambda ip: nearnodes.ways_to(ip, nodes, vip), "route", "get")

    async def own_addresses(self) -> frozenset[IPv4Address]:
        """IPv4 addresses of every interface. Raises DriverError."""
        _, own = await self._own.call(lambda ip: _all_addresses(ip, {}, ""), "address", "show")
        return own

    async def _observe_inside(self, netns: str) -> tuple[list[Link], set[Fact]]:
        """The links of the probe's namespace, and all facts about it."""
        thread = self._thread_in(netns)
        if thread is None:
            return [], set()
        links = await thread.call(_links, "link", "show")
        # The operator's namespace may hold more than what is ours.
        ours = [link for link in links if link.name == INNER_LINK or (link.kind == "sit" and link.ours)]
        names = {link.index: link.name for link in ours}
        found: set[Fact] = {Netns(netns)}
        found.update(tunnel_of(link, netns) for link in ours if link.kind == "sit")
        found.update(await thread.call(lambda ip: _addresses(ip, names, netns, ""), "address", "show"))
        found.update(await thread.call(lambda ip: _routes(ip, names, netns), "route", "show"))
        return links, found

    def _thread_in(self, netns: str) -> NetlinkThread | None:
        identity = namespace_identity(netns)
        known = self._inside.get(netns)
        if known and known[0] != identity:
            self._inside.pop(netns)[1].close()
            known = None
        if identity is None:
            return None
        if known is None:
            known = self._inside[netns] = identity, NetlinkThread(netns)
        return known[1]

    async def apply(self, change: Change) -> None:
        """Raises DriverError. What is there, or gone, already is no error: the next look decides."""
        try:
            await self._apply(change)
        except DriverError as error:
            settled = (Action.REMOVE, FailureKind.NOT_FOUND)
            if (change.action, error.kind) != settled:
                raise

    async def _apply(self, change: Change) -> None:
        match change.fact:
            case Netns(name=name):
                await self._namespace(name, change.action)
            case Veth() as veth:
                await self._veth(veth, change.action)
            case Tunnel(netns=netns) | Address(netns=netns) | Route(netns=netns):
                await self._in(netns).call(linkchange.action_of(change), *linkchange.words(change))
            case NodeRouter() as ours:
                await self._own.call(lambda ip: nearnodes.apply(ip, ours, change.action), "rule", change.action)
            case LinkState():
                await self._own.call(linkchange.action_of(change), *linkchange.words(change))
            case other:
                raise AssertionError(f"{other} is not for this driver")

    def _in(self, netns: str) -> NetlinkThread:
        if not netns:
            return self._own
        thread = self._thread_in(netns)
        if thread is None:
            raise DriverError(FailureKind.NOT_FOUND, ("ip", "netns", "exec", netns), "no such network namespace")
        return thread

    async def _namespace(self, name: str, action: Action) -> None:
        request = os.environ.get(NETNS_REQUEST, "")
        if request and action is not Action.REMOVE:
            await _ask_for_namespace(Path(request), name)
            return
        if action is Action.REMOVE:
            known = self._inside.pop(name, None)
            if known:
                known[1].close()
        elif namespace_identity(name) is None:
            # A name without a namespace behind it is left over from another mount namespace, or from a crash.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{RUN_NETNS}/{name}")
        argv = ("ip", "netns", "delete" if action is Action.REMOVE else "add", name)
        outcome = await self._runner.run(*argv)
        if outcome.exit_code != 0:
            raise failed(argv, outcome)

    async def _veth(self, veth: Veth, action: Action) -> None:
        words = ("link", "add", veth.name, "type", "veth", "peer", "name", veth.peer, "netns", veth.peer_netns)
        if action is not Action.ADD:
            await self._own.call(lambda ip: linkchange.delete_link(ip, veth.name), "link", "delete", veth.name)
        if action is not Action.REMOVE:
            await self._own.call(lambda ip: linkchange.make_veth(ip, veth), *words)
            await self._in(veth.peer_netns).call(lambda ip: linkchange.ready_peer(ip, veth), *words)

    def close(self) -> None:
        self._own.close()
        for _, thread in self._inside.values():
            thread.close()
        self._inside.clear()


def _links(ip: Session) -> list[Link]:
    return [read_link(message) for message in ip.get_links()]


def _addresses(ip: Session, names: dict[int, str], netns: str, vip: str) -> set[Fact]:
    return set(addresses(ip.get_addr(), names, netns, vip))


def _all_addresses(ip: Session, names: dict[int, str], vip: str) -> tuple[set[Fact], frozenset[IPv4Address]]:
    """Those that are ours to care for, and every IPv4 address of every interface."""
    messages = list(ip.get_addr())
    every = (message.get_attr("IFA_LOCAL") for message in messages if message["family"] == AF_INET)
    return set(addresses(messages, names, "", vip)), frozenset(IPv4Address(one) for one in every if one)


def _routes(ip: Session, names: dict[int, str], netns: str) -> set[Fact]:
    """Asks the kernel for our protocol only: a gateway may have the whole Internet in its table."""
    families = (AF_INET, AF_INET6) if netns else (AF_INET6,)
    found: set[Fact] = set()
    for family in families:
        found.update(routes(ip.get_routes(family=family, proto=ROUTE_PROTOCOL), names, netns))
    return found


def _of_others(fact: Fact, tunnels: set[str], vip: str) -> bool:
    """An address that somebody has given to our tunnel; ours is of the VIP's own 6to4 network."""
    if not (isinstance(fact, Address) and fact.ifname in tunnels and vip):
        return False
    return fact.address not in sixtofour_network(IPv4Address(vip))


async def _ask_for_namespace(request: Path, name: str) -> None:
    """Raises DriverError where nobody makes it."""
    argv = ("systemctl", "start", "kun-nat64-netns.service")
    try:
        await asyncio.to_thread(request.write_text, f"{name}\n")
        for _ in range(round(NETNS_WAIT_S / NETNS_LOOK_S)):
            if namespace_identity(name) is not None:
                return
            await asyncio.sleep(NETNS_LOOK_S)
    except OSError as error:
        raise DriverError(FailureKind.EXIT_CODE, argv, str(error), error.errno) from error
    words = f"no network namespace {name} was made; kun-nat64-netns.path finds {request}, is it active?"
    raise DriverError(FailureKind.TIMEOUT, argv, words)
