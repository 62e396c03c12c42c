"""The way of the probes: in by the uplink, and their answers back from it. A machine has one of the two facts."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from kun_nat64.model.area import Area, Key


@dataclass(frozen=True, slots=True)
class ProbeWay:
    """What makes probes enter as if `uplink` had received them, and brings their answers back into the namespace.

    `link` is our end of the cable to the namespace. `node` and `answer_to`: outer and inner address of the probe.
    `home`: this gateway's own address, by which the router sends an answer back; `by_router` False: an answer is turned
    round at the uplink. `uplink` "": the interface that has `home`. `amiss`: what is not as it should be.
    """

    link: str
    vip: IPv4Address
    node: IPv4Address
    answer_to: IPv6Address
    home: IPv4Address
    by_router: bool = True
    uplink: str = ""
    amiss: str = ""

    @property
    def area(self) -> Area:
        return Area.PROBES

    @property
    def key(self) -> Key:
        return ("probe-way",)

    @property
    def inside(self) -> Key | None:
        return None

    def __str__(self) -> str:
        turn = f"the router, to {self.home}" if self.by_router else "the uplink"
        amiss = f", amiss: {self.amiss}" if self.amiss else ""
        uplink = f" {self.uplink}" if self.uplink else ""
        return f"way of the probes: in by the uplink{uplink} as node {self.node}, back by {turn}{amiss}"


@dataclass(frozen=True, slots=True)
class NativeProbeWay:
    """As ProbeWay, of a gateway without a tunnel: probes come in as a pod's own packets do.

    `pool6`: where they go to. `answer_to`: their source. `home` has the same checksum (policy/neutral.py): it takes the
    place of `answer_to` on the way to the router and back.
    """

    link: str
    pool6: IPv6Network
    answer_to: IPv6Address
    home: IPv6Address
    uplink: str
    by_router: bool = True
    amiss: str = ""

    @property
    def area(self) -> Area:
        return Area.PROBES

    @property
    def key(self) -> Key:
        return ("probe-way",)

    @property
    def inside(self) -> Key | None:
        return None

    def __str__(self) -> str:
        turn = f"the router, to {self.home}" if self.by_router else "the uplink"
        amiss = f", amiss: {self.amiss}" if self.amiss else ""
        return f"way of the probes: in by the uplink {self.uplink} as pod {self.answer_to}, back by {turn}{amiss}"


AnyProbeWay = ProbeWay | NativeProbeWay


@dataclass(frozen=True, slots=True)
class Passed:
    """Answers to probes, counted since the rules were made: those that left by the uplink, and those that came back."""

    left: int
    back: int
