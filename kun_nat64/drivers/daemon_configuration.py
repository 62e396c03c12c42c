"""The speaker's neighbours and filters, where the agent writes them: a file, and the daemon that is given it."""

import os
import tempfile
from pathlib import Path
from typing import Protocol

from kun_nat64.drivers.birdsocket import BirdSocket
from kun_nat64.drivers.command import Runner, failed
from kun_nat64.drivers.daemonfile import DaemonFile, passwords_of, refused
from kun_nat64.drivers.frr import FrrSpeaker
from kun_nat64.formats import birdpeers, birdreply, frrpeers
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.speakers import BIRD, FRR
from kun_nat64.model.spec import BgpSpec

DEADLINE_S = 10.0
OWNER_AND_GROUP = 0o640


class DaemonConfiguration(Protocol):
    """All raise DriverError."""

    async def settle(self, bgp: BgpSpec) -> str:
        """Has the daemon as the file says: what was done, "" for nothing."""

    async def remove(self, bgp: BgpSpec) -> None:
        """Takes back what is ours alone."""


def configuration_of(speaker: str, runner: Runner) -> DaemonConfiguration:
    if speaker == FRR.name:
        return FrrConfiguration(runner)
    return BirdConfiguration() if speaker == BIRD.name else DaemonFile(runner)


class BirdConfiguration:
    """An include file: BIRD checks it in its place, and the old one comes back where it is refused."""

    def __init__(self) -> None:
        self._owed = False

    async def settle(self, bgp: BgpSpec) -> str:
        path, bird = Path(bgp.daemon_file), BirdSocket(bgp.api.removeprefix("unix://"))
        wanted, found = _document(birdpeers.document, bgp), _read(path)
        if wanted != found:
            _write(path, wanted)
            try:
                await _ask(bird, "configure check")
            except DriverError as error:
                if error.kind is FailureKind.EXIT_CODE:
                    _restore(path, found)
                raise
            self._owed = True
        if not self._owed and await self._has_all(bird, bgp):
            return ""
        await _ask(bird, "configure")
        if not await self._has_all(bird, bgp):
            words = f'bird.conf does not include it: add `include "{path.parent}*/{path.name}";`'
            raise DriverError(FailureKind.CONFLICT, ("birdc", "configure", str(path)), words)
        self._owed = False
        return f"{path} written, BIRD configured"

    async def _has_all(self, bird: BirdSocket, bgp: BgpSpec) -> bool:
        (answer,) = await bird.ask("show protocols", deadline_s=DEADLINE_S)
        return {birdpeers.peer_name(peer) for peer in bgp.peers} <= {one.name for one in birdreply.protocols(answer)}

    async def remove(self, bgp: BgpSpec) -> None:
        if _read(path := Path(bgp.daemon_file)) is not None:
            _restore(path, None)
            await _ask(BirdSocket(bgp.api.removeprefix("unix://")), "configure")


class FrrConfiguration:
    """Given to the running bgpd by `vtysh -f`: a daemon that started again has lost it, and is given it again."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    async def settle(self, bgp: BgpSpec) -> str:
        path, speaker = Path(bgp.daemon_file), FrrSpeaker(self._runner, bgp.api)
        wanted = _document(frrpeers.document, bgp)
        if wanted != _read(path):
            await self._put(path, wanted)
        running = await speaker.say("show running-config")
        descriptions = _descriptions(bgp)
        there = frrpeers.neighbours_in(running)
        _refuse_foreign(there, descriptions)
        stale = [one for one, words in there.items() if _is_ours(words) and descriptions.get(one) != words]
        filters = frrpeers.stale_filters(running, wanted)
        missing = [one for one, words in descriptions.items() if there.get(one) != words]
        if not (stale or missing or filters):
            return ""
        if stale:
            await speaker.say(*frrpeers.removals(stale))
        await self._load(speaker, path, frrpeers.document(bgp, passwords_of(bgp), missing))
        if filters:
            await speaker.say("configure terminal", *filters)
        return f"{path} written, FRR has taken it"

    async def _load(self, speaker: FrrSpeaker, path: Path, text: str) -> None:
        part = path.with_suffix(".part")
        _write(part, text)
        try:
            await speaker.load(part)
        finally:
            _restore(part, None)

    async def remove(self, bgp: BgpSpec) -> None:
        speaker = FrrSpeaker(self._runner, bgp.api)
        running = await speaker.say("show running-config")
        ours = [one for one, words in frrpeers.neighbours_in(running).items() if _is_ours(words)]
        if ours:
            await speaker.say(*frrpeers.removals(ours))
        if filters := frrpeers.stale_filters(running, ""):
            await speaker.say("configure terminal", *filters)
        _restore(Path(bgp.daemon_file), None)

    async def _put(self, path: Path, text: str) -> None:
        """Checked by vtysh before it takes the old one's place."""
        fresh = path.with_suffix(".new")
        _write(fresh, text)
        argv = ("vtysh", "-C", "-f", str(fresh))
        outcome = await self._runner.run(*argv)
        if outcome.exit_code != 0:
            _restore(fresh, None)
            raise failed(argv, outcome)
        try:
            fresh.replace(path)
        except OSError as error:
            raise refused(path, error) from error


def _descriptions(bgp: BgpSpec) -> dict[str, str]:
    passwords = passwords_of(bgp)
    return {
        str(peer.address): frrpeers.description(peer, bgp, passwords.get(str(peer.address), "")) for peer in bgp.peers
    }


def _is_ours(description: str) -> bool:
    return description.startswith(f"{frrpeers.MARK} ")


def _refuse_foreign(there: dict[str, str], wanted: dict[str, str]) -> None:
    for address in wanted:
        if address in there and not _is_ours(there[address]):
            words = "is in FRR's configuration and not ours: remove it there, or set [bgp] manage_daemon = false"
            raise DriverError(FailureKind.CONFLICT, ("vtysh", "neighbor", address), words)


def _document(made: "DocumentWriter", bgp: BgpSpec) -> str:
    passwords = passwords_of(bgp)
    try:
        return made(bgp, passwords)
    except ValueError as error:
        raise DriverError(FailureKind.EXIT_CODE, ("write", bgp.daemon_file), str(error)) from error


class DocumentWriter(Protocol):
    def __call__(self, bgp: BgpSpec, passwords: "dict[str, str]", /) -> str: ...


async def _ask(bird: BirdSocket, command: str) -> None:
    (answer,) = await bird.ask(command, deadline_s=DEADLINE_S)
    if answer.failed:
        raise DriverError(FailureKind.EXIT_CODE, ("birdc", command), answer.words, answer.code)


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return None


def _write(path: Path, text: str) -> None:
    """Whole or not at all; one that is there keeps owner, group and mode, so that its daemon can read it."""
    try:
        if path.exists():
            path.write_text(text)
            return
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".kun-")
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            os.fchmod(file.fileno(), OWNER_AND_GROUP if "password" in text else 0o644)
        os.replace(name, path)
    except OSError as error:
        raise refused(path, error) from error


def _restore(path: Path, text: str | None) -> None:
    try:
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(text)
    except OSError as error:
        raise refused(path, error) from error
