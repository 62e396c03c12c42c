"""What the operator decided, checked and resolved: the program's own form of the configuration. Times in seconds."""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from kun_base.admin_access import Access
from kun_base.prefix import Prefix
from kun_base.table_follower import FollowPlan
from kun_nat64.model.audit import Timeouts
from kun_nat64.model.clients import NO_CLIENTS, Clients
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.ringfacts import RingSpec


class TargetKind(StrEnum):
    TCP = "tcp"
    ICMP = "icmp"
    DNS = "dns"


@dataclass(frozen=True, slots=True)
class Target:
    """What a probe asks, through the own translator. `port` 0 for ICMP; `name` is the name a DNS probe asks for.

    `text`: as it is written in the file. Made once, since every probe is counted under it.
    """

    kind: TargetKind
    address: IPv4Address
    port: int = 0
    name: str = ""
    text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        port = f":{self.port}" if self.port else ""
        text = f"{self.kind}://{self.address}{port}" + (f"/{self.name}" if self.name else "")
        object.__setattr__(self, "text", text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class PoolRange:
    """Public ports sessions may use: an address, a range with both ends, and the protocols it is for."""

    address: IPv4Address
    first_port: int
    last_port: int
    protocols: tuple[Protocol, ...]


class Inside(StrEnum):
    """How packets of pods come to the gateway: in protocol 41 to the VIP, or as they are, routed to pool6."""

    SIXTOFOUR = "6to4"
    NATIVE = "native"


@dataclass(frozen=True, slots=True)
class Tenant:
    """Clients with public ports of their own. `number` tells its packets apart (model/tenantfacts.py).

    Without `pool4` they share that of everybody. `max_sessions`: all its clients together, 0: any number. `deny`: its
    packets are refused.
    """

    name: str
    number: int
    pool4: tuple[PoolRange, ...] = ()
    max_sessions: int = 0
    deny: bool = False

    @property
    def is_marked(self) -> bool:
        """Whether its packets are told apart from those of clients without a tenant."""
        return bool(self.deny or self.pool4 or self.max_sessions)


@dataclass(frozen=True, slots=True)
class GatewaySpec:
    """`tunnel` is the name of our sit device; `routes` lead through it back to the pods.

    `uplink`: interface towards the nodes; "": the one that has bgp.next_hop. `near_by_router`: nodes on its own network
    are answered by the router, as all others are. `mss_auto`: `mss` is the most, and less where the path carries less.
    `clients`: outer sources; `pods`: sources of native packets. With Inside.NATIVE there is neither a tunnel nor
    `clients`, `uplink` has a name, and there may be no `vip`.
    """

    name: str
    vip: IPv4Address | None
    pool6: Prefix
    outside: str
    tunnel: str
    inside_mtu: int
    outside_mtu: int
    mss: int
    clients: tuple[IPv4Network, ...]
    never_reach: tuple[IPv4Network, ...]
    routes: tuple[IPv6Network, ...]
    sysctls: tuple[tuple[str, str], ...]
    manage_modules: bool
    check_source: bool
    observe_s: float
    one_armed: bool = False
    uplink: str = ""
    near_by_router: bool = True
    mss_auto: bool = False
    inside: Inside = Inside.SIXTOFOUR
    pods: tuple[IPv6Network, ...] = ()

    @property
    def is_native(self) -> bool:
        return self.inside is Inside.NATIVE

    @property
    def inside_link(self) -> str:
        """The interface that pods' packets come out of."""
        return self.uplink if self.is_native else self.tunnel

    @property
    def tunnel_end(self) -> IPv4Address:
        """The VIP, for what is there with a tunnel alone."""
        assert self.vip is not None
        return self.vip

    @property
    def announced(self) -> IPv4Network | IPv6Network:
        """What brings the pods' packets here: the path whose MED and withdrawal count."""
        return self.pool6.network if self.is_native else IPv4Network(self.tunnel_end)

    @property
    def served(self) -> str:
        """`announced`, for people."""
        return f"prefix {self.pool6}" if self.is_native else f"VIP {self.vip}"


@dataclass(frozen=True, slots=True)
class Limit:
    """Sessions that one client may hold, 0: any number; clients are networks of the prefix length `length`."""

    sessions: int
    length: int


@dataclass(frozen=True, slots=True)
class Nat64Spec:
    instance: str
    pool4: tuple[PoolRange, ...]
    globals: tuple[tuple[str, str], ...]
    session_poll_s: float
    limit: Limit
    reset_orphans: bool = True
    reset_orphans_flows: int = 262144
    new_flows_s: int = 0


@dataclass(frozen=True, slots=True)
class Peer:
    """What is beside address, AS and hold time counts where the agent writes the speaker's configuration."""

    address: IPv4Address | IPv6Address
    asn: int
    hold_s: int
    password_file: str = ""
    bfd: bool = False
    ttl_security: bool = False
    communities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BgpSpec:
    """`api`, `daemon_file`, `paths_file`: the speaker's usual ones where the file names none."""

    speaker: str
    api: str
    local_as: int
    router_id: IPv4Address
    next_hop: IPv4Address
    peers: tuple[Peer, ...]
    med: int
    soft_fail_med: int
    communities: tuple[str, ...]
    prefixes: tuple[IPv4Network | IPv6Network, ...]
    observe_s: float
    manage_daemon: bool = False
    next_hop6: IPv6Address | None = None
    daemon_file: str = "/etc/kun/gobgpd.conf"
    paths_file: str = ""


@dataclass(frozen=True, slots=True)
class HealthSpec:
    """`probe_network` joins the probe's namespace to the gateway: first host the gateway, second the probe.

    `probe_node`: the node that probes come from, as the gateway sees it. `by_router`: answers to it go to the router
    and come back from there; False: they are turned round at the uplink. `probe_pods`: where there is no tunnel, the
    network that the probe's address is of.
    """

    interval_s: float
    timeout_s: float
    fall: int
    rise: int
    targets: tuple[Target, ...]
    quorum: int
    hold_down_s: float
    hold_down_max_s: float
    flap_memory_s: float
    pool_limit: float
    pool_forecast_s: float
    probe_netns: str
    probe_link: str
    probe_network: IPv4Network
    probe_node: IPv4Address | None
    by_router: bool = True
    probe_pods: IPv6Network | None = None

    @property
    def node(self) -> IPv4Address:
        """`probe_node`, for what is there with a tunnel alone."""
        assert self.probe_node is not None
        return self.probe_node


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """`listen` as (address, port): the admin pages for the fleet; None: there only where [admin] says.

    `ca_file`: authorities for members with https://; "": the system's. `ring`: None where packets of unknown flows are
    handed to nobody.
    """

    members: tuple[str, ...]
    poll_s: float
    timeout_s: float
    listen: tuple[str, int] | None = None
    ca_file: str = ""
    ring: RingSpec | None = None


@dataclass(frozen=True, slots=True)
class GuardSpec:
    max_removals: int
    never_withdraw_last: bool


@dataclass(frozen=True, slots=True)
class DrainSpec:
    grace_s: float
    tcp_sessions_left: int
    med: int


@dataclass(frozen=True, slots=True)
class AdminSpec:
    """`listen` as (address, port)."""

    host: str
    port: int
    access: Access


@dataclass(frozen=True, slots=True)
class AuditSpec:
    """The session log: `log` a file ("": no log at all), `database` a folder; limits in bytes for all parts of each.

    `timeouts` are Jool's: they say how often one has to look, and when a session's last packet was.
    """

    log: str
    log_limit: int
    database: str
    database_limit: int
    keep_s: float
    timeouts: Timeouts


@dataclass(frozen=True, slots=True)
class LogSpec:
    level: str
    as_json: bool


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """The whole file. `source` names it for messages; `written`: as the TOML parser read it, None for none.

    `clients`: networks of `tenants`, and whose they are. `follow`: where the controller's table comes from, if any.
    """

    gateway: GatewaySpec
    nat64: Nat64Spec
    bgp: BgpSpec
    health: HealthSpec
    fleet: FleetSpec
    guard: GuardSpec
    drain: DrainSpec
    admin: AdminSpec
    log: LogSpec
    audit: AuditSpec
    tenants: tuple[Tenant, ...] = ()
    clients: Clients = NO_CLIENTS
    follow: FollowPlan | None = None
    source: str = field(default="", compare=False)
    written: dict[str, Any] | None = field(default=None, compare=False, repr=False)

    def __hash__(self) -> int:
        """Cheap, because what follows from a spec is remembered by it, and a spec may have thousands of addresses."""
        return hash((self.gateway.name, self.gateway.pool6, len(self.nat64.pool4)))
