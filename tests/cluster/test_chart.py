"""The Helm chart: taken whole by the real API server, and its rights are enough and not too many."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kun_cluster.formats.crds import crds
from kun_cluster.model.egress import API_VERSION
from kun_cluster.model.workload import IPV4_ENABLED
from tests.cluster.api_server import Cluster, Refused
from tests.cluster.cluster_build import NoGo, built
from tests.cluster.controller_process import ControllerProcess

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
ROOT = Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "gateway-config" / "helm" / "kun"
Run = Any


@pytest.fixture(scope="module")
def helm(cluster: Cluster) -> Run:
    """`helm("install", ...)` against the test cluster."""
    try:
        program = str(built("helm"))
    except NoGo as error:
        pytest.skip(str(error))
    folder = cluster.folder / "helm"
    environment = os.environ | {"HOME": str(folder), "KUBECONFIG": str(cluster.kubeconfig("admin"))}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=120, check=False, env=environment
        )

    return run


@pytest.fixture(scope="module")
def installed(cluster: Cluster, helm: Run) -> Iterator[Cluster]:
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kun"}})
    done = helm("install", "kun", str(CHART), "--namespace", "kun")
    assert done.returncode == 0, done.stderr
    yield cluster
    helm("uninstall", "kun", "--namespace", "kun")


def test_lint_finds_nothing(helm: Run) -> None:
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout


def test_the_crds_are_those_the_program_prints() -> None:
    assert list(yaml.safe_load_all((CHART / "crds" / "crds.yaml").read_text())) == crds(), "kun-controller crds > it"


def test_every_object_is_strictly_valid(cluster: Cluster, helm: Run) -> None:
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kun"}})
    options = (
        "--set",
        "consumers.gatewayNetworks={2001:db8::/32},controller.cluster=west,coredns.configMap=true,node.enabled=true",
    )
    done = helm("template", "kun", str(CHART), "--namespace", "kun", "--kube-version", "1.37.2", *options)
    assert done.returncode == 0, done.stderr
    kinds = set()
    for obj in yaml.safe_load_all(done.stdout):
        stored = cluster.kubectl(
            "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", text=yaml.safe_dump(obj)
        )
        assert stored.returncode == 0, stored.stderr
        kinds.add(obj["kind"])
    assert {
        "Deployment",
        "DaemonSet",
        "ClusterRole",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "MutatingAdmissionPolicy",
    } <= kinds


def test_plain_manifests_are_what_the_chart_renders(helm: Run) -> None:
    program = built("helm")
    done = subprocess.run(
        [sys.executable, str(ROOT / "packaging/kubernetes_manifests.py"), "--check", "--helm", str(program)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}{done.stderr}: make manifests"


def dns64_objects(helm: Run, values: str) -> dict[tuple[str, str], Any]:
    """Render what the chart holds of kun-dns64, by kind and name."""
    options = ("--namespace", "kun", "--kube-version", "1.37.2", "--set", values, "-s", "templates/dns64.yaml")
    done = helm("template", "kun", str(CHART), *options)
    assert done.returncode == 0, done.stderr
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(done.stdout)}


@pytest.mark.parametrize(
    "values", ["dns64.follow=true", "dns64.follow=false", "dns64.extraConfig=[cache]\nmax_stale_s = 60"]
)
def test_kun_dns64_accepts_the_configuration(helm: Run, tmp_path: Path, values: str) -> None:
    objects = dns64_objects(helm, values)
    file = tmp_path / "kun-dns64.toml"
    text = objects["ConfigMap", "kun-dns64"]["data"]["kun-dns64.toml"]
    for secret in ("token", "ca.crt"):
        (tmp_path / secret).write_text("as mounted")
    file.write_text(text.replace("/etc/kun-follow/", f"{tmp_path}/"))
    program = Path(sys.executable).parent / "kun-dns64"
    checked = subprocess.run([program, "check-config", file], capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stderr
    template = objects["Deployment", "kun-dns64"]["spec"]["template"]
    mounted = {one["mountPath"] for one in template["spec"]["containers"][0]["volumeMounts"]}
    assert ("/etc/kun-follow" in mounted) == ("[follow]" in file.read_text())


def test_the_nodes_tunnel_is_the_script_of_the_package_with_one_capability(helm: Run) -> None:
    options = ("--kube-version", "1.37.2", "--set", "node.enabled=true", "-s", "templates/node.yaml")
    done = helm("template", "kun", str(CHART), *options)
    assert done.returncode == 0, done.stderr
    objects = {one["kind"]: one for one in yaml.safe_load_all(done.stdout)}
    assert (
        objects["ConfigMap"]["data"]["kun-6to4"].rstrip()
        == (ROOT / "gateway-config/node/kun-6to4").read_text().rstrip()
    )
    (container,) = objects["DaemonSet"]["spec"]["template"]["spec"]["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    assert "privileged" not in container["securityContext"]


def test_another_configuration_starts_other_pods(helm: Run) -> None:
    """A pod reads its configuration at start, so a change of it must change the pod's template."""
    sums = {
        dns64_objects(helm, f"dns64.vip={vip}")["Deployment", "kun-dns64"]["spec"]["template"]["metadata"][
            "annotations"
        ]["kun/configuration"]
        for vip in ("203.0.113.1", "203.0.113.2")
    }
    assert len(sums) == 2


