"""Gateways upgraded one at a time: real API server, real controller, and the real agents' own /status and drain."""

import json
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.agent_process import AgentProcess
from tests.cluster.api_server import Cluster, Refused
from tests.cluster.forked_controller import ForkedController
from tests.cluster.test_following import egress
from tests.ports import free_port

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
OLD, NEW = "1.0.0", "1.1.0"
ROLLOUT = {"holdDown": "1s", "returnTimeout": "8s", "drainTimeout": "30s", "upgradeTimeout": "10m"}
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "gateway-node"}, "spec": {}}


@dataclass
class Fleet:
    """A pool of three gateways. `out`: every set of gateways that was seen out of the ECMP set at once."""

    cluster: Cluster
    controller: ForkedController
    agents: dict[str, AgentProcess]
    out: list[set[str]] = field(default_factory=list)

    def pool(self) -> dict[str, Any]:
        return self.cluster.get(egress("EgressPool", "fleet"))

    def set_pool(self, **more: Any) -> None:
        spec = {"vip": "203.0.113.1", "publicNetworks": ["192.0.2.0/28"], "rollout": ROLLOUT, **more}
        self.cluster.apply(egress("EgressPool", "fleet", **spec))

    def condition(self, kind: str) -> tuple[str, str]:
        found = self.pool().get("status", {}).get("conditions", [])
        return next(((one["reason"], one["message"]) for one in found if one["type"] == kind), ("", ""))

    def turn(self) -> tuple[str, str]:
        rollout = self.pool().get("status", {}).get("rollout", {})
        return rollout.get("gateway", ""), rollout.get("phase", "")

    def standing(self, name: str) -> str:
        try:
            with urllib.request.urlopen(f"{self.agents[name].admin}/status", timeout=5) as reply:
                return str(json.load(reply)["announcement"]["standing"])
        except OSError:
            return "silent"

    def wait(self, what: Any, timeout_s: float = 60.0) -> None:
        def look() -> bool:
            time.sleep(0.2)
            self.out.append({name for name in self.agents if self.standing(name) != "full"})
            return bool(what())

        try:
            self.controller.wait(look, timeout_s)
        except AssertionError as error:
            logs = "\n".join(f"{name}: {one.output()[-1500:]}" for name, one in self.agents.items())
            raise AssertionError(f"{self.pool().get('status')}\n{logs}\n{error}") from None

    def install(self, name: str, *, healthy: bool = True) -> None:
        """What the operator's hook does: another version, and a restart."""
        agent = self.agents[name]
        agent.stop()
        agent.version, agent.healthy = NEW, healthy
        agent.start()

    def close(self) -> None:
        for agent in self.agents.values():
            agent.stop()
        self.controller.close()


@pytest.fixture
def fleet(cluster: Cluster, tmp_path: Path) -> Iterator[Fleet]:
    # A Lease of its own: it need not wait until that of another test's controller is free.
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "roll"}})
    controller = ForkedController(cluster.kubeconfig("admin"), tmp_path, "roll", "--namespace", "roll")
    (tmp_path / "token").write_text("consumers-token")
    ports = [free_port() for _ in range(3)]
    url = f"http://127.0.0.1:{controller.port}"
    agents = {
        name: AgentProcess(name, port, ports, url, tmp_path / "token", tmp_path)
        for name, port in zip(("gw-a", "gw-b", "gw-c"), ports, strict=True)
    }
    found = Fleet(cluster, controller, agents)
    found.set_pool()
    cluster.apply(NODE)
    made = [
        egress("EgressGateway", name, pool="fleet", admin=one.admin, node="gateway-node" if name == "gw-a" else "")
        for name, one in agents.items()
    ]
    for obj in made:
        cluster.apply(obj)
    try:
        controller.start()
        for agent in agents.values():
            agent.start()
        yield found
    finally:
        found.close()
        for obj in (*made, NODE, egress("EgressPool", "fleet")):
            cluster.delete(obj)


