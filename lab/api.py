"""The lab as an object: start it, run commands on its hosts, capture packets, break things, mend them, stop it."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from lab import codedisk, guest
from lab.capture import Capture
from lab.debian import Debian, chosen_debian
from lab.errors import LabError
from lab.guest import Completed, Guest
from lab.nativeplan import inside6, natively
from lab.network import address_batches, link_batches, silence_batch, unplug_batch
from lab.progress import Reporter, Silent
from lab.services import Service, preparations, services_of
from lab.topology import Topology, topology

STEP_NETWORK = "hosts, cables, addresses"
STEP_SERVICES = "starting BIRD, GoBGP, kun-nat64, kun-dns64"
STEP_READY = "waiting for the gateways to announce themselves"
WEIGHTS = {STEP_NETWORK: 6.0, STEP_SERVICES: 6.0, STEP_READY: 15.0}

T = TypeVar("T")


class Lab:
    """A running lab. Commands raise CommandFailed when they fail; anything else that goes wrong is a LabError."""

    def __init__(self, machine: Guest, plan: Topology) -> None:
        self.guest = machine
        self.topology = plan

    # Life

    @classmethod
    def start(
        cls,
        name: str,
        gateways: int = 3,
        detached: bool = False,
        reporter: Reporter | None = None,
        debian: Debian | None = None,
        native: bool = False,
    ) -> "Lab":
        """Boot the machine, build the network, start every service. Does not wait for the gateways to be ready.

        Without `debian` the variable DEBIAN chooses it. `native`: gateways with inside = "native".
        """
        reporter = reporter or Silent()
        reporter.expect(WEIGHTS)
        plan = natively(topology(gateways)) if native else topology(gateways)
        lab = cls(guest.boot(name, debian or chosen_debian(), plan, detached, reporter), plan)
        try:
            reporter.step(STEP_NETWORK)
            lab.build_network()
            reporter.step(STEP_SERVICES)
            lab.start_services()
        except BaseException:
            lab.stop()
            raise
        return lab

    @classmethod
    def attach(cls, name: str) -> "Lab":
        """A lab that somebody started with `python -m lab up`."""
        machine, state = guest.attach(name)
        plan = topology(int(state["gateways"]))
        return cls(machine, natively(plan) if state.get("native") else plan)

    def stop(self) -> None:
        self.guest.stop()

    def build_network(self, only: frozenset[str] | None = None) -> None:
        names = [host.name for host in self.topology.hosts if only is None or host.name in only]
        self.guest.run("", "python3", "-IS", "/opt/lab/hosts.py", "up", *names)
        for batches in (link_batches(self.topology, only), address_batches(self.topology, only)):
            self._each(batches.items(), lambda item: self._ip(item[0], item[1]))
        self._each(names, self._prepare)

    def _ip(self, host: str, batch: str) -> None:
        self.guest.run("", "ip", "-n", host, "-batch", "-", stdin=batch)

    def _prepare(self, name: str) -> None:
        script = preparations(self.topology, self.topology.host(name))
        if script:
            self.run(name, "sh", "-c", script)

    def start_services(self, only: frozenset[str] | None = None) -> None:
        pairs = [
            (host.name, service)
            for host in self.topology.hosts
            if only is None or host.name in only
            for service in services_of(self.topology, host)
        ]
        self._each(pairs, lambda pair: self.spawn(pair[0], pair[1].name, *pair[1].command))

    def _each(self, items: Any, action: Callable[[Any], object]) -> None:
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(action, items))

    def push(self) -> None:
        """Sends the source tree as it is now into the running guest. Services keep what they have until restarted."""
        with TemporaryDirectory() as scratch:
            codedisk.fill(Path(scratch), self.guest.image, self.topology, self.guest.address.token)
            data = codedisk.archive(Path(scratch))
        self.guest.run("", "sh", "-ec", "cd /opt/lab; rm -rf site hosts gateway-config; exec tar -xf -", stdin=data)
        for host in self.topology.hosts:
            self.run(host.name, "cp", "-r", f"/opt/lab/hosts/{host.name}/.", "/")

    # Commands and services

    def run(
        self, host: str, *argv: str, stdin: str | bytes = b"", timeout_s: float = 60.0, check: bool = True
    ) -> Completed:
        """Runs a command on a host to its end."""
        self.topology.host(host)
        return self.guest.run(host, *argv, stdin=stdin, timeout_s=timeout_s, check=check)

    def output(self, host: str, *argv: str, timeout_s: float = 60.0) -> str:
        return self.run(host, *argv, timeout_s=timeout_s).stdout

    def spawn(self, host: str, name: str, *argv: str) -> None:
        """Starts a command that goes on by itself; `log(host, name)` is what it prints."""
        self.topology.host(host)
        self.guest.request("spawn", {"host": host, "name": name, "argv": argv})

    def end(self, host: str, name: str, signal: int = 15, wait_s: float = 30.0) -> int | None:
        """Sends a signal to a spawned command; its exit code, or None if it still runs after `wait_s`."""
        result = self.guest.request("stop", {"host": host, "name": name, "signal": signal, "wait_s": wait_s})
        code = result["code"]
        return None if code is None else int(code)

    def service(self, host: str, name: str) -> Service:
        for service in services_of(self.topology, self.topology.host(host)):
            if service.name == name:
                return service
        raise LabError(f"{host} has no service {name!r}")

    def start_service(self, host: str, name: str) -> None:
        self.spawn(host, name, *self.service(host, name).command)

    def restart_service(self, host: str, name: str) -> None:
        with suppress(LabError):  # it may never have been started
            if self.end(host, name) is None:
                self.end(host, name, signal=9)
        self.start_service(host, name)

    def processes(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.guest.request("processes", {})["processes"]
        return listed

    def log(self, host: str, name: str) -> str:
        return self.guest.run("", "cat", f"/run/lab/log/{host}.{name}.log", check=False).stdout

    def collect_logs(self, directory: Path) -> None:
        """Writes every log of the lab, and the console, into `directory`."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "console.log").write_text(self.guest.console())
        for name in self.guest.run("", "ls", "/run/lab/log").stdout.split():
            (directory / name).write_text(self.guest.run("", "cat", f"/run/lab/log/{name}").stdout)
        (directory / "kernel.log").write_text(self.guest.run("", "dmesg", check=False).stdout)

    # Looking

    @contextmanager
    def capture(self, host: str, port: str, expression: str = "") -> Iterator[Capture]:
        """Records packets on a port of a host while the block runs; `packets` of the result is filled at its end."""
        capture = Capture()
        name = f"capture-{port}"
        path = f"/tmp/{name}.pcap"
        self.spawn(
            host, name, "tcpdump", "--immediate-mode", "-i", port, "-n", "-U", "-s", "512", "-w", path, expression
        )
        try:
            self.wait_for(lambda: "listening on" in self.log(host, name), 20.0, f"tcpdump on {host}")
            yield capture
            time.sleep(1.0)  # packets of the last moment are still on their way to tcpdump
        finally:
            self.end(host, name, signal=2)
        capture.read(self._read_bytes(host, path))
        self.guest.run("", "rm", "-f", f"/run/lab/log/{host}.{name}.log")

    def _read_bytes(self, host: str, path: str) -> bytes:
        parts: list[bytes] = []
        arguments = {"host": host, "argv": ["cat", path]}
        self.guest.request("run", arguments, on_output=lambda kind, data: parts.append(data) if kind == b"o" else None)
        return b"".join(parts)

    def next_hops(self) -> tuple[str, ...]:
        """The gateways' inside addresses that the TOR uses for the VIP now, sorted."""
        words = self.route().split()
        hops = [words[i + 1] for i, word in enumerate(words) if word == "via"]
        if self.topology.native:
            names = {inside6(gateway): gateway.inside for gateway in self.topology.gateways}
            hops = [names.get(hop, hop) for hop in hops]
        return tuple(sorted(hops))

    def route(self) -> str:
        """The TOR's route to the gateways, in the words of `ip`."""
        plan = self.topology
        family, where = ("-6", str(plan.pool6)) if plan.native else ("-4", "203.0.113.1")
        return self.output("tor", "ip", family, "route", "show", where)

    @staticmethod
    def wait_for(probe: Callable[[], T], limit_s: float, what: str, every_s: float = 0.2) -> T:
        """Asks again until the answer is true. Raises LabError after `limit_s`."""
        deadline = time.monotonic() + limit_s
        while True:
            value = probe()
            if value:
                return value
            if time.monotonic() > deadline:
                raise LabError(f"waited {limit_s:.0f} s in vain for: {what}")
            time.sleep(every_s)

    def wait_until_ready(self, limit_s: float = 120.0) -> None:
        """Every gateway is a next hop of the VIP, and the DNS server answers the pod."""
        everyone = tuple(sorted(gateway.inside for gateway in self.topology.gateways))
        self.wait_for(lambda: self.next_hops() == everyone, limit_s, "every gateway in the TOR's route to the VIP")
        self.wait_for(self._dns_answers, limit_s, "an answer of kun-dns64 to the pod")

    def _dns_answers(self) -> bool:
        name = f"ns.{self.topology.zone}"  # not a name that anybody looks at later: it is remembered now
        done = self.run("pod", "dig", "+short", "+time=1", "+tries=1", "AAAA", name, check=False)
        return ":" in done.stdout

    # Breaking and mending

    def clock(self) -> float:
        """The guest's time, in seconds of the epoch."""
        return float(self.guest.run("", "date", "+%s.%N").stdout)

    def kill(self, host: str) -> float:
        """Power cut: processes, interfaces, rules and translator instances of the host are gone, its links are dead.

        Returns the guest's time of death.
        """
        return self._die(host, unplug_batch(self.topology, host), f"python3 -IS /opt/lab/hosts.py down {host}")

    def silence(self, host: str) -> float:
        """The host dies without a sign: its neighbours still see a link, and only a missing answer tells them."""
        return self._die(host, silence_batch(self.topology, host), f"kill -9 $(cat /run/lab/host/{host}/pid)")

    def _die(self, host: str, batch: str, last: str) -> float:
        script = f"date +%s.%N; ip -n {host} -batch -; {last}"
        return float(self.guest.run("", "sh", "-ec", script, stdin=batch).stdout.split()[0])

    def heal(self, host: str) -> None:
        """Puts a killed or silenced host back: boots it, plugs its cables in, starts its services."""
        if host in self.guest.run("", "ls", "/run/netns").stdout.split():
            self.kill(host)
        self.build_network(frozenset({host}))
        self.start_services(frozenset({host}))
