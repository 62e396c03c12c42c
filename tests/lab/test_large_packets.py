"""Packets that are too large for some link: both ends hear of it, through the translator, and the data arrives."""

from collections.abc import Iterator

import pytest

from lab.api import Lab
from lab.topology import INSIDE_MTU
from tests.lab.questions import embedded

FAR = "198.51.100.90"
SMALL_MTU = 1300
# A link of 1300 bytes outside, with a server behind it whose own link carries 1500: it offers an MSS of 1460.
FAR_UP = f"""
ip netns add far
ip link add far0 type veth peer name far1 netns far
ip -n far link set lo up
ip -n far addr add {FAR}/32 dev lo
ip -n far addr add 169.254.90.2/30 dev far1
ip -n far link set far1 mtu 1500 up
ip -n far route add default via 169.254.90.1 src {FAR}
ip addr add 169.254.90.1/30 dev far0
ip link set far0 mtu {SMALL_MTU} up
ip route add {FAR}/32 via 169.254.90.2
"""
FAR_DOWN = "ip netns pids far | xargs -r kill; ip netns del far; ip link del far0 2>/dev/null; true"
PINNED = 77
pytestmark = pytest.mark.both_debians


@pytest.fixture(scope="module")
def far(lab: Lab) -> Iterator[str]:
    lab.run("internet", "sh", "-ec", FAR_UP)
    server = ("ip", "netns", "exec", "far", "python3", "-IS", "/opt/lab/internet.py", FAR)
    lab.spawn("internet", "far", *server)
    try:
        lab.wait_for(lambda: _answers(lab), 30, "the server behind the small link")
        yield FAR
    finally:
        lab.end("internet", "far")
        lab.run("internet", "sh", "-c", FAR_DOWN)


def _answers(lab: Lab) -> bool:
    return lab.run("internet", "curl", "-s", "--max-time", "5", f"http://{FAR}/", check=False).code == 0


@pytest.fixture
def one_gateway(lab: Lab) -> Iterator[str]:
    """Everything through gw1: an ICMPv6 error from inside may hash to another gateway than the flow it is about."""
    rule = ("to", "203.0.113.1", "lookup", str(PINNED), "pref", str(PINNED))
    inside = lab.topology.gateway("gw1").inside
    lab.run("tor", "ip", "route", "add", "203.0.113.1", "via", inside, "table", str(PINNED))
    lab.run("tor", "ip", "rule", "add", *rule)
    try:
        yield "gw1"
    finally:
        lab.run("tor", "ip", "rule", "del", *rule)
        lab.run("tor", "ip", "route", "flush", "table", str(PINNED))


@pytest.fixture(autouse=True)
def _nothing_learnt(lab: Lab) -> Iterator[None]:
    """A path MTU once learnt holds for ten minutes: neither earlier nor later tests may meet it."""
    lab.run("pod", "ip", "-6", "route", "flush", "cache")
    yield
    lab.run("pod", "ip", "-6", "route", "flush", "cache")


def test_fragmentation_needed_outside_reaches_the_pod_as_packet_too_big(lab: Lab, far: str) -> None:
    """RFC 7915 section 4.2: the MTU of the error grows by the difference of the headers."""
    ping = ("ping", "-6", "-M", "do", "-s", "1352", "-c", "4", "-W", "3", embedded(far))
    said = lab.run("pod", *ping, check=False)
    assert f"mtu={SMALL_MTU + 20}" in said.stdout + said.stderr


def test_an_upload_over_a_small_link_outside_arrives(lab: Lab, far: str) -> None:
    large = f"X-Large: {'x' * 40_000}"
    url = f"http://[{embedded(far)}]/"
    with lab.capture("pod", "eth0", "icmp6 and ip6[40] == 2") as too_big:
        done = lab.run("pod", "curl", "-sS", "--max-time", "30", "-H", large, url, check=False)
    assert done.code == 0, done.stderr
    assert too_big.packets, "nobody told the pod, so the link was not too small for what it sent"


def test_packet_too_big_inside_reaches_the_server_as_fragmentation_needed(lab: Lab, one_gateway: str) -> None:
    """RFC 7915 section 5.2. A container's link with a small MTU, and a server that sends as much as the MSS allows."""
    lab.run("node", "ip", "link", "set", "pod0", "mtu", str(SMALL_MTU))
    size = 200_000
    url = f"http://[{embedded(lab.topology.web_server)}]/bytes?n={size}"
    try:
        with lab.capture("internet", "lan0", "icmp[0] == 3 and icmp[1] == 4") as needed:
            report = ("-sS", "--max-time", "60", "-o", "/dev/null", "-w", "%{size_download}")
            got = lab.run("pod", "curl", *report, url, check=False)
    finally:
        lab.run("node", "ip", "link", "set", "pod0", "mtu", str(INSIDE_MTU))
        lab.run("internet", "ip", "route", "flush", "cache")
    assert got.stdout == str(size), got.stderr
    assert needed.packets
    assert {packet.destination for packet in needed.packets} == {lab.topology.web_server}


@pytest.mark.parametrize("size", [1473, 3000, 7000])
def test_large_pings_are_answered_once_the_pod_knows_the_outside(lab: Lab, one_gateway: str, size: int) -> None:
    """The first one teaches the pod the MTU outside; the others travel in fragments, both ways."""
    ping = ("ping", "-6", "-s", str(size), "-c", "5", "-i", "0.3", "-W", "5", embedded(lab.topology.ping_server))
    said = lab.run("pod", *ping, check=False).stdout
    assert int(said.split(" received")[0].split()[-1]) >= 3, said


def test_a_large_datagram_comes_back_whole(lab: Lab, one_gateway: str) -> None:
    target = (embedded(lab.topology.web_server), lab.topology.echo_port)
    script = f"""
import socket
data = bytes(range(256)) * 12
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
    sock.settimeout(4)
    for attempt in range(5):
        sock.sendto(data, {target!r})
        try:
            print(sock.recv(9000).split(b" ", 2)[2] == data)
            break
        except TimeoutError:
            continue
"""
    assert lab.output("pod", "python3", "-IS", "-c", script).strip() == "True"
