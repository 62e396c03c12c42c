"""The way of the probes, through `tc` and `nft`."""

import json
from dataclasses import replace
from typing import Any

from kun_nat64.drivers.command import Runner, failed, tried
from kun_nat64.drivers.output_parsing import understanding
from kun_nat64.formats import probeway
from kun_nat64.formats.table import FormatError
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import AnyProbeWay, Facts, NativeProbeWay, ProbeWay
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.probefacts import Passed

LIST = ("nft", "-j", "list", "table", *probeway.TABLE.split())
LOAD = ("nft", "-f", "-")
ADDRESSES = ("ip", "-j", "-4", "address", "show")
NEEDS = "needs kernel 5.16 or later with NETFILTER_EGRESS, nft 1.0.1 or later, sch_ingress, cls_u32, act_mirred"


class ProbeWayDriver:
    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    async def observe(self, wanted: AnyProbeWay | None) -> Facts:
        """The wanted one where it is whole, else one that says what is amiss. Raises DriverError."""
        if wanted is None:
            return frozenset()
        listed = await self._runner.run(*LIST)
        if listed.exit_code != 0:
            if "No such file" in listed.stderr:
                return frozenset()
            raise failed(LIST, listed)
        uplink = await self.uplink(wanted)
        with understanding(*LIST):
            amiss = probeway.parse_table(listed.stdout, wanted, uplink).amiss
        amiss = amiss or await self._filters_amiss(wanted, uplink)
        return frozenset({replace(wanted, amiss=amiss)})

    async def _filters_amiss(self, wanted: AnyProbeWay, uplink: str) -> str:
        argv = ("tc", "-j", "filter", "show", "dev", wanted.link, "ingress")
        shown = await self._runner.run(*argv)
        if shown.exit_code != 0:
            return f"no filter on {wanted.link}"
        with understanding(*argv):
            return probeway.parse_filters(shown.stdout, wanted, uplink)

    async def passed(self, way: AnyProbeWay) -> Passed | None:
        """Counters; None where they cannot be read. Never raises."""
        listed = await tried(self._runner, *LIST)
        if listed is None or listed.exit_code != 0:
            return None
        try:
            with understanding(*LIST):
                return probeway.parse_table(listed.stdout, way, "").passed
        except DriverError:
            return None

    async def uplink(self, way: AnyProbeWay) -> str:
        """The interface named in the file, or the one that has `home`. Raises DriverError where none has."""
        if way.uplink:
            return way.uplink
        shown = await self._runner.run(*ADDRESSES)
        if shown.exit_code != 0:
            raise failed(ADDRESSES, shown)
        found = holder_of(str(way.home), shown.stdout)
        if not found:
            words = f"no interface has bgp.next_hop {way.home}: name the one towards the nodes in [gateway] uplink"
            raise DriverError(FailureKind.NOT_FOUND, ADDRESSES, words)
        return found

    async def apply(self, change: Change) -> None:
        """Makes all of it anew: it costs the probes in flight, and nobody else. Raises DriverError."""
        assert isinstance(change.fact, ProbeWay | NativeProbeWay)
        way = change.fact
        if change.action is Action.REMOVE:
            await self._load(probeway.removal())
            return
        uplink = await self.uplink(way)
        await tried(self._runner, "tc", "qdisc", "del", "dev", way.link, "clsact")
        await self._must("tc", "qdisc", "add", "dev", way.link, "clsact")
        await self._must("tc", "filter", "add", *probeway.filter_words(way, uplink))
        await self._load(probeway.table(way, uplink))

    async def _must(self, *argv: str) -> None:
        outcome = await self._runner.run(*argv)
        if outcome.exit_code != 0:
            error = failed(argv, outcome)
            raise DriverError(error.kind, argv, f"{error.stderr}; the way of the probes {NEEDS}", error.exit_code)

    async def _load(self, document: str) -> None:
        outcome = await self._runner.run(*LOAD, stdin=document)
        if outcome.exit_code != 0:
            raise failed(LOAD, outcome)


def holder_of(address: str, shown: str) -> str:
    """Name of the interface with `address` in `ip -j address show`; not the loopback; "" where there is none."""
    with understanding(*ADDRESSES):
        try:
            links: list[Any] = json.loads(shown or "[]")
            held = {
                str(one["local"]): str(link["ifname"])
                for link in links
                if link.get("ifname") != "lo"
                for one in link.get("addr_info", ())
            }
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise FormatError("output of ip -j address", shown[:80]) from error
    return held.get(address, "")
