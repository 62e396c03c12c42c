"""The fact about orphaned flows: TCP packets of flows that another gateway began are answered by RST."""

from dataclasses import dataclass

from kun_base.prefix import Prefix
from kun_nat64.model.area import Area, Key


@dataclass(frozen=True, slots=True)
class FlowWatch:
    """What the watch over `instance` remembers: `flows` TCP flows at most.

    An idle one for `established_s`, a closed one for `closed_s`.

    Both times are a little longer than Jool's: a flow that Jool still knows is never unknown here.
    """

    instance: str
    pool6: Prefix
    established_s: int
    closed_s: int
    flows: int

    def __str__(self) -> str:
        return f"{self.pool6} {self.established_s}s {self.closed_s}s {self.flows}"


@dataclass(frozen=True, slots=True)
class OrphanReset:
    """A table of nftables that is ours as a whole. `watch`: what it remembers, or, as text, why it is not one of ours.

    `armed` False: it learns which flows there are, and resets none yet.
    """

    watch: FlowWatch | str
    armed: bool = True

    @property
    def area(self) -> Area:
        return Area.RESETS

    @property
    def key(self) -> Key:
        return ("orphan-reset",)

    @property
    def inside(self) -> Key | None:
        return None

    def __str__(self) -> str:
        learning = "" if self.armed else ", still learning"
        return f"nftables table ip6 kun-nat64, RST for orphaned TCP flows: {self.watch}{learning}"
