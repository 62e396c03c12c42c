"""The controller at a real API server: from a change of an object to a line of the stream, and through every fault."""

import json
import shutil
import time
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kun_cluster.model.egress import API_VERSION
from kun_cluster.model.workload import IPV4_ENABLED
from tests.cluster.api_server import Cluster, Refused
from tests.cluster.controller_process import TOKEN, ControllerProcess
from tests.cluster.stream_reader import refusal

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
POD = "2002:a01:2:1::10"


def pod(name: str, namespace: str = "team-00", annotation: str | None = None, **labels: str) -> dict[str, Any]:
    annotations = {} if annotation is None else {IPV4_ENABLED: annotation}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations},
        "spec": {"containers": [{"name": "a", "image": "registry.example/a:1"}]},
    }


def status(name: str, *addresses: str, namespace: str = "team-00", phase: str = "Running") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "status": {"phase": phase, "podIP": addresses[0], "podIPs": [{"ip": one} for one in addresses]},
    }


def egress(kind: str, name: str, namespace: str = "", **spec: Any) -> dict[str, Any]:
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": meta, "spec": spec}


@pytest.fixture(scope="module")
def home(cluster: Cluster) -> Iterator[Cluster]:
    """A pool, a gateway and two namespaces."""
    for name in ("team-00", "team-01", "kun"):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    standard = egress(
        "EgressPool", "standard", vip="203.0.113.1", default=True, publicNetworks=["192.0.2.0/28"], coolDown="4s"
    )
    made = [standard, egress("EgressGateway", "gw1", pool="standard", admin="http://127.0.0.1:1")]
    for obj in made:
        cluster.apply(obj)
    yield cluster
    for obj in made:
        cluster.delete(obj)


@pytest.fixture(scope="module")
def one(home: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControllerProcess]:
    process = ControllerProcess(home.kubeconfig("admin"), tmp_path_factory.mktemp("one"), "one").start()
    yield process
    process.kill()


@pytest.fixture
def two(home: Cluster, one: ControllerProcess, tmp_path: Path) -> Iterator[ControllerProcess]:
    process = ControllerProcess(home.kubeconfig("admin"), tmp_path, "two").start()
    yield process
    process.kill()


def test_a_pods_annotation_changes_its_class_within_a_second(home: Cluster, one: ControllerProcess) -> None:
    reader = one.follow()
    home.apply(pod("web-0"))
    home.apply(status("web-0", POD), status=True)
    reader.wait(lambda seen: seen.client(POD) == "default")
    home.apply(pod("web-0", annotation="true"))
    assert reader.wait(lambda seen: seen.client(POD) == "native") < 2
    home.delete(pod("web-0"))
    reader.wait(lambda seen: seen.client(POD) is None)
    reader.close()


def test_a_policy_comes_changes_and_goes(home: Cluster, one: ControllerProcess) -> None:
    reader = one.follow()
    home.apply(pod("web-1", app="web"))
    home.apply(status("web-1", POD), status=True)
    policy = egress("EgressPolicy", "web", "team-00", podSelector={"matchLabels": {"app": "web"}})
    home.apply(policy)
    reader.wait(lambda seen: seen.client(POD) == "team-00/web")
    home.apply({**policy, "spec": policy["spec"] | {"ipv4": "Deny"}})
    reader.wait(lambda seen: seen.client(POD) == "team-00/web;deny")
    home.delete(policy)
    reader.wait(lambda seen: seen.client(POD) == "default")
    home.delete(pod("web-1"))
    reader.close()


def test_an_address_that_moves_from_pod_to_pod_has_one_class_at_a_time(home: Cluster, one: ControllerProcess) -> None:
    reader = one.follow()
    home.apply(pod("old", annotation="true"))
    home.apply(status("old", POD), status=True)
    reader.wait(lambda seen: seen.client(POD) == "native")
    # The API server tells the time of creation in whole seconds.
    time.sleep(1.1)
    home.apply(pod("new"))
    home.apply(status("new", POD), status=True)
    time.sleep(0.3)
    assert reader.client(POD) == "native"
    home.apply(status("old", POD, phase="Succeeded"), status=True)
    reader.wait(lambda seen: seen.records.get(("client", POD), ("", "", ""))[2] == "new")
    assert reader.client(POD) == "default"
    for name in ("old", "new"):
        home.delete(pod(name))
    reader.close()


