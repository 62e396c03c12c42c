"""The shipped files of GoBGP, FRR and BIRD by their own programs: read, and talking in network namespaces."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kun_nat64.model.speakers import SPEAKERS

CONFIG = Path(__file__).parent.parent.parent / "gateway-config"
GOBGPD = CONFIG / "gobgp" / "gobgpd.conf"
BIRD = CONFIG / "bird" / "kun-tor.conf"
VIP = "203.0.113.1"
# GoBGP dials at most every 5 s, with jitter; an announcement after that takes milliseconds.
SESSION_UP_S = 40


def wait_for(what: str, look: Callable[[], bool], deadline_s: float = SESSION_UP_S) -> None:
    end = time.monotonic() + deadline_s
    while not look():
        assert time.monotonic() < end, f"{what}: not within {deadline_s} s"
        time.sleep(0.2)


@pytest.mark.parametrize("name", ["gobgpd.conf", "gobgpd-native.conf"])
def test_gobgpd_accepts_its_file(tool, run, name: str) -> None:
    checked = run(tool("gobgpd", "gobgpd"), "-d", "-f", GOBGPD.with_name(name))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_gobgpd_refuses_a_misspelt_one(tool, run, tmp_path: Path) -> None:
    bad = tmp_path / "gobgpd.conf"
    bad.write_text(GOBGPD.read_text().replace("peer-as = 65000", 'peer-as = "no number"'))
    assert run(tool("gobgpd", "gobgpd"), "-d", "-f", bad).returncode != 0


@pytest.mark.parametrize("name", ["kun-tor.conf", "kun-tor-native.conf"])
def test_bird_accepts_its_file(tool, run, name: str) -> None:
    checked = run(tool("bird", "bird2"), "-p", "-c", BIRD.with_name(name))
    assert checked.returncode == 0, checked.stderr


def test_bird_accepts_the_file_of_a_gateway(tool, run) -> None:
    checked = run(tool("bird", "bird2"), "-p", "-c", CONFIG / "bird" / "kun-gateway.conf")
    assert checked.returncode == 0, checked.stderr


def test_frr_accepts_its_file(tool, run) -> None:
    checked = run(tool("vtysh", "frr"), "-C", "-f", CONFIG / "frr" / "frr.conf")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "%" not in checked.stdout


def test_frr_refuses_a_misspelt_one(tool, run, tmp_path: Path) -> None:
    bad = tmp_path / "frr.conf"
    bad.write_text((CONFIG / "frr" / "frr.conf").read_text().replace("remote-as 65000", "remote-as tor"))
    assert run(tool("vtysh", "frr"), "-C", "-f", bad).returncode != 0


@pytest.mark.parametrize(("speaker", "group"), [("frr", "frrvty"), ("bird", "bird")])
def test_the_units_are_let_to_the_socket_by_the_group_that_doctor_names(speaker: str, group: str) -> None:
    lines = (CONFIG / speaker / "kun-nat64-speaker.conf").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["[Service]", f"SupplementaryGroups={group}"]
    assert SPEAKERS[speaker].group == group


class Fabric:
    """tor, gw1, gw2 as namespaces; each gateway runs the shipped GoBGP file with its own addresses."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._tag, self._daemons = folder, f"kunbgp{os.getpid()}", list[subprocess.Popen[bytes]]()

    def name(self, host: str) -> str:
        return f"{self._tag}{host}"

    def ip(self, *argv: str) -> None:
        subprocess.run(["ip", *argv], check=True, capture_output=True, timeout=10)

    def inside(self, host: str, *argv: str) -> str:
        argv = ("ip", "netns", "exec", self.name(host), *argv)
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=10).stdout

    def start(self, host: str, *argv: str) -> None:
        with (self._folder / f"{host}.log").open("wb") as log:
            command = ["ip", "netns", "exec", self.name(host), *argv]
            self._daemons.append(subprocess.Popen(command, stdout=log, stderr=log))

    def build(self) -> None:
        for host in ("tor", "gw1", "gw2"):
            self.ip("netns", "add", self.name(host))
            self.ip("-n", self.name(host), "link", "set", "lo", "up")
        for number in (1, 2):
            host = f"gw{number}"
            far_end = ("peer", "name", "uplink", "netns", self.name(host))
            self.ip("-n", self.name("tor"), "link", "add", host, "type", "veth", *far_end)
            for where, link, address in (("tor", host, f"10.2.{number}.1/24"), (host, "uplink", f"10.2.{number}.2/24")):
                self.ip("-n", self.name(where), "addr", "add", address, "dev", link)
                self.ip("-n", self.name(where), "link", "set", link, "up")
            own = self._folder / f"{host}.conf"
            own.write_text(GOBGPD.read_text().replace("10.2.1.", f"10.2.{number}."))
            self.start(host, "gobgpd", "-f", str(own), "--pprof-disable", "--api-hosts", "127.0.0.1:50051")
        control, pid = self._folder / "bird.ctl", self._folder / "bird.pid"
        self.start("tor", "bird", "-f", "-c", str(BIRD), "-s", str(control), "-P", str(pid))

    def tear_down(self) -> None:
        for daemon in self._daemons:
            daemon.kill()
            daemon.wait()
        for host in ("tor", "gw1", "gw2"):
            subprocess.run(["ip", "netns", "del", self.name(host)], check=False, capture_output=True, timeout=10)

    def announce(self, number: int, prefix: str, med: int = 10) -> None:
        words = ("-a", "ipv4", "origin", "igp", "nexthop", f"10.2.{number}.2", "med", str(med))
        self.inside(f"gw{number}", "gobgp", "global", "rib", "add", prefix, *words)

    def established(self, number: int) -> bool:
        try:
            neighbours = json.loads(self.inside(f"gw{number}", "gobgp", "-j", "neighbor"))
        except subprocess.CalledProcessError:
            return False
        return [n["state"].get("session_state") for n in neighbours] == [6]

    def next_hops(self, prefix: str) -> list[str]:
        routes = json.loads(self.inside("tor", "ip", "-j", "route", "show", prefix) or "[]")
        hops = [hop for route in routes for hop in route.get("nexthops", [route])]
        return sorted(hop["gateway"] for hop in hops if "gateway" in hop)


