"""The leader dies by SIGKILL at every write it makes; no share is ever owned twice, and all is caught up afterwards."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from kun_cluster.formats.times import unix_time
from kun_cluster.model.egress import API_VERSION
from tests.cluster.api_server import Cluster, Refused
from tests.cluster.forked_controller import ForkedController
from tests.cluster.killing_proxy import KillingProxy
from tests.cluster.test_following import egress, is_gone

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
COOL_DOWN_S = 1.0
Specs = dict[str, dict[str, Any]]


class Deaths:
    """Every write ends the controller the first time: before it or after it, in turn. `both`: each of them does both.

    A write is told by its method, its path, and whether an allocation is released by it or given back.
    """

    def __init__(self, *, both: bool) -> None:
        self._both = both
        self._seen: dict[tuple[str, str, bool], int] = {}
        self._lock = threading.Lock()
        self.rows: list[str] = []

    def dies(self, method: str, path: str, body: bytes) -> str:
        with self._lock:
            key = (method, f"{path}/{json.loads(body)['metadata']['name']}" if method == "POST" else path,
                   b"releasedAt" in body)  # fmt: skip
            times = self._seen.get(key, 0)
            if times >= (2 if self._both else 1):
                return ""
            self._seen[key] = times + 1
            when = ("before", "after")[times if self._both else len(self.rows) % 2]
            self.rows.append(f"{when} {method} {key[1].rsplit('v1alpha1/', 1)[-1]}{' release' if key[2] else ''}")
            return when


class Ownership:
    """Everything that the API server ever said about allocations: a share has one owner until it has cooled.

    `specs`: those that are there. `fault`: the first thing that must never be.
    """

    def __init__(self, cluster: Cluster, pool: str) -> None:
        self._cluster, self._pool, self.fault = cluster, pool, ""
        self._path = f"/apis/{API_VERSION}/egressallocations"
        self._version, self._stops = self._newest(), False
        self.specs: Specs = {}
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stops = True
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _newest(self) -> str:
        """Where the first watch begins. For a moment the API server refuses to list a kind that was just made."""
        while True:
            with suppress(Refused):
                return str(self._cluster.request("GET", self._path)["metadata"]["resourceVersion"])
            time.sleep(0.05)

    def _follow(self) -> None:
        """Each watch goes on where the one before ended: nothing is missed."""
        while not self._stops:
            path = f"{self._path}?watch=true&resourceVersion={self._version}&timeoutSeconds=5"
            # The API server ends watches of a kind that was just made.
            with suppress(OSError, HTTPException):
                for line in self._cluster.stream(path):
                    self._take(json.loads(line))
            time.sleep(0.05)

    def _take(self, event: dict[str, Any]) -> None:
        spec, meta = event["object"].get("spec", {}), event["object"].get("metadata", {})
        try:
            assert event["type"] in ("ADDED", "MODIFIED", "DELETED"), event
            if spec.get("pool") == self._pool:
                self._judge(event["type"], meta["name"], spec)
            self._version = meta["resourceVersion"]
        except AssertionError as error:
            self.fault = self.fault or str(error)
            self._stops = True

    def _judge(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        before = self.specs.get(name)
        assert (before is None) is (kind == "ADDED"), f"{name} was given twice"
        assert before is None or before["owner"] == spec["owner"], f"{name} went from {before} to {spec}"
        specs = {**self.specs, name: spec}
        if kind == "DELETED":
            released = spec.get("releasedAt", "")
            assert released, f"{name} was forgotten without a release"
            assert time.time() >= unix_time(released) + COOL_DOWN_S, f"{name} was forgotten before it had cooled"
            del specs[name]
        whole = {one["address"] for one in specs.values() if one["use"] == "SharedAddress"}
        assert not [one for one in specs.values() if one["use"] == "Share" and one["address"] in whole], specs
        self.specs = specs


@dataclass
class Mortal:
    """A pool of one gateway, whose controller is started anew whenever it has died."""

    cluster: Cluster
    process: ForkedController
    deaths: Deaths
    owned: Ownership

    def until(self, what: Callable[[Specs], bool], limit_s: float = 180.0) -> None:
        end = time.monotonic() + limit_s
        while not what(self.owned.specs):
            assert not self.owned.fault, self.owned.fault
            assert time.monotonic() < end, (self.owned.specs, self.deaths.rows, self.process.output()[-2000:])
            if not self.process.is_alive:
                self.process.launch()
            time.sleep(0.02)

    def held(self, policy: str) -> list[str]:
        """Shares of a policy that are not released."""
        found = self.owned.specs.items()
        return sorted(name for name, one in found if one["owner"]["name"] == policy and not one.get("releasedAt"))

    def condition(self, obj: dict[str, Any], kind: str) -> tuple[str, int]:
        found = self.cluster.get(obj)
        conditions = found.get("status", {}).get("conditions", [])
        return next(
            ((one["reason"], one["observedGeneration"] - found["metadata"]["generation"])
             for one in conditions if one["type"] == kind),
            ("", -1),
        )  # fmt: skip


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.soak)], ids=["in-turn", "before-and-after"])
def mortal(request: pytest.FixtureRequest, cluster: Cluster, tmp_path: Path) -> Iterator[Mortal]:
    for name in ("team-00", "killed"):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    deaths = Deaths(both=request.param)
    proxy = KillingProxy(cluster, deaths.dies, lambda: process.kill())
    flags = ("--namespace", "killed")
    process = ForkedController(proxy.start(cluster, tmp_path), tmp_path, "killed", *flags, lease_s=1.0)
    owned = Ownership(cluster, "killed")
    try:
        yield Mortal(cluster, process, deaths, owned)
    finally:
        process.close()
        proxy.stop()
        owned.stop()


def test_no_share_is_owned_twice_whenever_the_leader_dies(mortal: Mortal) -> None:
    cluster, until, held = mortal.cluster, mortal.until, mortal.held
    spec = {"vip": "203.0.113.90", "publicNetworks": ["198.51.100.128/29"], "portsPerShare": 32768}
    own = {"pool": "killed", "address": "Dedicated"}
    pool = egress("EgressPool", "killed", **spec, coolDown="10m")
    gateway = egress("EgressGateway", "killed-gw", pool="killed", admin="http://127.0.0.1:1")
    first, second = (egress("EgressPolicy", name, "team-00", **own) for name in ("first", "second"))
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    try:
        for obj in (pool, gateway, first):
            cluster.apply(obj)
        until(lambda _: len(held("first")) == 1)
        cluster.delete(first)
        cluster.apply(second)
        until(lambda _: len(held("second")) == 1 and not held("first"))
        # More, fewer, and back: what it released itself it gets again.
        cluster.apply(egress("EgressPolicy", "second", "team-00", **own, shares=2))
        until(lambda _: len(held("second")) == 2)
        both = held("second")
        cluster.apply(egress("EgressPolicy", "second", "team-00", **own, shares=1))
        until(lambda _: len(held("second")) == 1)
        cluster.apply(egress("EgressPolicy", "second", "team-00", **own, shares=2))
        until(lambda _: held("second") == both)
        cluster.apply(egress("EgressPool", "killed", **spec, coolDown="1s"))
        until(lambda specs: "first" not in {one["owner"]["name"] for one in specs.values()})
        # Caught up: every status is that of the newest generation, and the table says the same as the allocations.
        until(lambda _: mortal.condition(second, "AddressesGiven") == ("Given", 0))
        until(lambda _: mortal.condition(pool, "Exhausted") == ("Free", 0))
        until(lambda _: mortal.condition(gateway, "Accepted") == ("Accepted", 0))
        until(lambda _: len(cluster.get(second)["status"]["addresses"]) == 2)
        until(lambda _: mortal.process.page("/readyz") is not None)
        reader = mortal.process.follow()
        reader.wait(lambda seen: bool(seen.version))
        shares = reader.records["class", "team-00/second"]["addresses"]
        assert sorted(one["address"].replace(".", "-") for one in shares) == [name.rpartition("-")[0] for name in both]
        assert ("class", "team-00/first") not in reader.records
        reader.close()
        print(f"died {len(mortal.deaths.rows)} times: {'; '.join(mortal.deaths.rows)}")
        kinds = {f"{row.split()[1]}{' release' if row.endswith('release') else ''}" for row in mortal.deaths.rows}
        assert kinds == {"POST", "PUT", "PUT release", "PATCH", "DELETE"}, mortal.deaths.rows
        # Nothing stays behind that another pool could not have.
        for obj in (second, gateway):
            cluster.delete(obj)
        until(lambda specs: not specs)
        assert not mortal.owned.fault, mortal.owned.fault
    finally:
        for obj in (first, second, gateway, pool):
            if not is_gone(cluster, obj):
                cluster.delete(obj)
        with suppress(Refused):
            cluster.delete({**lease, "metadata": {"name": "kun-controller", "namespace": "killed"}})
