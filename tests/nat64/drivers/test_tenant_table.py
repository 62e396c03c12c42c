"""The table of tenants, loaded by the real nft and met by real packets, in two namespaces."""

import errno
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv6Address

import pytest

from kun_nat64.config.load import from_data
from kun_nat64.drivers.command import CommandResult, Feed, ProcessRunner
from kun_nat64.drivers.netns import make_inside
from kun_nat64.drivers.tenant_table import TenantTableDriver
from kun_nat64.formats import tenanttable
from kun_nat64.model.clients import Client, Clients
from kun_nat64.model.facts import Facts, TenantTable
from kun_nat64.model.joolfacts import LIMIT_MARK
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Change
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.tenantfacts import mark_of_tenant
from kun_nat64.policy.diff import plan
from kun_nat64.policy.probepath import probe_address
from kun_nat64.policy.tenants import tenant_rules, tenant_table
from tests.nat64.drivers.namespaces import HERE_MAC, THERE_MAC, ip, joined

GATEWAY, PODS = f"kuntenant-{os.getpid()}-g", f"kuntenant-{os.getpid()}-p"
NODE = IPv6Address("2002:a01:2:1::1")
WEB, OTHER, THIRD = (IPv6Address(f"2002:a01:2:1::1{n}") for n in range(3))
BUILD, ALIEN = IPv6Address("2002:a01:2:2::10"), IPv6Address("2002:a01:9:1::10")
SERVER = IPv6Address("2002:cb00:7101::c633:6450")
SPY = """table ip6 spy {
set seen { type ipv6_addr . mark; flags dynamic; size 64; }
chain look {
type filter hook prerouting priority -140
ip6 daddr 2002:cb00:7101::/96 update @seen { ip6 saddr . meta mark }
}
}
"""
TENANTS = [
    {"name": "web", "networks": ["2002:a01:2:1::10/128"], "pool4": [{"address": "192.0.2.99"}]},
    {"name": "team", "networks": ["2002:a01:2:2::/64"], "pool4": [{"address": "192.0.2.98"}], "max_sessions": 10},
    {"name": "outlaw", "networks": ["2002:a01:9::/48"], "deny": True},
]


class Inside:
    """Commands in the gateway's namespace; `given` is what they were given to read."""

    def __init__(self) -> None:
        self.given: list[str] = []

    async def run(
        self, *argv: str, stdin: str = "", deadline_s: float = 20.0, feed: Feed | None = None
    ) -> CommandResult:
        self.given.append(stdin)
        words = ("ip", "netns", "exec", GATEWAY, *argv)
        return await ProcessRunner().run(*words, stdin=stdin, deadline_s=deadline_s)


def nft(text: str) -> None:
    subprocess.run(["ip", "netns", "exec", GATEWAY, "nft", "-f", "-"], input=text, text=True, check=True)


@pytest.fixture
def lane(tool: Callable[[str, str], str]) -> Iterator[None]:
    """A gateway whose "tunnel" leads to a host with some pods' addresses, and a spy behind the table."""
    with joined(tool, GATEWAY, PODS):
        ip("-n", GATEWAY, "address", "add", f"{NODE}/64", "dev", "kun64", "nodad")
        ip("-n", GATEWAY, "route", "add", "2002:a00::/24", "dev", "kun64")
        for address in (WEB, OTHER, THIRD, BUILD, ALIEN):
            ip("-n", PODS, "address", "add", f"{address}/64", "dev", "eth0", "nodad")
            ip("-n", GATEWAY, "neigh", "add", str(address), "lladdr", THERE_MAC, "dev", "kun64")
        ip("-n", PODS, "neigh", "add", str(NODE), "lladdr", HERE_MAC, "dev", "eth0")
        ip("-n", PODS, "route", "add", "2002:cb00:7101::/48", "via", str(NODE))
        nft(SPY)
        yield


@pytest.fixture
def tenants(shipped_data: dict[str, object]) -> AgentSpec:
    return from_data({**shipped_data, "tenant": TENANTS}, "test")


def datagram(source: IPv6Address) -> socket.socket:
    made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    made.bind((str(source), 0))
    made.connect((str(SERVER), 53))
    made.settimeout(3.0)
    return made


def send(source: IPv6Address) -> None:
    with make_inside(PODS, lambda: datagram(source)) as sock:
        sock.send(b"x")


