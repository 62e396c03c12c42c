"""The way back to a node that has sessions here, as the kernel would take it now."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address


@dataclass(frozen=True, slots=True)
class NodeWay:
    """`router`: next hop of the IPv4 route from the VIP, None: the node is on the link; `link`: its interface.

    `pods_link`: interface of the IPv6 route to its pods. `error`: why the kernel has no route; "": it has both.
    Without a tunnel `node` is a pod, and there is nothing but that route.
    """

    node: IPv4Address | IPv6Address
    router: IPv4Address | None = None
    link: str = ""
    pods_link: str = ""
    error: str = ""
