"""The platform's size at a real API server: first table, memory, CPU, and from a pod's change to its commit and answer.

`PYTHONPATH=. python tests/cluster/scale.py`; 18,659 pods on 300 nodes take minutes to make, 3 GB, and the API server's
first build.
"""

import argparse
import asyncio
import json
import ssl
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bench.procstat import PROC, TICKS_PER_S, parse_rss_kb, parse_stat
from kun_cluster.formats.crds import crds
from kun_cluster.model.workload import IPV4_ENABLED
from tests.cluster.api_server import Cluster, path_of
from tests.cluster.cluster_build import built
from tests.cluster.controller_process import TOKEN, ControllerProcess
from tests.cluster.latency import answers
from tests.cluster.resolver_file import one_worker
from tests.cluster.test_following import egress, pod, status
from tests.coredns.authority import Authority
from tests.coredns.programs import kun_dns64
from tests.ports import free_port

WRITERS, EVERY = 32, 10
MERGE = "application/merge-patch+json"


@dataclass(frozen=True)
class Size:
    pods: int
    nodes: int
    namespaces: int

    def namespace(self, number: int) -> str:
        return f"team-{number % self.namespaces:02}"

    def address(self, number: int) -> str:
        return f"2002:a01:{number % self.nodes + 1:x}:1::{number // self.nodes + 16:x}"

    def pod(self, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """The pod, and its status."""
        name, namespace = f"web-{number}", self.namespace(number)
        made = pod(name, namespace, "false", app="web", **{"pod-template-hash": f"{number * 7919 % 99991:05x}"})
        return made, status(name, self.address(number), namespace=namespace)


@dataclass
class Followed:
    """A consumer: the class of each client, and when its commit came."""

    at: dict[tuple[str, str], float] = field(default_factory=dict)
    bytes: int = 0
    commit: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, what: Callable[[], bool]) -> None:
        """Wait for commits until something is so."""
        while not what():
            self.commit.clear()
            await self.commit.wait()

    async def run(self, session: aiohttp.ClientSession, port: int) -> None:
        change: list[tuple[str, str]] = []
        url = f"http://127.0.0.1:{port}/v1/table?consumer=scale&role=resolver"
        async with session.get(url, headers={"Authorization": f"Bearer {TOKEN}"}) as response:
            async for raw in response.content:
                self.bytes += len(raw)
                line = json.loads(raw)
                if line["type"] == "clients":
                    change += [(network, line["class"]) for network, _ in line["entries"]]
                elif line["type"] == "commit":
                    now = time.monotonic()
                    for key in change:
                        self.at.setdefault(key, now)
                    change.clear()
                    self.commit.set()


@dataclass
class Bed:
    """An API server with its pods, and a session to it."""

    cluster: Cluster
    session: aiohttp.ClientSession
    size: Size

    async def send(self, method: str, path: str, body: dict[str, Any], content_type: str = "application/json") -> None:
        headers = {"Authorization": "Bearer admin", "Content-Type": content_type}
        url = f"https://[::1]:{self.cluster.port}{path}"
        async with self.session.request(method, url, data=json.dumps(body), headers=headers) as response:
            text = await response.text()
            assert response.status < 300, text[:300]

    async def fill(self) -> None:
        for number in range(self.size.namespaces):
            await self._create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"team-{number:02}"}})
        for number in range(self.size.nodes):
            networks = [f"2002:a01:{number + 1:x}:1::/64"]
            spec = {"podCIDR": networks[0], "podCIDRs": networks}
            await self._create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"n-{number}"}, "spec": spec})
        await self._create(egress("EgressPool", "standard", vip="203.0.113.1", default=True))
        await at_once(range(self.size.pods), self._make)

    async def _create(self, obj: dict[str, Any]) -> None:
        await self.send("POST", path_of(obj).rsplit("/", 1)[0], obj)

    async def _make(self, number: int) -> None:
        made, state = self.size.pod(number)
        await self._create(made)
        await self.send("PATCH", f"{path_of(state)}/status", {"status": state["status"]}, MERGE)

    async def flip(self, number: int) -> float:
        """The pod has IPv4 from now on; when the API server said so."""
        body = {"metadata": {"annotations": {IPV4_ENABLED: "true"}}}
        await self.send("PATCH", path_of(self.size.pod(number)[0]), body, MERGE)
        return time.monotonic()


