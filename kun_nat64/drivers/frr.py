"""FRR through vtysh, at bgpd alone: zebra and the other daemons are not spoken to."""

import asyncio
import os
from collections.abc import Collection, Iterable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from kun_nat64.drivers.blocking_runner import BlockingRunner
from kun_nat64.drivers.command import Runner, failed
from kun_nat64.drivers.output_parsing import understanding
from kun_nat64.drivers.withdraw_all import withdraw_all
from kun_nat64.formats import frrcommands, frrjson
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import BgpPath, Facts, Neighbour
from kun_nat64.model.plan import Action, Change

DEADLINE_S = 3.0
NOBODY = "failed to connect to any daemons"
NOT_THERE = "find static route"


class FrrSpeaker:
    """`api`: unix:///path of the folder with bgpd's vty socket."""

    def __init__(self, runner: Runner, api: str) -> None:
        self._runner, self._folder = runner, api.removeprefix("unix://")

    async def observe_paths(self, prefixes: Iterable[str]) -> Facts:
        """Paths for these prefixes that this bgpd brings in. Raises DriverError."""
        asked = [f"show bgp ipv{ip_network(prefix).version} unicast {prefix} json" for prefix in sorted(prefixes)]
        answers = await self._ask(*asked) if asked else []
        with understanding("vtysh", "show bgp"):
            return frozenset(path for answer in answers if (path := frrjson.local_path(answer)) is not None)

    async def observe_neighbours(self, versions: Collection[int]) -> tuple[Neighbour, ...]:
        """Every neighbour; for those with a session what it was sent of these families. Raises DriverError."""
        (answer,) = await self._ask("show bgp neighbors json")
        with understanding("vtysh", "show bgp neighbors"):
            found = frrjson.neighbours(answer)
        return tuple([await self._with_adj_out(one, versions) for one in found])

    async def _with_adj_out(self, neighbour: Neighbour, versions: Collection[int]) -> Neighbour:
        if not neighbour.established:
            return neighbour
        begin, end = "show bgp ipv", f"unicast neighbors {neighbour.address} advertised-routes json"
        answers = await self._ask(*(f"{begin}{version} {end}" for version in sorted(versions)))
        with understanding("vtysh", end):
            return replace(neighbour, advertised=tuple(one for answer in answers for one in frrjson.sent(answer)))

    async def apply(self, change: Change) -> None:
        """Adding a path replaces the one that is there; removing one that is not there does nothing.

        Raises DriverError also where somebody else's `network` line brings the prefix in: that is not touched.
        """
        path = change.fact
        assert isinstance(path, BgpPath)
        found = frrcommands.read_configuration(await self.say("show running-config"))
        prefix, own_map = str(path.prefix), frrcommands.route_map(path.prefix)
        if found.foreign(prefix):
            raise _foreign(prefix, found)
        if change.action is not Action.REMOVE:
            await self.say(*frrcommands.announce(path))
            return
        if prefix in found.networks:
            await self.say(*frrcommands.withdraw(path.prefix))
        if own_map in found.maps:
            await self.say(*frrcommands.forget([own_map]))

    def withdraw_blocking(self, prefixes: Iterable[str]) -> None:
        """For a thread, when the event loop hangs. Raises DriverError after having tried them all."""
        asyncio.run(withdraw_all(FrrSpeaker(BlockingRunner(), self._folder), tuple(prefixes)))

    def close(self) -> None:
        """Nothing stays open between two commands."""

    async def _ask(self, *commands: str) -> list[Any]:
        text = await self.say(*commands)
        with understanding("vtysh", *commands):
            found = frrjson.documents(text)
        if len(found) != len(commands):
            argv = ("vtysh", *commands)
            raise DriverError(FailureKind.GARBAGE, argv, f"{len(found)} answers to {len(commands)} questions")
        return found

    async def say(self, *commands: str) -> str:
        """What bgpd prints for these commands, one after the other. Raises DriverError at the first that fails."""
        return await self._run(*(word for command in commands for word in ("-c", command)))

    async def load(self, file: Path) -> None:
        """Raises DriverError."""
        await self._run("-f", str(file))

    async def _run(self, *words: str) -> str:
        argv = ("vtysh", "--vty_socket", self._folder, "-d", "bgpd", *words)
        outcome = await self._runner.run(*argv, deadline_s=DEADLINE_S)
        if outcome.exit_code != 0:
            raise failed(argv, outcome, self._kind(outcome.stderr + outcome.stdout))
        return outcome.stdout

    def _kind(self, words: str) -> FailureKind:
        """vtysh has the same words for a daemon that does not run and for a socket that it may not use."""
        if NOBODY not in words:
            return FailureKind.EXIT_CODE
        socket = f"{self._folder}/bgpd.vty"
        closed = os.path.exists(socket) and not os.access(socket, os.R_OK | os.W_OK, effective_ids=True)
        return FailureKind.PERMISSION if closed else FailureKind.UNREACHABLE


def _foreign(prefix: str, found: frrcommands.Configured) -> DriverError:
    version = ip_network(prefix).version
    remedy = f"`vtysh -c 'configure terminal' -c 'router bgp {found.asn}' -c 'address-family ipv{version} unicast'"
    words = f"FRR's configuration has a network line for {prefix} that is not ours, and it stays announced: {remedy} -c"
    return DriverError(FailureKind.CONFLICT, ("vtysh", "network", prefix), f"{words} 'no network {prefix}'`")
