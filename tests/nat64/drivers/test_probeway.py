"""The way of the probes on real tc, real nft and real interfaces; a raw socket stands for tunnel and translator."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from kun_nat64.drivers.command import CommandResult
from kun_nat64.drivers.probeway import ProbeWayDriver, holder_of
from kun_nat64.formats.table import FormatError
from kun_nat64.model.errors import DriverError
from kun_nat64.model.facts import ProbeWay
from kun_nat64.model.plan import Action, Change
from tests.nat64.drivers.probe_bed import ProbeBed, inside, ip
from tests.nat64.drivers.scripted import ScriptedRunner, said

VIP, NODE, HOME = IPv4Address("203.0.113.1"), IPv4Address("10.255.255.254"), IPv4Address("10.2.1.2")
WAY = ProbeWay("kunprobe", VIP, NODE, IPv6Address("2002:aff:fffe:6b75:6e36::2"), HOME)
TURNED = replace(WAY, by_router=False)
# A packet of protocol 41 by a raw socket, and how many of three arrive within two seconds.
SEND = """
import socket, struct, sys
src, dst, inner_src, inner_dst = sys.argv[1:]
inner = struct.pack("!IHBB", 6 << 28, 8, 58, 64) + socket.inet_pton(10, inner_src) + socket.inet_pton(10, inner_dst)
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, 41)
sock.bind((src, 0))
for _ in range(3):
    sock.sendto(inner + b"\\x81\\0\\0\\0abcd", (dst, 0))
"""
RECEIVE = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, 41)
sock.settimeout(float(sys.argv[1]))
print("ready", flush=True)
received = []
try:
    while len(received) < 3:
        data = sock.recv(2000)
        received.append(socket.inet_ntoa(data[12:16]) + ">" + socket.inet_ntoa(data[16:20]))
except TimeoutError:
    pass
print(" ".join(received))
"""


BED = ProbeBed("kt", SEND, RECEIVE)
GW, TOR, PROBE = BED.gateway, BED.router, BED.probe
made = BED.made


@pytest.fixture
def world() -> Iterator[None]:
    with BED.wired():
        for netns, address, link in (
            (GW, f"{HOME}/24", "eth0"),
            (GW, f"{VIP}/32", "lo"),
            (GW, "169.254.64.1/30", "kunprobe"),
            (TOR, "10.2.1.1/24", "gw"),
            (PROBE, "169.254.64.2/30", "eth0"),
            (PROBE, f"{NODE}/32", "eth0"),
        ):
            ip("-n", netns, "address", "add", address, "dev", link)
        BED.uplink_up()
        ip("-n", GW, "route", "add", "10.0.0.0/8", "via", "10.2.1.1")
        ip("-n", PROBE, "route", "add", str(VIP), "via", "169.254.64.1", "src", str(NODE))
        inside(TOR, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        yield


def received(listener: str, sender: str, *addresses: object) -> list[str]:
    return BED.received(listener, sender, *addresses, wait_s=0.7)


def probes_arrive() -> bool:
    """In the gateway, from the probe's namespace."""
    return len(received(GW, PROBE, NODE, VIP, WAY.answer_to, "2002:cb00:7101::1")) == 3


def answers_come_back() -> bool:
    """In the probe's namespace, from the gateway, with the addresses they were sent with."""
    return received(PROBE, GW, VIP, NODE, "2002:cb00:7101::1", WAY.answer_to) == [f"{VIP}>{NODE}"] * 3


def filtered(chain: str, *words: str) -> None:
    """A rule of somebody else, in nft's words: an iptables command may be of the legacy kind here."""
    hook = f"type filter hook {chain} priority 0;"
    inside(GW, "nft", f"add table ip stranger; add chain ip stranger {chain} {{ {hook} }}")
    inside(GW, "nft", "add", "rule", "ip", "stranger", chain, *words)


@pytest.mark.parametrize("way", [WAY, TURNED], ids=["by the router", "turned at the uplink"])
async def test_a_probe_comes_in_and_its_answer_comes_back(world: None, way: ProbeWay) -> None:
    driver = await made(way)
    assert probes_arrive()
    assert answers_come_back()
    passed = await driver.passed(way)
    assert passed is not None
    assert (passed.left, passed.back) == (3, 3)


@pytest.mark.parametrize("way", [WAY, TURNED], ids=["by the router", "turned at the uplink"])
async def test_without_a_route_to_the_nodes_no_answer_comes_back(world: None, way: ProbeWay) -> None:
    driver = await made(way)
    ip("-n", GW, "route", "del", "10.0.0.0/8")
    with pytest.raises(subprocess.CalledProcessError):
        answers_come_back()
    passed = await driver.passed(way)
    assert passed is not None
    assert passed.left == 0


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("rule", "add", "from", str(VIP), "to", "10.0.0.0/8", "blackhole"), id="foreign rule"),
        pytest.param(("route", "replace", "blackhole", "10.0.0.0/8"), id="foreign route"),
    ],
)
async def test_what_others_route_elsewhere_does_not_come_back(world: None, words: tuple[str, ...]) -> None:
    await made(TURNED)
    ip("-n", GW, *words)
    with pytest.raises(subprocess.CalledProcessError):
        answers_come_back()


async def test_a_probe_meets_the_rules_of_the_uplink(world: None) -> None:
    await made(WAY)
    filtered("input", 'iifname "eth0" ip protocol 41 drop')
    assert not probes_arrive()


