"""Holds the Lease, or waits for it. Only its holder writes; everybody watches, compiles and serves."""

import asyncio
import random
import time
from datetime import UTC, datetime
from typing import Any

from kun_base.journal import Journal
from kun_cluster.policy.lease import DURATION_S, RETRY_S, SeenLease, Step, may_write, next_step, seen
from kun_cluster.watch.kube_client import KubeClient
from kun_cluster.watch.kube_error import KubeError

NAME = "kun-controller"
GONE, CONFLICT = 404, 409
DEADLINE_S = 5.0
MOST_TRANSITIONS = 2**31 - 1


class Leadership:
    """`identity`: this replica's name. `error`: why the Lease could not be read or written last, "" otherwise."""

    def __init__(self, client: KubeClient, namespace: str, identity: str, journal: Journal) -> None:
        self._client, self._identity, self._journal = client, identity, journal
        self._path = f"apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._seen: SeenLease | None = None
        self._renewed_at: float | None = None
        self.error = ""

    @property
    def leads(self) -> bool:
        """Whether this replica may write now."""
        return may_write(self._renewed_at, time.monotonic())

    @property
    def holder(self) -> str:
        """Who holds the Lease, as seen last."""
        return self._seen.holder if self._seen is not None else ""

    async def run(self) -> None:
        """Keep the Lease or try to get it, until cancelled."""
        led, told = False, ""
        while True:
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await self._step()
                self.error = ""
            except (KubeError, TimeoutError) as error:
                self.error = str(error) or "no answer"
            if self.leads is not led:
                led = self.leads
                self._journal.info("leadership", leads=led, holder=self.holder, error=self.error or None)
            if self.error and self.error != told:
                self._journal.warning("lease-failed", error=self.error)
            told = self.error
            await asyncio.sleep(RETRY_S * random.uniform(0.8, 1.2))

    async def _step(self) -> None:
        there = await self._read()
        now = time.monotonic()
        if there is None:
            self._seen = None
        else:
            spec = there.get("spec") or {}
            duration_s = float(spec.get("leaseDurationSeconds") or DURATION_S)
            self._seen = seen(self._seen, spec.get("holderIdentity") or "", _version_of(there), duration_s, now)
        step = next_step(self._seen, self._identity, now)
        if step is not Step.WAIT:
            await self._write(step, there, now)

    async def _read(self) -> dict[str, Any] | None:
        try:
            return await self._client.ask("GET", f"{self._path}/{NAME}")
        except KubeError as error:
            if error.code == GONE:
                return None
            raise

    async def _write(self, step: Step, there: dict[str, Any] | None, now: float) -> None:
        """The version that was read goes with it: of two that write, one is refused."""
        old = (there or {}).get("spec") or {}
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(DURATION_S),
            "acquireTime": old.get("acquireTime", moment) if step is Step.RENEW else moment,
            "renewTime": moment,
            # The API server takes 32 bits.
            "leaseTransitions": min(int(old.get("leaseTransitions") or 0) + (step is Step.TAKE), MOST_TRANSITIONS),
        }
        meta = {"name": NAME} if there is None else there["metadata"]
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}
        try:
            if there is None:
                written = await self._client.ask("POST", self._path, body)
            else:
                written = await self._client.ask("PUT", f"{self._path}/{NAME}", body)
        except KubeError as error:
            if error.code != CONFLICT:
                raise
            self._renewed_at = None
            return
        self._renewed_at = now
        self._seen = seen(self._seen, self._identity, _version_of(written), DURATION_S, now)

    async def release(self) -> None:
        """Give the Lease up when this replica ends, so that the other one need not wait."""
        if not self.leads:
            return
        self._renewed_at = None
        try:
            async with asyncio.timeout(1.0):
                there = await self._read()
                if there is not None and (there.get("spec") or {}).get("holderIdentity") == self._identity:
                    there["spec"]["holderIdentity"] = ""
                    await self._client.ask("PUT", f"{self._path}/{NAME}", there)
        except (KubeError, TimeoutError) as error:
            self.error = str(error)


def _version_of(lease: dict[str, Any]) -> str:
    """The Lease's resourceVersion. Raises KubeError for an answer without one: something else answered."""
    metadata = lease.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    if not isinstance(version, str):
        raise KubeError(0, "an answer that is no Lease")
    return version
