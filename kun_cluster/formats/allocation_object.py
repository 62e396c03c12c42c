"""An allocation as the API server stores it."""

from math import ceil
from typing import Any

from kun_cluster.formats.times import rfc3339
from kun_cluster.model.egress import API_VERSION, EgressAllocation


def allocation_object(one: EgressAllocation) -> dict[str, Any]:
    """Give the object to create, or to put in the place of the one with the same resourceVersion."""
    meta: dict[str, Any] = {"name": one.meta.name}
    if one.meta.resource_version:
        meta |= {"resourceVersion": one.meta.resource_version, "uid": one.meta.uid}
    owner = {"kind": one.owner.kind, "name": one.owner.name, "namespace": one.owner.namespace, "uid": one.owner.uid}
    spec: dict[str, Any] = {
        "pool": one.pool,
        "address": str(one.address),
        "use": str(one.use),
        "firstPort": one.first_port,
        "lastPort": one.last_port,
        "gateway": one.gateway,
        "owner": owner,
        "since": rfc3339(one.since),
    }
    if one.released_at is not None:
        # Whole seconds: rounded down, a cool-down would end up to a second early.
        spec["releasedAt"] = rfc3339(ceil(one.released_at))
    return {"apiVersion": API_VERSION, "kind": "EgressAllocation", "metadata": meta, "spec": spec}
