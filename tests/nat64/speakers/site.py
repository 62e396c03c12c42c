"""A gateway and its router as two network namespaces: a real speaker with its shipped file, and BIRD."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kun_nat64.drivers.bird import BirdSpeaker
from kun_nat64.drivers.command import ProcessRunner
from kun_nat64.drivers.frr import FrrSpeaker
from kun_nat64.drivers.gobgp import GobgpSpeaker
from kun_nat64.drivers.speaker import Speaker

SHIPPED = Path(__file__).parents[3] / "gateway-config"
FRR_FOLDER = Path("/usr/lib/frr")
VIP, SIX = "203.0.113.1/32", "2002:cb00:7101::/48"
ROUTER = """\
router id 10.2.1.1;
protocol device { }
protocol bfd { interface "*" { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; }; }
protocol bgp customer {
    local 10.2.1.1 as 65000; neighbor 10.2.1.2 as 65001; passive on; hold time 3; error wait time 1, 2; BFD
    ipv4 { import all; export none; };
    ipv6 { import all; export none; };
}
"""
SECONDS = 40.0


def wait_for(what: str, look: Callable[[], object], deadline_s: float = SECONDS) -> None:
    end = time.monotonic() + deadline_s
    while not look():
        assert time.monotonic() < end, f"{what}: not within {deadline_s} s"
        time.sleep(0.05)


class Site:
    """`folder`: readable for the daemons' own users. `start` and `kill` are for the gateway's speaker."""

    def __init__(self, kind: str, *, bfd: bool = True) -> None:
        self.kind, self.bfd = kind, bfd
        self.folder = Path(tempfile.mkdtemp(prefix="kun-speaker-"))
        self.folder.chmod(0o755)
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        tag = f"kunsp{os.getpid()}"
        self._names = {"gw": f"{tag}g", "tor": f"{tag}t"}
        self.configuration = self.folder / f"{kind}.conf"
        self.paths_file = self.folder / "paths" / "bird.conf"
        self.configuration.write_text(self._shipped())

    def _shipped(self) -> str:
        """The shipped file, with the IPv6 prefix allowed as its comments say."""
        if self.kind == "frr":
            text = (SHIPPED / "frr" / "frr.conf").read_text()
            text = text.replace("prefix-list kun-vips seq 5 deny any", f"prefix-list kun-vips seq 5 permit {SIX}")
            six = " address-family ipv6 unicast\n  neighbor 10.2.1.1 activate\n"
            six += "  neighbor 10.2.1.1 route-map kun-in in\n  neighbor 10.2.1.1 route-map kun-out out\n"
            text = text.removesuffix("exit\n") + f"{six} exit-address-family\nexit\n"
            return text if self.bfd else text.replace(" neighbor 10.2.1.1 bfd profile kun\n", "")
        if self.kind == "bird":
            text = (SHIPPED / "bird" / "kun-gateway.conf").read_text()
            text = text.replace("/run/kun-nat64", str(self.paths_file.parent))
            text = text.replace("# For an IPv6 prefix: ", "")
            return text if self.bfd else text.replace("bfd on;", "bfd off;")
        return (SHIPPED / "gobgp" / "gobgpd.conf").read_text()

    def build(self) -> None:
        for name in self._names.values():
            self.ip("netns", "add", name)
            self.ip("-n", name, "link", "set", "lo", "up")
        self.ip(
            "-n",
            self._names["tor"],
            "link",
            "add",
            "gw",
            "type",
            "veth",
            "peer",
            "name",
            "uplink",
            "netns",
            self._names["gw"],
        )
        for host, link, number in (("tor", "gw", 1), ("gw", "uplink", 2)):
            name = self._names[host]
            self.ip("-n", name, "address", "add", f"10.2.1.{number}/24", "dev", link)
            self.ip("-n", name, "address", "add", f"fd00:11::{number}/64", "dev", link, "nodad")
            self.ip("-n", name, "link", "set", link, "up")
        self.ip("-n", self._names["gw"], "address", "add", VIP, "dev", "lo")
        self.ip("-n", self._names["gw"], "route", "add", SIX, "dev", "lo")
        router = self.folder / "router.conf"
        router.write_text(ROUTER.replace("BFD", "bfd on;" if self.bfd else ""))
        self.run(
            "tor", "router", "bird", "-f", "-c", router, "-s", self.folder / "router.ctl", "-P", self.folder / "r.pid"
        )

    def ip(self, *argv: str) -> None:
        subprocess.run(["ip", *argv], check=True, capture_output=True, timeout=10)

    def run(self, host: str, name: str, *argv: str | Path) -> None:
        command = ["ip", "netns", "exec", self._names[host], *map(str, argv)]
        with (self.folder / f"{name}.log").open("ab") as log:
            self._daemons[name] = subprocess.Popen(command, stdout=log, stderr=log)

    def start(self) -> None:
        """The gateway's speaker, as its unit would."""
        if self.kind == "bird":
            self.run("gw", "bird", "bird", "-f", "-c", self.configuration, "-s", self.api, "-P", self.folder / "g.pid")
            wait_for("BIRD listens", self.api.exists, 10)
        elif self.kind == "gobgp":
            (self.folder / "api.sock").unlink(missing_ok=True)
            self.run(
                "gw",
                "gobgpd",
                "gobgpd",
                "-f",
                self.configuration,
                "--pprof-disable",
                "--api-hosts",
                f"unix://{self.api}",
            )
        else:
            self.api.mkdir(exist_ok=True)
            shutil.chown(self.api, "frr", "frr")
            for daemon in ("zebra", "bfdd", "bgpd"):
                self.start_frr(daemon)

    def start_frr(self, daemon: str) -> None:
        """As frr.service does: the daemon with no file of its own, and vtysh gives it its part of frr.conf."""
        sockets = ("--vty_socket", self.api, "-i", self.api / f"{daemon}.pid", "-z", self.api / "zserv.api")
        own: tuple[str | Path, ...] = ("-p", "0") if daemon == "bgpd" else ()
        if daemon == "bfdd" and "bfdctl" in subprocess.check_output([FRR_FOLDER / daemon, "--help"], text=True):
            own = ("--bfdctl", self.api / "bfdd.sock")  # not known any more to FRR 10
        (self.api / f"{daemon}.vty").unlink(missing_ok=True)
        self.run("gw", daemon, FRR_FOLDER / daemon, "-f", "/dev/null", *sockets, *own)
        wait_for(f"{daemon} listens", (self.api / f"{daemon}.vty").exists, 10)
        given = ["vtysh", "--vty_socket", str(self.api), "-d", daemon, "-f", str(self.configuration)]
        subprocess.run(given, check=True, capture_output=True, timeout=10)

    @property
    def api(self) -> Path:
        return self.folder / {"bird": "bird.ctl", "gobgp": "api.sock", "frr": "frr"}[self.kind]

    @property
    def daemon(self) -> str:
        return {"bird": "bird", "gobgp": "gobgpd", "frr": "bgpd"}[self.kind]

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        daemon = self._daemons.pop(name)
        daemon.send_signal(number)
        daemon.wait(10)

    def restart(self) -> None:
        self.kill(self.daemon)
        self.start_again()

    def start_again(self) -> None:
        if self.kind == "frr":
            self.start_frr("bgpd")
        else:
            self.start()

    def speaker(self) -> Speaker:
        api = f"unix://{self.api}"
        if self.kind == "frr":
            return FrrSpeaker(ProcessRunner(), api)
        return BirdSpeaker(api, str(self.paths_file)) if self.kind == "bird" else GobgpSpeaker(api)

    def cut(self) -> None:
        """The machine dies silently: its packets are gone, and nobody says so."""
        name = self._names["gw"]
        self.ip(
            "netns",
            "exec",
            name,
            "nft",
            "add table ip cut; add chain ip cut out { type filter hook output priority 0; policy drop; }",
        )

    def vtysh(self, *commands: str) -> str:
        argv = ["vtysh", "--vty_socket", str(self.api), "-d", "bgpd"]
        for command in commands:
            argv += ("-c", command)
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=10).stdout

    def birdc(self, *words: str, socket: str = "router.ctl", check: bool = True) -> str:
        argv = ["birdc", "-s", str(self.folder / socket), *words]
        return subprocess.run(argv, check=check, capture_output=True, text=True, timeout=10).stdout

    def received(self, prefix: str = VIP) -> dict[str, str]:
        """Attributes of the path as the router has it; {} where it has none."""
        text = self.birdc("show", "route", "all", prefix, check=False)  # 1 for a network that is not there
        return dict(re.findall(r"^\s+BGP\.(\w+): ?(.*?)\s*$", text, re.MULTILINE))

    def tear_down(self) -> None:
        for daemon in self._daemons.values():
            daemon.kill()
            daemon.wait(10)
        for name in self._names.values():
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True, timeout=10)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def site(kind: str, *, bfd: bool = True) -> Iterator[Site]:
    made = Site(kind, bfd=bfd)
    try:
        made.build()
        made.start()
        yield made
    finally:
        made.tear_down()
