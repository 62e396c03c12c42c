"""Every speaker behind the port, with its shipped configuration, in a BGP session with a real router."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from kun_nat64.drivers.command import wait_without_threads
from kun_nat64.drivers.runfiles import save_announced
from kun_nat64.drivers.speaker import Speaker
from kun_nat64.model.announcement import LastAnnounced
from kun_nat64.model.errors import DriverError, FailureKind
from kun_nat64.model.facts import BgpPath
from kun_nat64.model.plan import Action, Change
from tests.nat64.speakers.site import SIX, VIP, Site, site, wait_for

PATH = BgpPath(ip_network(VIP), ip_address("10.2.1.2"), 10, ("64512:100",))
DRAINING = replace(PATH, med=2000, communities=("64512:100", "65535:0"))
PATH6 = BgpPath(ip_network(SIX), ip_address("fd00:11::2"), 10)
PACKAGES = {"gobgp": ("gobgpd", "gobgpd"), "frr": ("vtysh", "frr"), "bird": ("bird", "bird2")}
Tool = Callable[[str, str], str]


def needed(kind: str, tool: Tool) -> None:
    for name, package in (PACKAGES[kind], ("bird", "bird2"), ("ip", "iproute2"), ("nft", "nftables")):
        tool(name, package)
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, for network namespaces")


@pytest.fixture(scope="module", params=["gobgp", "frr", "bird"])
def place(request: pytest.FixtureRequest, tool: Tool) -> Iterator[Site]:
    needed(request.param, tool)
    with site(request.param, bfd=request.param != "gobgp") as made:
        asyncio.run(session_is_up(made))
        yield made


async def session_is_up(place: Site) -> None:
    speaker = place.speaker()
    for _ in range(400):
        try:
            found = await speaker.observe_neighbours((4,))
            if found and all(one.established for one in found):
                return speaker.close()
        except DriverError:
            pass
        await asyncio.sleep(0.1)
    pytest.fail(f"no session: {(place.folder / f'{place.daemon}.log').read_text()[-2000:]}")


@pytest.fixture
async def speaker(place: Site) -> AsyncIterator[Speaker]:
    made = place.speaker()
    await session_is_up(place)
    for path in (PATH, PATH6):
        await made.apply(Change(Action.REMOVE, path))
    yield made
    for path in (PATH, PATH6):
        await made.apply(Change(Action.REMOVE, path))
    made.close()


async def test_a_path_is_announced_changed_and_withdrawn(speaker: Speaker, place: Site) -> None:
    await speaker.apply(Change(Action.ADD, PATH))
    assert await speaker.observe_paths([VIP]) == {PATH}
    wait_for("the router has it", lambda: place.received().get("med") == "10", 3)
    assert place.received()["next_hop"] == "10.2.1.2"
    assert place.received()["origin"] == "IGP"
    await speaker.apply(Change(Action.REPLACE, DRAINING, PATH))
    assert await speaker.observe_paths([VIP]) == {DRAINING}
    wait_for("the router has the new MED", lambda: place.received().get("med") == "2000", 2)
    assert place.received()["community"] == "(64512,100) (65535,0)"
    await speaker.apply(Change(Action.REPLACE, replace(PATH, communities=()), DRAINING))
    wait_for("nothing of the drain stays", lambda: "community" not in place.received(), 2)
    await speaker.apply(Change(Action.REMOVE, PATH))
    wait_for("the router has none", lambda: not place.received(), 2)
    assert await speaker.observe_paths([VIP]) == frozenset()


async def test_what_the_router_was_sent_is_read_back(speaker: Speaker, place: Site) -> None:
    (before,) = await speaker.observe_neighbours((4, 6))
    assert (before.address, before.asn, before.state, before.hold_s) == ("10.2.1.1", 65000, "established", 3)
    assert (before.restart_s, before.advertised) == (0, ())
    await speaker.apply(Change(Action.ADD, PATH))
    wait_for("the router has it", place.received, 3)
    (after,) = await speaker.observe_neighbours((4, 6))
    assert after.advertised == (VIP,)


async def test_a_path_that_is_told_again_changes_nothing(speaker: Speaker, place: Site) -> None:
    for _ in range(3):
        await speaker.apply(Change(Action.ADD, PATH))
    assert await speaker.observe_paths([VIP]) == {PATH}
    for _ in range(2):
        await speaker.apply(Change(Action.REMOVE, PATH))
    assert await speaker.observe_paths([VIP]) == frozenset()


async def test_a_thread_withdraws_while_the_event_loop_hangs(speaker: Speaker, place: Site) -> None:
    """With the watcher of child processes that the agent has: it belongs to the loop that hangs."""
    wait_without_threads()
    await speaker.apply(Change(Action.ADD, PATH))
    wait_for("the router has it", place.received, 3)
    problems: list[Exception] = []

    def withdraw() -> None:
        try:
            speaker.withdraw_blocking([VIP, "198.51.100.200/32"])
        except DriverError as error:
            problems.append(error)

    thread = threading.Thread(target=withdraw)
    thread.start()
    wait_for("the router has none", lambda: not place.received(), 5)  # and nothing else happens in this loop
    thread.join()
    assert problems == []


async def test_a_daemon_that_crashed_is_told_again_when_it_is_back(speaker: Speaker, place: Site) -> None:
    await speaker.apply(Change(Action.ADD, PATH))
    wait_for("the router has it", place.received, 3)
    place.kill(place.daemon)
    with pytest.raises(DriverError) as raised:
        await speaker.observe_neighbours((4,))
    assert raised.value.kind is FailureKind.UNREACHABLE
    wait_for("the router has none", lambda: not place.received(), 5)
    place.start_again()
    await session_is_up(place)
    await speaker.apply(Change(Action.ADD, PATH))
    wait_for("the router has it again", place.received, 5)
    assert await speaker.observe_paths([VIP]) == {PATH}


@pytest.mark.parametrize("place", ["frr", "bird"], indirect=True)  # GoBGP's is in drivers/test_gobgp.py
async def test_prefixes_of_both_families_are_announced(speaker: Speaker, place: Site) -> None:
    for path in (PATH, PATH6):
        await speaker.apply(Change(Action.ADD, path))
    assert await speaker.observe_paths([VIP, SIX]) == {PATH, PATH6}
    (neighbour,) = await speaker.observe_neighbours((4, 6))
    assert neighbour.advertised == (VIP, SIX)
    wait_for("the router has the IPv6 prefix", lambda: place.received(SIX).get("med") == "10", 3)
    assert place.received(SIX)["next_hop"].split()[0] == "fd00:11::2"
    await speaker.apply(Change(Action.REMOVE, PATH))
    assert await speaker.observe_paths([VIP, SIX]) == {PATH6}
    wait_for("the VIP alone has gone", lambda: not place.received() and place.received(SIX), 2)


@pytest.mark.parametrize("place", ["frr"], indirect=True)
async def test_what_others_have_configured_in_frr_stays(speaker: Speaker, place: Site) -> None:
    begin = ("configure terminal", "router bgp", "address-family ipv4 unicast")
    place.vtysh(*begin, "network 198.51.100.0/24")
    before = place.vtysh("show running-config")
    await speaker.apply(Change(Action.ADD, PATH))
    await speaker.apply(Change(Action.REMOVE, PATH))
    assert place.vtysh("show running-config") == before
    place.vtysh(*begin, "no network 198.51.100.0/24")


@pytest.mark.parametrize("place", ["frr"], indirect=True)
async def test_a_network_line_of_others_for_our_prefix_is_named_and_left_alone(speaker: Speaker, place: Site) -> None:
    begin = ("configure terminal", "router bgp", "address-family ipv4 unicast")
    place.vtysh(*begin, f"network {VIP}")
    try:
        before = place.vtysh("show running-config")
        for action in (Action.ADD, Action.REMOVE):
            with pytest.raises(DriverError, match="is not ours") as raised:
                await speaker.apply(Change(action, PATH))
            assert raised.value.kind is FailureKind.CONFLICT
        assert place.vtysh("show running-config") == before
    finally:
        place.vtysh(*begin, f"no network {VIP}")


@pytest.mark.parametrize("place", ["frr"], indirect=True)
async def test_a_prefix_without_a_route_is_not_announced_by_frr(speaker: Speaker, place: Site) -> None:
    """What a diagnosis of a refused path rests on: bgpd takes the line, and its path is not valid."""
    lost = replace(PATH, prefix=ip_network("203.0.113.77/32"))
    await speaker.apply(Change(Action.ADD, lost))
    assert await speaker.observe_paths([str(lost.prefix)]) == frozenset()
    await speaker.apply(Change(Action.REMOVE, lost))


@pytest.mark.parametrize("place", ["frr"], indirect=True)
async def test_without_a_bgp_instance_frr_is_given_none(speaker: Speaker, place: Site) -> None:
    place.vtysh("configure terminal", "no router bgp")
    try:
        with pytest.raises(DriverError):
            await speaker.apply(Change(Action.ADD, PATH))
        assert "router bgp" not in place.vtysh("show running-config")
        assert await speaker.observe_neighbours((4,)) == ()
        await speaker.apply(Change(Action.REMOVE, PATH))
    finally:
        place.restart()
        await session_is_up(place)


@pytest.mark.parametrize("place", ["bird"], indirect=True)
async def test_a_withdrawal_needs_no_configuration_that_bird_can_read(speaker: Speaker, place: Site) -> None:
    await speaker.apply(Change(Action.ADD, PATH))
    wait_for("the router has it", place.received, 3)
    good = place.configuration.read_text()
    place.configuration.write_text(good + "half an edit")
    try:
        with pytest.raises(DriverError, match="syntax error"):
            await speaker.apply(Change(Action.REPLACE, DRAINING, PATH))
        await speaker.apply(Change(Action.REMOVE, PATH))
        wait_for("the router has none", lambda: not place.received(), 2)
        assert not place.paths_file.exists()
    finally:
        place.configuration.write_text(good)
    place.birdc("configure", socket="bird.ctl")
    assert not place.received()
    await speaker.apply(Change(Action.ADD, PATH))
    wait_for("the router has it again", place.received, 3)


@pytest.mark.parametrize("place", ["bird"], indirect=True)
async def test_a_path_survives_the_operators_own_configure(speaker: Speaker, place: Site) -> None:
    await speaker.apply(Change(Action.ADD, PATH))
    place.birdc("configure", socket="bird.ctl")
    assert await speaker.observe_paths([VIP]) == {PATH}
    place.birdc("disable", "kun_nat64_203_0_113_1_32", socket="bird.ctl")
    assert await speaker.observe_paths([VIP]) == frozenset()
    await speaker.apply(Change(Action.ADD, PATH))
    assert await speaker.observe_paths([VIP]) == {PATH}


@pytest.mark.parametrize("place", ["bird"], indirect=True)
async def test_a_bird_that_does_not_include_our_file_is_named(speaker: Speaker, place: Site) -> None:
    good = place.configuration.read_text()
    place.configuration.write_text("".join(line for line in good.splitlines(True) if not line.startswith("include")))
    try:
        with pytest.raises(DriverError, match=r"does not include it: add `include ") as raised:
            await speaker.apply(Change(Action.ADD, PATH))
        assert raised.value.kind is FailureKind.CONFLICT
    finally:
        place.configuration.write_text(good)


async def test_nobody_is_reached_where_no_daemon_listens(place: Site, tmp_path: Path) -> None:
    there = place.folder
    place.folder = tmp_path
    try:
        absent = place.speaker()
    finally:
        place.folder = there
    with pytest.raises(DriverError) as raised:
        await absent.observe_neighbours((4,))
    assert raised.value.kind is FailureKind.UNREACHABLE


async def test_the_command_withdraws_with_a_broken_file_what_the_agent_noted(
    speaker: Speaker, place: Site, tmp_path: Path
) -> None:
    """What systemd does when a hung agent was killed, or none came back: kun-nat64-unit."""
    await speaker.apply(Change(Action.ADD, PATH))
    wait_for("the router has it", place.received, 3)
    paths_file = str(place.paths_file) if place.kind == "bird" else ""
    save_announced(tmp_path, LastAnnounced(place.kind, f"unix://{place.api}", (VIP,), paths_file))
    broken = tmp_path / "kun-nat64.toml"
    broken.write_text("[gateway")
    argv = [sys.executable, "-m", "kun_nat64", "withdraw", "--config", str(broken), "--run-dir", str(tmp_path)]
    done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert f"withdrawing what the agent had announced: {VIP}" in done.stderr
    wait_for("the router has none", lambda: not place.received(), 2)


async def bfd_of(speaker: Speaker) -> str:
    (neighbour,) = await speaker.observe_neighbours((4,))
    return neighbour.bfd


async def test_the_state_of_bfd_is_read(speaker: Speaker, place: Site) -> None:
    for _ in range(50):
        if (state := await bfd_of(speaker)) == "up" or place.kind == "gobgp":
            break
        await asyncio.sleep(0.1)
    assert state == ("" if place.kind == "gobgp" else "up")
