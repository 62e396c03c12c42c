"""The way of the probes without a tunnel, on real tc, real nft and real interfaces; UDP sockets check the checksums."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

import pytest

from kun_nat64.model.facts import NativeProbeWay
from kun_nat64.model.plan import Action, Change
from kun_nat64.policy.neutral import neutral_to
from tests.nat64.drivers.probe_bed import ProbeBed, inside, ip

HOME = IPv6Address("2001:db8:2:1::2")
POD = neutral_to(HOME, IPv6Network("2001:db8:a1:ffff::/64"), 0x6B75_6E36_0002)
TRANSLATED = "2001:db8:64::c633:6450"
WAY = NativeProbeWay("kunprobe", IPv6Network("2001:db8:64::/96"), POD, HOME, "eth0")
TURNED = replace(WAY, by_router=False)
SEND = """
import socket, sys
sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sock.bind((sys.argv[1], 7))
for _ in range(3):
    sock.sendto(b"abc", (sys.argv[2], 7))
"""
RECEIVE = """
import socket, sys
sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sock.bind(("::", 7))
sock.settimeout(float(sys.argv[1]))
print("ready", flush=True)
received = []
try:
    while len(received) < 3:
        received.append(sock.recvfrom(2000)[1][0])
except TimeoutError:
    pass
print(" ".join(received))
"""


BED = ProbeBed("kn", SEND, RECEIVE)
GW, TOR, PROBE = BED.gateway, BED.router, BED.probe
made = BED.made


@pytest.fixture
def world() -> Iterator[None]:
    """The gateway itself is the translator. Addresses of the links work at once, too."""
    with BED.wired("net.ipv6.conf.default.accept_dad=0"):
        BED.uplink_up()
        for netns, address, link in (
            (GW, f"{HOME}/64", "eth0"),
            (GW, f"{TRANSLATED}/128", "lo"),
            (TOR, "2001:db8:2:1::1/64", "gw"),
            (PROBE, f"{POD}/128", "eth0"),
        ):
            ip("-n", netns, "address", "add", address, "dev", link, "nodad")
        ip("-n", GW, "route", "add", "2001:db8:a1::/48", "via", "2001:db8:2:1::1")
        ip("-n", PROBE, "route", "add", str(WAY.pool6), "dev", "eth0", "src", str(POD))
        inside(TOR, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        yield


def received(listener: str, sender: str, source: object, destination: object, wait_s: float = 5.0) -> list[str]:
    """Sources of the packets."""
    return BED.received(listener, sender, source, destination, wait_s=wait_s)


def probes_arrive(wait_s: float = 5.0) -> bool:
    return received(GW, PROBE, POD, TRANSLATED, wait_s) == [str(POD)] * 3


def answers_come_back(wait_s: float = 5.0) -> bool:
    return received(PROBE, GW, TRANSLATED, POD, wait_s) == [TRANSLATED] * 3


@pytest.mark.parametrize("way", [WAY, TURNED], ids=["by the router", "turned at the uplink"])
async def test_a_probe_comes_in_and_its_answer_comes_back_whole(world: None, way: NativeProbeWay) -> None:
    driver = await made(way)
    assert probes_arrive()
    assert answers_come_back()
    passed = await driver.passed(way)
    assert passed is not None
    assert (passed.left, passed.back) == (3, 3)


async def test_without_a_route_to_the_pods_no_answer_comes_back(world: None) -> None:
    driver = await made(WAY)
    ip("-n", GW, "route", "del", "2001:db8:a1::/48")
    with pytest.raises(subprocess.CalledProcessError):
        answers_come_back()
    passed = await driver.passed(WAY)
    assert passed is not None
    assert passed.left == 0


async def test_a_router_that_drops_shows_by_the_router_and_not_at_the_uplink(world: None) -> None:
    driver = await made(WAY)
    inside(TOR, "nft", "add table ip6 acl; add chain ip6 acl way { type filter hook forward priority 0; policy drop; }")
    assert not answers_come_back(1.5)
    passed = await driver.passed(WAY)
    assert passed is not None
    assert (passed.left, passed.back) == (3, 0)
    await driver.apply(Change(Action.REPLACE, TURNED, WAY))
    assert answers_come_back()


async def test_a_probe_meets_the_rules_of_the_uplink_and_not_those_of_the_cable(world: None) -> None:
    await made(WAY)
    hook = "{ type filter hook prerouting priority -310; }"
    inside(GW, "nft", f"add table ip6 stranger; add chain ip6 stranger early {hook}")
    inside(GW, "nft", "add", "rule", "ip6", "stranger", "early", 'iifname "kunprobe" drop')
    assert probes_arrive()
    inside(GW, "nft", "add", "rule", "ip6", "stranger", "early", 'iifname "eth0" ip6 daddr 2001:db8:64::/96 drop')
    assert not probes_arrive(1.5)


async def test_what_pods_are_sent_leaves_as_it_is(world: None) -> None:
    await made(WAY)
    ip("-n", TOR, "address", "add", "2001:db8:a1:1::10/128", "dev", "lo", "nodad")
    assert received(TOR, GW, TRANSLATED, "2001:db8:a1:1::10") == [TRANSLATED] * 3


BREAKS = {
    "the table is gone": (("nft", "delete table netdev kun-nat64"), None),
    "a rule is gone": (("nft", "flush chain netdev kun-nat64 out"), "nftables table"),
    "the filter is gone": (("tc", "filter", "del", "dev", "kunprobe", "ingress"), "tc filter"),
    "the filter is for another prefix": (
        (
            "sh",
            "-c",
            "tc filter del dev kunprobe ingress; tc filter add dev kunprobe ingress protocol ipv6 pref 41 u32"
            " match ip6 dst 2001:db8:65:1:0:7::/96 action mirred ingress redirect dev eth0",
        ),
        "tc filter",
    ),
}


@pytest.mark.parametrize(("breaks", "amiss"), BREAKS.values(), ids=BREAKS.keys())
async def test_what_somebody_breaks_is_seen_and_put_right(
    world: None, breaks: tuple[str, ...], amiss: str | None
) -> None:
    driver = await made(WAY)
    inside(GW, *breaks)
    found = await driver.observe(WAY)
    named = [fact.amiss.startswith(amiss or "") for fact in found if isinstance(fact, NativeProbeWay)]
    assert named == [True] * bool(amiss)
    assert WAY not in found
    await driver.apply(Change(Action.REPLACE if found else Action.ADD, WAY))
    assert await driver.observe(WAY) == {WAY}
    assert answers_come_back()
