"""An upstream at a link-local address, in a network namespace of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PREPARE = "ip link set lo up && ip address add fe80::5/64 dev lo nodad"
ASKS = """
import asyncio, socket
from kun_dns64.config.endpoint import UpstreamAddress
from kun_dns64.transport.attempt import Observed
from kun_dns64.transport.portpool import PLAIN_PORTS
from kun_dns64.transport.upstream_udp import UdpUpstream

async def main() -> None:
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.bind(("fe80::5", 5300, 0, socket.if_nametoindex("lo")))
    server.settimeout(5)
    for zone in ("lo", socket.if_nametoindex("lo")):
        address = UpstreamAddress.parse(f"udp://[fe80::5%{zone}]:5300")
        upstream = UdpUpstream(address, None, Observed(), PLAIN_PORTS, randomise_case=True)
        sock = upstream.connect()
        sock.send(b"asked")
        print(server.recv(99).decode())
        sock.close()
        upstream.pool.close()

asyncio.run(main())
"""


def test_a_link_local_upstream_is_asked_through_its_interface() -> None:
    """Which is given by name, or by number (RFC 4007 section 11.2)."""
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no right to make user and network namespaces (unshare -rn)")
    argv = ["unshare", "-rn", "sh", "-ec", f'{PREPARE} && exec "$0" -c "$1"', sys.executable, ASKS]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "asked\nasked\n"), done.stderr
