"""The pod's wire to a gateway in namespaces."""

import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest

from kun_nat64.drivers.netns import make_inside
from tests.nat64.drivers.filter_bed import GATEWAY, GREEDY, NODE, POD, POD_HOST, raw_tcp
from tests.nat64.drivers.namespaces import HERE_MAC, THERE_MAC, ip, joined

SILENCE = "table ip6 t { chain o { type filter hook output priority 0; tcp window 0 tcp flags & rst == rst drop; }; }"


@pytest.fixture
def wire(tool: Callable[[str, str], str]) -> Iterator[socket.socket]:
    """The pod's raw socket: what it sends comes out of the gateway's "tunnel"."""
    tool("ip6tables-restore", "iptables")
    with joined(tool, GATEWAY, POD_HOST):
        for name, link, addresses in ((GATEWAY, "kun64", (NODE,)), (POD_HOST, "eth0", (POD, GREEDY))):
            for address in addresses:
                ip("-n", name, "address", "add", f"{address}/64", "dev", link, "nodad")
        # A tunnel has no neighbours to discover, and the rules let nothing of that kind in.
        ip("-n", POD_HOST, "neigh", "add", str(NODE), "lladdr", HERE_MAC, "dev", "eth0")
        for address in (POD, GREEDY):
            ip("-n", GATEWAY, "neigh", "add", str(address), "lladdr", THERE_MAC, "dev", "kun64")
        ip("-n", POD_HOST, "route", "add", "2002::/16", "via", str(NODE))
        subprocess.run(["ip", "netns", "exec", POD_HOST, "nft", "-f", "-"], input=SILENCE, text=True, check=True)
        with make_inside(POD_HOST, raw_tcp) as raw:
            yield raw