def test_a_tenant_gets_a_share_and_it_cools_down(home: Cluster, one: ControllerProcess) -> None:
    reader = one.follow()
    policy = egress("EgressPolicy", "own", "team-01", address="Dedicated")
    home.apply(policy)
    reader.wait(lambda seen: bool(seen.records.get(("class", "team-01/own"), {}).get("addresses")))
    value = reader.records["class", "team-01/own"]
    share = {"address": "192.0.2.1", "ports": "1024-2047", "gateway": "gw1"}
    assert (value["addresses"], value["address_pool"], value["mark"] > 0) == ([share], "standard", True)
    assert reader.records["gateway", "gw1"]["addresses"][0]["address"] == "192.0.2.0"
    found = home.get(egress("EgressAllocation", "192-0-2-1-1024"))["spec"]
    assert (found["owner"]["namespace"], found["owner"]["name"], found["gateway"]) == ("team-01", "own", "gw1")
    home.delete(policy)
    allocation = egress("EgressAllocation", "192-0-2-1-1024")
    one.wait(lambda: "releasedAt" in home.get(allocation)["spec"])
    second = egress("EgressPolicy", "second", "team-01", address="Dedicated")
    home.apply(second)
    reader.wait(lambda seen: bool(seen.records.get(("class", "team-01/second"), {}).get("addresses")))
    assert reader.records["class", "team-01/second"]["addresses"][0]["ports"] == "2048-3071"
    home.delete(second)
    one.wait(lambda: is_gone(home, allocation), 20)
    reader.close()


def is_gone(cluster: Cluster, obj: dict[str, Any]) -> bool:
    try:
        cluster.get(obj)
    except Refused as refused:
        return refused.code == 404
    return False


def test_statuses_say_what_is_so(home: Cluster, one: ControllerProcess) -> None:
    policy = egress("EgressPolicy", "bad", "team-01", pool="nowhere")
    home.apply(policy)

    def accepted() -> dict[str, Any]:
        found = home.get(policy).get("status", {}).get("conditions", [])
        return next((item for item in found if item["type"] == "Accepted"), {})

    one.wait(lambda: accepted().get("status") == "False")
    assert accepted()["reason"] == "PoolNotFound"
    assert "pool nowhere is not in force; pools in force: standard" in accepted()["message"]
    since = accepted()["lastTransitionTime"]
    home.apply(egress("EgressPolicy", "bad", "team-01", pool="nowhere2"))
    one.wait(lambda: "nowhere2" in accepted()["message"])
    assert (accepted()["lastTransitionTime"], accepted()["observedGeneration"]) == (since, 2)
    gateway = home.get(egress("EgressGateway", "gw1"))["status"]["conditions"]
    assert {item["status"] for item in gateway if item["type"] != "Accepted"} == {"Unknown"}
    home.delete(policy)


def test_programmed_counts_the_consumers_that_said_what_they_took(home: Cluster, one: ControllerProcess) -> None:
    policy = egress("EgressPolicy", "counted", "team-01")
    reader = one.follow(name="dns-1")
    home.apply(policy)
    reader.wait(lambda seen: ("class", "team-01/counted") in seen.records)

    def programmed() -> str:
        return str(home.get(policy).get("status", {}).get("programmed", ""))

    one.wait(lambda: programmed().startswith("0/"))
    url = f"http://127.0.0.1:{one.port}/v1/applied?consumer=dns-1&role=resolver&version={reader.version}"
    request = urllib.request.Request(url, method="POST", headers={"Authorization": f"Bearer {TOKEN}"})
    assert urllib.request.urlopen(request, timeout=5).status == 204
    one.wait(lambda: programmed().startswith("1/"))
    home.delete(policy)
    reader.close()


