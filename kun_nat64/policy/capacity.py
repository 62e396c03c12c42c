"""How many public addresses and gateways a platform needs: arithmetic over ports and flows, nothing measured.

A translated flow holds one port of one public address and protocol while its session lives (RFC 6146 section 3.5).
Jool's pool4 ports serve each protocol apart, so the busiest protocol counts. ECMP spreads flows unevenly over few
gateways; `imbalance` is the fullest gateway's share over the mean. What must be carried with `spare` gateways gone is
carried by the others.
"""

from dataclasses import dataclass
from math import ceil

MAX_USE = 0.8
PORTS = 40_001  # 20000-60000, as in gateway-config/kun-nat64.toml


@dataclass(frozen=True, slots=True)
class Load:
    """What pods do at their peak. `flows`: at once, of the busiest protocol, per pod; `new_per_s`: per pod."""

    pods: int
    flows: float
    new_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Fabric:
    """`gateways` in the ECMP set, of which `spare` may be gone; ports of one address; the fullest one's share."""

    gateways: int
    spare: int = 1
    ports: int = PORTS
    imbalance: float = 1.2


@dataclass(frozen=True, slots=True)
class Capacity:
    """What that needs. `addresses`: public IPv4 addresses on each gateway; `use`: share of its ports then in use."""

    flows: int
    new_per_s: float
    flows_each: int
    flows_each_short: int
    new_per_s_each_short: float
    addresses: int
    addresses_in_all: int
    use: float
    use_short: float


def capacity(load: Load, fabric: Fabric) -> Capacity:
    """Compute addresses so that a gateway stays below MAX_USE of its ports while `spare` others are gone.

    Raises ValueError where no gateway would be left, or where a number is out of its range.
    """
    left = fabric.gateways - fabric.spare
    if left < 1:
        raise ValueError(f"{fabric.gateways} gateways with {fabric.spare} gone leave none: at least one must be left")
    if min(load.pods, load.flows, fabric.ports, fabric.imbalance) <= 0:
        raise ValueError("pods, flows, ports and imbalance are above 0")
    flows = ceil(load.pods * load.flows)
    each = ceil(flows / fabric.gateways * fabric.imbalance)
    short = ceil(flows / left * fabric.imbalance)
    addresses = ceil(short / (fabric.ports * MAX_USE))
    ports = addresses * fabric.ports
    return Capacity(
        flows=flows,
        new_per_s=load.pods * load.new_per_s,
        flows_each=each,
        flows_each_short=short,
        new_per_s_each_short=load.pods * load.new_per_s / left * fabric.imbalance,
        addresses=addresses,
        addresses_in_all=addresses * fabric.gateways,
        use=each / ports,
        use_short=short / ports,
    )
