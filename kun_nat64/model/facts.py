"""Desired and observed state are the same thing: a set of facts. A plan is the difference of two such sets.

Every fact has an `area` (which tool looks at it), a `key` (which object it is about: two facts with one key are two
states of the same object), `inside` (the key of the object it disappears with), and prints itself as one line.
"""

from kun_nat64.model.area import Area, Key
from kun_nat64.model.bgpfacts import BgpPath, Neighbour, any_path
from kun_nat64.model.hostfacts import Address, LinkState, Module, Netns, NodeRouter, Route, Sysctl, Tunnel, Veth
from kun_nat64.model.joolfacts import JoolGlobal, JoolInstance, Pool4, Protocol
from kun_nat64.model.probefacts import AnyProbeWay, NativeProbeWay, ProbeWay
from kun_nat64.model.resetfacts import OrphanReset
from kun_nat64.model.ringfacts import RingStep
from kun_nat64.model.rulefacts import MARK, Chain, Family, Rule, RuleCounter
from kun_nat64.model.tablefacts import OwnChain, OwnTable
from kun_nat64.model.tenantfacts import TenantTable

Fact = (
    Module
    | Sysctl
    | Netns
    | Veth
    | Tunnel
    | LinkState
    | Address
    | Route
    | NodeRouter
    | Chain
    | Rule
    | JoolInstance
    | JoolGlobal
    | Pool4
    | OrphanReset
    | RingStep
    | ProbeWay
    | NativeProbeWay
    | OwnTable
    | TenantTable
    | BgpPath
)
Facts = frozenset[Fact]

__all__ = [
    "MARK",
    "Address",
    "AnyProbeWay",
    "Area",
    "BgpPath",
    "Chain",
    "Fact",
    "Facts",
    "Family",
    "JoolGlobal",
    "JoolInstance",
    "Key",
    "LinkState",
    "Module",
    "NativeProbeWay",
    "Neighbour",
    "Netns",
    "NodeRouter",
    "OrphanReset",
    "OwnChain",
    "OwnTable",
    "Pool4",
    "ProbeWay",
    "Protocol",
    "RingStep",
    "Route",
    "Rule",
    "RuleCounter",
    "Sysctl",
    "TenantTable",
    "Tunnel",
    "Veth",
    "any_path",
]
