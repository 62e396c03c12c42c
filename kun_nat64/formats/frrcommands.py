"""Commands that bring a path into bgpd and take it out again, and what of its configuration is ours.

A path is a `network` line with a route map of ours, which has the path's attributes; its name is our mark. FRR takes up
a changed route map after some seconds, but the same `network` line given again at once.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from kun_nat64.model.bgpfacts import BgpPath

MARK = "kun-nat64-"
ROUTER = re.compile(r"router bgp (\d+)$")
NETWORK = re.compile(r"\s+network (\S+)(?: .*?route-map (\S+))?")
ROUTE_MAP = re.compile(rf"route-map ({MARK}\S+) (?:permit|deny) \d+")
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Configured:
    """`networks`: each prefix that bgpd is told to bring in, with its route map ("": none). `maps`: route maps of ours.

    `asn` None: there is no BGP instance.
    """

    asn: int | None
    networks: dict[str, str]
    maps: frozenset[str]

    def foreign(self, prefix: str) -> bool:
        """Whether somebody else brings this prefix in."""
        return prefix in self.networks and not self.networks[prefix].startswith(MARK)


def read_configuration(text: str) -> Configured:
    """`show running-config` of bgpd: the instance of the default VRF, whose line has nothing after the AS."""
    asn: int | None = None
    networks: dict[str, str] = {}
    inside = False
    for line in text.splitlines():
        if line[:1].strip() and not line.startswith("!"):
            router = ROUTER.match(line)
            inside = router is not None
            asn = int(router[1]) if router else asn
        elif inside and (network := NETWORK.match(line)):
            networks[network[1]] = network[2] or ""
    return Configured(asn, networks, frozenset(ROUTE_MAP.findall(text)))


def announce(path: BgpPath) -> tuple[str, ...]:
    """Every attribute is set, so that nothing stays of an earlier path."""
    name, version = route_map(path.prefix), path.prefix.version
    hop = f"set ip next-hop {path.next_hop}" if version == 4 else f"set ipv6 next-hop global {path.next_hop}"
    return (
        "configure terminal",
        f"route-map {name} permit 10",
        f"set metric {path.med}" if path.med is not None else "no set metric",
        f"set community {' '.join(path.communities) or 'none'}",
        f"set origin {path.origin}",
        hop,
        "exit",
        *_family(version),
        f"network {path.prefix} route-map {name}",
    )


def withdraw(prefix: Network) -> tuple[str, ...]:
    """Fails where there is no such line."""
    return ("configure terminal", *_family(prefix.version), f"no network {prefix}")


def forget(maps: Iterable[str]) -> tuple[str, ...]:
    return ("configure terminal", *(f"no route-map {name}" for name in sorted(maps)))


def route_map(prefix: Network) -> str:
    return f"{MARK}{prefix}"


def _family(version: int) -> tuple[str, ...]:
    """Without an AS: so `router bgp` finds the instance that is there, and never makes one."""
    return ("router bgp", f"address-family ipv{version} unicast")
