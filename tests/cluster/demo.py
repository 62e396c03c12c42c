"""`make demo-cluster`: a real API server decides, two resolvers follow, and everything that decides may die.

Runs in a network namespace of its own, where the pods' addresses lie on the loopback device: each question comes from
its pod's address, as in a cluster. Prints a table of what was seen and how long it took; exit 1 when a step failed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query

from kun_cluster.formats.crds import crds
from kun_cluster.model.egress import API_VERSION
from kun_cluster.model.workload import IPV4_ENABLED
from tests.cluster.api_server import Cluster
from tests.cluster.cluster_build import NoGo
from tests.cluster.cluster_build import built as built_here
from tests.cluster.controller_process import TOKEN, ControllerProcess
from tests.coredns.authority import Authority
from tests.coredns.coredns_build import built as built_dns
from tests.coredns.programs import Program, page
from tests.ports import free_port

NODES, PODS_EACH, NAMESPACES = 300, 2, 3
COREDNS = "fd00:53::53"
NAME = "v4only.example.org."
STANDARD, OVERSEAS = "2002:cb00:7101::c000:221", "2002:cb00:7181::c000:221"
COREFILE = """
.:{port} {{
    bind {address}
    errors
    ready 127.0.0.1:{ready}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }}
    rewrite edns0 subnet set 32 128
    forward . 127.0.0.1:{first} 127.0.0.1:{second} {{
        health_check 500ms domain ipv4only.arpa
        policy round_robin
        max_fails 2
    }}
}}
"""
RESOLVER = """
[server]
listen = ["127.0.0.1:{port}"]
workers = 1
trust_ecs_from = ["127.0.0.0/8", "::1/128", "{coredns}/128"]
[control]
socket = "{folder}/{name}.sock"
[admin]
listen = "127.0.0.1:{admin}"
[upstream]
servers = ["udp://127.0.0.1:{authority}"]
[dns64]
vip = "203.0.113.1"
[follow]
url = "http://127.0.0.1:{controller}"
token_file = "{folder}/token"
state_dir = "{folder}/{name}"
consumer = "{name}"
"""


class Failed(Exception):
    """A step did not show what it must show."""


@dataclass
class Stage:
    """All that runs, and what was seen so far."""

    cluster: Cluster
    controllers: list[ControllerProcess]
    resolvers: list[Program]
    coredns_port: int
    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def answers(self, pod: int, kind: str = "AAAA") -> list[str]:
        """Ask CoreDNS from a pod's address; the addresses in its answer."""
        query = dns.message.make_query(NAME, kind)
        try:
            reply = dns.query.udp(query, COREDNS, port=self.coredns_port, source=address(pod), timeout=5)
        except dns.exception.Timeout:
            raise Failed(f"CoreDNS does not answer pod {name(pod)[1]} at {address(pod)}") from None
        return sorted(item.to_text() for rrset in reply.answer if rrset.rdtype.name == kind for item in rrset)

    def see(self, what: str, seen: str, took: float | None = None) -> None:
        """Add a row, and print it at once."""
        self.rows.append((what, seen, "" if took is None else f"{took:.2f} s"))
        print(f"  {what}: {seen}{'' if took is None else f' ({took:.2f} s)'}", flush=True)


def address(pod: int) -> str:
    """The address of a pod; each node has a 6to4 /48 of its own."""
    node = pod // PODS_EACH
    return f"2002:a0{node // 256:x}:{node % 256:x}01:{pod % PODS_EACH + 1}::10"


def name(pod: int) -> tuple[str, str]:
    """Namespace and name of a pod."""
    return f"team-{pod % NAMESPACES:02}", f"web-{pod}"


def pod_object(pod: int, annotation: str | None = None) -> dict[str, Any]:
    namespace, own = name(pod)
    annotations = {} if annotation is None else {IPV4_ENABLED: annotation}
    meta = {"name": own, "namespace": namespace, "labels": {"app": own}, "annotations": annotations}
    spec = {"nodeName": f"node-{pod // PODS_EACH}", "containers": [{"name": "a", "image": "registry.example/a:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def egress(kind: str, own: str, namespace: str = "", **spec: Any) -> dict[str, Any]:
    meta = {"name": own} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": meta, "spec": spec}


def until(look: Callable[[], bool], what: str, limit_s: float = 30.0) -> float:
    """Wait until something is so; the seconds it took. Raises Failed."""
    start = time.monotonic()
    while not look():
        if time.monotonic() - start > limit_s:
            raise Failed(f"not seen within {limit_s:.0f} s: {what}")
        time.sleep(0.01)
    return time.monotonic() - start


def fill(cluster: Cluster) -> None:
    """Make nodes, namespaces, pods with their addresses, two pools and their gateways."""

    def pod(number: int) -> None:
        cluster.apply(pod_object(number))
        namespace, own = name(number)
        status = {"phase": "Running", "podIP": address(number), "podIPs": [{"ip": address(number)}]}
        meta = {"name": own, "namespace": namespace}
        cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": status}, status=True)

    for obj in crds():
        cluster.apply(obj)
    for number in range(NAMESPACES):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"team-{number:02}"}})
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kun"}})
    with ThreadPoolExecutor(8) as pool:
        nodes = ({"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{n}"}} for n in range(NODES))
        list(pool.map(cluster.apply, nodes))
        list(pool.map(pod, range(NODES * PODS_EACH)))
    pools = (
        egress("EgressPool", "standard", vip="203.0.113.1", default=True, publicNetworks=["192.0.2.0/28"]),
        # One address that can be given away beside the shared one.
        egress("EgressPool", "overseas", vip="203.0.113.129", publicNetworks=["198.51.100.0/31"], coolDown="60s",
               portsPerShare=32768),
    )  # fmt: skip
    gateways = (
        egress("EgressGateway", f"gw-{own}", pool=own, admin=f"http://127.0.0.1:{port}")
        for port, own in enumerate(("standard", "overseas"), 1)
    )
    for obj in (*pools, *gateways):
        cluster.apply(obj)


