"""gateway-config/kubernetes: read with the API's own types, and the parts fitting each other."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.coredns.coredns_build import NoGo, built
from tests.coredns.programs import Program
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "gateway-config" / "kubernetes"
MANIFESTS = sorted(FOLDER.glob("*.yaml"))
# The first run builds the program: minutes.
pytestmark = [pytest.mark.coredns, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def kubecheck() -> str:
    try:
        return str(built("kubecheck"))
    except NoGo as error:
        pytest.skip(str(error))


def read(kubecheck: str, *manifests: Path) -> dict[tuple[str, str], dict]:
    done = subprocess.run([kubecheck, *map(str, manifests)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


@pytest.fixture(scope="module")
def objects(kubecheck: str) -> dict[tuple[str, str], dict]:
    return read(kubecheck, *MANIFESTS)


def test_every_object_is_of_a_known_kind_with_known_fields(objects: dict) -> None:
    assert len(objects) == sum(path.read_text().count("\nkind: ") for path in MANIFESTS) >= 7


def test_a_misspelt_field_would_be_refused(kubecheck: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text((FOLDER / "kun-dns64.yaml").read_text().replace("replicas: 3", "replica: 3"))
    done = subprocess.run([kubecheck, str(bad)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert 'unknown field "spec.replica"' in done.stderr


def test_coredns_forwards_to_the_service(objects: dict) -> None:
    address = objects["Service", "kun-dns64"]["spec"]["clusterIP"]
    assert f"forward . [{address}]:53 " in objects["ConfigMap", "coredns"]["data"]["Corefile"]


def test_service_and_policies_select_the_pods(objects: dict) -> None:
    labels = objects["Deployment", "kun-dns64"]["spec"]["template"]["metadata"]["labels"]
    selector = objects["Service", "kun-dns64"]["spec"]["selector"]
    assert selector.items() <= labels.items()
    for kind, key in (
        ("PodDisruptionBudget", "selector"),
        ("NetworkPolicy", "podSelector"),
        ("Deployment", "selector"),
    ):
        assert objects[kind, "kun-dns64"]["spec"][key]["matchLabels"] == selector


def test_ports_of_the_pod_are_those_of_its_configuration(objects: dict) -> None:
    config = objects["ConfigMap", "kun-dns64"]["data"]["kun-dns64.toml"]
    container = objects["Deployment", "kun-dns64"]["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert f'listen = ["[::]:{ports["dns-udp"]}"]' in config
    assert ports["dns-udp"] == ports["dns-tcp"]
    assert f'listen = "[::]:{ports["admin"]}"' in config


def test_kun_dns64_accepts_its_configuration(objects: dict, tmp_path: Path) -> None:
    file = tmp_path / "kun-dns64.toml"
    file.write_text(objects["ConfigMap", "kun-dns64"]["data"]["kun-dns64.toml"])
    command = [str(Path(sys.executable).parent / "kun-dns64"), "check-config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_coredns_starts_with_the_clusters_corefile(objects: dict, coredns_binary: str, tmp_path: Path) -> None:
    # No cluster here: an API that does not answer, and ports of this machine. All else as it stands.
    corefile = objects["ConfigMap", "coredns"]["data"]["Corefile"]
    for before, after in (
        (".:53 {", f".:{free_port()} {{\n    bind 127.0.0.1"),
        ("pods insecure", "endpoint http://127.0.0.1:1\n        pods insecure"),
        ("health {", f"health 127.0.0.1:{free_port()} {{"),
        ("ready\n", f"ready 127.0.0.1:{free_port()}\n"),
        ("prometheus :9153", f"prometheus 127.0.0.1:{free_port()}"),
        ("loop\n", "\n"),
    ):
        assert corefile.count(before) == 1, before
        corefile = corefile.replace(before, after)
    file = tmp_path / "Corefile"
    file.write_text(corefile)
    coredns = Program([coredns_binary, "-conf", str(file)], tmp_path / "coredns.log")
    try:
        coredns.start(lambda output: "CoreDNS-" in output)
    finally:
        coredns.stop()


def test_the_image_is_made_of_the_package_and_files_that_exist() -> None:
    """tests/packaging/test_image.py builds and runs it."""
    text = (FOLDER / "Containerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE) for word in line.split()[:-1]]
    packages = [name for name in copied if name.startswith("out/packages/kun-dns64_")]
    assert len(packages) == 1
    assert [name for name in copied if name not in packages and not (ROOT / name).exists()] == []
    # .dockerignore lets through what is copied.
    allowed = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert all(any(Path(name).match(pattern) for pattern in allowed) for name in copied)
