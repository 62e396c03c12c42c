"""One fleet, played: flows are thrown at the gateways, one gateway leaves and comes back."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from bench.fleet.router import HashThreshold, Resilient, Router, placed
from kun_nat64.policy.spread import Hashed

SEED = 20260


@dataclass(frozen=True, slots=True)
class Fleet:
    """`flows` of `pods` on `nodes`, over `gateways`. `buckets`: of a resilient group; 0: hash-threshold."""

    pods: int
    nodes: int
    flows: int
    gateways: int
    hashed: Hashed
    buckets: int = 0


@dataclass(frozen=True, slots=True)
class Played:
    """`imbalance`: the fullest gateway's flows over the mean; `short`: the same while one gateway is away.

    Shares of all flows, 0 to 1, that get another gateway. When one leaves: `own` (its flows), `others` (flows of
    gateways that stay). When it is back: `back`.
    """

    imbalance: float
    short: float
    own: float
    others: float
    back: float


def hashes(fleet: Fleet, random: Random) -> list[float]:
    """Draw a hash for each flow: its own, or that of its node."""
    if fleet.hashed is Hashed.INNER:
        return [random.random() for _ in range(fleet.flows)]
    nodes = [random.random() for _ in range(fleet.nodes)]
    return [nodes[random.randrange(fleet.nodes)] for _ in range(fleet.flows)]


def router_of(fleet: Fleet, members: Sequence[int]) -> Router:
    return Resilient(members, fleet.buckets) if fleet.buckets else HashThreshold(members)


def fullest(where: Sequence[int], gateways: int) -> float:
    """Give the fullest gateway's flows over the mean of `gateways`."""
    return max(Counter(where).values()) / (len(where) / gateways)


def play(fleet: Fleet, leaver: int, seed: int = SEED) -> Played:
    """Place all flows, take `leaver` out, bring it back, and count what moved."""
    flows = hashes(fleet, Random(seed))
    everyone = tuple(range(fleet.gateways))
    rest = tuple(one for one in everyone if one != leaver)
    router = router_of(fleet, everyone)
    before = placed(router, flows)
    router.change(rest)
    without = placed(router, flows)
    router.change(everyone)
    after = placed(router, flows)
    count = len(flows)
    own = sum(1 for was in before if was == leaver) / count
    others = sum(1 for was, now in zip(before, without, strict=True) if was != now and was != leaver) / count
    back = sum(1 for was, now in zip(without, after, strict=True) if was != now) / count
    return Played(
        imbalance=fullest(before, fleet.gateways),
        short=fullest(without, fleet.gateways - 1),
        own=own,
        others=others,
        back=back,
    )