def start(stack: ExitStack, folder: Path) -> Stage:
    """Start everything: API server with its objects, two controllers, two resolvers, CoreDNS."""
    cluster = Cluster({one: built_here(one) for one in ("etcd", "kube-apiserver", "kubectl")}, folder)
    stack.callback(cluster.stop)
    print("starting etcd and kube-apiserver", flush=True)
    cluster.start()
    print(f"creating {NODES} nodes and {NODES * PODS_EACH} pods", flush=True)
    fill(cluster)
    authority = Authority()
    authority.start()
    stack.callback(authority.stop)
    controllers = [ControllerProcess(cluster.kubeconfig("admin"), folder, one) for one in ("first", "second")]
    print("starting two controllers, two resolvers and CoreDNS", flush=True)
    (folder / "token").write_text(TOKEN)
    resolvers, ports = [], []
    for controller in controllers:
        stack.callback(controller.stop)
        controller.start()
        port, admin = free_port(), free_port()
        text = RESOLVER.format(
            port=port, admin=admin, coredns=COREDNS, folder=folder, name=f"dns-{controller.name}",
            authority=authority.port, controller=controller.port,
        )  # fmt: skip
        file = folder / f"dns-{controller.name}.toml"
        (folder / f"dns-{controller.name}").mkdir()
        file.write_text(text)
        argv = [str(Path(sys.executable).parent / "kun-dns64"), "serve", "--config", str(file)]
        resolver = Program(argv, folder / f"dns-{controller.name}.log")
        resolver.start(lambda output: "ready" in output)
        stack.callback(resolver.stop)
        resolvers.append(resolver)
        ports.append(port)
    return Stage(cluster, controllers, resolvers, start_coredns(stack, cluster, folder, ports))


def start_coredns(stack: ExitStack, cluster: Cluster, folder: Path, resolvers: Iterable[int]) -> int:
    """Start CoreDNS in front of both resolvers; gives its port."""
    first, second = resolvers
    port, ready = free_port("::1"), free_port()
    corefile = folder / "Corefile"
    corefile.write_text(
        COREFILE.format(
            port=port,
            address=COREDNS,
            ready=ready,
            first=first,
            second=second,
            kubeconfig=cluster.kubeconfig("admin"),
        )
    )
    coredns = Program([str(built_dns("coredns")), "-conf", str(corefile)], folder / "coredns.log")
    coredns.start(lambda _: page(f"http://127.0.0.1:{ready}/ready") == "OK")
    stack.callback(coredns.stop)
    until(lambda: answered(port), "an answer from CoreDNS")
    return port


def answered(port: int) -> bool:
    """Tell whether CoreDNS answers at all: it is busy with its lists for a moment after it says it is ready."""
    try:
        dns.query.udp(dns.message.make_query(NAME, "A"), COREDNS, port=port, timeout=1)
    except dns.exception.Timeout:
        return False
    return True


def both(stage: Stage, pod: int, expected: list[str]) -> Callable[[], bool]:
    """Tell whether both resolvers give a pod this answer: CoreDNS asks them in turn."""
    return lambda: all(stage.answers(pod) == expected for _ in range(4))


def annotation(stage: Stage) -> None:
    """A pod gets IPv4 of its own and loses it again; its neighbour notices nothing."""
    stage.see("a pod without IPv4 asks", f"AAAA {NAME} {STANDARD}", until(both(stage, 0, [STANDARD]), "synthesis"))
    stage.cluster.apply(pod_object(0, "true"))
    took = until(both(stage, 0, []), "no AAAA for a pod with IPv4")
    if stage.answers(0, "A") != ["192.0.2.33"] or stage.answers(1) != [STANDARD]:
        raise Failed("the A record or the neighbour's answer changed")
    stage.see(f"its annotation {IPV4_ENABLED} turns true", "AAAA: none; A: 192.0.2.33; its neighbour as before", took)
    stage.cluster.apply(pod_object(0, "false"))
    took = until(both(stage, 0, [STANDARD]), "synthesis again")
    stage.see("and false", f"AAAA {STANDARD}", took)


