"""The image of kun-dns64: built without a registry, then run as Kubernetes runs it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kun_base.version import version
from tests.packaging import debs
from tests.packaging.machine import ROOT

import build_image  # isort: skip

pytestmark = pytest.mark.timeout(2400)
MANIFEST = (ROOT / "gateway-config/kubernetes/kun-dns64.yaml").read_text()
USER = "65532"
# As a container runtime does: a root that nobody can write, processes and network of its own, number 1 is the program.
RUN = """
root=$0; shift 0
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev"
for node in null zero random urandom; do touch "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"; done
ip link set lo up
cd "$root"
pivot_root . mnt
umount --lazy mnt
exec setpriv --reuid=65532 --regid=65532 --clear-groups --no-new-privs --bounding-set=-all -- /usr/bin/env -i "$@"
"""
ASK = """
import sys, dns.message, dns.query
query = dns.message.make_query("ipv4only.arpa", "AAAA")
for address in ("127.0.0.1", "::1"):
    for ask in (dns.query.udp, dns.query.tcp):
        print(ask(query, address, port=5353, timeout=5).answer)
"""


@dataclass
class Container:
    """A running container: its first process, seen from here."""

    pid: int
    child: subprocess.Popen[bytes]

    def inside(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run one of this machine's programs in the container's network."""
        command = ["nsenter", "--target", str(self.pid), "--net", "--", *argv]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def page(self, path: str) -> str:
        program = f"import urllib.request as r; print(r.urlopen('http://[::1]:9464{path}', timeout=5).read().decode())"
        return self.inside(sys.executable, "-c", program).stdout

    def processes(self) -> dict[int, str]:
        """Number and state of every process in the container."""
        command = ["nsenter", "--target", str(self.pid), "--pid", "--mount", "--root", "--", "/bin/sh", "-c"]
        script = (
            "for f in /proc/[0-9]*/stat; do "
            "read -r pid rest <$f 2>/dev/null && test $pid != $$ && echo $pid ${rest##*) }; "
            "done; true"
        )
        listing = subprocess.run([*command, script], capture_output=True, text=True, check=False).stdout
        rows = (line.split() for line in listing.splitlines())
        return {int(row[0]): row[1] for row in rows if len(row) > 1}


@pytest.fixture(scope="module")
def image(tool) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The image's files in a folder, and its settings."""
    for name, package in (("buildah", "buildah"), ("debootstrap", "debootstrap"), ("pivot_root", "util-linux")):
        tool(name, package)
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, which the build needs")
    built = debs.built(build_image.RELEASE)
    with build_image.storage() as options:
        build_image.build(options, built["kun-dns64"], build_image.NAME)
        call = ["buildah", *options]
        told = subprocess.run([*call, "inspect", "--type", "image", build_image.NAME], capture_output=True, check=True)
        container = subprocess.run(
            [*call, "from", "--pull-never", build_image.NAME], capture_output=True, text=True, check=True
        )
        argv = [*call, "mount", container.stdout.strip()]
        files = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
        yield Path(files), json.loads(told.stdout)["Docker"]["config"]
        subprocess.run([*call, "umount", "--all"], check=False, capture_output=True)


