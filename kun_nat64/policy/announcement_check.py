"""Checks what the speaker did with our path: it accepts a path without an error even if its own policy refuses it.

A path that is missing once may have been deleted by hand, and is announced again. A path that is missing after that too
was refused by the import policy: GoBGP applies it to paths from its API and reports no error.
"""

from collections.abc import Collection
from dataclasses import dataclass

from kun_nat64.model.area import Area
from kun_nat64.model.facts import BgpPath, Neighbour
from kun_nat64.model.observation import Observation
from kun_nat64.model.spec import BgpSpec


@dataclass(frozen=True, slots=True)
class ReadBack:
    """`missing_since`: of a path that the speaker took. `refused`: announced again since, and missing still.

    `unsent`: those of the wanted peers with a session, to which the path that is in the table is not sent.
    """

    missing_since: float | None = None
    refused: bool = False
    unsent: tuple[str, ...] = ()


NOTHING_ODD = ReadBack()


def read_back(
    before: ReadBack, wanted: BgpSpec, seen: Observation, *, main: str, announced_at: float, begun: float
) -> ReadBack:
    """Return the result after an observation that began at `begun`; the path was announced at `announced_at`.

    `main`: the prefix that brings the pods' packets here.
    """
    if Area.BGP in seen.failures or announced_at >= begun:
        return before
    if not {*wanted.prefixes} <= {fact.prefix for fact in seen.facts if isinstance(fact, BgpPath)}:
        since = begun if before.missing_since is None else before.missing_since
        return ReadBack(since, refused=announced_at >= since)
    peers = [str(peer.address) for peer in wanted.peers]
    return ReadBack(unsent=tuple(one.address for one in seen.neighbours if _is_not_sent(one, peers, main)))


def _is_not_sent(neighbour: Neighbour, peers: Collection[str], main: str) -> bool:
    asked = neighbour.established and neighbour.advertised is not None
    return asked and neighbour.address in peers and main not in (neighbour.advertised or ())
