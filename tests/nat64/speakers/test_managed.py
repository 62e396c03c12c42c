"""`manage_daemon`: the agent writes neighbours and filters of FRR and BIRD, in sessions with a real router."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kun_nat64.drivers.command import ProcessRunner
from kun_nat64.drivers.daemon_configuration import configuration_of
from kun_nat64.formats import birdpeers
from kun_nat64.model.errors import DriverError
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.spec import AgentSpec, BgpSpec
from tests.nat64.speakers.site import SIX, VIP, Site, wait_for
from tests.nat64.speakers.test_real_speakers import PATH, PATH6, Tool, needed, session_is_up

EMPTY = {
    "frr": "frr defaults traditional\nip prefix-list theirs seq 5 permit 198.51.100.0/24\n",
    "bird": 'router id 10.2.1.2;\nprotocol device {{ }}\ninclude "{folder}/m*/bird.conf";\n',
}
SpecWith = Callable[..., AgentSpec]


@pytest.fixture(params=["frr", "bird"])
def place(request: pytest.FixtureRequest, tool: Tool) -> Iterator[Site]:
    needed(request.param, tool)
    made = Site(request.param)
    try:
        made.configuration.write_text(EMPTY[made.kind].format(folder=made.folder))
        (made.folder / "m").mkdir()
        made.build()
        made.start()
        yield made
    finally:
        made.tear_down()


def own_file(place: Site) -> Path:
    return place.folder / "m" / f"{place.kind}.conf"


def managed(place: Site, spec_with: SpecWith, **peer: Any) -> BgpSpec:
    keys: dict[str, Any] = {"speaker": place.kind, "api": str(place.api), "manage_daemon": True}
    keys |= {
        "next_hop6": "fd00:11::2",
        "prefixes": [SIX],
        "daemon_file": str(place.folder / "m" / f"{place.kind}.conf"),
    }
    keys |= {"paths_file": str(place.paths_file)} if place.kind == "bird" else {}
    return spec_with(bgp={**keys, "peers": [{"address": "10.2.1.1", "as": 65000, "bfd": True, **peer}]}).bgp


def running(place: Site) -> str:
    return (
        place.vtysh("show running-config")
        if place.kind == "frr"
        else place.birdc("show", "protocols", socket="bird.ctl")
    )


async def test_neighbours_are_made_announced_to_and_taken_back(place: Site, spec_with: SpecWith) -> None:
    before = running(place)
    bgp = managed(place, spec_with, communities=["65000:7"])
    daemon = configuration_of(place.kind, ProcessRunner())
    assert "written" in await daemon.settle(bgp)
    await session_is_up(place)
    assert await daemon.settle(bgp) == ""
    speaker = place.speaker()
    for path in (PATH, PATH6):
        await speaker.apply(Change(Action.ADD, path))
    wait_for("the router has both", lambda: place.received() and place.received(SIX), 5)
    assert place.received()["community"] == "(64512,100) (65000,7)"
    assert place.received()["med"] == "10"
    for _ in range(60):
        (neighbour,) = await speaker.observe_neighbours((4, 6))
        if neighbour.bfd == "up":
            break
        await asyncio.sleep(0.1)
    assert (neighbour.bfd, neighbour.hold_s, neighbour.restart_s) == ("up", 3, 0)
    for path in (PATH, PATH6):
        await speaker.apply(Change(Action.REMOVE, path))
    await daemon.remove(bgp)
    if place.kind == "frr":
        assert "neighbor" not in running(place)
        assert "kun-nat64" not in running(place)
        assert "ip prefix-list theirs" in running(place)
    else:
        assert [line.split()[0] for line in running(place).splitlines()[1:]] == [
            line.split()[0] for line in before.splitlines()[1:]
        ]


async def test_a_change_of_communities_keeps_the_session_of_bird_and_leaves_no_old_filter(
    place: Site, spec_with: SpecWith
) -> None:
    daemon = configuration_of(place.kind, ProcessRunner())
    await daemon.settle(managed(place, spec_with, communities=["65000:7"]))
    await session_is_up(place)
    await place.speaker().apply(Change(Action.ADD, PATH))
    await daemon.settle(managed(place, spec_with, communities=["65000:8"]))
    await session_is_up(place)
    wait_for("the new community", lambda: "(65000,8)" in place.received().get("community", ""), 20)
    assert "(65000,7)" not in place.received()["community"]
    if place.kind == "frr":
        assert running(place).count("route-map kun-nat64-out-") - running(place).count(" out") == 2


async def test_a_daemon_that_started_again_is_given_all_of_it(place: Site, spec_with: SpecWith) -> None:
    bgp, daemon = managed(place, spec_with), configuration_of(place.kind, ProcessRunner())
    await daemon.settle(bgp)
    await session_is_up(place)
    place.restart()
    for _ in range(50):
        try:
            await daemon.settle(bgp)
            break
        except DriverError:
            await asyncio.sleep(0.1)
    await session_is_up(place)


@pytest.mark.parametrize("place", ["frr"], indirect=True)
async def test_a_neighbour_that_is_somebody_elses_is_named_and_left_alone(place: Site, spec_with: SpecWith) -> None:
    place.vtysh("configure terminal", "router bgp 65001", "neighbor 10.2.1.1 remote-as 64999")
    before = running(place)
    with pytest.raises(DriverError, match="not ours"):
        await configuration_of("frr", ProcessRunner()).settle(managed(place, spec_with))
    assert running(place) == before


@pytest.mark.parametrize("place", ["bird"], indirect=True)
async def test_a_file_that_bird_refuses_does_not_stay(place: Site, spec_with: SpecWith) -> None:
    good, daemon = managed(place, spec_with), configuration_of("bird", ProcessRunner())
    await daemon.settle(good)
    text = own_file(place).read_text()
    place.configuration.write_text(place.configuration.read_text() + "half an edit")
    with pytest.raises(DriverError, match="syntax error"):
        await daemon.settle(replace(good, local_as=65009))
    assert own_file(place).read_text() == text


@pytest.mark.parametrize("place", ["bird"], indirect=True)
async def test_a_bird_that_does_not_include_the_neighbours_is_named(place: Site, spec_with: SpecWith) -> None:
    place.configuration.write_text("router id 10.2.1.2;\nprotocol device { }\n")
    with pytest.raises(DriverError, match=r"does not include it: add `include "):
        await configuration_of("bird", ProcessRunner()).settle(managed(place, spec_with))


async def test_a_gateway_that_dies_silently_is_out_within_a_second_by_bfd(place: Site, spec_with: SpecWith) -> None:
    await configuration_of(place.kind, ProcessRunner()).settle(managed(place, spec_with))
    await session_is_up(place)
    speaker = place.speaker()
    await speaker.apply(Change(Action.ADD, PATH))
    wait_for("the router has it", place.received, 5)
    for _ in range(60):
        if (await speaker.observe_neighbours((4,)))[0].bfd == "up":
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(2)  # BFD begins with an interval of a second (RFC 5880 section 6.8.3)
    place.cut()
    wait_for("the router has none", lambda: not place.received(VIP), 1.0)


@pytest.mark.parametrize("place", ["frr"], indirect=True)
async def test_ttl_security_is_in_the_configuration(place: Site, spec_with: SpecWith) -> None:
    await configuration_of("frr", ProcessRunner()).settle(managed(place, spec_with, ttl_security=True))
    assert "ttl-security hops 1" in running(place)


def test_bird_takes_ttl_security_and_a_password(
    tmp_path: Path, spec_with: SpecWith, tool: Callable[[str, str], str]
) -> None:

    peers = [{"address": "10.2.1.1", "as": 65000, "ttl_security": True, "bfd": True, "hold_s": 3}]
    bgp = spec_with(bgp={"speaker": "bird", "manage_daemon": True, "peers": peers}).bgp
    file = tmp_path / "bird.conf"
    file.write_text("router id 10.2.1.2;\nprotocol device { }\n" + birdpeers.document(bgp, {"10.2.1.1": "secret"}))
    checked = subprocess.run([tool("bird", "bird2"), "-p", "-c", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert 'password "secret";' in file.read_text()
    assert "ttl security on;" in file.read_text()
