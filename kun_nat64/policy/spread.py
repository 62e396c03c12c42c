"""How a router spreads flows over gateways, and how many move when the set changes: arithmetic, nothing measured.

A router hashes each packet and picks a gateway (ECMP, RFC 2992). Two things differ between routers:

- What it hashes. With the inner headers of the 6to4 packet every flow is one ball thrown at the gateways. A router
  that sees the outer addresses only throws one ball a node: all flows of a node go to one gateway.
- How it maps the hash. Hash-threshold (RFC 2992 section 2) cuts the hash space into one region a gateway, in order, and
  cuts anew when the set changes, so flows of gateways that stay move as well. A resilient group keeps a table of
  buckets and gives away only the buckets of a gateway that left.
"""

from enum import StrEnum
from math import ceil, sqrt
from statistics import NormalDist

from kun_nat64.policy.capacity import Fabric, Load

# The fullest gateway is below the computed share in 99 of 100 cases.
CONFIDENCE = 0.99


class Hashed(StrEnum):
    """What a router hashes."""

    INNER = "inner"
    NODE = "node"


def imbalance(balls: float, gateways: int, *, buckets: int = 0, variation: float = 0.0) -> float:
    """Compute the fullest gateway's share over the mean share (1.0: all equal), which is held in 99 of 100 cases.

    `balls`: flows with inner-header hashing, nodes with node-level hashing. `variation`: coefficient of variation of
    what one ball carries. `buckets`: of a resilient group, 0 for hash-threshold. The shares are near a normal
    distribution of mean 1/n and variance (1/n)(1-1/n)/balls; the fullest of n is held to the n-th root of 0.99.
    Raises ValueError for no ball, no gateway or more gateways than buckets.
    """
    if balls <= 0 or gateways < 1:
        raise ValueError("balls and gateways are above 0")
    if buckets and buckets < gateways:
        raise ValueError(f"{buckets} buckets do not reach for {gateways} gateways")
    if gateways == 1:
        return 1.0
    alike = balls / (1 + variation**2)
    quantile = NormalDist().inv_cdf(CONFIDENCE ** (1 / gateways))
    chance = 1 + quantile * sqrt((gateways - 1) / alike)
    grain = ceil(buckets / gateways) / (buckets / gateways) if buckets else 1.0
    return min(chance * grain, float(gateways))


def moved(gateways: int, leaver: int, *, resilient: bool = False) -> tuple[float, float]:
    """Compute the shares of all flows (0 to 1) that move when `leaver` (0-based) leaves: its own, and the others'.

    The same flows move back when it returns to a hash-threshold group; a resilient group moves none at a return
    until buckets are idle. Raises ValueError when nothing would be left or `leaver` is not in the set.
    """
    if gateways < 2 or not 0 <= leaver < gateways:
        raise ValueError("at least two gateways, and the one that leaves is among them")
    own = 1 / gateways
    if resilient:
        return own, 0.0
    stay = 0.0
    for place in range(gateways - 1):
        # The region of the gateway at `place` after the change, and where the same gateway's was before.
        before = place if place < leaver else place + 1
        low = max(before / gateways, place / (gateways - 1))
        high = min((before + 1) / gateways, (place + 1) / (gateways - 1))
        stay += max(0.0, high - low)
    return own, max(0.0, 1 - own - stay)


def fabric(
    load: Load, gateways: int, spare: int, ports: int, nodes: int = 0, buckets: int = 0, known: float = 0.0
) -> Fabric:
    """Build the fabric that carries `load`, with the imbalance of its routers while `spare` gateways are gone.

    `nodes`: above 0, routers hash the outer addresses only. `known`: a measured imbalance, 1.0 or more; 0: compute it.
    Raises ValueError for numbers out of range.
    """
    if known:
        if known < 1:
            raise ValueError("an imbalance is 1.0 (all equal) or more")
        return Fabric(gateways, spare, ports, known)
    left = max(gateways - spare, 1)
    return Fabric(gateways, spare, ports, imbalance(nodes or max(load.pods * load.flows, 1.0), left, buckets=buckets))
