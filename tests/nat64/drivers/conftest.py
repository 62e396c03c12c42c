"""The pod's wire to a gateway in namespaces."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest

from kun_nat64.drivers.netns import make_inside
from tests.nat64.drivers.filter_bed import GATEWAY, GREEDY, HERE_MAC, NODE, POD, POD_HOST, THERE_MAC, ip, raw_tcp


@pytest.fixture
def wire(tool: Callable[[str, str], str]) -> Iterator[socket.socket]:
    """The pod's raw socket: what it sends comes out of the gateway's "tunnel"."""
    for name, package in (("ip", "iproute2"), ("nft", "nftables"), ("ip6tables-restore", "iptables")):
        tool(name, package)
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, for network namespaces")
    try:
        for name in (GATEWAY, POD_HOST):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "kun64", "netns", GATEWAY, "type", "veth", "peer", "name", "eth0", "netns", POD_HOST)
        ends = ((GATEWAY, "kun64", HERE_MAC, (NODE,)), (POD_HOST, "eth0", THERE_MAC, (POD, GREEDY)))
        for name, link, mac, addresses in ends:
            ip("-n", name, "link", "set", link, "address", mac, "up")
            for address in addresses:
                ip("-n", name, "address", "add", f"{address}/64", "dev", link, "nodad")
        # A tunnel has no neighbours to discover, and the rules let nothing of that kind in.
        ip("-n", POD_HOST, "neigh", "add", str(NODE), "lladdr", HERE_MAC, "dev", "eth0")
        for address in (POD, GREEDY):
            ip("-n", GATEWAY, "neigh", "add", str(address), "lladdr", THERE_MAC, "dev", "kun64")
        ip("-n", POD_HOST, "route", "add", "2002::/16", "via", str(NODE))
        silence = (
            "table ip6 t { chain o { type filter hook output priority 0; tcp window 0 tcp flags & rst == rst drop; }; }"
        )
        subprocess.run(["ip", "netns", "exec", POD_HOST, "nft", "-f", "-"], input=silence, text=True, check=True)
        with make_inside(POD_HOST, raw_tcp) as raw:
            yield raw
    finally:
        for name in (GATEWAY, POD_HOST):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
