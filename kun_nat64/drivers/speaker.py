"""The port to whatever speaks BGP. GoBGP has two drivers; FRR or BIRD would have another."""

from collections.abc import Iterable
from typing import Protocol

from kun_nat64.drivers.command import ProcessRunner, Runner
from kun_nat64.drivers.gobgp import GobgpSpeaker
from kun_nat64.drivers.gobgpcli import GobgpCommand
from kun_nat64.model.announcement import Told
from kun_nat64.model.facts import Facts, Neighbour
from kun_nat64.model.plan import Change
from kun_nat64.model.spec import BgpSpec


class Speaker(Protocol):
    """All raise DriverError, and answer within seconds."""

    async def observe_paths(self, prefixes: Iterable[str]) -> Facts:
        """Paths for these prefixes that were injected here, by us or by another hand."""

    async def observe_neighbours(self) -> tuple[Neighbour, ...]:
        """Every neighbour, and for those with a session what of ours was sent to it."""

    async def apply(self, change: Change) -> None:
        """Adding a path replaces the one that is there; removing one that is not there does nothing."""

    def withdraw_blocking(self, prefixes: Iterable[str]) -> None:
        """For a thread, when the event loop hangs."""

    def close(self) -> None: ...


def speaker_of(spec: BgpSpec | Told, runner: Runner) -> Speaker:
    if spec.speaker == "gobgp-cli":
        return GobgpCommand(runner, spec.api, spec.next_hop)
    return GobgpSpeaker(spec.api, spec.next_hop)


def take_back(told: Told) -> None:
    """Withdraws what a speaker was told. Blocks. Raises DriverError after having tried every prefix."""
    speaker_of(told, ProcessRunner()).withdraw_blocking(told.prefixes)