@pytest.fixture
def container(image: tuple[Path, dict[str, Any]]) -> Iterator[Container]:
    files, settings = image
    spaces = ["--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "--propagation", "private"]
    argv = ["unshare", *spaces, "sh", "-ec", RUN, str(files), *settings["Env"], *settings["Cmd"]]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        try:
            yield Container(first_process(child), child)
        finally:
            # --kill-child does not reach a process that has changed its user since (PR_SET_PDEATHSIG, prctl(2)).
            for pid in children(child):
                os.kill(pid, signal.SIGKILL)
            child.kill()


def first_process(child: subprocess.Popen[bytes]) -> int:
    """Number 1 of the container, once it is ready."""
    assert child.stderr is not None
    for line in child.stderr:
        if b" ready " in line:
            break
    else:
        raise AssertionError(f"the container ended with {child.wait()}")
    return children(child)[0]


def children(child: subprocess.Popen[bytes]) -> list[int]:
    """Process numbers of its children; none when it has ended."""
    try:
        return [int(word) for word in Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()]
    except OSError:
        return []


def test_it_runs_as_nobody_in_particular(image: tuple[Path, dict[str, Any]]) -> None:
    _, settings = image
    assert settings["User"] == f"{USER}:{USER}"
    assert f"runAsUser: {USER}" in MANIFEST
    assert settings["StopSignal"] == "SIGTERM"


def test_its_labels_tell_version_commit_and_licence(image: tuple[Path, dict[str, Any]]) -> None:
    _, settings = image
    labels = {key.rpartition(".")[2]: value for key, value in settings["Labels"].items()}
    assert labels["version"].replace("~dev", ".dev").startswith(version())
    assert labels["licenses"] == "Apache-2.0"
    assert re.fullmatch(r"[0-9a-f]{12}(-dirty)?|unknown", labels["revision"])


def test_nothing_but_the_program_is_in_it(image: tuple[Path, dict[str, Any]]) -> None:
    files, _ = image
    for unwanted in ("usr/bin/gcc", "usr/bin/pip3", "out", "tests", "tmp/kun-dns64.deb"):
        assert not (files / unwanted).exists()


def test_it_answers_on_every_address_with_a_root_that_nobody_can_write(container: Container) -> None:
    told = container.inside(sys.executable, "-c", ASK)
    assert told.returncode == 0, told.stderr
    assert told.stdout.count("64:ff9b::c000:aa") == 4
    status = Path(f"/proc/{container.pid}/status").read_text()
    assert re.search(rf"^Uid:\t{USER}\t{USER}", status, re.MULTILINE)
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
    assert '"build": "image"' in container.page("/status").replace('":"', '": "')


def test_its_health_check_sees_it(container: Container, image: tuple[Path, dict[str, Any]]) -> None:
    kind, program, *arguments = image[1]["Healthcheck"]["Test"]
    assert (kind, program) == ("CMD", "/usr/bin/python3")
    assert container.inside(sys.executable, *arguments).returncode == 0


def test_as_process_number_1_it_replaces_a_worker_and_leaves_no_zombie(container: Container) -> None:
    before = set(container.processes()) - {1}
    workers = sorted(number for number in before if number > 1)
    assert len(workers) >= 2, "two workers, as image.toml says"
    inner = ["nsenter", "--target", str(container.pid), "--pid", "--mount", "--root", "--", "/bin/sh", "-c"]
    subprocess.run([*inner, f"kill -KILL {workers[-1]}"], check=True)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        now = container.processes()
        if workers[-1] not in now and len(set(now) - {1} - before) >= 1:
            break
        time.sleep(0.2)
    assert "Z" not in container.processes().values()
    assert container.inside(sys.executable, "-c", ASK).returncode == 0


def test_sigterm_ends_all_of_it(container: Container) -> None:
    os.kill(container.pid, 15)
    assert container.child.wait(timeout=20) == 0


def test_what_it_listens_on_is_what_the_manifest_expects() -> None:
    shipped = tomllib.loads((ROOT / "gateway-config/kubernetes/image.toml").read_text())
    ports = {int(one.rpartition(":")[2]) for one in shipped["server"]["listen"]}
    assert ports == {int(port) for port in re.findall(r"dns-\w+, containerPort: (\d+)", MANIFEST)}
    (admin,) = re.findall(r"admin, containerPort: (\d+)", MANIFEST)
    assert shipped["admin"]["listen"].endswith(f":{admin}")


def test_full_caches_of_all_workers_fit_the_memory_limit() -> None:
    """608 bytes a cached name were measured (docs/benchmark.md); 900 leave room for longer ones."""
    limit = int(re.search(r"limits:\n +memory: (\d+)Gi", MANIFEST)[1]) * 2**30
    workers = int(re.search(r"workers = (\d+)", MANIFEST)[1])
    shipped = tomllib.loads((ROOT / "gateway-config/kun-dns64.toml").read_text())
    assert workers * (shipped["cache"]["max_entries"] * 900 + 60 * 2**20) <= limit