def test_a_consumer_goes_on_where_it_was_at_either_replica(
    home: Cluster, one: ControllerProcess, two: ControllerProcess
) -> None:
    first, second = one.follow(name="a"), two.follow(name="b")
    first.wait(lambda seen: bool(seen.version))
    second.wait(lambda seen: seen.version == first.version)
    home.apply(pod("moved"))
    home.apply(status("moved", POD), status=True)
    first.wait(lambda seen: seen.client(POD) is not None)
    second.wait(lambda seen: seen.version == first.version)
    have = first.version
    first.close()
    again = two.follow(have=have, name="a")
    again.wait(lambda seen: bool(seen.lines))
    assert again.lines[0]["type"] == "heartbeat"
    home.delete(pod("moved"))
    again.wait(lambda seen: any(line["type"] == "commit" for line in seen.lines) or seen.error is not None)
    assert again.lines[1] | {"cluster": ""} == {
        "type": "begin", "format": 1, "change": "delta", "from": have, "view": "all", "cluster": "",
    }  # fmt: skip
    for reader in (second, again):
        reader.close()


def test_the_other_replica_writes_when_the_leader_is_killed(
    home: Cluster, tmp_path: Path, one: ControllerProcess
) -> None:
    other = ControllerProcess(home.kubeconfig("admin"), tmp_path, "other").start()
    third = ControllerProcess(home.kubeconfig("admin"), tmp_path, "third", "--namespace", "team-00").start()
    fourth = ControllerProcess(home.kubeconfig("admin"), tmp_path, "fourth", "--namespace", "team-00").start()
    try:
        third.wait(lambda: third.status()["leads"])
        assert not fourth.status()["leads"]
        third.kill()
        took = fourth.wait(lambda: fourth.status()["leads"], 30)
        assert 8 < took < 30
        assert not other.status()["leads"]
    finally:
        for process in (other, third, fourth):
            process.kill()


def test_a_leader_that_ends_gives_the_lease_up(home: Cluster, tmp_path: Path) -> None:
    first = ControllerProcess(home.kubeconfig("admin"), tmp_path, "first", "--namespace", "team-01").start()
    first.wait(lambda: first.status()["leads"])
    second = ControllerProcess(home.kubeconfig("admin"), tmp_path, "second", "--namespace", "team-01").start()
    first.stop()
    assert second.wait(lambda: second.status()["leads"]) < 6
    second.kill()


def test_the_exceptions_view_leaves_default_pods_out(home: Cluster, one: ControllerProcess) -> None:
    for name, annotation, address in (("plain", None, "2002:a01::1"), ("own4", "true", "2002:a01::2")):
        home.apply(pod(name, annotation=annotation))
        home.apply(status(name, address), status=True)
    reader, whole = one.follow("exceptions"), one.follow()
    whole.wait(lambda seen: seen.client("2002:a01::1") == "default" and seen.client("2002:a01::2") == "native")
    reader.wait(lambda seen: seen.client("2002:a01::2") == "native")
    assert reader.client("2002:a01::1") is None
    assert reader.version != whole.version
    home.apply(pod("plain", annotation="true"))
    reader.wait(lambda seen: seen.client("2002:a01::1") == "native")
    home.apply(pod("plain", annotation="false"))
    reader.wait(lambda seen: seen.client("2002:a01::1") is None)
    for name in ("plain", "own4"):
        home.delete(pod(name))
    reader.close()
    whole.close()


@pytest.mark.parametrize(
    ("path", "token", "code"),
    [
        ("/v1/table", "wrong", 401),
        ("/v1/table", "", 401),
        ("/v1/table?clients=some", TOKEN, 400),
        ("/v1/table?have=zz", TOKEN, 400),
        ("/v1/table?role=king", TOKEN, 400),
        (f"/v1/table?consumer={'x' * 81}", TOKEN, 400),
        ("/v1/other", TOKEN, 404),
    ],
)
def test_a_wrong_request_is_refused(one: ControllerProcess, path: str, token: str, code: int) -> None:
    assert refusal(one.port, path, token) == code


