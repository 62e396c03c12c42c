"""From a pod's change at a real API server to its new answer at kun-dns64, while about 100 pods change in a second.

`PYTHONPATH=. python tests/cluster/latency.py`; the first run builds the API server: minutes.
"""

import statistics
import tempfile
import threading
import time
from pathlib import Path

import dns.edns
import dns.message
import dns.query

from kun_cluster.formats.crds import crds
from kun_cluster.model.egress import API_VERSION
from kun_cluster.model.workload import IPV4_ENABLED
from tests.cluster.api_server import Cluster
from tests.cluster.cluster_build import built
from tests.cluster.controller_process import TOKEN, ControllerProcess
from tests.coredns.authority import Authority
from tests.coredns.programs import kun_dns64
from tests.ports import free_port

PODS, THREADS, SECONDS, PER_S = 400, 16, 20.0, 100.0
NAME, WAIT_S = "v4only.example.org.", 20.0


def pod(name: str, annotation: str) -> dict[str, object]:
    """A pod whose annotation says whether it has IPv4."""
    meta = {"name": name, "namespace": "team-00", "annotations": {IPV4_ENABLED: annotation}}
    spec = {"containers": [{"name": "a", "image": "registry.example/a:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def answers(client: str, port: int) -> int:
    """How many AAAA a client has."""
    query = dns.message.make_query(NAME, "AAAA", use_edns=0, options=[dns.edns.ECSOption(client, 128)])
    return len(dns.query.udp(query, "127.0.0.1", timeout=5, port=port).answer)


class Load:
    """Threads that flip pods of their own, and note how long each took."""

    def __init__(self, cluster: Cluster, port: int) -> None:
        self._cluster, self._port = cluster, port
        self.took: list[float] = []
        self.asked: list[float] = []

    def run(self) -> float:
        """Returns changes a second."""
        began = time.monotonic()
        threads = [threading.Thread(target=self._flip, args=(one, began)) for one in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(self.took) / (time.monotonic() - began)

    def _flip(self, thread: int, began: float) -> None:
        number, due = thread, began + thread / PER_S
        while due < began + SECONDS:
            time.sleep(max(0.0, due - time.monotonic()))
            due += THREADS / PER_S
            number = number + THREADS if number + THREADS < PODS else thread
            client = address(number)
            before = answers(client, self._port)
            self._cluster.apply(pod(f"p-{number}", "true" if before else "false"))
            changed = time.monotonic()
            while time.monotonic() < changed + WAIT_S:
                asked = time.monotonic()
                after = answers(client, self._port)
                self.asked.append(time.monotonic() - asked)
                if after != before:
                    break
                time.sleep(0.005)
            self.took.append(time.monotonic() - changed)


def address(number: int) -> str:
    """Of a pod."""
    return f"2002:a01:2:{number // 100 + 1:x}::{number + 16:x}"


def prepared(cluster: Cluster) -> None:
    """A pool and the pods."""
    for crd in crds():
        cluster.apply(crd)
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-00"}})
    spec = {"vip": "203.0.113.1", "default": True}
    cluster.apply({"apiVersion": API_VERSION, "kind": "EgressPool", "metadata": {"name": "standard"}, "spec": spec})
    for number in range(PODS):
        name = f"p-{number}"
        cluster.apply(pod(name, "false"))
        state = {"phase": "Running", "podIP": address(number), "podIPs": [{"ip": address(number)}]}
        meta = {"name": name, "namespace": "team-00"}
        cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": state}, status=True)


def main(folder: Path) -> None:
    """Start everything, load it, and print the figures."""
    programs = {name: built(name) for name in ("etcd", "kube-apiserver", "kubectl")}
    cluster, authority, port = Cluster(programs, folder), Authority(), free_port()
    cluster.start()
    controller = ControllerProcess(cluster.kubeconfig("admin"), folder, "kun")
    (folder / "token").write_text(TOKEN)
    authority.start()
    config = (
        f'[server]\nlisten = ["127.0.0.1:{port}"]\nworkers = 2\ntrust_ecs_from = ["127.0.0.1/32"]\n'
        f'[admin]\nlisten = ""\n[control]\nsocket = "none"\n[upstream]\nservers = ["udp://127.0.0.1:{authority.port}"]\n'
        f'[follow]\nurl = "http://127.0.0.1:{controller.port}"\ntoken_file = "token"\nstate_dir = "state"\n'
    )
    resolver = kun_dns64(folder, config)
    try:
        prepared(cluster)
        controller.start()
        resolver.start(lambda output: " table-connected " in output)
        load = Load(cluster, port)
        rate = load.run()
    finally:
        resolver.stop()
        controller.kill()
        cluster.stop()
        authority.stop()
    for what, found in (("change to new answer", load.took), ("a query meanwhile", load.asked)):
        cuts = statistics.quantiles([1e3 * one for one in found], n=100)
        print(f"{what}: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, most {1e3 * max(found):.1f} ms of {len(found)}")
    print(f"{rate:.0f} changes a second")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
