"""The canary between two namespaces of this machine: sockets, matching, timeouts; the lab has the whole way."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest

from kun_base.prefix import Prefix
from kun_nat64.drivers.canary import Canary
from kun_nat64.drivers.netns import make_inside
from kun_nat64.drivers.pathsweep import PathSweep
from kun_nat64.model.health import ProbeResult, Symptom
from kun_nat64.model.spec import HealthSpec, Target, TargetKind
from kun_nat64.policy.pathmtu import largest_passing

NEAR, FAR = f"kt{os.getpid()}n", f"kt{os.getpid()}f"
PREFIX = Prefix.parse("2002:cb00:7101::/96")
WEB, PING, NAMES = (str(PREFIX.embed(IPv4Address(f"198.51.100.{n}"))) for n in (80, 81, 53))
TCP = Target(TargetKind.TCP, IPv4Address("198.51.100.80"), 80)
ICMP = Target(TargetKind.ICMP, IPv4Address("198.51.100.81"))
DNS = Target(TargetKind.DNS, IPv4Address("198.51.100.53"), 53, "example.org")
SPEC = HealthSpec(
    interval_s=0.1,
    timeout_s=0.2,
    fall=3,
    rise=10,
    targets=(TCP, ICMP, DNS),
    quorum=1,
    hold_down_s=5.0,
    hold_down_max_s=300.0,
    flap_memory_s=900.0,
    pool_limit=0.95,
    pool_forecast_s=900.0,
    probe_netns=NEAR,
    probe_link="unused",
    probe_network=IPv4Network("169.254.64.0/30"),
    probe_node=IPv4Address("10.255.255.254"),
)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def namespaces() -> Iterator[None]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("this machine gives no root (or no ip command), for network namespaces")
    try:
        ip("netns", "add", NEAR)
        ip("netns", "add", FAR)
        ip("link", "add", "n0", "netns", NEAR, "type", "veth", "peer", "name", "f0", "netns", FAR)
        for netns, link, own in ((NEAR, "n0", "fd00:9::2/64"), (FAR, "f0", "fd00:9::1/64")):
            ip("-n", netns, "link", "set", "lo", "up")
            ip("-n", netns, "link", "set", link, "up")
            ip("-n", netns, "address", "add", own, "dev", link, "nodad")
        for address in (WEB, PING, NAMES):
            ip("-n", FAR, "address", "add", f"{address}/128", "dev", "lo", "nodad")
        ip("-n", NEAR, "-6", "route", "add", "default", "via", "fd00:9::1")
        yield
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine's kernel has no namespaces or veth for us: {error.stderr}")
    finally:
        for netns in (NEAR, FAR):
            subprocess.run(["ip", "netns", "del", netns], capture_output=True, check=False)


@pytest.fixture
def far_end(namespaces: None) -> Iterator[None]:
    """A web server that accepts, and a name server that echoes with the response bit set."""
    del namespaces
    web = make_inside(FAR, lambda: bound(socket.SOCK_STREAM, WEB, 80))
    names = make_inside(FAR, lambda: bound(socket.SOCK_DGRAM, NAMES, 53))
    web.listen(64)
    loop_tasks: list[asyncio.AbstractEventLoop] = []

    def serve() -> None:
        loop = asyncio.get_running_loop()
        loop_tasks.append(loop)
        loop.add_reader(web, accept, web)
        loop.add_reader(names, answer, names)

    yield serve  # type: ignore[misc]
    web.close()
    names.close()


def bound(kind: int, address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6, kind | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    return sock


def accept(web: socket.socket) -> None:
    with contextlib.suppress(OSError):
        web.accept()[0].close()


def answer(names: socket.socket) -> None:
    data, peer = names.recvfrom(512)
    names.sendto(data[:2] + b"\x81\x80" + data[4:], peer)


async def probe(spec: HealthSpec, rounds: int) -> list[ProbeResult]:
    results: list[ProbeResult] = []
    canary = Canary(spec, PREFIX, results.append)
    assert canary.renew() is None
    for _ in range(rounds):
        canary.fire(asyncio.get_running_loop().time())
        await asyncio.sleep(spec.interval_s)
        canary.expire(asyncio.get_running_loop().time(), 0.0)
    await asyncio.sleep(spec.timeout_s)
    canary.expire(asyncio.get_running_loop().time(), 0.0)
    assert canary.next_expiry() is None
    canary.close()
    return results


def symptoms(results: list[ProbeResult], target: Target) -> list[Symptom]:
    return [result.symptom for result in results if result.target == target]


async def test_every_kind_of_probe_is_answered_again_and_again(far_end) -> None:
    far_end()
    results = await probe(SPEC, 20)
    for target in (TCP, ICMP, DNS):
        assert symptoms(results, target) == [Symptom.ANSWERED] * 20, target
    assert all(result.latency_s is not None and result.latency_s < 0.2 for result in results)


async def test_a_closed_port_is_a_proof_and_silence_is_a_loss(far_end) -> None:
    far_end()
    closed = replace(TCP, port=81)
    no_server = Target(TargetKind.DNS, TCP.address, 53)
    silent = Target(TargetKind.ICMP, IPv4Address("198.51.100.99"))
    ip("-n", FAR, "-6", "route", "add", "blackhole", f"{PREFIX.embed(silent.address)}/128")
    try:
        results = await probe(replace(SPEC, targets=(closed, no_server, silent)), 3)
    finally:
        ip("-n", FAR, "-6", "route", "del", "blackhole", f"{PREFIX.embed(silent.address)}/128")
    assert symptoms(results, closed) == [Symptom.REFUSED] * 3
    assert symptoms(results, no_server) == [Symptom.REFUSED] * 3
    assert set(symptoms(results, silent)) <= {Symptom.TIMEOUT, Symptom.NO_ROUTE_HERE}


async def test_no_route_is_told_with_who_said_so(far_end) -> None:
    far_end()
    nowhere = Target(TargetKind.TCP, IPv4Address("198.51.100.98"), 80)
    ip("netns", "exec", FAR, "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
    results = await probe(replace(SPEC, targets=(nowhere,)), 2)
    assert symptoms(results, nowhere) == [Symptom.NO_ROUTE_HERE] * 2
    assert {str(result.error_from) for result in results} == {"fd00:9::1"}


async def test_a_packet_that_its_own_host_cannot_send_proves_nothing(namespaces: None) -> None:
    """Nobody has the router's address: the kernel answers each packet by an ICMPv6 error from its own address."""
    del namespaces
    name = f"{NEAR}y"
    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "link", "add", "n0", "type", "veth", "peer", "name", "f0")
        for link in ("n0", "f0"):
            ip("-n", name, "link", "set", link, "up")
        for key, value in (("retrans_time_ms", 20), ("mcast_solicit", 1)):
            ip("netns", "exec", name, "sysctl", "-qw", f"net.ipv6.neigh.n0.{key}={value}")
        ip("-n", name, "address", "add", "fd00:9::2/64", "dev", "n0", "nodad")
        ip("-n", name, "-6", "route", "add", "default", "via", "fd00:9::1")
        results = await probe(replace(SPEC, probe_netns=name), 10)
    finally:
        ip("netns", "del", name)
    for target in (TCP, ICMP, DNS):
        assert symptoms(results, target) == [Symptom.NOT_SENT] * 10, target


