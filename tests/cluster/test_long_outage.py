"""The API server is killed for a minute while pods change: no answer, no announcement moves; then all is caught up."""

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.edns
import dns.exception
import dns.message
import dns.query
import pytest

from tests.cluster.agent_process import AgentProcess
from tests.cluster.api_server import Cluster, Refused
from tests.cluster.controller_process import TOKEN, ControllerProcess
from tests.cluster.resolver_file import one_worker
from tests.cluster.test_following import egress, pod, status
from tests.coredns.authority import Authority
from tests.coredns.programs import kun_dns64
from tests.ports import free_port

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
PODS, CAUGHT_UP_S = 8, 10.0
MADE = (
    egress("EgressPool", "outage", vip="203.0.113.1", default=True, publicNetworks=["192.0.2.0/28"]),
    egress("EgressPolicy", "kept", "team-00", podSelector={"matchLabels": {"app": "none"}}, address="Dedicated"),
)


def address(number: int) -> str:
    return f"2002:a01:9::{number + 16:x}"


@dataclass
class Changes:
    """Pods that get and lose their IPv4 all the time. `wanted`: what the API server took last."""

    cluster: Cluster
    wanted: dict[int, str] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(60)

    def _run(self) -> None:
        turn = 0
        while not self._stop.is_set():
            number, annotation = turn % PODS, ("true", "false")[turn // PODS % 2]
            # Cut off in the middle it may be written or not: the next round writes it again.
            with suppress(OSError, Refused):
                self.cluster.apply(pod(f"outage-{number}", annotation=annotation))
                self.wanted[number] = annotation
            turn += 1
            time.sleep(0.05)


@dataclass
class Scene:
    cluster: Cluster
    controller: ControllerProcess
    agent: AgentProcess
    dns_port: int

    def answers(self) -> dict[int, int]:
        """How many AAAA each pod gets."""
        return {number: self._count(address(number)) for number in range(PODS)}

    def _count(self, client: str) -> int:
        query = dns.message.make_query(
            "v4only.example.org.", "AAAA", use_edns=0, options=[dns.edns.ECSOption(client, 128)]
        )
        with suppress(dns.exception.Timeout):
            return len(dns.query.udp(query, "127.0.0.1", timeout=10, port=self.dns_port).answer)
        return -1

    def announcement(self) -> tuple[str, str]:
        with urllib.request.urlopen(f"{self.agent.admin}/status", timeout=10) as reply:
            found = json.load(reply)
        return found["announcement"]["standing"], found["follow"]["version"]

    def is_announced(self) -> bool:
        with suppress(OSError, KeyError, TypeError):
            return self.announcement()[0] == "full"
        return False


@pytest.fixture
def scene(cluster: Cluster, tmp_path: Path) -> Iterator[Scene]:
    for name in ("kun", "team-00"):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    (tmp_path / "token").write_text(TOKEN)
    controller = ControllerProcess(cluster.kubeconfig("admin"), tmp_path, "outage")
    url, admin, port, authority = f"http://127.0.0.1:{controller.port}", free_port(), free_port(), Authority()
    agent = AgentProcess("gw-outage", admin, [admin], url, tmp_path / "token", tmp_path)
    gateway = egress("EgressGateway", "gw-outage", pool="outage", admin=agent.admin)
    pods = [pod(f"outage-{number}", annotation="false") for number in range(PODS)]
    with ExitStack() as stack:
        for obj in (*MADE, gateway, *pods):
            cluster.apply(obj)
            stack.callback(cluster.delete, obj)
        for number in range(PODS):
            cluster.apply(status(f"outage-{number}", address(number)), status=True)
        authority.start()
        stack.callback(authority.stop)
        resolver = kun_dns64(tmp_path, one_worker(port, authority.port, controller.port))
        stack.callback(controller.kill)
        controller.start()
        stack.callback(resolver.stop)
        resolver.start(lambda output: " table-connected " in output)
        stack.callback(agent.stop)
        agent.start()
        yield Scene(cluster, controller, agent, port)


def is_taken(cluster: Cluster, obj: dict[str, Any]) -> bool:
    """Whether the API server took it: our kinds are there some moments after it says that it is ready."""
    with suppress(Refused):
        cluster.apply(obj)
        return True
    return False


@pytest.mark.parametrize("dead_s", [8, pytest.param(60, marks=pytest.mark.soak)])
def test_nothing_moves_while_the_api_server_is_dead(scene: Scene, dead_s: int) -> None:
    cluster, controller, changes = scene.cluster, scene.controller, Changes(scene.cluster)
    controller.wait(scene.is_announced, 60)
    controller.wait(lambda: set(scene.answers().values()) == {1}, 60)
    changes.start()
    try:
        controller.wait(lambda: len(set(scene.answers().values())) == 2, 60)
        cluster.kill_server()
        time.sleep(2)
        before, announced = scene.answers(), scene.announcement()
        end, looks = time.monotonic() + dead_s - 2, 0
        while time.monotonic() < end:
            assert scene.answers() == before
            assert scene.announcement() == announced
            assert controller.page("/readyz") is not None
            looks += 1
            time.sleep(0.1)
        cluster.start_server()
        # Changed now, and seen by everybody: the watch of pods, the other watches, and the leader that writes.
        controller.wait(lambda: is_taken(cluster, {**MADE[1], "spec": MADE[1]["spec"] | {"shares": 2}}), 60)
        back = time.monotonic()
        controller.wait(lambda: scene.answers() != before, 60)
        controller.wait(lambda: cluster.get(MADE[1]).get("status", {}).get("observedGeneration") == 2, 60)
    finally:
        changes.stop()
    controller.wait(
        lambda: (
            {number: "true" if not found else "false" for number, found in scene.answers().items()} == changes.wanted
        ),
        60,
    )
    took = time.monotonic() - back
    print(f"dead for {dead_s} s: {looks} looks at {PODS} answers, none changed; caught up after {took:.1f} s")
    assert dead_s < 60 or took < CAUGHT_UP_S
    assert scene.is_announced()
