"""Allocations that went away before they had cooled: etcd was restored from an older state, or somebody deleted them.

Packets of their owner may still be on the way, so nobody else gets them before the cool-down is over: the leader makes
them again in its next round. Until then only a replica that saw them go knows them.
"""

from collections.abc import Mapping
from dataclasses import replace

from kun_cluster.model.egress import EgressAllocation, EgressPool, Meta
from kun_cluster.policy.allocation import has_cooled


class LostAllocations:
    """By name, with the time since which each cools."""

    def __init__(self) -> None:
        self._gone: dict[str, EgressAllocation] = {}
        self._cooling: dict[str, EgressAllocation] = {}

    def went(self, one: EgressAllocation) -> None:
        """Note an allocation that is not there any more."""
        self._gone[one.meta.name] = one

    def came(self, name: str) -> None:
        """Note that there is an allocation of this name."""
        self._gone.pop(name, None)
        self._cooling.pop(name, None)

    def cooling(self, pools: Mapping[str, EgressPool], now: float) -> Mapping[str, EgressAllocation]:
        """Give those that still cool at `now`, released when they were missed. What is over is forgotten."""
        for name, one in self._gone.items():
            released_at = now if one.released_at is None else one.released_at
            self._cooling[name] = replace(one, meta=Meta(name), released_at=released_at)
        self._gone.clear()
        over = [name for name, one in self._cooling.items() if has_cooled(one, pools, now)]
        for name in over:
            del self._cooling[name]
        return self._cooling
