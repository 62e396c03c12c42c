"""Jool through its command. Not through netlink: module 4.1.9 is known to lock up the kernel on messages it dislikes.

Every command has a deadline, `--csv` and, where names would be looked up, `--numeric`.
"""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address
from pathlib import Path
from typing import TypeVar

from kun_nat64.drivers.command import CommandResult, Runner, failed
from kun_nat64.drivers.output_parsing import understanding
from kun_nat64.formats import joolcsv, jooldocument
from kun_nat64.formats.sessionlisting import SessionListing
from kun_nat64.formats.sessionsearch import SessionSearch
from kun_nat64.formats.versions import refuses_local_ports
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import Fact, Facts, JoolGlobal, JoolInstance, Pool4, Protocol
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.sessionlist import SessionList
from kun_nat64.model.traffic import Binding, Session, Traffic
from kun_nat64.policy.portranges import borrowed

# Exit codes are 256 - errno for errors of the command itself, errno for those of the kernel module.
NO_INSTANCE, EXISTS, NO_MODULE = 3, 17, 253
LISTING_DEADLINE_S = 20.0
# Bytes that are read in a millisecond.
LITTLE = 20_000
Entry = TypeVar("Entry")
Given = TypeVar("Given")
Done = TypeVar("Done")


class JoolDriver:
    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    async def observe(self, instance: str, wanted_globals: frozenset[str]) -> Facts:
        """The instance with its globals and pool4; nothing when there is none. Raises DriverError."""
        text = await self._display(instance, "global", "display", "--csv")
        if text is None:
            return frozenset()
        found: set[Fact] = set()
        argv = ("jool", "-i", instance, "global", "display", "--csv")
        with understanding(*argv):
            settings = joolcsv.parse_globals(text)
            found.add(joolcsv.instance_of(instance, settings))
            found.update(joolcsv.globals_of(instance, settings, wanted_globals))
        for protocol in Protocol:
            found.update(await self._pool4(instance, protocol))
        return frozenset(found)

    async def _pool4(self, instance: str, protocol: Protocol) -> list[Pool4]:
        argv = ("pool4", "display", f"--{protocol}", "--csv")
        text = await self._display(instance, *argv)
        if text is None:
            return []
        with understanding("jool", "-i", instance, *argv):
            return joolcsv.parse_pool4(text, instance)

    async def traffic(self, instance: str) -> Traffic:
        """Live bindings and sessions. Raises DriverError; none when there is no instance."""
        bindings: list[Binding] = []
        sessions: list[Session] = []
        for protocol in Protocol:
            bindings += await self._read(instance, "bib", protocol, joolcsv.parse_bib)
            sessions += await self._read(instance, "session", protocol, joolcsv.parse_sessions)
        return Traffic(tuple(bindings), tuple(sessions))

    async def _read(
        self, instance: str, mode: str, protocol: Protocol, parse: Callable[[str], list[Entry]]
    ) -> list[Entry]:
        listed = await self._list(instance, mode, protocol)
        with understanding("jool", "-i", instance, mode, "display"):
            return await _beside(len(listed), parse, listed) if listed else []

    async def flows(self, instance: str, probe: IPv6Address) -> SessionList:
        """Live sessions, packed, but for those of `probe`. Raises DriverError; none when there is no instance."""
        listing = SessionListing(probe)
        for protocol in Protocol:
            await self._stream(instance, protocol, listing)
        return listing.found()

    async def sessions_at(self, instance: str, port: int) -> tuple[tuple[Session, ...], bool]:
        """Those that have `port` at some end, and whether these are all. Raises DriverError."""
        search = SessionSearch(port)
        for protocol in Protocol:
            await self._stream(instance, protocol, search)
        return tuple(search.found), search.whole

    async def _stream(self, instance: str, protocol: Protocol, listing: SessionListing | SessionSearch) -> None:
        """A list that does not come to its end in time counts for as far as it came; one of nothing is an error."""
        argv = ("jool", "-i", instance, "session", "display", f"--{protocol}", "--numeric", "--csv")
        before = listing.rows
        with understanding(*argv):
            try:
                done = await self._runner.run(*argv, deadline_s=LISTING_DEADLINE_S, feed=listing.feed)
            except DriverError as error:
                if error.kind is not FailureKind.TIMEOUT or listing.rows == before:
                    raise
                listing.end(partial=True)
                return
            if done.exit_code not in (0, NO_INSTANCE, NO_MODULE):
                raise failed(argv, done)
            listing.end()

    async def sessions(self, instance: str, protocol: Protocol) -> tuple[Session, ...]:
        """As `traffic`, of one protocol and without the bindings."""
        return tuple(await self._read(instance, "session", protocol, joolcsv.parse_sessions))

    async def _list(self, instance: str, mode: str, protocol: Protocol) -> str | None:
        argv = (mode, "display", f"--{protocol}", "--numeric", "--csv")
        return await self._display(instance, *argv, deadline_s=LISTING_DEADLINE_S)

    async def stats(self, instance: str) -> dict[str, int]:
        """Counters and gauges by name; zeroes are left out by the command itself. Raises DriverError."""
        text = await self._display(instance, "stats", "display", "--csv")
        with understanding("jool", "-i", instance, "stats", "display", "--csv"):
            return joolcsv.parse_stats(text) if text else {}

    async def _display(self, instance: str, *words: str, deadline_s: float = 5.0) -> str | None:
        """None when there is no such instance, or no module that could have one."""
        argv = ("jool", "-i", instance, *words)
        outcome = await self._runner.run(*argv, deadline_s=deadline_s)
        match outcome.exit_code:
            case 0:
                return outcome.stdout
            case 3 | 253:
                return None
            case _:
                raise failed(argv, outcome)

    async def apply(self, changes: Sequence[Change]) -> None:
        """A new instance is made with all that belongs to it, in one step; a living one is changed bit by bit."""
        births = [change for change in changes if isinstance(change.fact, JoolInstance)]
        made = set()
        for birth in births:
            made |= await self._replace(birth, changes)
        rest = [change for change in changes if change not in made]
        for change in rest:
            await self._one(change)
        grown = {
            (c.fact.instance, c.fact.protocol) for c in rest if isinstance(c.fact, Pool4) and c.action is Action.ADD
        }
        for instance, protocol in sorted(grown):
            await self._end_borrowed(instance, protocol)

    async def _end_borrowed(self, instance: str, protocol: Protocol) -> None:
        """Flows that began while pool4 was empty keep their ports, and get no answers, for as long as they go on.

        Ports that leave pool4 take their flows with them; so these join it for a moment.
        """
        bindings = await self._read(instance, "bib", protocol, joolcsv.parse_bib)
        pool4 = await self._pool4(instance, protocol) if bindings else []
        for entry in borrowed(bindings, pool4, instance):
            await self._ports(Action.ADD, entry)
            await self._ports(Action.REMOVE, entry)

    async def _replace(self, change: Change, changes: Sequence[Change]) -> set[Change]:
        """The changes that are done with it."""
        instance = change.fact
        assert isinstance(instance, JoolInstance)
        if change.action is not Action.ADD:
            await self._do("jool", "instance", "remove", instance.name)
        if change.action is Action.REMOVE:
            return {change}
        contents = [one for one in changes if one.fact.inside == instance.key and one.action is not Action.REMOVE]
        settings = [one.fact for one in contents if isinstance(one.fact, JoolGlobal)]
        pool4 = [one.fact for one in contents if isinstance(one.fact, Pool4)]
        await self._load(instance.name, jooldocument.document(instance, settings, pool4))
        return {change, *contents}

    async def _load(self, name: str, document: str) -> None:
        try:
            folder = tempfile.TemporaryDirectory(prefix="kun-nat64-")
            path = Path(folder.name) / "jool.json"
            path.write_text(document)
        except OSError as error:
            raise DriverError(FailureKind.EXIT_CODE, ("jool", "file", "handle"), str(error), error.errno) from error
        with folder:
            try:
                await self._forcing("jool", "-i", name, "file", "handle", str(path))
            except DriverError as error:
                if error.kind is FailureKind.CONFLICT:
                    raise await self._in_the_way(name, error) from error
                raise

    async def _in_the_way(self, name: str, error: DriverError) -> DriverError:
        """A network namespace has one instance. Jool lists those of all of them, and does not say which is where."""
        listed = await self._runner.run("jool", "instance", "display", "--csv")
        with understanding("jool", "instance", "display", "--csv"):
            others = sorted({other for other, _ in joolcsv.parse_instances(listed.stdout) if other != name})
        remedy = f"another instance is here ({', '.join(others)}): `jool instance remove NAME` ends its flows"
        return DriverError(error.kind, error.argv, f"{error.stderr}; {remedy}", error.exit_code)

    async def _one(self, change: Change) -> None:
        match change.fact:
            case JoolGlobal(instance=instance, name=name, value=value):
                await self._do("jool", "-i", instance, "global", "update", name, value)
            case Pool4() as entry:
                await self._ports(change.action, entry)
            case other:
                raise AssertionError(f"{other} is not for this driver")

    async def _ports(self, action: Action, entry: Pool4) -> None:
        verb = "remove" if action is Action.REMOVE else "add"
        ports = f"{entry.first_port}-{entry.last_port}"
        argv = ("jool", "-i", entry.instance, "pool4", verb, str(entry.address), ports, f"--{entry.protocol}")
        await self._forcing(*argv, *(("--mark", str(entry.mark)) if entry.mark else ()))

    async def _forcing(self, *argv: str) -> None:
        """Ports that the host itself may take, as Jool before 4.1.15 takes them; `doctor` warns, service goes first.

        An upgrade of Jool would otherwise end a gateway that has worked.
        """
        outcome = await self._runner.run(*argv)
        if outcome.exit_code != 0 and refuses_local_ports(outcome.stderr):
            outcome = await self._runner.run(*argv, "--force")
        _check(argv, outcome)

    async def _do(self, *argv: str) -> None:
        _check(argv, await self._runner.run(*argv))


async def _beside(size: int, work: Callable[[Given], Done], given: Given) -> Done:
    """In a thread, where it is much: a million rows take many seconds, and the probes must not wait for them."""
    return work(given) if size <= LITTLE else await asyncio.to_thread(work, given)


def _check(argv: tuple[str, ...], outcome: CommandResult) -> None:
    if outcome.exit_code == 0:
        return
    kind = {
        NO_INSTANCE: FailureKind.NOT_FOUND,
        EXISTS: FailureKind.CONFLICT,
        NO_MODULE: FailureKind.MISSING_MODULE,
    }.get(outcome.exit_code, FailureKind.EXIT_CODE)
    raise failed(argv, outcome, kind)
