"""The port to whatever speaks BGP: GoBGP by its API, FRR by vtysh, BIRD by its control socket."""

from collections.abc import Collection, Iterable
from typing import Protocol

from kun_nat64.drivers.bird import BirdSpeaker
from kun_nat64.drivers.command import ProcessRunner, Runner
from kun_nat64.drivers.frr import FrrSpeaker
from kun_nat64.drivers.gobgp import NOBODY, GobgpSpeaker
from kun_nat64.model.announcement import LastAnnounced
from kun_nat64.model.facts import Facts, Neighbour
from kun_nat64.model.plan import Change
from kun_nat64.model.speakers import BIRD, FRR
from kun_nat64.model.spec import BgpSpec


class Speaker(Protocol):
    """All raise DriverError, and answer within seconds."""

    async def observe_paths(self, prefixes: Iterable[str]) -> Facts:
        """Paths for these prefixes that were injected here, by us or by another hand."""

    async def observe_neighbours(self, versions: Collection[int]) -> tuple[Neighbour, ...]:
        """Every neighbour; for those with a session what it was sent of IPv4, of IPv6, or of both (`versions`)."""

    async def apply(self, change: Change) -> None:
        """Adding a path replaces the one that is there; removing one that is not there does nothing."""

    def withdraw_blocking(self, prefixes: Iterable[str]) -> None:
        """For a thread, when the event loop hangs."""

    def close(self) -> None: ...


def speaker_of(where: BgpSpec | LastAnnounced, runner: Runner) -> Speaker:
    """A path has a prefix of either family and a next hop; all that a speaker knows beside it is where it listens."""
    if where.speaker == FRR.name:
        return FrrSpeaker(runner, where.api)
    if where.speaker == BIRD.name:
        return BirdSpeaker(where.api, where.paths_file or BIRD.paths_file)
    return GobgpSpeaker(where.api, where.next_hop if isinstance(where, BgpSpec) else NOBODY)


def take_back(last: LastAnnounced) -> None:
    """Withdraw what a speaker announces. Blocks. Raises DriverError after having tried every prefix."""
    speaker_of(last, ProcessRunner()).withdraw_blocking(last.prefixes)