def test_a_rollout_goes_on_one_by_one_and_stops_at_the_first_that_does_not_come_back(fleet: Fleet) -> None:
    fleet.wait(lambda: fleet.condition("RolledOut")[0] == "Current" and fleet.pool()["status"]["gateways"] == "3/3")
    fleet.out.clear()
    fleet.set_pool(version=NEW)
    fleet.wait(lambda: fleet.turn() == ("gw-a", "Upgrading"))
    assert fleet.standing("gw-a") == "out"
    assert fleet.condition("RolledOut") == ("Progressing", f"gw-a is drained: install version {NEW} now")
    shown = fleet.cluster.kubectl("get", "egw", "gw-a", "-o", "jsonpath={.status.rollout} {.status.order}")
    fleet.wait(lambda: fleet.cluster.get(egress("EgressGateway", "gw-a"))["status"]["rollout"] == "Upgrading")
    assert shown.returncode == 0
    fleet.install("gw-a")
    fleet.wait(lambda: fleet.turn() == ("gw-b", "Upgrading"))
    assert fleet.standing("gw-a") == "full"
    assert fleet.pool()["status"]["current"] == "1/3"
    # One at a time, whatever was seen in between.
    assert max(map(len, fleet.out)) == 1, fleet.out
    fleet.install("gw-b", healthy=False)
    fleet.wait(lambda: fleet.turn() == ("gw-b", "Stopped"), 90)
    reason, message = fleet.condition("RolledOut")
    assert reason == "Stopped"
    assert message.startswith("gw-b did not come back within 8 s: ")
    with urllib.request.urlopen(f"{fleet.agents['gw-b'].admin}/status", timeout=5) as reply:
        assert json.load(reply)["diagnosis"]["words"] in message
    assert fleet.standing("gw-c") == "full"
    assert all("gw-c" not in out for out in fleet.out)
    # Mended by hand, it comes back, and the rollout goes on; the operator gives it up, and all serve.
    fleet.install("gw-b")
    fleet.wait(lambda: fleet.turn() == ("gw-c", "Upgrading"))
    fleet.set_pool()
    fleet.wait(lambda: fleet.condition("RolledOut")[0] == "Current" and fleet.standing("gw-c") == "full")
    assert fleet.turn() == ("", "")
    assert max(map(len, fleet.out)) == 1, fleet.out
    # A cordoned node drains its gateway, and gives it back.
    fleet.cluster.apply({**NODE, "spec": {"unschedulable": True}})
    fleet.wait(lambda: fleet.standing("gw-a") == "out")
    assert fleet.pool()["status"]["cordoned"] == ["gw-a"]
    fleet.cluster.apply(NODE)
    fleet.wait(lambda: fleet.standing("gw-a") == "full")
    assert max(map(len, fleet.out)) == 1, fleet.out


def test_a_status_written_over_an_older_version_is_refused(cluster: Cluster) -> None:
    """Two leaders cannot both change a pool's orders: the API server takes the first."""
    pool = egress("EgressPool", "orders", vip="203.0.113.40")
    seen = cluster.apply(pool)["metadata"]["resourceVersion"]
    rollout = {"gateway": "a", "phase": "Draining", "since": "2026-11-30T12:00:00Z", "version": NEW}
    body = {**pool, "spec": None, "metadata": {"name": "orders", "resourceVersion": seen}}
    body.pop("spec")
    cluster.apply({**body, "status": {"rollout": rollout}}, status=True)
    with pytest.raises(Refused) as refused:
        cluster.apply({**body, "status": {"rollout": {**rollout, "gateway": "b"}}}, status=True)
    assert refused.value.code == 409
    cluster.delete(pool)


@pytest.mark.parametrize(
    ("rollout", "words"),
    [
        ({"holdDown": "10m"}, "returnTimeout must be longer than holdDown"),
        ({"drainTimeout": "1d"}, "should match"),
        ({"speed": 2}, "speed"),
    ],
)
def test_a_rollout_that_contradicts_itself_is_refused(cluster: Cluster, rollout: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        cluster.apply(egress("EgressPool", "wrong", vip="203.0.113.41", rollout=rollout))