@pytest.fixture(scope="module")
def fabric(tmp_path_factory: pytest.TempPathFactory, tool) -> Iterator[Fabric]:
    for name, package in (("gobgpd", "gobgpd"), ("bird", "bird2"), ("ip", "iproute2")):
        tool(name, package)
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, for network namespaces")
    made = Fabric(tmp_path_factory.mktemp("fabric"))
    try:
        made.build()
        for number in (1, 2):
            wait_for(f"BGP session of gw{number}", lambda n=number: made.established(n))  # type: ignore[misc]
        yield made
    finally:
        made.tear_down()


def test_both_gateways_become_next_hops_of_the_vip(fabric: Fabric) -> None:
    fabric.announce(1, f"{VIP}/32")
    fabric.announce(2, f"{VIP}/32")
    wait_for("two next hops", lambda: fabric.next_hops(VIP) == ["10.2.1.2", "10.2.2.2"], 10)


def test_a_raised_med_leaves_the_set_and_comes_back_when_all_have_it(fabric: Fabric) -> None:
    fabric.announce(1, f"{VIP}/32")
    fabric.announce(2, f"{VIP}/32", med=1000)
    wait_for("gw2 gone from the set", lambda: fabric.next_hops(VIP) == ["10.2.1.2"], 10)
    fabric.announce(1, f"{VIP}/32", med=1000)
    wait_for("a whole sick fleet stays in it", lambda: fabric.next_hops(VIP) == ["10.2.1.2", "10.2.2.2"], 10)


def test_nothing_but_the_vip_leaves_a_gateway(fabric: Fabric) -> None:
    fabric.announce(1, "10.77.0.0/16")
    fabric.announce(1, "203.0.113.2/32")
    fabric.announce(1, f"{VIP}/32", med=5)
    wait_for("the later announcement", lambda: fabric.next_hops(VIP) == ["10.2.1.2"], 10)
    assert fabric.next_hops("10.77.0.0/16") == []
    assert fabric.next_hops("203.0.113.2") == []
    sent = json.loads(fabric.inside("gw1", "gobgp", "-j", "neighbor", "10.2.1.1", "adj-out", "-a", "ipv4"))
    assert list(sent) == [f"{VIP}/32"]
