"""What the way between API server, controller and consumers may do: TLS, missing rights, a history that is gone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.agent_process import AgentProcess
from tests.cluster.api_server import Cluster
from tests.cluster.controller_process import TOKEN, ControllerProcess
from tests.cluster.test_following import egress, pod, status
from tests.coredns.programs import kun_dns64, page
from tests.ports import free_port

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
RESOLVER = """
[server]
listen = ["127.0.0.1:{port}"]
workers = 1
[admin]
listen = "127.0.0.1:{admin}"
[control]
socket = "none"
[upstream]
servers = ["udp://127.0.0.1:9"]
[follow]
url = "{url}"
token_file = "token"
ca_file = "{ca}"
state_dir = "state"
"""


@pytest.fixture
def home(cluster: Cluster) -> Iterator[Cluster]:
    for name in ("kun", "team-00", "small"):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    made = [
        egress("EgressPool", "standard", vip="203.0.113.1", default=True),
        egress("EgressGateway", "gw-tls", pool="standard", admin="http://127.0.0.1:1"),
    ]
    for obj in made:
        cluster.apply(obj)
    yield cluster
    for obj in made:
        cluster.delete(obj)


def followed(text: str) -> dict[str, Any]:
    found: dict[str, Any] = (json.loads(text) if text else {}).get("follow") or {}
    return found


def test_both_consumers_follow_by_tls_and_refuse_another_authority(home: Cluster, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    files = home.folder
    secured = ("--tls-certificate", str(files / "server.crt"), "--tls-key", str(files / "server.key"), "--no-write")
    controller = ControllerProcess(home.kubeconfig("admin"), tmp_path, "tls", *secured).start()
    url = f"https://127.0.0.1:{controller.port}"
    admin, strange = free_port(), free_port()
    for name in ("right", "wrong"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(TOKEN)
    own = RESOLVER.format(port=free_port(), admin=admin, url=url, ca=files / "ca.crt")
    # A certificate that did not sign the controller's.
    other = RESOLVER.format(port=free_port(), admin=strange, url=url, ca=files / "server.crt")
    right, wrong = kun_dns64(tmp_path / "right", own), kun_dns64(tmp_path / "wrong", other)
    port = free_port()
    agent = AgentProcess("gw-tls", port, [port], url, tmp_path / "token", tmp_path, files / "ca.crt")
    try:
        agent.start()
        for program in (right, wrong):
            program.start(lambda output: " ready " in output)

        def version(where: str) -> str:
            return str(followed(page(f"{where}/status")).get("version", ""))

        wanted = controller.status()["table"]["version"]
        controller.wait(lambda: version(f"http://127.0.0.1:{admin}") == wanted, 60)
        controller.wait(lambda: version(agent.admin) == wanted, 60)
        told = controller.status()["consumers"]
        assert {(one["role"], one["connections"]) for one in told} == {("resolver", 1), ("gateway", 1)}

        def refused() -> bool:
            found = followed(page(f"http://127.0.0.1:{strange}/status"))
            return not found.get("connected") and "certificate" in str(found.get("error", "")).lower()

        controller.wait(refused, 60)
        home.apply(pod("tls-0", annotation="true"))
        home.apply(status("tls-0", "2002:a01:7::10"), status=True)
        controller.wait(lambda: controller.status()["table"]["version"] != wanted)
        newest = controller.status()["table"]["version"]
        controller.wait(lambda: version(f"http://127.0.0.1:{admin}") == version(agent.admin) == newest, 60)
        home.delete(pod("tls-0"))
    finally:
        agent.stop()
        right.stop()
        wrong.stop()
        controller.kill()


READ = ["pods", "namespaces", "nodes"]
OURS = ["egresspools", "egressgateways", "egresspolicies", "egressallocations"]


def role(*, without: str) -> dict[str, Any]:
    """The controller's rights without one: "VERB RESOURCE"."""
    verb, resource = without.split()
    rights = [
        *(("", one, ["list", "watch"]) for one in READ),
        *(("egress.networking.kun", one, ["get", "list", "watch"]) for one in OURS),
        ("egress.networking.kun", "egressallocations", ["create", "update", "delete"]),
        *(("egress.networking.kun", f"{one}/status", ["patch"]) for one in OURS[:3]),
        ("coordination.k8s.io", "leases", ["create", "get", "update"]),
    ]
    rules = [
        {"apiGroups": [group], "resources": [one], "verbs": [each for each in verbs if (each, one) != (verb, resource)]}
        for group, one, verbs in rights
    ]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "kun-too-small"},
        "rules": [one for one in rules if one["verbs"]],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("without", "words"),
    [
        ("create egressallocations", 'cannot create resource "egressallocations"'),
        ("patch egresspools/status", 'cannot patch resource "egresspools/status"'),
        ("update leases", 'cannot update resource "leases"'),
        ("watch nodes", 'cannot watch resource "nodes"'),
    ],
)
def test_each_right_that_is_missing_is_named(home: Cluster, tmp_path: Path, without: str, words: str) -> None:
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "kun-too-small"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "kun-too-small"},
        "subjects": [{"kind": "User", "name": "stranger", "apiGroup": "rbac.authorization.k8s.io"}],
    }  # fmt: skip
    addresses = egress(
        "EgressPool", "small", vip="203.0.113.50", publicNetworks=["198.51.100.64/29"], allowedNamespaces={"names": []}
    )
    gateway = egress("EgressGateway", "small", pool="small", admin="http://127.0.0.1:2")
    made = [role(without=without), binding, addresses, gateway]
    for obj in made:
        home.apply(obj)
    process = ControllerProcess(home.kubeconfig("stranger"), tmp_path, "small", "--namespace", "small")
    try:
        process.start(ready=False)
        process.wait(lambda: words in process.output().replace("\\", ""), 60)
    finally:
        process.kill()
        for obj in reversed(made):
            home.delete(obj)


