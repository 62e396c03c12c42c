"""What one look at the machine found."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from kun_nat64.model.area import Area, Key
from kun_nat64.model.errors import DriverError
from kun_nat64.model.facts import Facts, Neighbour, RuleCounter
from kun_nat64.model.probefacts import AnyProbeWay
from kun_nat64.model.resetfacts import FlowWatch
from kun_nat64.model.ringfacts import RingCounts
from kun_nat64.model.tablefacts import OwnTable
from kun_nat64.model.tenantfacts import TenantRules


@dataclass(frozen=True, slots=True)
class Foreign:
    """Something that is not ours and stands in our way: `what` it is, and the command that would move it.

    `key`: of what cannot be made for it.
    """

    what: str
    remedy: str
    key: Key | None = None


@dataclass(frozen=True, slots=True)
class LinkReport:
    """A link we depend on and do not own (the outside interface, those towards the peers)."""

    name: str
    present: bool
    up: bool = False
    carrier: bool = False
    mtu: int = 0
    qdisc: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """What to look for beside our own marks: names that are desired, and would otherwise look like anybody's.

    `sysctls`, `modules`, `link_states`: by name. `instance`: Jool's. `links`: those to report on.
    `watch`: over orphaned flows, if wanted. `way`: of the probes. `tables`: of nftables. `clients`: networks of nodes,
    of which those that are near shall be answered by the router; (): none. `tenants`: what the rules of their table
    are made from.
    """

    instance: str
    globals: frozenset[str]
    sysctls: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()
    link_states: frozenset[str] = frozenset()
    tunnels: frozenset[str] = frozenset()
    vip: str = ""
    prefixes: frozenset[str] = frozenset()
    netns: str = ""
    links: frozenset[str] = frozenset()
    watch: FlowWatch | None = None
    way: AnyProbeWay | None = None
    tables: frozenset[OwnTable] = frozenset()
    clients: tuple[IPv4Network, ...] = ()
    tenants: TenantRules | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """`facts` of every area that answered; `failures` of those that did not: unknown, neither there nor gone.

    `counted`: packets by our nftables tables and their chains. `ring`: packets of the ring; None: there is none.
    `near`: what should be there for nodes on the uplink's own network (NodeRouter).
    `counters` of our rules, `resets` of orphaned flows (None: not counted): since their rules were made.
    `bgp_connections`: established ones of this host, as the kernel has them: they go on without the speaker's API.
    `own`: IPv4 addresses of every interface of this machine. `refused`: packets of denied tenants; None: not counted.
    """

    facts: Facts = frozenset()
    foreign: tuple[Foreign, ...] = ()
    links: tuple[LinkReport, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    failures: dict[Area, DriverError] = field(default_factory=dict)
    counters: tuple[RuleCounter, ...] = ()
    resets: int | None = None
    bgp_connections: int = 0
    own: frozenset[IPv4Address] = frozenset()
    near: Facts = frozenset()
    counted: tuple[tuple[str, str, int], ...] = ()
    refused: int | None = None
    ring: RingCounts | None = None

    def link(self, name: str) -> LinkReport:
        return next((link for link in self.links if link.name == name), LinkReport(name, present=False))
