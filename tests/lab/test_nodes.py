"""Nodes near and far, the source of errors, a pool without ports: what pods see of one gateway."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.api import Lab
from tests.lab.injection import on_request, status, well
from tests.lab.questions import CONFIG, all_together, embedded

GATEWAY = "gw1"
PINNED = "78"
NEAR = "2002:a02:101::1"
# The TOR is a node as well, on the gateway's own network: 10.2.1.1.
NEAR_UP = f"""
ip tunnel add near mode sit local 10.2.1.1 remote 203.0.113.1 dev gw1 ttl 64
ip link set near up
ip addr add {NEAR}/128 dev near
ip route add 2002:cb00:7101::/96 dev near src {NEAR}
"""
NARROW = 1400


@contextmanager
def all_by_one(lab: Lab) -> Iterator[None]:
    inside = lab.topology.gateway(GATEWAY).inside
    rule = ("to", "203.0.113.1", "lookup", PINNED, "pref", PINNED)
    lab.run("tor", "ip", "route", "add", "203.0.113.1", "via", inside, "table", PINNED)
    lab.run("tor", "ip", "rule", "add", *rule)
    try:
        yield
    finally:
        lab.run("tor", "ip", "rule", "del", *rule)
        lab.run("tor", "ip", "route", "flush", "table", PINNED)


@pytest.fixture
def one_gateway(lab: Lab) -> Iterator[None]:
    with all_by_one(lab):
        yield


def pinged(lab: Lab, host: str, *options: str) -> int:
    target = embedded(lab.topology.ping_server)
    argv = ("ping", "-6", "-c", "5", "-i", "0.3", "-W", "4", *options, target)
    return int(lab.run(host, *argv, check=False).stdout.split(" received")[0].split()[-1])


def test_near_and_far_nodes_are_answered_side_by_side(lab: Lab, one_gateway: None) -> None:
    """RFC 3056: each packet by its own destination. The tunnel has one route, so all have to have the same."""
    lab.run("tor", "sh", "-ec", NEAR_UP)
    try:
        for _ in range(2):
            assert pinged(lab, "tor", "-I", NEAR) == 5
            assert pinged(lab, "pod") == 5
        ways = lab.output(GATEWAY, "ip", "-o", "-4", "route", "get", "10.2.1.1", "from", "203.0.113.1")
        assert "via 10.2.1.1" in ways
    finally:
        lab.run("tor", "ip", "link", "del", "near")


def test_errors_of_the_gateway_come_from_an_address_of_6to4(lab: Lab, one_gateway: None) -> None:
    """RFC 4291 section 2.5.5.1: a strict node drops what has an IPv4-compatible source."""
    lab.run("pod", "ip", "-6", "route", "flush", "cache")
    ping = ("ping", "-6", "-M", "do", "-s", "1480", "-c", "2", "-W", "3", embedded(lab.topology.web_server))
    with lab.capture("pod", "eth0", "icmp6 and ip6[40] == 2") as errors:
        lab.run("pod", *ping, check=False)
    lab.run("pod", "ip", "-6", "route", "flush", "cache")
    assert {packet.source for packet in errors.packets} == {"2002:cb00:7101:1::1"}


@on_request
def test_a_narrow_link_outside_raises_the_med_and_auto_sets_the_mss_that_fits(lab: Lab) -> None:
    """Behind the gateway's own link, where nobody sends an error: packets that are too large just vanish."""
    lab.wait_for(lambda: status(lab, GATEWAY)["path"], 60, "the first sweep")
    lab.run("internet", "ip", "link", "set", GATEWAY, "mtu", str(NARROW))
    try:
        lab.wait_for(lambda: named(lab, "path-too-narrow", "soft"), 120, "its name, and MED", every_s=2.0)
        lab.run(GATEWAY, "sed", "-i", 's/^mss = 1420/mss = "auto"/', CONFIG)
        lab.end(GATEWAY, "kun-nat64", signal=1, wait_s=0)
        lab.wait_for(lambda: set_mss(lab) <= NARROW + 4 - 40, 120, "the MSS that fits", every_s=2.0)
        lab.wait_for(lambda: well(status(lab, GATEWAY)), 120, "in the ECMP set again", every_s=2.0)
    finally:
        lab.run("internet", "ip", "link", "set", GATEWAY, "mtu", "1500")
    lab.wait_for(lambda: set_mss(lab) == 1420, 120, "the MSS of the file again", every_s=2.0)
    lab.run(GATEWAY, "sed", "-i", 's/^mss = "auto"/mss = 1420/', CONFIG)
    lab.end(GATEWAY, "kun-nat64", signal=1, wait_s=0)
    all_together(lab)


def named(lab: Lab, cause: str, standing: str) -> bool:
    now = status(lab, GATEWAY)
    return (now["diagnosis"]["cause"], now["announcement"]["standing"]) == (cause, standing)


def set_mss(lab: Lab) -> int:
    saved = lab.output(GATEWAY, "ip6tables-save", "-t", "mangle")
    return min(map(int, re.findall(r"--set-mss (\d+)", saved)))
