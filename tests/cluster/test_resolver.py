"""kun-dns64 behind the real CoreDNS follows the real controller at the real API server, and goes on without them."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.query
import dns.rdatatype
import pytest

from tests.cluster.api_server import Cluster
from tests.cluster.controller_process import TOKEN, ControllerProcess
from tests.cluster.test_following import egress, pod, status
from tests.coredns.authority import Authority
from tests.coredns.coredns_build import NoGo, built
from tests.coredns.programs import Program, kun_dns64, page
from tests.ports import free_port

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
PER_CLIENT = Path(__file__).parents[2] / "gateway-config" / "coredns" / "Corefile.per-client"
POD, NAME = "2002:a01:2:1::10", "v4only.example.org."
STANDARD, OVERSEAS, OWN = "2002:cb00:7101::c000:221", "2002:cb00:7181::c000:221", "2001:db8:64::c000:221"


@dataclass
class Resolver:
    """One kun-dns64 with two workers, and CoreDNS in front of it."""

    program: Program
    coredns: Program
    port: int
    front: int
    admin: int

    def ask(self, client: str, name: str = NAME) -> list[str]:
        """As a forwarder that names the client."""
        subnet = dns.edns.ECSOption(client, 128 if ":" in client else 32)
        query = dns.message.make_query(name, "AAAA", use_edns=0, options=[subnet])
        return _addresses(dns.query.udp(query, "127.0.0.1", timeout=5, port=self.port))

    def ask_coredns(self, source: str) -> list[str]:
        query = dns.message.make_query(NAME, "AAAA")
        return _addresses(dns.query.udp(query, "127.0.0.1", timeout=5, port=self.front, source=source))

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(page(f"http://127.0.0.1:{self.admin}/status") or "{}")
        return found

    def until(self, what: Callable[[], bool], timeout_s: float = 20.0) -> float:
        """Seconds until something is so."""
        began = time.monotonic()
        while not what():
            assert time.monotonic() < began + timeout_s, (self.status().get("follow"), self.program.output()[-2000:])
            time.sleep(0.005)
        return time.monotonic() - began

    def start(self) -> None:
        self.program.start(lambda output: " ready " in output)


def _addresses(reply: dns.message.Message) -> list[str]:
    return [one.to_text() for rrset in reply.answer for one in rrset if rrset.rdtype == dns.rdatatype.AAAA]


@pytest.fixture(scope="module")
def home(cluster: Cluster) -> Iterator[Cluster]:
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-00"}})
    made = [
        egress("EgressPool", "standard", vip="203.0.113.1", default=True),
        egress("EgressPool", "overseas", vip="203.0.113.129", domains=["dual.example.org"]),
    ]
    for obj in made:
        cluster.apply(obj)
    yield cluster
    for obj in made:
        cluster.delete(obj)


@pytest.fixture
def controller(home: Cluster, tmp_path: Path) -> Iterator[ControllerProcess]:
    process = ControllerProcess(home.kubeconfig("admin"), tmp_path, "kun").start()
    yield process
    process.kill()


@pytest.fixture
def resolver(controller: ControllerProcess, tmp_path: Path) -> Iterator[Resolver]:
    try:
        coredns = str(built("coredns"))
    except NoGo as error:
        pytest.skip(str(error))
    authority, port, admin, front = Authority(), free_port(), free_port(), free_port()
    authority.start()
    (tmp_path / "token").write_text(TOKEN)
    config = f"""
[server]
listen = ["127.0.0.1:{port}"]
workers = 2
trust_ecs_from = ["127.0.0.1/32"]
[admin]
listen = "127.0.0.1:{admin}"
[control]
socket = "control.sock"
[upstream]
servers = ["udp://127.0.0.1:{authority.port}"]
[dns64]
prefixes = ["2001:db8:64::/96"]
[follow]
url = "http://127.0.0.1:{controller.port}"
token_file = "token"
state_dir = "state"
"""
    environment = {
        "COREDNS_PORT": str(front), "COREDNS_BIND": "127.0.0.1", "COREDNS_HEALTH": f"127.0.0.1:{free_port()}",
        "COREDNS_READY": f"127.0.0.1:{free_port()}", "COREDNS_METRICS": f"127.0.0.1:{free_port()}",
        "OWN_ZONE": "cluster.local", "OWN_ZONE_FILE": str(PER_CLIENT.parent / "cluster.local.zone"),
        "KUN_DNS64": f"127.0.0.1:{port}", "KUN_DNS64_SECOND": f"127.0.0.1:{free_port()}",
    }  # fmt: skip
    ready = f"http://{environment['COREDNS_READY']}/ready"
    one = Resolver(
        kun_dns64(tmp_path, config),
        Program([coredns, "-conf", str(PER_CLIENT)], tmp_path / "coredns.log", environment),
        port,
        front,
        admin,
    )
    try:
        one.start()
        one.coredns.start(lambda _: page(ready) == "OK")
        yield one
    finally:
        one.coredns.stop()
        one.program.stop()
        authority.stop()


def _is_answered(resolver: Resolver, wanted: list[str]) -> bool:
    return bool(resolver.ask(POD) == wanted)


def test_a_pods_annotation_changes_its_answer_within_a_second(home: Cluster, resolver: Resolver) -> None:
    home.apply(pod("web-0", annotation="false"))
    home.apply(status("web-0", POD), status=True)
    resolver.until(lambda: resolver.ask(POD) == [STANDARD])
    took = []
    for annotation, wanted in (("true", []), ("false", [STANDARD]), ("true", []), ("false", [STANDARD])):
        home.apply(pod("web-0", annotation=annotation))
        took.append(resolver.until(partial(_is_answered, resolver, wanted)))
    assert max(took) < 5
    print(f"from the API server's answer to the new AAAA: {', '.join(f'{1000 * one:.0f} ms' for one in took)}")
    told = json.loads(page(f"http://127.0.0.1:{resolver.admin}/explain?name=v4only.example.org&client={POD}"))
    assert (told["followed"]["namespace"], told["followed"]["pod"]) == ("team-00", "web-0")
    home.delete(pod("web-0"))
    resolver.until(lambda: resolver.ask(POD) == [OWN])


def test_coredns_names_the_client_and_the_table_knows_it(home: Cluster, resolver: Resolver) -> None:
    """A node's network on loopback, since pods are never there."""
    node: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n1"},
        "spec": {"podCIDR": "127.0.0.4/30"},
    }
    node["spec"]["podCIDRs"] = ["127.0.0.4/30"]
    home.apply(node)
    resolver.until(lambda: resolver.ask_coredns("127.0.0.5") == [STANDARD])
    assert resolver.ask_coredns("127.0.0.9") == [OWN]
    assert resolver.ask_coredns("127.0.0.6") == [STANDARD]
    home.delete(node)
    resolver.until(lambda: resolver.ask_coredns("127.0.0.5") == [OWN])