def test_a_history_that_is_gone_is_listed_anew(home: Cluster, tmp_path: Path) -> None:
    """410: the API server's memory of changes, and etcd's, begin later than where the watch was."""
    process = ControllerProcess(home.kubeconfig("admin"), tmp_path, "gone", "--no-write").start()
    try:
        home.apply(pod("stays", annotation="true"))
        home.apply(status("stays", "2002:a01:8::10"), status=True)
        home.apply(pod("leaves"))
        home.apply(status("leaves", "2002:a01:8::11"), status=True)
        reader = process.follow()
        reader.wait(
            lambda seen: seen.client("2002:a01:8::10") == "native" and seen.client("2002:a01:8::11") is not None
        )
        listed = listings(process)
        # Its connection ends while it cannot make another; then the pods change and the history is thrown away.
        process.pause()
        home.kill_server()
        home.start_server()
        home.apply(pod("stays", annotation="false"))
        home.delete(pod("leaves"))
        for number in range(20):
            home.apply(pod("stays", annotation="false", turn=str(number)))
        home.compact()
        home.kill_server()
        home.start_server()
        process.resume()
        reader.wait(lambda seen: seen.client("2002:a01:8::10") == "default", 60)
        reader.wait(lambda seen: seen.client("2002:a01:8::11") is None, 60)
        process.wait(lambda: listings(process) > listed, 60)
        assert all(line.get("change") != "snapshot" for line in reader.lines[1:]), "consumers get the difference"
        home.delete(pod("stays"))
        reader.close()
    finally:
        process.kill()


def listings(process: ControllerProcess) -> int:
    text = process.page("/metrics") or ""
    marks = [
        line for line in text.splitlines() if line.startswith('kun_controller_events_total{kind="Pod",event="listed"}')
    ]
    return int(marks[0].split()[-1]) if marks else 0
