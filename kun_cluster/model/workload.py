"""What is needed of pods, namespaces and nodes, and nothing else of them: there are many."""

from collections.abc import Mapping
from dataclasses import dataclass, field

IPV4_ENABLED = "cni.networking.kun/ipv4Enabled"
"""Annotation of a pod, and label of a namespace: has it an IPv4 address of its own?"""


@dataclass(frozen=True, slots=True)
class Pod:
    """`ipv4_enabled` is the annotation as it stands, None without one. `created` is RFC 3339 text, "" when unknown.

    `finished`: all its containers have ended for good (phase Succeeded or Failed), so its address is free again.
    `terminating`: it has been told to go and may still send. `host_network`: its addresses are the node's.
    """

    namespace: str
    name: str
    uid: str = ""
    created: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    ipv4_enabled: str | None = None
    addresses: tuple[str, ...] = ()
    finished: bool = False
    terminating: bool = False
    host_network: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return (self.namespace, self.name)

    def __str__(self) -> str:
        return f"Pod {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Namespace:
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"Namespace {self.name}"


@dataclass(frozen=True, slots=True)
class Node:
    """`pod_networks`: the node's share of the pods' address space. `unschedulable`: it is cordoned."""

    name: str
    pod_networks: tuple[str, ...] = ()
    unschedulable: bool = False
    out_of_service: bool = False

    def __str__(self) -> str:
        return f"Node {self.name}"
