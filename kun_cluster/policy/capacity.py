"""How full a pool is. What cools counts as taken: otherwise a pool looks large enough and is not."""

from collections.abc import Iterable
from dataclasses import dataclass

from kun_cluster.model.egress import EgressAllocation, EgressPool, Use
from kun_cluster.model.share import grid


@dataclass(frozen=True, slots=True)
class Capacity:
    """Shares of the addresses that are not shared by all: `free`, `taken` by policies, `cooling`."""

    free: int
    taken: int
    cooling: int


def capacity(pool: EgressPool, allocations: Iterable[EgressAllocation]) -> Capacity:
    """Count the shares of a pool."""
    own = [one for one in allocations if one.pool == pool.meta.name]
    per_address = len(grid(pool.ports_per_share))
    addresses = sum(network.num_addresses - (pool.vip in network) for network in pool.public_networks)
    shares = [one for one in own if one.use is Use.SHARE]
    shared = sum(one.use is Use.SHARED_ADDRESS and one.is_held for one in own)
    cooling_seats = {one.address for one in own if one.use is not Use.SHARE and not one.is_held}
    taken = sum(one.is_held for one in shares)
    cooling_shares = sum(not one.is_held and one.address not in cooling_seats for one in shares)
    cooling = cooling_shares + len(cooling_seats) * per_address
    free = max(0, (addresses - shared) * per_address - taken - cooling)
    return Capacity(free, taken, cooling)
