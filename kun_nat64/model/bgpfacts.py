"""Facts about BGP: the paths we inject, and what the speaker says about its neighbours."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from kun_nat64.model.area import Area, Key


@dataclass(frozen=True, slots=True)
class BgpPath:
    """A path of our own in the speaker's global table. `communities` as "65535:0", sorted; `med` None: not there."""

    prefix: IPv4Network | IPv6Network
    next_hop: IPv4Address | IPv6Address
    med: int | None
    communities: tuple[str, ...] = ()
    origin: str = "igp"

    @property
    def area(self) -> Area:
        return Area.BGP

    @property
    def key(self) -> Key:
        return ("bgp", str(self.prefix))

    @property
    def inside(self) -> Key | None:
        return None

    def __str__(self) -> str:
        med = "" if self.med is None else f", MED {self.med}"
        communities = f", communities {' '.join(self.communities)}" if self.communities else ""
        origin = "" if self.origin == "igp" else f", origin {self.origin}"
        return f"BGP path {self.prefix} next hop {self.next_hop}{med}{communities}{origin}"


def any_path(prefix: str) -> BgpPath:
    """For a removal, of which only the prefix counts."""
    network = ip_network(prefix)
    return BgpPath(network, ip_address("0.0.0.0" if network.version == 4 else "::"), None)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A BGP peer as the speaker sees it. `advertised`: prefixes of both families that it was sent (None: not asked).

    `restart_s`: graceful restart is on, and the router keeps our paths for so long without us; 0: it is off.
    `bfd`: state of BFD with this peer, "up" or another word of the speaker's; "": there is none. `local_as`: our
    AS towards this peer; None: the speaker does not say.
    """

    address: str
    asn: int
    state: str
    established: bool
    hold_s: int | None = None
    up_since: int | None = None
    advertised: tuple[str, ...] | None = None
    restart_s: int = 0
    bfd: str = ""
    local_as: int | None = None