def test_a_policy_sends_names_of_its_pods_to_another_pool(home: Cluster, resolver: Resolver) -> None:
    home.apply(pod("web-0", app="web"))
    home.apply(status("web-0", POD), status=True)
    resolver.until(lambda: resolver.ask(POD) == [STANDARD])
    rule = egress("EgressPolicy", "web", "team-00", domains=[{"pool": "overseas", "names": ["v4only.example.org"]}])
    home.apply(rule)
    resolver.until(lambda: resolver.ask(POD) == [OVERSEAS])
    assert resolver.ask(POD, "alias.example.org.") == [STANDARD]
    home.delete(rule)
    resolver.until(lambda: resolver.ask(POD) == [STANDARD])
    home.delete(pod("web-0"))


def test_answers_stay_when_the_api_server_the_controller_and_kun_dns64_die(
    home: Cluster, controller: ControllerProcess, resolver: Resolver
) -> None:
    home.apply(pod("steady", annotation="true"))
    home.apply(status("steady", POD), status=True)
    resolver.until(lambda: resolver.ask(POD) == [])
    version = resolver.status()["follow"]["version"]
    home.kill_server()
    time.sleep(2)
    assert resolver.ask(POD) == []
    assert resolver.status()["follow"]["connected"]
    controller.kill()
    resolver.until(lambda: not resolver.status()["follow"]["connected"])
    for _ in range(20):
        assert resolver.ask(POD) == []
        time.sleep(0.1)
    resolver.program.stop()
    resolver.start()
    # Nobody is there to ask; the file is.
    assert resolver.ask(POD) == []
    follow = resolver.status()["follow"]
    assert (follow["version"], follow["connected"]) == (version, False)
    home.start_server()
    home.apply(pod("steady", annotation="false"))
    controller.start()
    resolver.until(lambda: resolver.ask(POD) == [STANDARD], 30)
    assert resolver.status()["follow"]["faults"] == 0
    home.delete(pod("steady"))


def test_a_version_that_the_controller_does_not_know_is_answered_by_a_snapshot(
    home: Cluster, controller: ControllerProcess, resolver: Resolver
) -> None:
    """A controller started anew has no memory of changes: what was missed is the difference of two tables."""
    for number in range(30):
        home.apply(pod(f"p-{number}"))
        home.apply(status(f"p-{number}", f"2002:a01:2:9::{number + 1:x}"), status=True)
    resolver.until(lambda: resolver.status()["follow"]["records"]["client"] >= 30)
    controller.kill()
    for number in range(10):
        home.apply(pod(f"p-{number}", annotation="true"))
    home.delete(pod("p-29"))
    controller.start()
    resolver.until(lambda: resolver.ask("2002:a01:2:9::1") == [], 30)
    resolver.until(lambda: resolver.ask("2002:a01:2:9::1e") == [OWN])
    assert resolver.ask("2002:a01:2:9::b") == [STANDARD]
    assert resolver.status()["follow"]["held"] is None
    for number in range(29):
        home.delete(pod(f"p-{number}"))


def test_the_commands_show_the_table(home: Cluster, resolver: Resolver, tmp_path: Path) -> None:
    import subprocess

    home.apply(pod("web-0"))
    home.apply(status("web-0", POD), status=True)
    resolver.until(lambda: resolver.ask(POD) == [STANDARD])
    program = str(Path(sys.executable).parent / "kun-dns64")
    where = ["--config", str(tmp_path / "kun-dns64.toml")]
    shown = subprocess.run([program, "clients", POD, *where], capture_output=True, text=True, timeout=60, check=True)
    assert "team-00/web-0" in shown.stdout
    table = subprocess.run([program, "table", *where], capture_output=True, text=True, timeout=60, check=True)
    assert "connected" in table.stdout
    assert resolver.status()["follow"]["version"] in table.stdout
    home.delete(pod("web-0"))
