"""The ring: a gateway hands packets of flows that it does not know to the next gateway, and that one to its next."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from kun_nat64.model.area import Area, Key

# The rules are told apart by it: another program version makes others.
RING_VERSION = "2"
# Names of the ring's tunnels: this and the other gateway's address, in hexadecimal.
LINK_PREFIX = "kunr-"
# A packet carries in its flow label how many gateways it may still be shown to; the label ends with the translation.
FIRST_LABEL, MOST_MEMBERS = 0x6B600, 62
# The discard port (RFC 863): a datagram to it, in a tunnel of the ring, says that the set of gateways changes.
NOTICE_PORT = 9


def ring_link(address: IPv4Address) -> str:
    return f"{LINK_PREFIX}{int(address):08x}"


def link_local(address: IPv4Address) -> IPv6Address:
    """The address that the kernel gives a sit device with this local address (RFC 4213 section 3.7)."""
    return IPv6Address(0xFE80 << 112 | int(address))


@dataclass(frozen=True, slots=True)
class RingSpec:
    """`own` and `members`: the ends of the tunnels. `flows_s`: so many flows may be handed on anew in a second."""

    own: IPv4Address
    members: tuple[IPv4Address, ...]
    mtu: int
    flows_s: int


@dataclass(frozen=True, slots=True)
class RingStep:
    """What becomes of a packet that no session here is known of: it goes to `to`; None: to nobody.

    `others`: so many gateways may be asked. `takes` False: this one translates nothing of the ring, as nothing would
    come of it. `odd`: what somebody else made of the rules; "": nothing.
    """

    to: IPv4Address | None = None
    others: int = 0
    odd: str = ""
    takes: bool = True

    @property
    def area(self) -> Area:
        return Area.RESETS

    @property
    def key(self) -> Key:
        return ("ring-step",)

    @property
    def inside(self) -> Key | None:
        return ("orphan-reset",)

    def __str__(self) -> str:
        if self.odd:
            return f"ring: {self.odd}"
        refusal = "" if self.takes else "; nothing of the ring is translated here"
        if self.to is None:
            return f"ring: packets of unknown flows go to no other gateway{refusal}"
        return f"ring: packets of unknown flows go to {self.to}, {self.others} gateways may be asked{refusal}"


TO_NOBODY = RingStep()


@dataclass(frozen=True, slots=True)
class RingCounts:
    """Packets since the table was made: handed to the next gateway, from pods and from the ring; taken from the ring
    and translated; of nobody's flow at the end of the ring; not handed on, being too many.
    """

    handed_over: int = 0
    passed_on: int = 0
    taken: int = 0
    nobodys: int = 0
    too_many: int = 0
