"""Pods, namespaces and nodes as the API writes them, reduced to what is needed while they are decoded."""

from collections.abc import Callable
from typing import Any

import msgspec

from kun_cluster.model.workload import IPV4_ENABLED, Namespace, Node, Pod

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
FINISHED = ("Succeeded", "Failed")


class Metadata(msgspec.Struct, frozen=True):
    name: str
    namespace: str = ""
    uid: str = ""
    creationTimestamp: str | None = None
    deletionTimestamp: str | None = None
    resourceVersion: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class PodAddress(msgspec.Struct, frozen=True):
    ip: str = ""


class PodSpec(msgspec.Struct, frozen=True):
    hostNetwork: bool = False


class PodStatus(msgspec.Struct, frozen=True):
    phase: str = ""
    podIP: str = ""
    podIPs: list[PodAddress] | None = None


class PodObject(msgspec.Struct, frozen=True):
    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class NamespaceObject(msgspec.Struct, frozen=True):
    metadata: Metadata


class Taint(msgspec.Struct, frozen=True):
    key: str


class NodeSpec(msgspec.Struct, frozen=True):
    podCIDR: str = ""
    podCIDRs: list[str] | None = None
    unschedulable: bool = False
    taints: list[Taint] | None = None


class NodeObject(msgspec.Struct, frozen=True):
    metadata: Metadata
    spec: NodeSpec = NodeSpec()


Workload = Pod | Namespace | Node


class LabelSets:
    """Keeps each set of labels once: the pods of one workload have the same."""

    BOUND = 100_000

    def __init__(self) -> None:
        self._known: dict[frozenset[tuple[str, str]], dict[str, str]] = {}

    def shared(self, labels: dict[str, str] | None) -> dict[str, str]:
        """Give an equal set that was seen before, if there is one. Forgets them all at its bound."""
        if len(self._known) >= self.BOUND:
            self._known.clear()
        labels = labels or {}
        return self._known.setdefault(frozenset(labels.items()), labels)


def to_pod(found: PodObject, label_sets: LabelSets) -> Pod:
    """Make a Pod of what was decoded."""
    meta, status = found.metadata, found.status
    listed = [entry.ip for entry in status.podIPs or ()] or [status.podIP]
    return Pod(
        namespace=meta.namespace or "default",
        name=meta.name,
        uid=meta.uid,
        created=meta.creationTimestamp or "",
        labels=label_sets.shared(meta.labels),
        ipv4_enabled=(meta.annotations or {}).get(IPV4_ENABLED),
        addresses=tuple(address for address in listed if address),
        finished=status.phase in FINISHED,
        terminating=meta.deletionTimestamp is not None,
        host_network=found.spec.hostNetwork,
    )


def to_namespace(found: NamespaceObject, label_sets: LabelSets) -> Namespace:
    """Make a Namespace of what was decoded."""
    return Namespace(found.metadata.name, label_sets.shared(found.metadata.labels))


def to_node(found: NodeObject, _: LabelSets) -> Node:
    """Make a Node of what was decoded."""
    spec = found.spec
    networks = tuple(spec.podCIDRs or ([spec.podCIDR] if spec.podCIDR else []))
    gone = any(taint.key == OUT_OF_SERVICE for taint in spec.taints or ())
    return Node(found.metadata.name, networks, spec.unschedulable, gone)


READERS: dict[str, tuple[type, Callable[[Any, LabelSets], Workload]]] = {
    "Pod": (PodObject, to_pod),
    "Namespace": (NamespaceObject, to_namespace),
    "Node": (NodeObject, to_node),
}


def read_workload(kind: str, document: object, label_sets: LabelSets) -> Workload:
    """Read one object that was decoded already (a manifest). Raises msgspec.ValidationError with the path."""
    structure, make = READERS[kind]
    return make(msgspec.convert(document, structure), label_sets)
