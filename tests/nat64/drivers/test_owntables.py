"""Our tables of nftables, on the real nft and the kernel of this machine."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kun_nat64.drivers.command import DEADLINE_S, CommandResult, ProcessRunner
from kun_nat64.drivers.owntables import OwnTablesDriver
from kun_nat64.model.errors import DriverError
from kun_nat64.model.facts import OwnTable
from kun_nat64.model.plan import Action, Change
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.congestion import carried_ecn
from kun_nat64.policy.desired import own_tables
from kun_nat64.policy.exhaustion import refusals
from kun_nat64.policy.fragments import broken_fragments
from tests.nat64.drivers.scripted import ScriptedRunner, hung, said

HOME = f"kt{os.getpid()}tab"


class Inside:
    def __init__(self) -> None:
        self._real = ProcessRunner()

    async def run(self, *argv: str, stdin: str = "", deadline_s: float = DEADLINE_S) -> CommandResult:
        return await self._real.run("ip", "netns", "exec", HOME, *argv, stdin=stdin, deadline_s=deadline_s)


@pytest.fixture
def home() -> Iterator[None]:
    if os.geteuid() != 0 or shutil.which("nft") is None:
        pytest.skip("needs root, and the command nft: apt-get install nftables")
    subprocess.run(["ip", "netns", "add", HOME], check=True, capture_output=True)
    try:
        subprocess.run(["ip", "-n", HOME, "link", "set", "lo", "up"], check=True, capture_output=True)
        yield
    finally:
        subprocess.run(["ip", "netns", "del", HOME], check=False, capture_output=True)


def inside(*argv: str) -> None:
    subprocess.run(["ip", "netns", "exec", HOME, *argv], check=True, capture_output=True)


async def test_every_table_of_ours_loads_and_is_seen_as_it_was_told(home: None, spec: AgentSpec) -> None:
    driver, wanted = OwnTablesDriver(Inside()), frozenset((*own_tables(spec), refusals(spec)))
    assert await driver.observe(wanted) == frozenset()
    for table in wanted:
        await driver.apply(Change(Action.ADD, table))
    assert await driver.observe(wanted) == wanted


@pytest.mark.parametrize(
    "words",
    [
        ("flush", "chain", "inet", "kun-nat64-ecn", "out"),
        ("add", "rule", "inet", "kun-nat64-ecn", "out", "counter"),
        ("add", "chain", "inet", "kun-nat64-ecn", "strange"),
    ],
    ids=["rules gone", "one rule more", "one chain more"],
)
async def test_a_table_that_somebody_changed_is_made_anew(home: None, spec: AgentSpec, words: tuple[str, ...]) -> None:
    driver, table = OwnTablesDriver(Inside()), carried_ecn(spec.gateway)
    await driver.apply(Change(Action.ADD, table))
    inside("nft", *words)
    (found,) = await driver.observe(frozenset({table}))
    assert isinstance(found, OwnTable)
    assert found.key == table.key
    assert found.amiss
    await driver.apply(Change(Action.REPLACE, table, found))
    assert await driver.observe(frozenset({table})) == {table}


async def test_a_table_of_another_configuration_is_not_the_wanted_one(home: None, spec: AgentSpec) -> None:
    driver = OwnTablesDriver(Inside())
    before, after = (carried_ecn(replace(spec.gateway, tunnel=name)) for name in ("kun64", "kun65"))
    await driver.apply(Change(Action.ADD, before))
    assert after not in await driver.observe(frozenset({after}))


async def test_a_removed_table_is_gone(home: None, spec: AgentSpec) -> None:
    driver, table = OwnTablesDriver(Inside()), carried_ecn(spec.gateway)
    await driver.apply(Change(Action.ADD, table))
    await driver.apply(Change(Action.REMOVE, table))
    assert await driver.observe(frozenset({table})) == frozenset()


@pytest.mark.parametrize("answer", [said("garbage"), CommandResult(1, "", "Operation not permitted"), hung("nft")])
async def test_an_nft_that_does_not_answer_well_makes_the_area_unknown(
    answer: CommandResult | DriverError, spec: AgentSpec
) -> None:
    with pytest.raises(DriverError):
        await OwnTablesDriver(ScriptedRunner({"nft": answer})).observe(frozenset({carried_ecn(spec.gateway)}))


SEND_FIRST_FRAGMENT = """
import socket, sys
checksum, address = bytes.fromhex(sys.argv[1]), socket.inet_aton("192.0.2.11")
udp = bytes.fromhex("0007 4e20 0bc0") + checksum + bytes(16)
head = bytes.fromhex("4500 0000 0077 2000 4011 0000") + socket.inet_aton("127.0.0.1") + address
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
sock.sendto(head + udp, ("192.0.2.11", 0))
"""


@pytest.mark.parametrize(("checksum", "dropped"), [("0000", 1), ("0a85", 0)], ids=["without a checksum", "with one"])
async def test_the_first_fragment_of_a_datagram_without_checksum_is_dropped_and_counted(
    home: None, spec: AgentSpec, checksum: str, dropped: int
) -> None:
    """RFC 7915 section 4.5."""
    driver, table = OwnTablesDriver(Inside()), broken_fragments(spec)
    await driver.apply(Change(Action.ADD, table))
    inside("ip", "address", "add", "192.0.2.11/32", "dev", "lo")
    inside(sys.executable, "-c", SEND_FIRST_FRAGMENT, checksum)
    await driver.observe(frozenset({table}))
    assert driver.counted[table.name] == {"early": dropped}


CONNECT = """
import socket, sys, time
sock = socket.socket(socket.AF_INET6)
sock.settimeout(4)
begun = time.monotonic()
try:
    sock.connect(("2002:cb00:7101::c633:6450", 80))
except OSError as error:
    print(type(error).__name__, error.errno, round(time.monotonic() - begun))
"""


def connecting() -> str:
    """How a connect ends, and after how many seconds, where the translator takes the packets and answers nothing."""
    pod = f"{HOME}p"
    subprocess.run(["ip", "netns", "add", pod], check=True, capture_output=True)
    try:
        for words in (
            f"-n {HOME} link add kun64 type veth peer name eth0 netns {pod}",
            f"-n {HOME} link set kun64 up",
            f"-n {pod} link set eth0 up",
            f"-n {HOME} address add fd00:9::1/64 dev kun64 nodad",
            f"-n {pod} address add fd00:9::2/64 dev eth0 nodad",
            f"-n {pod} -6 route add default via fd00:9::1",
            f"netns exec {HOME} sysctl -qw net.ipv6.conf.all.forwarding=1",
            # As Jool without a port: the packet is taken, and nobody is told.
            f"-n {HOME} -6 route add blackhole 2002:cb00:7101::/96",
        ):
            subprocess.run(["ip", *words.split()], check=True, capture_output=True)
        told = subprocess.run(
            ["ip", "netns", "exec", pod, sys.executable, "-c", CONNECT], check=True, capture_output=True, text=True
        )
    finally:
        subprocess.run(["ip", "netns", "del", pod], check=False, capture_output=True)
    return told.stdout.strip()


@pytest.mark.parametrize(("full", "said"), [(True, "OSError 113 1"), (False, "TimeoutError None 4")])
async def test_a_pod_is_told_at_its_second_try_that_there_is_no_port(
    home: None, spec: AgentSpec, full: bool, said: str
) -> None:
    """RFC 6146 section 3.5.2.3: ICMPv6 type 1, code 3, which ends a connect with EHOSTUNREACH (113)."""
    if full:
        await OwnTablesDriver(Inside()).apply(Change(Action.ADD, refusals(spec)))
    assert connecting() == said
