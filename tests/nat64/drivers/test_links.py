"""Netlink in network namespaces of the test's own, on the kernel of this machine."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest

from kun_nat64.drivers.command import ProcessRunner
from kun_nat64.drivers.links import LinksDriver
from kun_nat64.drivers.netlink import NetlinkThread
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import Address, Fact, LinkState, Netns, Route, Tunnel, Veth
from kun_nat64.model.observation import LinkReport, Scope
from kun_nat64.model.plan import Action, Change

HOME, PROBE = f"kuntest-{os.getpid()}", f"kuntest-{os.getpid()}-probe"
VIP = IPv4Address("203.0.113.1")
HERE, THERE = IPv4Address("169.254.64.1"), IPv4Address("169.254.64.2")
HERE6, THERE6 = IPv6Address("fd6b:756e:3634::1"), IPv6Address("fd6b:756e:3634::2")
SCOPE = Scope(
    instance="kun",
    globals=frozenset(),
    link_states=frozenset({"sit0"}),
    tunnels=frozenset({"kun64"}),
    vip=str(VIP),
    netns=PROBE,
    links=frozenset({"eth1", "lo"}),
)
CABLE: tuple[Fact, ...] = (
    Netns(PROBE),
    Veth("kunprobe", "eth0", PROBE, 1500),
    Address("kunprobe", HERE, 30),
    Address("kunprobe", HERE6, 64),
    Address("eth0", THERE, 30, PROBE),
    Address("eth0", THERE6, 64, PROBE),
    Address("lo", VIP, 32),
    Route(IPv4Network(VIP), "eth0", HERE, PROBE),
    Route(IPv6Network("2002:cb00:7101::/96"), "eth0", HERE6, PROBE, 4096, THERE6),
)


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def delete_namespaces() -> None:
    for name in (PROBE, HOME):
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


@pytest.fixture
async def links() -> AsyncIterator[LinksDriver]:
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, to make network namespaces")
    try:
        ip("netns", "add", HOME)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine makes no network namespaces: {error}")
    ip("-n", HOME, "link", "set", "lo", "up")
    driver = LinksDriver(ProcessRunner(), HOME)
    yield driver
    driver.close()
    delete_namespaces()


async def make(links: LinksDriver, *facts: Fact) -> None:
    for fact in facts:
        await links.apply(Change(Action.ADD, fact))


async def seen(links: LinksDriver) -> frozenset[Fact]:
    return (await links.observe(SCOPE)).facts - {LinkState("sit0", up=False)}


async def test_every_ipv4_address_of_this_machine_is_seen_whoever_made_it(links: LinksDriver) -> None:
    await make(links, *CABLE)
    ip("-n", HOME, "link", "add", "eth7", "type", "veth", "peer", "name", "eth8")
    ip("-n", HOME, "address", "add", "198.51.100.7/24", "dev", "eth7")
    expected = {IPv4Address("198.51.100.7"), IPv4Address("127.0.0.1"), VIP, HERE}
    assert (await links.observe(SCOPE)).own == expected == await links.own_addresses()
    ip("-n", HOME, "address", "del", "198.51.100.7/24", "dev", "eth7")
    assert (await links.observe(SCOPE)).own == expected - {IPv4Address("198.51.100.7")}


async def test_what_is_made_is_seen_exactly(links: LinksDriver) -> None:
    assert await seen(links) == frozenset()
    await make(links, *CABLE)
    assert await seen(links) == frozenset(CABLE)


@pytest.mark.parametrize("there", [HERE, HERE6], ids=["IPv4", "IPv6"])
async def test_the_probes_cable_asks_nobody_for_a_neighbour(
    links: LinksDriver, there: IPv4Address | IPv6Address
) -> None:
    """A firewall that drops neighbour discovery harms no pod, and must not end the probes."""
    await make(links, *CABLE)
    script = f"import socket; socket.create_connection(({str(there)!r}, 9), timeout=5)"
    knocked = await ProcessRunner().run("ip", "netns", "exec", PROBE, sys.executable, "-IS", "-c", script)
    assert "ConnectionRefusedError" in knocked.stderr
    assert "NOARP" in ip("-n", HOME, "link", "show", "kunprobe")
    for home, link in ((HOME, "kunprobe"), (PROBE, "eth0")):
        assert "lladdr" not in ip("-n", home, "neigh", "show", "dev", link)


async def test_what_is_removed_is_gone_with_all_that_hung_on_it(links: LinksDriver) -> None:
    await make(links, *CABLE)
    await links.apply(Change(Action.REMOVE, CABLE[1]))
    assert await seen(links) == {Netns(PROBE), Address("lo", VIP, 32)}
    await links.apply(Change(Action.REMOVE, CABLE[0]))
    await links.apply(Change(Action.REMOVE, Address("lo", VIP, 32)))
    assert await seen(links) == frozenset()


async def test_what_others_made_is_not_seen(links: LinksDriver) -> None:
    await make(links, *CABLE)
    ip("-n", HOME, "address", "add", "192.0.2.77/32", "dev", "lo")
    ip("-n", HOME, "link", "add", "other0", "type", "veth", "peer", "name", "other1")
    ip("-n", HOME, "address", "add", "192.0.2.78/30", "dev", "other0")
    ip("-n", HOME, "link", "set", "other0", "up")
    ip("-n", HOME, "-6", "route", "add", "2001:db8::/32", "dev", "kunprobe")
    assert await seen(links) == frozenset(CABLE)


async def test_a_hand_made_vip_counts_until_a_teardown_asks_for_marks(links: LinksDriver) -> None:
    ip("-n", HOME, "address", "add", f"{VIP}/32", "dev", "lo")
    assert await seen(links) == {Address("lo", VIP, 32)}
    strict = Scope(instance="kun", globals=frozenset())
    assert (await links.observe(strict)).facts == frozenset()


async def test_an_address_of_ours_is_known_by_its_mark_after_the_vip_has_changed(links: LinksDriver) -> None:
    other = Address("lo", IPv4Address("203.0.113.9"), 32)
    await make(links, other)
    assert await seen(links) == {other}


async def test_removing_what_is_gone_already_is_no_error(links: LinksDriver) -> None:
    for fact in CABLE[1:]:
        if not isinstance(fact, Route | Address) or not fact.netns:
            await links.apply(Change(Action.REMOVE, fact))


async def test_a_foreign_route_in_our_place_is_a_conflict_and_stays(links: LinksDriver) -> None:
    await make(links, *CABLE[:7])
    ip("-n", PROBE, "route", "add", str(VIP), "via", str(HERE))
    with pytest.raises(DriverError) as raised:
        await make(links, CABLE[7])
    assert raised.value.kind is FailureKind.CONFLICT
    assert "proto" not in ip("-n", PROBE, "route", "show", str(VIP))


async def test_a_veth_changed_by_hand_is_another_and_made_anew_as_a_whole(links: LinksDriver) -> None:
    await make(links, *CABLE)
    ip("-n", PROBE, "link", "set", "eth0", "down")
    (broken,) = [fact for fact in await seen(links) if isinstance(fact, Veth)]
    assert not broken.up
    await links.apply(Change(Action.REPLACE, CABLE[1], broken))
    assert CABLE[1] in await seen(links)


async def test_a_namespace_made_anew_under_the_same_name_is_entered_again(links: LinksDriver) -> None:
    await make(links, *CABLE)
    ip("netns", "delete", PROBE)
    ip("netns", "add", PROBE)
    facts = await seen(links)
    assert Netns(PROBE) in facts
    assert not any(isinstance(fact, Route) for fact in facts)


def leave_a_name_behind() -> None:
    Path(f"/run/netns/{PROBE}").touch()


async def test_a_name_without_a_namespace_behind_it_is_nothing_and_no_obstacle(links: LinksDriver) -> None:
    leave_a_name_behind()
    assert await seen(links) == frozenset()
    await make(links, Netns(PROBE))
    assert await seen(links) == {Netns(PROBE)}


async def test_links_we_depend_on_are_reported(links: LinksDriver) -> None:
    reports = {report.name: report for report in (await links.observe(SCOPE)).reports}
    assert reports["eth1"] == LinkReport("eth1", present=False)
    assert reports["lo"].present
    assert reports["lo"].up


async def test_a_link_of_another_kind_with_our_name_is_named_with_a_remedy(links: LinksDriver) -> None:
    ip("-n", HOME, "link", "add", "kun64", "type", "veth", "peer", "name", "kun65")
    (foreign,) = (await links.observe(SCOPE)).foreign
    assert "kun64 is a link of kind veth" in foreign.what
    assert "ip link set kun64 name" in foreign.remedy


def has_sit() -> bool:
    return Path("/sys/module/sit").exists()


async def test_a_tunnel_is_made_or_the_missing_module_named(links: LinksDriver) -> None:
    tunnel = Tunnel("kun64", VIP, 8800)
    if has_sit():
        await make(links, tunnel)
        assert tunnel in await seen(links)
        return
    with pytest.raises(DriverError, match=r"type sit local 203\.0\.113\.1") as raised:
        await make(links, tunnel)
    assert raised.value.kind is FailureKind.MISSING_MODULE
    assert "`modprobe sit`" in str(raised.value)


async def test_a_session_that_was_closed_says_so_and_harms_nobody_else() -> None:
    thread = NetlinkThread()
    assert await thread.call(lambda ip: 1) == 1
    thread.close()
    thread.close()
    with pytest.raises(DriverError, match="another configuration"):
        await thread.call(lambda ip: 1)


STUCK = """
import asyncio, time
from kun_nat64.drivers import netlink
from kun_nat64.model.errors import DriverError

async def main():
    netlink.FIRST_DEADLINE_S = 0.5
    try:
        await netlink.NetlinkThread().call(lambda ip: time.sleep(30), "link", "show")
    except DriverError as error:
        print(error)

asyncio.run(main())
"""


def test_a_kernel_that_does_not_answer_keeps_no_command_from_ending() -> None:
    ended = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=20, check=True)
    assert "ip link show: timeout" in ended.stdout


async def test_what_others_have_in_the_probes_namespace_is_not_ours(links: LinksDriver) -> None:
    await make(links, Netns(PROBE), Veth("kunprobe", "eth0", PROBE, 1500))
    ip("-n", PROBE, "link", "add", "theirs", "type", "veth", "peer", "name", "other")
    ip("-n", PROBE, "link", "set", "theirs", "up")
    ip("-n", PROBE, "address", "add", "192.0.2.77/24", "dev", "theirs")
    assert not [fact for fact in await seen(links) if isinstance(fact, Address) and fact.ifname == "theirs"]
