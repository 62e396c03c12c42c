"""Nodes on the uplink's own network, on the kernel of this machine: what is needed for them, made, seen, removed."""

import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest

from kun_nat64.drivers.command import ProcessRunner
from kun_nat64.drivers.links import LinksDriver
from kun_nat64.model.facts import Address, NodeRouter, ProbeWay
from kun_nat64.model.observation import Scope
from kun_nat64.model.plan import Action, Change

HOME = f"kt{os.getpid()}near"
VIP, ROUTER = IPv4Address("203.0.113.1"), IPv4Address("10.2.1.1")
NODE, OWN = IPv4Address("10.255.255.254"), IPv4Address("10.2.1.2")
WAY = ProbeWay("kunprobe", VIP, NODE, IPv6Address("2002:aff:fffe:6b75:6e36::2"), OWN)
SCOPE = Scope("kun", frozenset(), vip=str(VIP), way=WAY, clients=(IPv4Network("10.0.0.0/8"),))
NEAR = NodeRouter(VIP, IPv4Network("10.2.1.0/24"), ROUTER, "up0")


def ip(*words: str) -> str:
    return subprocess.run(["ip", "-n", HOME, *words], check=True, capture_output=True, text=True).stdout


def namespace(action: str) -> None:
    subprocess.run(["ip", "netns", action, HOME], check=True, capture_output=True)


@pytest.fixture
async def links() -> AsyncIterator[LinksDriver]:
    """A gateway with an uplink, its router, and a way to the nodes."""
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, to make network namespaces")
    namespace("add")
    driver = LinksDriver(ProcessRunner(), HOME)
    try:
        for words in (
            "link set lo up",
            "link add up0 type veth peer name far0",
            "link set far0 up",
            "link set up0 up",
            f"address add {VIP}/32 dev lo",
            f"address add {OWN}/24 dev up0",
            f"route add 10.0.0.0/8 via {ROUTER}",
        ):
            ip(*words.split())
        yield driver
    finally:
        driver.close()
        namespace("del")


def answered_by(node: str) -> str:
    """The next hop of what the VIP sends to a node; "" where it is on the link."""
    words = ip("-o", "-4", "route", "get", node, "from", str(VIP)).split()
    return words[words.index("via") + 1] if "via" in words else ""


async def test_near_nodes_are_answered_by_the_router_of_all_others(links: LinksDriver) -> None:
    seen = await links.observe(SCOPE)
    assert seen.near == {NEAR}
    assert NEAR not in seen.facts
    assert answered_by("10.2.1.77") == ""
    await links.apply(Change(Action.ADD, NEAR))
    assert NEAR in (await links.observe(SCOPE)).facts
    assert answered_by("10.2.1.77") == answered_by("10.2.1.1") == answered_by("10.7.0.9") == str(ROUTER)


async def test_what_others_send_to_the_uplinks_network_goes_as_before(links: LinksDriver) -> None:
    await links.apply(Change(Action.ADD, NEAR))
    assert "via" not in ip("-o", "-4", "route", "get", "10.2.1.77")


@pytest.mark.parametrize("broken", ["rule del pref 16441", "route flush table 16441"])
async def test_half_of_it_is_none_and_is_made_whole(links: LinksDriver, broken: str) -> None:
    await links.apply(Change(Action.ADD, NEAR))
    ip(*broken.split())
    assert NEAR not in (await links.observe(SCOPE)).facts
    await links.apply(Change(Action.ADD, NEAR))
    assert NEAR in (await links.observe(SCOPE)).facts
    assert ip("rule", "show").count("16441:") == 1


async def test_removed_it_leaves_neither_rule_nor_route(links: LinksDriver) -> None:
    other = replace(NEAR, network=IPv4Network("10.2.9.0/24"))
    for one in (NEAR, other):
        await links.apply(Change(Action.ADD, one))
    await links.apply(Change(Action.REMOVE, NEAR))
    assert "16441" in ip("rule", "show")
    await links.apply(Change(Action.REMOVE, other))
    await links.apply(Change(Action.REMOVE, other))
    assert "16441" not in ip("rule", "show")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("route replace 10.0.0.0/8 dev up0", id="all nodes are on the link"),
        pytest.param("route del 10.0.0.0/8", id="no way to the others"),
        pytest.param("address del 10.2.1.2/24 dev up0", id="not our uplink"),
    ],
)
async def test_without_a_router_towards_the_others_nothing_is_needed(links: LinksDriver, words: str) -> None:
    ip(*words.split())
    assert (await links.observe(SCOPE)).near == frozenset()


async def test_a_network_that_no_client_is_in_needs_nothing(links: LinksDriver) -> None:
    assert (await links.observe(replace(SCOPE, clients=(IPv4Network("10.7.0.0/16"),)))).near == frozenset()
    assert (await links.observe(replace(SCOPE, clients=()))).near == frozenset()


async def test_the_operator_may_name_the_uplink(links: LinksDriver) -> None:
    assert (await links.observe(replace(SCOPE, way=replace(WAY, uplink="up0")))).near == {NEAR}
    assert (await links.observe(replace(SCOPE, way=replace(WAY, uplink="far0")))).near == frozenset()


async def test_rules_and_routes_of_others_are_not_ours(links: LinksDriver) -> None:
    ip("rule", "add", "from", "203.0.113.9", "lookup", "16441")
    ip("route", "add", "10.2.1.0/24", "via", str(ROUTER), "table", "16441", "proto", "static")
    assert not [fact for fact in (await links.observe(SCOPE)).facts if not isinstance(fact, Address)]


async def test_the_ways_to_nodes_are_those_of_the_vip(links: LinksDriver) -> None:
    ip("route", "add", "blackhole", "10.9.0.0/16")
    ip("rule", "add", "from", str(VIP), "to", "10.8.0.0/16", "blackhole")
    ip("-6", "route", "add", "2002::/16", "dev", "up0")
    nodes = [IPv4Address(text) for text in ("10.7.0.9", "10.2.1.77", "10.9.0.1", "10.8.0.1")]
    far, near, lost, ruled = await links.ways_to(nodes, VIP)
    assert (far.router, far.link, far.pods_link, far.error) == (ROUTER, "up0", "up0", "")
    assert (near.router, near.error) == (None, "")
    assert lost.error.startswith("no route")
    assert ruled.error.startswith("no route")
