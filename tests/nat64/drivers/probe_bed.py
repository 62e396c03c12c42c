"""Three namespaces for the way of the probes: a gateway and its router on a cable, the probes' namespace on another."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from kun_nat64.drivers.command import DEADLINE_S, CommandResult, ProcessRunner
from kun_nat64.drivers.probeway import ProbeWayDriver
from kun_nat64.model.facts import AnyProbeWay
from kun_nat64.model.plan import Action, Change

CABLE = "02:6b:75:6e:36:34"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def inside(netns: str, *words: str) -> None:
    ip("netns", "exec", netns, *words)


class InGateway:
    """Runs the real tools in the gateway's namespace."""

    def __init__(self, netns: str) -> None:
        self._real, self._netns = ProcessRunner(), netns

    async def run(self, *argv: str, stdin: str = "", deadline_s: float = DEADLINE_S) -> CommandResult:
        return await self._real.run("ip", "netns", "exec", self._netns, *argv, stdin=stdin, deadline_s=deadline_s)


class ProbeBed:
    """`send` and `receive`: Python programs of a sender (its arguments: addresses) and of a listener (how long, s)."""

    def __init__(self, prefix: str, send: str, receive: str) -> None:
        self.gateway, self.router, self.probe = (f"{prefix}{os.getpid()}{end}" for end in ("gw", "tor", "pr"))
        self._send, self._receive = send, receive

    @contextmanager
    def wired(self, *settings: str) -> Iterator[None]:
        """The links without addresses. `settings`: of sysctl, in each namespace. Skips where that is impossible."""
        if os.geteuid() != 0 or not all(shutil.which(tool) for tool in ("ip", "tc", "nft")):
            pytest.skip("needs root, and the commands ip, tc, nft: apt-get install iproute2 nftables")
        try:
            self._make(settings)
            yield
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this machine's kernel has no namespaces or veth for us: {error.stderr}")
        finally:
            for netns in (self.gateway, self.router, self.probe):
                subprocess.run(["ip", "netns", "del", netns], capture_output=True, check=False)

    def _make(self, settings: Sequence[str]) -> None:
        for netns in (self.gateway, self.router, self.probe):
            ip("netns", "add", netns)
            ip("-n", netns, "link", "set", "lo", "up")
            for setting in settings:
                inside(netns, "sysctl", "-qw", setting)
        self.add_uplink()
        ip("-n", self.gateway, "link", "add", "kunprobe", "type", "veth", "peer", "name", "eth0", "netns", self.probe)
        for netns, link in ((self.gateway, "kunprobe"), (self.probe, "eth0")):
            ip("-n", netns, "link", "set", link, "address", CABLE, "arp", "off", "up")

    def add_uplink(self) -> None:
        ip("-n", self.gateway, "link", "add", "eth0", "type", "veth", "peer", "name", "gw", "netns", self.router)

    def uplink_up(self) -> None:
        ip("-n", self.gateway, "link", "set", "eth0", "up")
        ip("-n", self.router, "link", "set", "gw", "up")

    async def made(self, way: AnyProbeWay) -> ProbeWayDriver:
        driver = ProbeWayDriver(InGateway(self.gateway))
        assert await driver.observe(way) == frozenset()
        await driver.apply(Change(Action.ADD, way))
        assert await driver.observe(way) == {way}
        return driver

    def received(self, listener: str, sender: str, *addresses: object, wait_s: float) -> list[str]:
        """What a socket of one namespace receives of what one of another sends."""
        argv = ["ip", "netns", "exec", listener, sys.executable, "-c", self._receive, str(wait_s)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as receiver:
            assert receiver.stdout is not None
            assert receiver.stdout.readline() == "ready\n"
            inside(sender, sys.executable, "-c", self._send, *map(str, addresses))
            return receiver.stdout.readline().split()
