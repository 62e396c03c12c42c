"""The fact about orphaned flows: TCP packets of flows that another gateway began are answered by RST."""

from dataclasses import dataclass

from kun_base.prefix import Prefix
from kun_nat64.model.area import Area, Key

# The rules of the table are told apart by it: another program version makes others.
RULES_VERSION = "r2"


@dataclass(frozen=True, slots=True)
class FlowWatch:
    """What the watch over `instance` remembers: `flows` TCP flows at most.

    `established_s`, `closed_s`: how long after a packet, and after the end of a flow. `longest_s`: Jool's own time for
    an established one, after which it has TRANS; `longer_s`: by so much ours are longer, so that a flow that Jool knows
    is never unknown here. `rst_ends_half_closed`: Jool's handle-rst-during-fin-rcv.
    """

    instance: str
    pool6: Prefix
    established_s: int
    closed_s: int
    flows: int
    longest_s: int = 7200
    longer_s: int = 30
    rst_ends_half_closed: bool = True

    def __str__(self) -> str:
        kept = "" if self.rst_ends_half_closed else " rst-keeps"
        return f"{RULES_VERSION} {self.pool6} {self.established_s}s {self.closed_s}s {self.flows}{kept}"


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
