"""GoBGP through its command: slower than its API, and the same in versions whose API is not known here."""

import subprocess
from collections.abc import Collection, Iterable
from dataclasses import replace
from ipaddress import IPv4Address, ip_network

from kun_nat64.drivers.command import CommandResult, Runner, environment, failed
from kun_nat64.drivers.output_parsing import understanding
from kun_nat64.formats import gobgpjson
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import BgpPath, Facts, Neighbour
from kun_nat64.model.plan import Action, Change

DEADLINE_S = 3.0
# Of version 3 and version 4, when nobody listens or nobody answers.
SILENT = ("context deadline exceeded", "code = Unavailable", "connection refused", "DeadlineExceeded")


class GobgpCommand:
    """`api`: ADDRESS:PORT, or unix:///path. `next_hop`: what the speaker's 0.0.0.0 stands for."""

    def __init__(self, runner: Runner, api: str, next_hop: IPv4Address) -> None:
        self._runner, self._next_hop = runner, str(next_hop)
        self._command = ("gobgp", *_where(api))

    async def observe_paths(self, prefixes: Iterable[str]) -> Facts:
        """Paths for these prefixes that were injected here. Raises DriverError."""
        wanted = {ip_network(prefix) for prefix in prefixes}
        found: set[BgpPath] = set()
        for family in sorted({f"ipv{prefix.version}" for prefix in wanted}):
            argv = (*self._command, "-j", "global", "rib", "-a", family)
            text = await self._say(*argv)
            with understanding(*argv):
                paths = gobgpjson.parse_rib(text, self._next_hop)
            found.update(one.path for one in paths if one.local and one.path.prefix in wanted)
        return frozenset(found)

    async def observe_neighbours(self, versions: Collection[int] = (4,)) -> tuple[Neighbour, ...]:
        """Every neighbour; for those with a session what it was sent of these families. Raises DriverError."""
        argv = (*self._command, "-j", "neighbor")
        with understanding(*argv):
            neighbours = gobgpjson.parse_neighbours(await self._say(*argv))
        return tuple([await self._with_adj_out(one, versions) for one in neighbours])

    async def _with_adj_out(self, neighbour: Neighbour, versions: Collection[int]) -> Neighbour:
        if not neighbour.established:
            return neighbour
        sent: list[str] = []
        for version in sorted(versions):
            argv = (*self._command, "-j", "neighbor", neighbour.address, "adj-out", "-a", f"ipv{version}")
            with understanding(*argv):
                sent += gobgpjson.prefixes(await self._say(*argv))
        return replace(neighbour, advertised=tuple(sent))

    async def apply(self, change: Change) -> None:
        """Adding a path replaces the one that is there; removing one that is not there does nothing."""
        path = change.fact
        assert isinstance(path, BgpPath)
        await self._say(*self._command, *_words(path, change.action))

    def withdraw_blocking(self, prefixes: Iterable[str], deadline_s: float = DEADLINE_S) -> None:
        """For a thread, when the event loop hangs. Raises DriverError after having tried them all."""
        errors = []
        for prefix in prefixes:
            argv = (*self._command, "global", "rib", "del", prefix, "-a", f"ipv{ip_network(prefix).version}")
            try:
                done = subprocess.run(
                    argv, env=environment(), capture_output=True, text=True, timeout=deadline_s, check=False
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                errors.append(DriverError(FailureKind.TIMEOUT, argv, str(error)))
                continue
            if done.returncode != 0:
                errors.append(_refusal(argv, CommandResult(done.returncode, done.stdout, done.stderr)))
        if errors:
            raise errors[0]

    def close(self) -> None:
        """Nothing stays open between two commands."""

    async def _say(self, *argv: str) -> str:
        outcome = await self._runner.run(*argv, deadline_s=DEADLINE_S)
        if outcome.exit_code != 0 or gobgpjson.error_in(outcome.stdout) is not None:
            raise _refusal(argv, outcome)
        return outcome.stdout


def _where(api: str) -> tuple[str, ...]:
    if api.startswith("unix://"):
        return ("--target", api)
    host, _, port = api.rpartition(":")
    return ("-u", host.strip("[]"), "-p", port)


def _words(path: BgpPath, action: Action) -> tuple[str, ...]:
    family = ("-a", f"ipv{path.prefix.version}")
    if action is Action.REMOVE:
        return ("global", "rib", "del", str(path.prefix), *family)
    attributes = ["origin", path.origin, "nexthop", str(path.next_hop)]
    if path.med is not None:
        attributes += ["med", str(path.med)]
    if path.communities:
        attributes += ["community", ",".join(path.communities)]
    return ("global", "rib", "add", str(path.prefix), *family, *attributes)


def _refusal(argv: tuple[str, ...], outcome: CommandResult) -> DriverError:
    """Complaints come on standard output as well as on standard error."""
    said = gobgpjson.masked(gobgpjson.error_in(outcome.stdout) or outcome.stderr or outcome.stdout)
    kind = FailureKind.UNREACHABLE if any(word in said for word in SILENT) else FailureKind.EXIT_CODE
    return failed(argv, CommandResult(outcome.exit_code, "", said), kind)