async def at_once(numbers: Iterable[int], what: Callable[[int], Awaitable[None]]) -> None:
    """Do it for each number, some at a time."""
    left = iter(numbers)

    async def work() -> None:
        for number in left:
            await what(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(work())


def used(pid: int) -> tuple[float, float]:
    """CPU seconds and resident MB of a process."""
    stat = parse_stat((PROC / str(pid) / "stat").read_text())
    return stat.own / TICKS_PER_S, parse_rss_kb((PROC / str(pid) / "status").read_text()) / 1000


def answered(client: str, port: int) -> float:
    """When the client had no AAAA any more."""
    while answers(client, port):
        time.sleep(0.005)
    return time.monotonic()


async def load(bed: Bed, seen: Followed, port: int, per_s: float, seconds: float) -> tuple[list[float], list[float]]:
    """Change pods evenly. Seconds from the API server's word to the commit, and of some to the answer."""
    began, said, told = time.monotonic(), dict[int, float](), list[float]()

    async def one(number: int) -> None:
        await asyncio.sleep(max(0.0, began + number / per_s - time.monotonic()))
        said[number] = await bed.flip(number)
        if not number % EVERY:
            told.append(await asyncio.to_thread(answered, bed.size.address(number), port) - said[number])

    async with asyncio.TaskGroup() as group:
        for number in range(int(per_s * seconds)):
            group.create_task(one(number))
    await seen.until(lambda: all((bed.size.address(number), "native") in seen.at for number in said))
    late = [max(0.0, seen.at[bed.size.address(number), "native"] - at) for number, at in said.items()]
    return late, [max(0.0, one) for one in told]


def row(what: str, found: list[float]) -> str:
    cuts = statistics.quantiles([1000 * one for one in found], n=100)
    return f"{what}: p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms, most {1000 * max(found):.0f} ms of {len(found)}"


async def measured(cluster: Cluster, folder: Path, size: Size, per_s: float, seconds: float) -> None:
    """Fill, start, load, and print the figures."""
    context = ssl.create_default_context(cafile=str(cluster.folder / "ca.crt"))
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    controller = ControllerProcess(cluster.kubeconfig("admin"), folder, "scale")
    authority, port = Authority(), free_port()
    (folder / "token").write_text(TOKEN)
    authority.start()
    resolver = kun_dns64(folder, one_worker(port, authority.port, controller.port))
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        bed, began = Bed(cluster, session, size), time.monotonic()
        try:
            await bed.fill()
            print(f"{size.pods} pods made in {time.monotonic() - began:.0f} s", flush=True)
            await asyncio.to_thread(controller.start)
            cpu_s, mb = used(controller.pid)
            said = next(line for line in controller.output().splitlines() if " ready " in line)
            print(f"first table after {cpu_s:.1f} s of CPU, {mb:.0f} MB: {said}", flush=True)
            seen = Followed()
            follower = asyncio.create_task(seen.run(session, controller.port))
            await asyncio.to_thread(resolver.start, lambda output: " table-connected " in output)
            await seen.until(lambda: bool(seen.at))
            wire, (cpu_s, _), began = seen.bytes, used(controller.pid), time.monotonic()
            late, told = await load(bed, seen, port, per_s, seconds)
            wall, (after_s, mb) = time.monotonic() - began, used(controller.pid)
            follower.cancel()
        finally:
            resolver.stop()
            controller.kill()
            authority.stop()
    print(f"{len(late) / wall:.0f} changes a second: {100 * (after_s - cpu_s) / wall:.1f} % of a core, {mb:.0f} MB")
    print(f"snapshot {wire / 1e6:.2f} MB, {(seen.bytes - wire) / len(late):.0f} bytes a change, as lines")
    print(row("change to commit", late))
    print(row("change to new answer", told))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=18_659)
    parser.add_argument("--nodes", type=int, default=300)
    parser.add_argument("--namespaces", type=int, default=23)
    parser.add_argument("--per-s", type=float, default=100.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    programs = {name: built(name) for name in ("etcd", "kube-apiserver", "kubectl")}
    with tempfile.TemporaryDirectory() as name:
        cluster = Cluster(programs, Path(name))
        try:
            cluster.start()
            for crd in crds():
                cluster.apply(crd)
            size = Size(given.pods, given.nodes, given.namespaces)
            asyncio.run(measured(cluster, Path(name), size, given.per_s, given.seconds))
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
