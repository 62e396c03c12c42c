"""The fact about orphaned flows: TCP packets of flows that another gateway began are answered by RST."""

from dataclasses import dataclass

from kun_base.prefix import Prefix
from kun_nat64.model.area import Area, Key
from kun_nat64.model.ringfacts import RING_VERSION

# The rules of the table are told apart by it: another program version makes others.
RULES_VERSION = "r2"


@dataclass(frozen=True, slots=True)
class FlowWatch:
    """What the watch over `instance` remembers: `flows` TCP flows at most.

    `established_s`, `closed_s`: how long after a packet, and after the end of a flow. `longest_s`: Jool's own time for
    an established one, after which it has TRANS; `longer_s`: by so much ours are longer, so that a flow that Jool knows
    is never unknown here. `rst_ends_half_closed`: Jool's handle-rst-during-fin-rcv. `new_flows_s`: so many flows may a
    client begin in a second, 0: any number; clients are networks of `client_length`. `ring_flows_s`: so many flows that
    are not known may be handed to other gateways in a second, 0: none is.
    """

    instance: str
    pool6: Prefix
    established_s: int
    closed_s: int
    flows: int
    longest_s: int = 7200
    longer_s: int = 30
    rst_ends_half_closed: bool = True
    new_flows_s: int = 0
    client_length: int = 128
    udp_s: int = 300
    ring_flows_s: int = 0

    def __str__(self) -> str:
        kept = "" if self.rst_ends_half_closed else " rst-keeps"
        rate = f" {self.new_flows_s}/s of a /{self.client_length} {self.udp_s}s" if self.new_flows_s else ""
        ring = f" ring{RING_VERSION} {self.ring_flows_s}/s {self.udp_s}s" if self.ring_flows_s else ""
        return f"{RULES_VERSION} {self.pool6} {self.established_s}s {self.closed_s}s {self.flows}{kept}{rate}{ring}"


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