async def test_a_probe_does_not_care_for_rules_of_the_cable(world: None) -> None:
    await made(WAY)
    filtered("input", 'iifname "kunprobe" ip protocol 41 drop')
    assert probes_arrive()


@pytest.mark.parametrize("way", [WAY, TURNED], ids=["by the router", "turned at the uplink"])
async def test_an_answer_meets_the_rules_of_the_way_out(world: None, way: ProbeWay) -> None:
    await made(way)
    filtered("output", "ip protocol 41 counter drop")
    with pytest.raises(subprocess.CalledProcessError):  # EPERM, as the kernel tells a sender
        answers_come_back()


async def test_a_router_that_takes_no_protocol_41_shows_by_the_router_and_not_at_the_uplink(world: None) -> None:
    driver = await made(WAY)
    inside(TOR, "nft", "add table ip acl; add chain ip acl way { type filter hook forward priority 0; }")
    inside(TOR, "nft", "add rule ip acl way ip protocol 41 drop")
    assert not answers_come_back()
    passed = await driver.passed(WAY)
    assert passed is not None
    assert (passed.left, passed.back) == (3, 0)
    await driver.apply(Change(Action.REPLACE, TURNED, WAY))
    assert answers_come_back()


async def test_what_pods_are_sent_leaves_as_it_is(world: None) -> None:
    await made(WAY)
    ip("-n", TOR, "address", "add", "10.7.0.9/32", "dev", "lo")
    assert received(TOR, GW, VIP, "10.7.0.9", "2002:cb00:7101::1", "2002:a07:9:1::5") == [f"{VIP}>10.7.0.9"] * 3


BREAKS = {
    "the table is gone": (("nft", "delete table netdev kun-nat64"), None),
    "a rule is gone": (("nft", "flush chain netdev kun-nat64 out"), "nftables table"),
    "a chain was added": (("nft", "add chain netdev kun-nat64 strange"), "nftables table"),
    "the filter is gone": (("tc", "filter", "del", "dev", "kunprobe", "ingress"), "tc filter"),
    "the filter leads elsewhere": (
        ("sh", "-c", "tc filter del dev kunprobe ingress; tc filter add dev kunprobe ingress protocol ip pref 41 u32"
                     " match ip protocol 41 0xff action mirred ingress redirect dev lo"),
        "tc filter",
    ),
    "everything of tc is gone": (("tc", "qdisc", "del", "dev", "kunprobe", "clsact"), "tc filter"),
}  # fmt: skip


@pytest.mark.parametrize(("breaks", "amiss"), BREAKS.values(), ids=BREAKS.keys())
async def test_what_somebody_breaks_is_seen_and_put_right(
    world: None, breaks: tuple[str, ...], amiss: str | None
) -> None:
    driver = await made(WAY)
    inside(GW, *breaks)
    found = await driver.observe(WAY)
    assert [fact.amiss.startswith(amiss or "") for fact in found if isinstance(fact, ProbeWay)] == [True] * bool(amiss)
    assert WAY not in found
    await driver.apply(Change(Action.REPLACE if found else Action.ADD, WAY))
    assert await driver.observe(WAY) == {WAY}
    assert answers_come_back()


async def test_an_uplink_made_anew_has_the_hooks_again(world: None) -> None:
    driver = await made(WAY)
    ip("-n", GW, "link", "del", "eth0")
    BED.add_uplink()
    ip("-n", GW, "address", "add", f"{HOME}/24", "dev", "eth0")
    assert WAY not in await driver.observe(WAY)


async def test_another_way_is_told_from_the_one_that_is_there(world: None) -> None:
    driver = await made(WAY)
    for other in (TURNED, replace(WAY, node=IPv4Address("10.255.255.253")), replace(WAY, uplink="lo")):
        assert other not in await driver.observe(other)


async def test_removed_it_leaves_nothing_in_the_uplinks_hooks(world: None) -> None:
    driver = await made(WAY)
    await driver.apply(Change(Action.REMOVE, WAY))
    assert await driver.observe(WAY) == frozenset()


async def test_without_an_interface_that_has_the_next_hop_the_area_is_unknown_and_the_key_named() -> None:
    runner = ScriptedRunner({"nft": said('{"nftables": []}'), "address show": said("[]")})
    with pytest.raises(DriverError, match=r"no interface has bgp.next_hop 10.2.1.2: .*\[gateway\] uplink"):
        await ProbeWayDriver(runner).observe(WAY)


async def test_a_kernel_that_lacks_a_part_says_what_it_needs() -> None:
    runner = ScriptedRunner({"qdisc add": CommandResult(2, "", "Error: Specified qdisc kind is unknown.")})
    with pytest.raises(DriverError, match="sch_ingress"):
        await ProbeWayDriver(runner).apply(Change(Action.ADD, replace(WAY, uplink="eth0")))


async def test_nothing_is_asked_where_no_way_is_wanted() -> None:
    runner = ScriptedRunner()
    assert await ProbeWayDriver(runner).observe(None) == frozenset()
    assert not runner.asked


def test_the_loopback_is_no_uplink() -> None:
    shown = '[{"ifname": "lo", "addr_info": [{"local": "10.2.1.2"}]}, {"ifname": "eth0", "addr_info": []}]'
    assert holder_of("10.2.1.2", shown) == ""


@pytest.mark.parametrize("text", ["garbage", '[{"addr_info": 5}]', '[{"addr_info": [{}]}]'])
def test_garbage_of_ip_is_an_error_of_the_machine(text: str) -> None:
    with pytest.raises((DriverError, FormatError)):
        holder_of("10.2.1.2", text)