async def test_after_a_stall_nothing_is_proven(far_end) -> None:
    far_end()
    silent = Target(TargetKind.ICMP, IPv4Address("198.51.100.99"))
    results: list[ProbeResult] = []
    canary = Canary(replace(SPEC, targets=(silent,)), PREFIX, results.append)
    canary.renew()
    ip("-n", FAR, "-6", "route", "add", "blackhole", f"{PREFIX.embed(silent.address)}/128")
    try:
        now = asyncio.get_running_loop().time()
        canary.fire(now)
        canary.expire(now + 5.0, lag_s=4.8)
    finally:
        ip("-n", FAR, "-6", "route", "del", "blackhole", f"{PREFIX.embed(silent.address)}/128")
        canary.close()
    assert [result.symptom for result in results] in ([Symptom.STALLED], [Symptom.NO_ROUTE_HERE])


async def test_without_a_namespace_every_probe_is_unknown() -> None:
    results: list[ProbeResult] = []
    canary = Canary(replace(SPEC, probe_netns="kun-no-such"), PREFIX, results.append)
    assert canary.renew() == "no network namespace kun-no-such"
    canary.fire(0.0)
    assert [result.symptom for result in results] == [Symptom.NOT_SENT] * 3
    canary.close()


async def test_a_namespace_made_anew_gets_new_sockets(namespaces: None) -> None:
    del namespaces
    name = f"{NEAR}x"
    ip("netns", "add", name)
    canary = Canary(replace(SPEC, probe_netns=name, targets=(ICMP,)), PREFIX, lambda _: None)
    try:
        assert canary.renew() is None
        before = canary._raw
        assert canary.renew() is None
        assert canary._raw is before, "the same namespace keeps its sockets"
        ip("netns", "del", name)
        assert canary.renew() is not None
        ip("netns", "add", name)
        assert canary.renew() is None
        assert canary._raw is not before
    finally:
        canary.close()
        ip("netns", "del", name)


async def test_the_sweep_finds_the_mtu_of_a_real_link(namespaces: None) -> None:
    del namespaces
    sweep = PathSweep(NEAR, IPv6Address(PING), 0.1)
    try:
        assert await asyncio.to_thread(largest_passing, sweep.passes, 1600) == 1500
    finally:
        sweep.close()
