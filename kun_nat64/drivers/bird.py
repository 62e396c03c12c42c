"""BIRD 2: paths stand in an include file of ours, which BIRD reads at `configure`; a withdrawal needs no `configure`.

`configure` reads the operator's file as well, and fails where that has an error. A withdrawal must not depend on it:
it disables the path's protocol, and takes it out of our file, for the next time that BIRD reads it.
"""

import asyncio
import contextlib
import os
import re
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

from kun_nat64.drivers.birdsocket import BirdSocket
from kun_nat64.drivers.output_parsing import understanding
from kun_nat64.drivers.withdraw_all import withdraw_all
from kun_nat64.formats import birdpaths, birdreply
from kun_nat64.formats.birdreply import BirdAnswer, BirdProtocol
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import BgpPath, Facts, Neighbour
from kun_nat64.model.plan import Action, Change

DEADLINE_S = 3.0
# Reply codes: no protocol of that name; it is disabled, it was so before.
NO_MATCH = 8003
READABLE = 0o644


class BirdSpeaker:
    """`api`: unix:///path of the control socket. `paths_file`: the include file of ours."""

    def __init__(self, api: str, paths_file: str) -> None:
        self._api, self._socket = api, BirdSocket(api.removeprefix("unix://"))
        self._file = Path(paths_file)

    async def observe_paths(self, prefixes: Iterable[str]) -> Facts:
        """Paths for these prefixes that our protocols bring in. Raises DriverError."""
        wanted = {birdpaths.protocol_name(ip_network(prefix)) for prefix in prefixes}
        ours = sorted(wanted & {one.name for one in await self._own_protocols()})
        if not ours:
            return frozenset()
        answers = await self._ask(*(f"show route all protocol {name}" for name in ours))
        with understanding("birdc", "show route"):
            return frozenset(path for answer in answers if (path := birdreply.path(answer)) is not None)

    async def _own_protocols(self) -> list[BirdProtocol]:
        (answer,) = await self._ask(f'show protocols "{birdpaths.MARK}*"', accepted=(NO_MATCH,))
        return birdreply.protocols(answer)

    async def observe_neighbours(self, versions: Collection[int]) -> tuple[Neighbour, ...]:
        """Every neighbour; for those with a session what it was sent. Raises DriverError."""
        seen, bfd = await self._socket.ask("show protocols all", "show bfd sessions", deadline_s=DEADLINE_S)
        with understanding("birdc", "show protocols all"):
            states = birdreply.bfd_sessions(bfd)
            found = [(one.name, birdreply.neighbour(one, states)) for one in birdreply.protocols(seen)]
        return tuple([await self._with_exported(name, one) for name, one in found if one is not None])

    async def _with_exported(self, name: str, neighbour: Neighbour) -> Neighbour:
        if not neighbour.established:
            return neighbour
        (answer,) = await self._ask(f"show route exported {_symbol(name)}")
        with understanding("birdc", "show route exported"):
            return replace(neighbour, advertised=tuple(birdreply.prefixes(answer)))

    async def apply(self, change: Change) -> None:
        """Adding a path replaces the one that is there; removing one that is not there does nothing."""
        path = change.fact
        assert isinstance(path, BgpPath)
        if change.action is Action.REMOVE:
            await self._withdraw(path)
        elif self._write(birdpaths.with_path(self._read(), path)) or await self._lacks(path):
            await self._configure(path)

    async def _lacks(self, path: BgpPath) -> bool:
        return path not in await self.observe_paths([str(path.prefix)])

    async def _configure(self, path: BgpPath) -> None:
        await self._ask("configure")
        name = birdpaths.protocol_name(path.prefix)
        if name not in {one.name for one in await self._own_protocols()}:
            words = f'bird.conf does not include it: add `include "{self._file.parent}*/{self._file.name}";`'
            raise DriverError(FailureKind.CONFLICT, ("birdc", "configure", str(self._file)), words)

    async def _withdraw(self, path: BgpPath) -> None:
        """The file first, as BIRD may start again at any time; where that fails, the path is disabled all the same."""
        problem: DriverError | None = None
        try:
            self._write(birdpaths.without(self._read(), path.prefix))
        except DriverError as error:
            problem = error
        await self._ask(f'disable "{birdpaths.protocol_name(path.prefix)}"', accepted=(NO_MATCH,))
        if problem is not None:
            raise problem

    def withdraw_blocking(self, prefixes: Iterable[str]) -> None:
        """For a thread, when the event loop hangs. Raises DriverError after having tried them all."""
        asyncio.run(withdraw_all(BirdSpeaker(self._api, str(self._file)), tuple(prefixes)))

    def close(self) -> None:
        """Nothing stays open between two questions."""

    async def _ask(self, *commands: str, accepted: tuple[int, ...] = ()) -> list[BirdAnswer]:
        """Answers that are failures raise DriverError, unless their code is accepted."""
        answers = await self._socket.ask(*commands, deadline_s=DEADLINE_S)
        for command, answer in zip(commands, answers, strict=True):
            if answer.failed and answer.code not in accepted:
                raise DriverError(FailureKind.EXIT_CODE, ("birdc", command), answer.words, answer.code)
        return answers

    def _read(self) -> str:
        try:
            return self._file.read_text()
        except FileNotFoundError:
            return ""
        except (OSError, ValueError) as error:
            raise self._refused(error) from error

    def _write(self, text: str) -> bool:
        """Whether the file is another one now. BIRD reads it as a user of its own. Raises DriverError."""
        if text == self._read():
            return False
        name = ""
        try:
            if not text:
                self._file.unlink(missing_ok=True)
                return True
            self._file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._file.parent, prefix=".paths-")
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                os.fchmod(file.fileno(), READABLE)
            os.replace(name, self._file)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise self._refused(error) from error
        return True

    def _refused(self, error: Exception) -> DriverError:
        return DriverError(FailureKind.PERMISSION, ("file", str(self._file)), str(error), getattr(error, "errno", None))


def _symbol(name: str) -> str:
    """In quotes where the name is no plain word."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else f"'{name}'"