def marks(*sources: IPv6Address) -> dict[IPv6Address, int]:
    """The mark that a packet of each has behind the table; of one that was dropped there is none."""
    nft("flush set ip6 spy seen\n")
    for source in sources:
        send(source)
    time.sleep(0.1)
    listed = subprocess.run(
        ["ip", "netns", "exec", GATEWAY, "nft", "-j", "list", "set", "ip6", "spy", "seen"],
        check=True,
        capture_output=True,
        text=True,
    )
    found = next(one["set"] for one in json.loads(listed.stdout)["nftables"] if "set" in one).get("elem", ())
    pairs = ((one["elem"]["val"] if "elem" in one else one)["concat"] for one in found)
    return {IPv6Address(address): mark for address, mark in pairs}


def mark(spec: AgentSpec, name: str) -> int:
    return mark_of_tenant(next(one.number for one in spec.tenants if one.name == name))


async def bring(driver: TenantTableDriver, wanted: TenantTable) -> list[Change]:
    """To the wanted table, by plans as the agent makes them; a second plan is empty."""
    seen = await driver.observe(wanted.rules)
    changes = list(plan(frozenset({wanted}), Observation(seen)).changes)
    for change in changes:
        await driver.apply(change)
    after: Facts = await driver.observe(wanted.rules)
    assert after == {wanted}, "what nft lists is what was wanted"
    assert not plan(frozenset({wanted}), Observation(after))
    return changes


@pytest.mark.usefixtures("lane")
async def test_each_tenants_packets_have_its_mark_and_those_of_others_have_none(tenants: AgentSpec) -> None:
    assert marks(WEB) == {WEB: 0}, "nothing marks a packet before the table is there"
    await bring(TenantTableDriver(Inside()), tenant_table(tenants))
    assert marks(WEB, OTHER, BUILD) == {WEB: mark(tenants, "web"), OTHER: 0, BUILD: mark(tenants, "team")}


@pytest.mark.usefixtures("lane")
async def test_the_longest_network_that_holds_an_address_decides(tenants: AgentSpec) -> None:
    plain = Client("", "default", "plain-0")
    inside = Clients({64: {int(WEB) >> 64 << 64: Client("team")}, 128: {int(OTHER): plain, int(WEB): Client("web")}})
    await bring(TenantTableDriver(Inside()), tenant_table(replace(tenants, clients=inside)))
    assert marks(WEB, OTHER, THIRD) == {WEB: mark(tenants, "web"), OTHER: 0, THIRD: mark(tenants, "team")}


@pytest.mark.usefixtures("lane")
async def test_a_denied_clients_packet_is_dropped_and_answered_by_administratively_prohibited(
    tenants: AgentSpec,
) -> None:
    driver = TenantTableDriver(Inside())
    await bring(driver, tenant_table(tenants))
    assert marks(ALIEN) == {}, "no packet of it comes to the translator"
    with make_inside(PODS, lambda: datagram(ALIEN)) as sock:
        sock.send(b"x")
        with pytest.raises(OSError, match="Permission denied") as refused:  # ICMPv6 type 1 code 1
            sock.recv(10)
    assert refused.value.errno == errno.EACCES
    await driver.observe(tenant_rules(tenants))
    assert driver.refused == 2


@pytest.mark.usefixtures("lane")
async def test_every_packet_of_a_denied_client_is_dropped_and_few_are_answered(tenants: AgentSpec) -> None:
    await bring(TenantTableDriver(Inside()), tenant_table(tenants))
    nft("flush set ip6 spy seen\n")
    with make_inside(PODS, lambda: datagram(ALIEN)) as sock:
        refused = 0
        for _ in range(1000):
            try:
                sock.send(b"x")
            except PermissionError:
                refused += 1
    assert 1 <= refused <= 200, "as many as the rate lets through"
    assert marks(OTHER) == {OTHER: 0}, "not one of them came through"


@pytest.mark.usefixtures("lane")
async def test_a_tenant_at_its_limit_has_the_mark_without_ports(tenants: AgentSpec) -> None:
    driver = TenantTableDriver(Inside())
    await bring(driver, tenant_table(tenants))
    (change,) = await bring(driver, tenant_table(tenants, frozenset({"team"})))
    assert "1 at their limit" in str(change)
    assert marks(BUILD, WEB) == {BUILD: LIMIT_MARK, WEB: mark(tenants, "web")}
    await bring(driver, tenant_table(tenants))
    assert marks(BUILD) == {BUILD: mark(tenants, "team")}