def test_a_changed_token_counts_at_once(home: Cluster, tmp_path: Path) -> None:
    process = ControllerProcess(home.kubeconfig("admin"), tmp_path, "tokens", "--no-write").start()
    process.follow().close()
    (tmp_path / "tokens").write_text("another\n")
    assert refusal(process.port, "/v1/table", TOKEN) == 401
    (tmp_path / "tokens").write_text("")
    assert refusal(process.port, "/v1/table?clients=x", "another") == 400
    process.kill()


def test_the_stream_is_compressed_when_asked_and_flushed_at_every_commit(one: ControllerProcess) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept-Encoding": "gzip"}
    request = urllib.request.Request(f"http://127.0.0.1:{one.port}/v1/table", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as reply:
        assert reply.headers["Content-Encoding"] == "gzip"
        inflate, text = zlib.decompressobj(wbits=31), ""
        while '"commit"' not in text or not text.endswith("\n"):
            text += inflate.decompress(reply.read1()).decode()
    assert [json.loads(line)["type"] for line in text.splitlines()][0::1000] == ["begin"]


def test_a_version_nobody_knows_gets_a_snapshot(one: ControllerProcess) -> None:
    reader = one.follow(have="0123456789abcdef" * 2)
    reader.wait(lambda seen: bool(seen.version))
    assert reader.lines[0]["change"] == "snapshot"
    reader.close()


def test_the_api_server_dies_and_comes_back_and_no_table_changes(home: Cluster, one: ControllerProcess) -> None:
    home.apply(pod("steady", annotation="true"))
    home.apply(status("steady", POD), status=True)
    reader = one.follow()
    reader.wait(lambda seen: seen.client(POD) == "native")
    before, lines = reader.version, len(reader.lines)
    home.kill_server()
    time.sleep(6)
    assert reader.version == before
    assert {line["type"] for line in reader.lines[lines:]} == {"heartbeat"}
    assert one.page("/readyz") is not None
    home.start_server()
    home.apply(pod("steady"))
    assert reader.wait(lambda seen: seen.client(POD) == "default", 30) < 15
    assert reader.lines[0]["change"] == "snapshot"
    assert all(line.get("change") != "snapshot" for line in reader.lines[1:])
    home.delete(pod("steady"))
    reader.wait(lambda seen: seen.client(POD) is None)
    reader.close()


def test_a_cluster_restored_from_an_older_state_is_followed(home: Cluster, one: ControllerProcess) -> None:
    home.apply(pod("early"))
    home.apply(status("early", POD), status=True)
    reader = one.follow()
    reader.wait(lambda seen: seen.client(POD) == "default")
    home.stop()
    shutil.copytree(home.folder / "etcd", home.folder / "older")
    home.start_etcd()
    home.start_server()
    for _ in range(20):
        home.apply(pod("early", annotation="true"))
        home.apply(pod("early", annotation="false"))
    home.apply(pod("early", annotation="true"))
    reader.wait(lambda seen: seen.client(POD) == "native", 30)
    newest = reader.revision
    home.stop()
    home.start_etcd("older")
    home.start_server()
    reader.wait(lambda seen: seen.client(POD) == "default", 60)
    reader.wait(lambda seen: seen.revision < newest, 60)
    home.delete(pod("early"))
    reader.wait(lambda seen: seen.client(POD) is None)
    reader.close()


def test_a_verb_too_few_is_named(home: Cluster, tmp_path: Path) -> None:
    process = ControllerProcess(home.kubeconfig("stranger"), tmp_path, "stranger").start(ready=False)
    process.wait(lambda: "pods is forbidden" in process.output())
    assert 'cannot watch resource \\"pods\\"' in process.output()
    assert process.page("/readyz") is None
    process.kill()


def test_many_pods_at_once_are_a_few_changes(home: Cluster, one: ControllerProcess) -> None:
    reader = one.follow()
    reader.wait(lambda seen: bool(seen.version))
    for number in range(40):
        home.apply(pod(f"many-{number}"))
        home.apply(status(f"many-{number}", f"2002:a02::{number + 1:x}"), status=True)
    reader.wait(lambda seen: seen.client("2002:a02::28") == "default")
    for number in range(40):
        home.delete(pod(f"many-{number}"))
    reader.wait(lambda seen: not any(key[1].startswith("2002:a02::") for key in seen.records))
    reader.close()
