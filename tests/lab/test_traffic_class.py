"""What becomes of a packet's traffic class on its way over the translator (RFC 7915, 3168, 9331)."""

import re
from collections.abc import Iterator

import pytest

from lab.api import Lab
from tests.lab.questions import embedded

# Not-ECT, ECT(1), ECT(0), CE; DSCP with each of them; EF and AF11.
CLASSES = (0x00, 0x01, 0x02, 0x03, 0x21, 0xB8, 0xB9, 0xBA, 0xBB, 0x28)
SCRIPT = """
import socket, sys
sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sock.settimeout(3)
for number in map(int, sys.argv[2:]):
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, number)
    for _ in range(3):
        try:
            sock.sendto(b"class-%02x-" % number, (sys.argv[1], 7))
            sock.recv(100)
            print(number)
            break
        except OSError:
            pass
"""
CAPTURE = "classes"


@pytest.fixture(scope="module")
def classes(lab: Lab) -> Iterator[tuple[set[int], dict[int, int]]]:
    """The classes that were answered; and each one's class outside."""
    lab.spawn("internet", CAPTURE, "tcpdump", "-l", "-n", "-v", "-A", "-i", "lan0", "udp dst port 7")
    try:
        lab.wait_for(lambda: "listening on" in lab.log("internet", CAPTURE), 20.0, "tcpdump")
        target = embedded(lab.topology.web_server)
        argv = ("python3", "-IS", "-c", SCRIPT, target, *map(str, CLASSES))
        answered = set(map(int, lab.output("pod", *argv, timeout_s=120).split()))
        lab.wait_for(lambda: len(_outside(lab)) >= len(answered), 20.0, "what was sent, outside")
        yield answered, _outside(lab)
    finally:
        lab.end("internet", CAPTURE, signal=2)
        lab.guest.run("", "rm", "-f", f"/run/lab/log/internet.{CAPTURE}.log")


def _outside(lab: Lab) -> dict[int, int]:
    found = {}
    for part in re.split(r"\n(?=\d\d:\d\d:\d\d)", lab.log("internet", CAPTURE)):
        tos, name = re.search(r"tos (0x[0-9a-f]+)", part), re.search(r"class-([0-9a-f]{2})-", part)
        if tos and name:
            found[int(name[1], 16)] = int(tos[1], 16)
    return found


def test_no_packet_is_dropped_for_its_class(classes: tuple[set[int], dict[int, int]]) -> None:
    assert classes[0] == set(CLASSES)


def test_ecn_is_carried_both_ways(classes: tuple[set[int], dict[int, int]]) -> None:
    assert {number: outside & 3 for number, outside in classes[1].items()} == {number: number & 3 for number in CLASSES}


def test_dscp_is_carried_where_the_kernel_lets_it_and_else_it_is_0(
    lab: Lab, classes: tuple[set[int], dict[int, int]]
) -> None:
    """Kernels before 6.12 leave four of its bits in the way of the route look-up: better none than another one."""
    version = tuple(map(int, lab.output("gw1", "uname", "-r").split(".")[:2]))
    kept = version >= (6, 12)
    assert {number: outside & 0xFC for number, outside in classes[1].items()} == {
        number: number & 0xFC if kept else 0 for number in CLASSES
    }
