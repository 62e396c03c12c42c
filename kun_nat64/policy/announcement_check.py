"""What the speaker made of our path: it takes a path without a word that its own policy then refuses.

A path that is missing once may have been deleted by somebody, and is announced again. One that is missing after that as
well was refused on its way into the table: GoBGP lets paths of its API pass the import policy, and says nothing.
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
    """After a look that began at `begun`, while the speaker is to announce since `announced_at`.

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