@pytest.mark.usefixtures("lane")
async def test_a_tenant_without_addresses_of_its_own_has_those_of_everybody(shipped_data: dict[str, object]) -> None:
    shared = {"name": "shared", "networks": ["2002:a01:2:1::10/128"], "max_sessions": 5}
    spec = from_data({**shipped_data, "tenant": [shared]}, "test")
    driver = TenantTableDriver(Inside())
    await bring(driver, tenant_table(spec))
    assert marks(WEB) == {WEB: 0}
    await bring(driver, tenant_table(spec, frozenset({"shared"})))
    assert marks(WEB) == {WEB: LIMIT_MARK}


@pytest.mark.usefixtures("lane")
async def test_probes_are_nobodys_whatever_is_denied(shipped_data: dict[str, object]) -> None:
    every = {"name": "all", "networks": ["2002::/16"], "deny": True}
    spec = from_data({**shipped_data, "tenant": [every]}, "test")
    probe = probe_address(spec)
    ip("-n", PODS, "address", "add", f"{probe}/128", "dev", "eth0", "nodad")
    await bring(TenantTableDriver(Inside()), tenant_table(spec))
    assert marks(probe, WEB) == {probe: 0}


CHANGED_BY_OTHERS = (
    pytest.param("delete element {t} net128 {{ 2002:a01:2:1::10 }}", id="an element is gone"),
    pytest.param("add element {t} net128 {{ 2002:a01:2:1::11 : 0x4b000007 }}", id="an element is too much"),
    pytest.param("flush map {t} net64", id="a map is empty"),
    pytest.param("flush set {t} denied", id="nobody is denied"),
    pytest.param("flush chain {t} decided", id="rules are gone"),
    pytest.param("add rule {t} pods counter accept", id="a rule is too much"),
    pytest.param("add map {t} net48b {{ type ipv6_addr : mark; }}", id="a map of another name"),
    pytest.param("add map {t} net32 {{ type ipv6_addr : mark; }}", id="a map for a length that nobody has"),
    pytest.param("delete table {t}", id="the table is gone"),
)


@pytest.mark.usefixtures("lane")
@pytest.mark.parametrize("words", CHANGED_BY_OTHERS)
async def test_what_others_change_is_seen_and_mended(tenants: AgentSpec, words: str) -> None:
    driver = TenantTableDriver(Inside())
    wanted = tenant_table(tenants)
    await bring(driver, wanted)
    nft(words.format(t=tenanttable.TABLE) + "\n")
    assert await bring(driver, wanted), "it was seen"
    assert marks(WEB, ALIEN) == {WEB: mark(tenants, "web")}


@pytest.mark.usefixtures("lane")
async def test_elements_come_and_go_without_the_others_being_told_again(tenants: AgentSpec) -> None:
    runner = Inside()
    driver = TenantTableDriver(runner)
    first = int(IPv6Address("2002:a01:2:7::"))
    many = {first + n: Client("team") for n in range(20_000)}
    await bring(driver, tenant_table(replace(tenants, clients=Clients({128: many}))))
    del many[first + 7]
    runner.given.clear()
    fewer = {128: {**many, int(WEB): Client("web"), first: Client("web")}}
    await bring(driver, tenant_table(replace(tenants, clients=Clients(fewer))))
    told = "".join(runner.given)
    assert told.count(" : ") == 4, "one goes, one comes, one changes hands"
    assert "table" not in told.replace(tenanttable.TABLE, "")
    assert marks(WEB) == {WEB: mark(tenants, "web")}


@pytest.mark.usefixtures("lane")
async def test_nothing_is_left_when_nothing_is_wanted(tenants: AgentSpec) -> None:
    driver = TenantTableDriver(Inside())
    wanted = tenant_table(tenants)
    await bring(driver, wanted)
    seen = await driver.observe(wanted.rules)
    for change in plan(frozenset(), Observation(seen)).changes:
        await driver.apply(change)
    assert await driver.observe(wanted.rules) == frozenset()
    assert marks(WEB, ALIEN) == {WEB: 0, ALIEN: 0}
