"""The way of the probes: in by the uplink, and their answers back from it. A machine has one of the two facts."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from kun_nat64.model.area import Area, Key


class _WayOfProbes:
    """What both facts have in common: one key, so that one replaces the other."""

    __slots__ = ()

    @property
    def area(self) -> Area:
        return Area.PROBES

    @property
    def key(self) -> Key:
        return ("probe-way",)

    @property
    def inside(self) -> Key | None:
        return None


@dataclass(frozen=True, slots=True)
class ProbeWay(_WayOfProbes):
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

    def __str__(self) -> str:
        return _words(self, f"node {self.node}")


@dataclass(frozen=True, slots=True)
class NativeProbeWay(_WayOfProbes):
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

    def __str__(self) -> str:
        return _words(self, f"pod {self.answer_to}")


AnyProbeWay = ProbeWay | NativeProbeWay


def _words(way: AnyProbeWay, sender: str) -> str:
    turn = f"the router, to {way.home}" if way.by_router else "the uplink"
    amiss = f", amiss: {way.amiss}" if way.amiss else ""
    uplink = f" {way.uplink}" if way.uplink else ""
    return f"way of the probes: in by the uplink{uplink} as {sender}, back by {turn}{amiss}"


@dataclass(frozen=True, slots=True)
class Passed:
    """Answers to probes, counted since the rules were made: those that left by the uplink, and those that came back."""

    left: int
    back: int
