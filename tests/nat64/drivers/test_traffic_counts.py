"""Traffic by public address and drops by reason: real packets, the real nft, the real ip6tables."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from kun_nat64.drivers.command import DEADLINE_S, CommandResult, ProcessRunner
from kun_nat64.drivers.owntables import OwnTablesDriver
from kun_nat64.drivers.rules import RulesDriver
from kun_nat64.drivers.traffic_counts import counted_traffic
from kun_nat64.model.announcement import WITHDRAWN
from kun_nat64.model.errors import DriverError
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.publiccounts import PublicCounts
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy import traffic_count
from kun_nat64.policy.desired import desired
from kun_nat64.policy.drop_reasons import DropReason, by_reason, drops
from kun_nat64.policy.ruleset import rules
from tests.nat64.drivers.scripted import ScriptedRunner, hung, said

HOME = f"kt{os.getpid()}tra"
UDP_HEADERS = 28
SEND = """
import socket, sys
sender, receiver = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
sender.bind((sys.argv[1], 0))
receiver.bind(("127.0.0.1", 0))
for _ in range(3):
    sender.sendto(bytes(100), receiver.getsockname())
receiver.sendto(bytes(50), sender.getsockname())
"""
SEND_TUNNELLED = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, 41)
for _ in range(2):
    sock.sendto(bytes(60), (sys.argv[1], 0))
"""


class Inside:
    async def run(self, *argv: str, stdin: str = "", deadline_s: float = DEADLINE_S) -> CommandResult:
        words = ("ip", "netns", "exec", HOME, *argv)
        return await ProcessRunner().run(*words, stdin=stdin, deadline_s=deadline_s)


@pytest.fixture
def home() -> Iterator[None]:
    if os.geteuid() != 0 or shutil.which("nft") is None or shutil.which("ip6tables-restore") is None:
        pytest.skip("needs root, and the commands nft and ip6tables: apt-get install nftables iptables")
    subprocess.run(["ip", "netns", "add", HOME], check=True, capture_output=True)
    try:
        subprocess.run(["ip", "-n", HOME, "link", "set", "lo", "up"], check=True, capture_output=True)
        for address in ("192.0.2.11/32", "203.0.113.1/32"):
            subprocess.run(["ip", "-n", HOME, "address", "add", address, "dev", "lo"], check=True, capture_output=True)
        yield
    finally:
        subprocess.run(["ip", "netns", "del", HOME], check=False, capture_output=True)


def inside(script: str, *argv: str) -> None:
    words = ["ip", "netns", "exec", HOME, sys.executable, "-c", script, *argv]
    subprocess.run(words, check=True, capture_output=True)


async def test_packets_and_bytes_are_counted_by_address_and_protocol(home: None, spec: AgentSpec) -> None:
    table = traffic_count.counted_traffic(spec)
    assert table in desired(spec, WITHDRAWN), "every gateway has it"
    assert await counted_traffic(Inside()) == {}
    await OwnTablesDriver(Inside()).apply(Change(Action.ADD, table))
    inside(SEND, "192.0.2.11")
    counted = await counted_traffic(Inside())
    assert {place for place in counted if place[0] == "192.0.2.11"} == {
        ("192.0.2.11", protocol) for protocol in ("tcp", "udp", "icmp")
    }
    assert counted["192.0.2.11", "udp"] == PublicCounts(
        packets_in=1, bytes_in=50 + UDP_HEADERS, packets_out=3, bytes_out=3 * (100 + UDP_HEADERS)
    )
    assert counted["192.0.2.11", "tcp"] == PublicCounts()


async def test_more_addresses_than_are_told_apart_are_counted_as_one(
    home: None, spec_with: Callable[..., AgentSpec]
) -> None:
    entries = [
        {"address": f"192.0.{2 + number // 250}.{1 + number % 250}", "ports": "1024-65535"}
        for number in range(traffic_count.MOST_ADDRESSES + 1)
    ]
    spec = spec_with(nat64={"pool4": entries})
    table = traffic_count.counted_traffic(spec)
    driver = OwnTablesDriver(Inside())
    await driver.apply(Change(Action.ADD, table))
    assert await driver.observe(frozenset({table})) == {table}
    inside(SEND, "192.0.2.11")
    counted = await counted_traffic(Inside())
    assert counted.keys() == {("all", protocol) for protocol in ("tcp", "udp", "icmp")}
    assert counted["all", "udp"].packets_out == 3


@pytest.mark.parametrize("answer", [said("garbage"), said('{"nftables": []}'), CommandResult(1, "", "no"), hung("nft")])
async def test_counts_that_cannot_be_read_are_a_driver_error(answer: CommandResult | DriverError) -> None:
    with pytest.raises(DriverError):
        await counted_traffic(ScriptedRunner({"nft": answer}))


async def test_what_a_rule_drops_has_its_reason(home: None, spec: AgentSpec) -> None:
    driver = RulesDriver(Inside())
    await driver.apply([Change(Action.ADD, fact) for fact in rules(spec)])
    inside(SEND_TUNNELLED, "203.0.113.1")
    await driver.observe()
    assert by_reason(drops(driver.counters, (), None)) == {DropReason.NOT_A_CLIENT: 2}
