"""A gateway and the host of its pods: two network namespaces, joined by a cable that stands for the tunnel."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

HERE_MAC, THERE_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def joined(tool: Callable[[str, str], str], gateway: str, pods: str) -> Iterator[None]:
    """Make both, with `kun64` (HERE_MAC) in the gateway and `eth0` (THERE_MAC) at the pods; remove them at the end."""
    tool("ip", "iproute2")
    tool("nft", "nftables")
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, for network namespaces")
    try:
        for name in (gateway, pods):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "kun64", "netns", gateway, "type", "veth", "peer", "name", "eth0", "netns", pods)
        ip("-n", gateway, "link", "set", "kun64", "address", HERE_MAC, "up")
        ip("-n", pods, "link", "set", "eth0", "address", THERE_MAC, "up")
        yield
    finally:
        for name in (gateway, pods):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