def test_install_upgrade_rollback(installed: Cluster, helm: Run) -> None:
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "kun-controller", "namespace": "kun"},
    }
    assert installed.get(deployment)["spec"]["replicas"] == 2
    done = helm("upgrade", "kun", str(CHART), "--namespace", "kun", "--set", "controller.replicas=3")
    assert done.returncode == 0, done.stderr
    assert installed.get(deployment)["spec"]["replicas"] == 3
    done = helm("rollback", "kun", "1", "--namespace", "kun")
    assert done.returncode == 0, done.stderr
    assert installed.get(deployment)["spec"]["replicas"] == 2


def test_a_new_pod_gets_the_annotation_from_its_namespace(installed: Cluster) -> None:
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "labelled", "labels": {IPV4_ENABLED: "true"}},
    }
    installed.apply(namespace)
    wanted = (({}, "true"), ({IPV4_ENABLED: "false"}, "false"))
    for number, (annotations, expected) in enumerate(wanted):
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"p{number}", "namespace": "labelled", "annotations": annotations},
            "spec": {"containers": [{"name": "a", "image": "registry.example/a:1"}]},
        }
        end = time.monotonic() + 20
        while True:
            stored = installed.apply(pod)
            found = stored["metadata"].get("annotations", {}).get(IPV4_ENABLED)
            installed.delete(pod)
            # A policy is in force a moment after it was made.
            if found == expected or time.monotonic() > end:
                break
        assert found == expected


def test_the_controllers_rights_are_enough(installed: Cluster, tmp_path: Path) -> None:
    meta = {"apiVersion": API_VERSION}
    pool = meta | {
        "kind": "EgressPool", "metadata": {"name": "rights"},
        "spec": {"vip": "203.0.113.77", "publicNetworks": ["198.51.100.0/29"], "coolDown": "1s"},
    }  # fmt: skip
    gateway = meta | {
        "kind": "EgressGateway", "metadata": {"name": "rights"}, "spec": {"pool": "rights", "admin": "http://127.0.0.1:1"},
    }  # fmt: skip
    seat = meta | {"kind": "EgressAllocation", "metadata": {"name": "198-51-100-0"}, "spec": {}}
    process = ControllerProcess(installed.kubeconfig("controller"), tmp_path, "rights")
    try:
        process.start()
        for obj in (pool, gateway):
            installed.apply(obj)
        process.wait(lambda: is_there(installed, seat))
        process.wait(lambda: "conditions" in installed.get(pool).get("status", {}))
        installed.delete(gateway)
        process.wait(lambda: not is_there(installed, seat))
        installed.delete(pool)
    except AssertionError:
        assert "forbidden" not in process.output()
        raise
    finally:
        process.stop()
    assert "forbidden" not in process.output()


def is_there(cluster: Cluster, obj: dict[str, Any]) -> bool:
    try:
        cluster.get(obj)
    except Refused as refused:
        return refused.code != 404
    return True


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/secrets"),
        ("GET", "/api/v1/namespaces/kun/secrets"),
        ("GET", "/api/v1/configmaps"),
        ("DELETE", "/api/v1/namespaces/default/pods/x"),
        ("PATCH", "/apis/egress.networking.kun/v1alpha1/egresspools/x"),
        ("DELETE", "/apis/egress.networking.kun/v1alpha1/egresspools/x"),
        ("GET", "/apis/coordination.k8s.io/v1/namespaces/kun/leases/another"),
        ("GET", "/apis/coordination.k8s.io/v1/namespaces/default/leases/kun-controller"),
    ],
)
def test_the_controllers_rights_are_not_too_many(installed: Cluster, method: str, path: str) -> None:
    content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
    with pytest.raises(Refused) as refused:
        installed.request(method, path, {} if method == "PATCH" else None, "controller", content_type)
    assert refused.value.code == 403