def allocations(stage: Stage) -> dict[str, Any]:
    listing = stage.cluster.request("GET", f"/apis/{API_VERSION}/egressallocations")
    return {one["metadata"]["name"]: one["spec"] for one in listing["items"]}


def owned(stage: Stage, policy: str) -> list[str]:
    """Names of the shares that a policy has now."""
    found = allocations(stage)
    return sorted(
        one for one, spec in found.items() if policy in json.dumps(spec.get("owner")) and not spec.get("releasedAt")
    )


def tenant(stage: Stage) -> str:
    """A namespace gets a pool and an address of its own; gives the name of the share."""
    stage.cluster.apply(egress("EgressPolicy", "own", "team-01", pool="overseas", address="Dedicated"))
    took = until(both(stage, 1, [OVERSEAS]), "the other pool's prefix")
    until(lambda: bool(owned(stage, "team-01")), "an allocation")
    share = owned(stage, "team-01")[0]
    stage.see("namespace team-01 gets a pool and an address", f"AAAA {OVERSEAS}; allocation {share}", took)
    return share


def cool_down(stage: Stage, share: str) -> None:
    """A released share is not given to another tenant while it cools down."""
    stage.cluster.delete(egress("EgressPolicy", "own", "team-01"))
    took = until(lambda: bool(allocations(stage)[share].get("releasedAt")), "the release")
    until(both(stage, 1, [STANDARD]), "the default pool again")
    stage.cluster.apply(egress("EgressPolicy", "own", "team-02", pool="overseas", address="Dedicated"))
    time.sleep(3)
    if share in owned(stage, "team-02"):
        raise Failed(f"{share} was given out while it cools down")
    got = ", ".join(owned(stage, "team-02")) or "none: the pool has no other"
    stage.see("the tenant leaves, another one comes", f"{share} cools down; team-02 gets {got}", took)


def leader(stage: Stage) -> int:
    """Place of the controller that writes."""
    marks = [one.page("/metrics") or "" for one in stage.controllers]
    for place, text in enumerate(marks):
        if any(line.startswith("kun_controller_leader 1") for line in text.splitlines()):
            return place
    return -1


def leader_dies(stage: Stage) -> None:
    """The leader is killed: answers stay, the other one leads."""
    until(lambda: leader(stage) >= 0, "a leader")
    dead = leader(stage)
    stage.controllers[dead].kill()
    if not both(stage, 3, [STANDARD])():
        raise Failed("an answer changed when the leader was killed")
    took = until(lambda: leader(stage) == 1 - dead, "another leader", 60)
    stage.see("the leading controller is killed", "no answer changes; the other one leads", took)
    stage.controllers[dead].start()
    stage.cluster.apply(pod_object(3, "true"))
    took = until(both(stage, 3, []), "the change at both resolvers")
    stage.see("it is started again, a pod changes", "both resolvers follow", took)


def api_server_dies(stage: Stage) -> None:
    """The API server is killed: answers stay, and a restarted resolver starts from its file."""
    stage.cluster.kill_server()
    for _ in range(50):
        if stage.answers(3) or stage.answers(0) != [STANDARD]:
            raise Failed("an answer changed while the API server is away")
    resolver = stage.resolvers[0]
    resolver.stop()
    for one in stage.controllers:
        one.kill()
    resolver.start(lambda output: "ready" in output)
    if not both(stage, 3, [])():
        raise Failed("the restarted resolver forgot what the table said")
    stage.see("API server and both controllers are killed, a resolver restarts", "no answer changes")
    stage.cluster.start_server()
    for one in stage.controllers:
        one.start()
    stage.cluster.apply(pod_object(3, "false"))
    took = until(both(stage, 3, [STANDARD]), "the change after the return", 60)
    stage.see("all are back, a pod changes", "both resolvers follow", took)


def table(rows: list[tuple[str, str, str]]) -> str:
    """Lay out what was seen."""
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def prepare_network() -> None:
    """Put CoreDNS's and the pods' addresses on the loopback device of this network namespace."""
    lines = ["link set lo up", f"addr add {COREDNS}/128 dev lo nodad"]
    lines += [f"addr add {address(pod)}/128 dev lo nodad" for pod in range(6)]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True, timeout=30)


def main() -> int:
    """Play everything; exit code 0 when each step showed what it must show."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    begun = time.monotonic()
    prepare_network()
    with tempfile.TemporaryDirectory(prefix="kun-demo-") as folder, ExitStack() as stack:
        try:
            stage = start(stack, Path(folder))
            annotation(stage)
            share = tenant(stage)
            cool_down(stage, share)
            leader_dies(stage)
            api_server_dies(stage)
        except (Failed, AssertionError, NoGo) as error:
            print(f"demo-cluster: {error}", file=sys.stderr)
            return 1
    print(f"\n{table(stage.rows)}\n\n{len(stage.rows)} steps in {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
