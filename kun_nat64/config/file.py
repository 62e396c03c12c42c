"""The configuration file as the operator writes it: every key with its type, default, limits and description.

The text below a key describes it. From here, `make reference` writes gateway-config/kun-nat64.toml and
docs/reference.md.
What several keys say together is checked in `crosscheck.py`; what the program makes of it is `resolve.py`.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from kun_base.admin_access import ALLOW
from kun_base.config_marks import COMMENTED_OUT
from kun_base.config_values import parse_ipv4_network, parse_ipv6_network, parse_network
from kun_base.follow_section import FollowSection
from kun_base.special_ipv4 import NEVER_TRANSLATED
from kun_nat64.config.sessionplace import LOG
from kun_nat64.config.values import (
    AnyAddress,
    AnyNetwork,
    Community,
    GlobalValue,
    HostName,
    Interface,
    Ipv4,
    Ipv6,
    Listen,
    ListenAt,
    Member,
    Network4,
    Network6,
    Node,
    Place,
    Pool6,
    PortRange,
    Ports,
    ProbeTarget,
    SpeakerApi,
    SpeakerName,
    SysctlValue,
)
from kun_nat64.model.ringfacts import MOST_MEMBERS

NAME = r"^[A-Za-z0-9][A-Za-z0-9-]{0,31}$"
# A class of the controller's table is named NAMESPACE/NAME.
TENANT_NAME = r"^[A-Za-z0-9]([A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?$"
ABSOLUTE_OR_NONE = r"^(/.+)?$"
AsNumber = Annotated[StrictInt, Field(ge=1, le=4294967295)]
Mss = Annotated[StrictInt, Field(ge=536, le=65475)]
Med = Annotated[StrictInt, Field(ge=0, le=4294967295)]


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return value


def _not_empty(value: tuple[Any, ...]) -> tuple[Any, ...]:
    if not value:
        raise ValueError("must not be empty")
    return value


# Not Field(min_length=1): that would report a list whose only element is wrong as empty, too.
NOT_EMPTY = AfterValidator(_not_empty)
Seconds = Annotated[float, BeforeValidator(_number), Field(gt=0, le=86400 * 30, allow_inf_nan=False)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GatewaySection(Section):
    """The gateway: its VIP, its interfaces and its rules."""

    name: Annotated[StrictStr, Field(pattern=NAME, examples=["gw1"])] = "gateway"
    """Name of this gateway in metrics and in the fleet: letters, digits and "-". Each gateway needs its own."""
    inside: Literal["6to4", "native"] = "6to4"
    """How the packets of pods arrive. "6to4": in protocol 41 to the VIP, by a tunnel. "native": routed to pool6, which
    is announced over IPv6, without a tunnel (kun-nat64-native.toml)."""
    vip: Ipv4 | None = Field(default=None, examples=["203.0.113.1"])
    """IPv4 address that every gateway announces. 203.0.113.1 makes pool6 2002:cb00:7101::/96. Required with
    inside = "6to4"."""
    allow_nonglobal_vip: StrictBool = False
    """Allow a VIP from a private network. 6to4 needs a global address (RFC 3056)."""
    outside: Interface = Field(examples=["eth1"])
    """Interface towards the IPv4 Internet."""
    uplink: Interface | Literal[""] = ""
    """Interface towards the nodes. "" means the one with the address bgp.next_hop. Required with inside = "native"."""
    near_by_router: StrictBool = True
    """Send replies to nodes on the uplink's own network by the router, like replies to all other nodes."""
    one_armed: StrictBool = False
    """Accept the packets of pods (protocol 41) on `outside` too. Without it, they are dropped there."""
    tunnel: Interface = "kun64"
    """Name of the 6to4 device that the agent creates."""
    inside_mtu: Annotated[StrictInt, Field(ge=1280, le=65515)] = 8800
    """MTU of the pods and of the tunnel in bytes."""
    outside_mtu: Annotated[StrictInt, Field(ge=576, le=65535)] = 1500
    """MTU of the path to the IPv4 Internet in bytes."""
    mss: Mss | Literal["auto"] = 1420
    """TCP MSS that the gateway sets. 1420 = 1500 - 20 (outer IPv4) - 40 (IPv6) - 20 (TCP) fits every 1500-byte link.
    "auto" means 1420, or less when path MTU measurements require it."""
    clients: Annotated[tuple[AnyNetwork, ...], NOT_EMPTY] = (parse_ipv4_network("10.0.0.0/8"),)
    """Outer IPv4 sources that may send protocol 41. Packets of all others are dropped. With inside = "native": IPv6
    networks of the pods."""
    check_source: StrictBool = True
    """Drop tunnelled packets whose inner source is not a 6to4 address."""
    never_reach: tuple[Network4, ...] = NEVER_TRANSLATED
    """Embedded IPv4 destinations that are dropped. The default is the list of kun-dns64's never_embed: all
    special-purpose networks (RFC 6890) except documentation. Loopback, "this network", multicast, reserved addresses
    and every address of this machine are dropped in any case."""
    routes: tuple[Network6, ...] = (parse_ipv6_network("2002::/16"),)
    """Routes to the pods through the tunnel. [] means that other routes lead there."""
    manage_modules: StrictBool = True
    """Load the kernel modules jool and sit when they are missing."""
    sysctls: dict[str, SysctlValue] = Field(default_factory=dict)
    """More settings below net.*, for example { "net.core.netdev_max_backlog" = "10000" }."""
    observe_s: Annotated[Seconds, Field(ge=0.2, le=60)] = 2.0
    """Compare the machine with this configuration every so many seconds, and repair differences."""


class PoolEntry(Section):
    address: Ipv4 = Field(examples=["192.0.2.11"])
    """Public IPv4 address."""
    ports: PortRange = Ports(20000, 60000)
    """Range of ports, and of ICMP identifiers."""
    protocols: Annotated[tuple[Literal["tcp", "udp", "icmp"], ...], NOT_EMPTY] = ("tcp", "udp", "icmp")
    """Protocols that use the range."""


class Nat64Section(Section):
    """The translator (Jool)."""

    instance: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,14}$")] = "kun"
    """Name of the Jool instance."""
    pool6: Annotated[Pool6 | None, Field(examples=["2002:cb00:7101::/96"]), COMMENTED_OUT] = None
    """NAT64 prefix. Default: the first /96 of the VIP's 6to4 prefix."""
    pool4: Annotated[tuple[PoolEntry, ...], NOT_EMPTY] = Field(
        examples=[[{"address": "192.0.2.11", "ports": "20000-60000", "protocols": ["tcp", "udp", "icmp"]}]]
    )
    """Public addresses of this gateway alone. Keep the host's own ports (net.ipv4.ip_local_port_range) outside."""
    tcp_established_s: Annotated[StrictInt, Field(ge=7200, le=86400 * 7)] = 7200
    """Idle timeout of established TCP sessions in seconds. At least 7200 (RFC 5382 REQ-5)."""
    tcp_transitory_s: Annotated[StrictInt, Field(ge=240, le=86400)] = 240
    """Timeout of TCP sessions that open or close, in seconds. At least 240 (RFC 5382 REQ-5)."""
    udp_s: Annotated[StrictInt, Field(ge=120, le=86400)] = 300
    """Idle timeout of UDP sessions in seconds. At least 120 (RFC 4787 REQ-5)."""
    icmp_s: Annotated[StrictInt, Field(ge=1, le=86400)] = 60
    """Idle timeout of ICMP sessions in seconds."""
    lowest_ipv6_mtu: Annotated[StrictInt, Field(ge=1280, le=65535)] = 1280
    """Smallest MTU of all paths to the pods in bytes. Raise it only if every path carries more."""
    globals: dict[str, GlobalValue] = Field(default_factory=dict)
    """More settings of `jool global`, for example { "maximum-simultaneous-opens" = 20 }."""
    session_log: Place = LOG
    """File that records who had which public port, as JSON lines (ECS). "" disables it and its database."""
    session_poll_s: Annotated[Seconds, Field(ge=1)] = 15.0
    """Read the sessions every so many seconds, for the log and for the count of ports in use."""
    sessions_per_client: Annotated[StrictInt, Field(ge=0)] = 0
    """A client with this many sessions gets no new ports until it has fewer. 0 disables the limit."""
    client_length: Annotated[StrictInt, Field(ge=16, le=128)] = 128
    """Prefix length that counts as one client. 128 is an address, 64 a /64 network."""
    new_flows_per_client_s: Annotated[StrictInt, Field(ge=0, le=1_000_000)] = 1000
    """New flows per second of one client. Ten times as many may come at once. More are dropped. 0 disables the limit.
    Needs reset_orphans."""
    reset_orphans: StrictBool = True
    """Answer TCP packets of flows that an ECMP rehash moved here with RST, so that they do not hang. Needs nft."""
    reset_orphans_flows: Annotated[StrictInt, Field(ge=1024, le=16777216)] = 262144
    """Flows that reset_orphans remembers, about 130 bytes each. While the table is full, nothing is reset."""


class PeerEntry(Section):
    address: AnyAddress = Field(examples=["10.2.1.1"])
    """Address of the router."""
    # "as" is a word of Python.
    asn: AsNumber = Field(alias="as", examples=[65000])
    """AS number of the router."""
    hold_s: Annotated[StrictInt, Field(ge=3, le=65535)] = 3
    """BGP hold time in seconds."""
    password_file: Annotated[Place, Field(pattern=ABSOLUTE_OR_NONE)] = ""
    """File with the TCP MD5 password. Needs manage_daemon. "" means no password."""
    bfd: StrictBool = False
    """Find a silent death of this router or gateway in 0.9 s. Needs manage_daemon, and BFD on the router."""
    ttl_security: StrictBool = False
    """Accept packets of this router only from the same link (RFC 5082). Needs manage_daemon, and the same there."""
    communities: tuple[Community, ...] = ()
    """Communities for this router alone, beside bgp.communities. Needs manage_daemon."""


class BgpSection(Section):
    """The BGP speaker that announces the VIP."""

    speaker: SpeakerName = "gobgp"
    """The daemon that announces: "gobgp" by its API, "frr" by vtysh, "bird" (BIRD 2) by its control socket."""
    api: SpeakerApi = ""
    """Where the speaker listens. "" means unix:///run/gobgpd/api.sock, unix:///run/frr (the folder of bgpd's socket)
    or unix:///run/bird/bird.ctl. "127.0.0.1:50051" works with GoBGP, but every local user can then withdraw the VIP."""
    local_as: AsNumber = Field(examples=[65001])
    """AS number of this gateway, the same on all gateways."""
    router_id: Ipv4 = Field(examples=["10.2.1.2"])
    """BGP identifier: an IPv4 address of this gateway."""
    next_hop: Annotated[Ipv4 | None, Field(examples=["10.2.1.2"])] = None
    """Address of this gateway towards the routers. Default: router_id."""
    next_hop6: Annotated[Ipv6 | None, Field(examples=["fd00:11::2"]), COMMENTED_OUT] = None
    """IPv6 address of this gateway towards the routers. IPv6 networks in `prefixes` need it."""
    peers: Annotated[tuple[PeerEntry, ...], NOT_EMPTY] = Field(
        examples=[[{"address": "10.2.1.1", "as": 65000, "hold_s": 3}]]
    )
    """The routers, as in the speaker's own configuration."""
    med: Med = 10
    """MED of a healthy gateway."""
    soft_fail_med: Med = 1000
    """MED of a gateway with a soft failure. It leaves the ECMP set, but a fleet whose gateways all fail stays in it."""
    communities: tuple[Community, ...] = ()
    """Communities of every announced path, for example ["64512:100"]."""
    prefixes: tuple[AnyNetwork, ...] = ()
    """Networks that are announced together with the VIP's /32."""
    manage_daemon: StrictBool = False
    """The agent writes daemon_file, the neighbours and filters of the speaker, and makes the speaker take it."""
    daemon_file: Annotated[Place, Field(pattern=ABSOLUTE_OR_NONE)] = ""
    """That file, with manage_daemon. "" means gobgpd.conf, frr.conf or bird.conf in /etc/kun."""
    paths_file: Annotated[Place, Field(pattern=ABSOLUTE_OR_NONE)] = ""
    """Include file of BIRD that holds the announced paths. "" means /run/kun-nat64/bird.conf."""
    observe_s: Annotated[Seconds, Field(ge=0.5, le=300)] = 10.0
    """Read the announced paths back every so many seconds, and at once when a BGP session changes."""


class HealthSection(Section):
    """Probes through the own translator, and what follows from them."""

    interval_s: Annotated[Seconds, Field(ge=0.02, le=60)] = 0.2
    """Seconds between two probes of a target."""
    timeout_s: Annotated[Seconds, Field(ge=0.01, le=60)] = 0.3
    """A probe without an answer after so many seconds has failed."""
    fall: Annotated[StrictInt, Field(ge=1, le=100)] = 3
    """Failed probes in a row after which a target is down."""
    rise: Annotated[StrictInt, Field(ge=1, le=1000)] = 10
    """Successful probes in a row after which a target is up."""
    targets: Annotated[tuple[ProbeTarget, ...], NOT_EMPTY] = Field(
        examples=[["tcp://198.51.100.80:80", "icmp://198.51.100.81"]]
    )
    """IPv4 hosts that answer probes: tcp://IPV4:PORT, icmp://IPV4 or dns://IPV4/NAME. Probes pass through the own
    translator."""
    quorum: Annotated[StrictInt, Field(ge=1)] = 1
    """Targets that must be up for the gateway to count as healthy."""
    hold_down_s: Annotated[float, BeforeValidator(_number), Field(ge=0, le=86400)] = 5.0
    """Seconds that a gateway waits before it comes back. The wait doubles with every flap."""
    hold_down_max_s: Annotated[float, BeforeValidator(_number), Field(ge=0, le=86400)] = 300.0
    """Longest wait in seconds."""
    flap_memory_s: Seconds = 900.0
    """One flap is forgotten every so many seconds."""
    pool_limit: Annotated[float, BeforeValidator(_number), Field(gt=0, le=1)] = 0.95
    """Raise MED when this share of the ports of a pool4 address is in use."""
    pool_forecast_s: Annotated[float, BeforeValidator(_number), Field(ge=0, le=86400)] = 0.0
    """Also raise MED when usage is forecast to reach 100 % within this many seconds. 0 disables it."""
    probe_netns: Annotated[StrictStr, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$")] = ""
    """Network namespace that probes start from. "" means kun-probe-NAME, with the name of the gateway."""
    probe_link: Annotated[Interface, Field(max_length=13)] = "kunprobe"
    """Name of the virtual link between that namespace and the gateway."""
    probe_network: Network4 = parse_ipv4_network("169.254.64.0/30")
    """Addresses of the virtual link: a /30 or /29 that nobody else uses."""
    probe_node: Node = ""
    """Node address that probes come from. It is routed as nodes are. "" means the last address of clients[0]. With
    inside = "native": an IPv6 address of clients. Probes come from its /64."""
    way_back: Literal["router", "uplink"] = "router"
    """Path of the replies to probes. "router" sends them to the router, which returns them to bgp.next_hop. "uplink"
    returns them at the uplink."""


class FleetSection(Section):
    """The other gateways of the same VIP."""

    members: Annotated[tuple[Member, ...], Field(examples=[["http://10.2.2.2:9465", "http://10.2.3.2:9465"]])] = ()
    """Admin addresses of the other gateways. The agent asks them before it withdraws, and only one gateway comes
    back at a time."""
    listen: Annotated[ListenAt | Literal[""], Field(examples=["10.2.1.2:9465"])] = ""
    """Address and port of the admin pages for the other gateways, Prometheus and the DNS servers. "" leaves [admin]
    listen alone. [admin] allow and the other keys there hold here too."""
    ca_file: Annotated[Place, Field(pattern=ABSOLUTE_OR_NONE)] = ""
    """PEM file with the certificate authorities of https:// members. "" uses the system's."""
    poll_s: Annotated[Seconds, Field(ge=0.1, le=60)] = 1.0
    """Ask each member every so many seconds."""
    timeout_s: Annotated[Seconds, Field(ge=0.05, le=60)] = 0.8
    """A member that has not answered after so many seconds is unknown."""
    ring: StrictBool | Literal["auto"] = "auto"
    """Show packets of unknown flows to the other gateways before they are answered with RST. Protocol 41 must pass
    between the gateways. It needs [nat64] reset_orphans = true. "auto" means true where `members` or `ring_members`
    have IPv4 addresses of other gateways."""
    ring_address: Ipv4 | Literal[""] = ""
    """This gateway's end of the tunnels to the others. "" takes [bgp] next_hop."""
    ring_members: Annotated[tuple[Ipv4, ...], Field(max_length=MOST_MEMBERS)] = ()
    """The others' ring_address. Empty: the IPv4 addresses in the URLs of `members`."""
    ring_flows_per_s: Annotated[StrictInt, Field(ge=1, le=10_000_000)] = 20_000
    """Hand so many unknown flows a second to other gateways, ten times as many at once. More are answered with RST."""


class GuardSection(Section):
    """Limits on what one change may do."""

    max_removals: Annotated[StrictInt, Field(ge=0)] = 5
    """A plan that removes more than this is refused without --force."""
    never_withdraw_last: StrictBool = True
    """A soft failure never withdraws the last gateway. It only raises MED. Unknown members count as down."""


class DrainSection(Section):
    """Planned removal of a gateway from service."""

    grace_s: Annotated[float, BeforeValidator(_number), Field(ge=0, le=86400)] = 30.0
    """Seconds that a draining gateway stays announced with the raised MED, before it withdraws the VIP."""
    tcp_sessions_left: Annotated[StrictInt, Field(ge=0)] = 0
    """The drain ends early when no more than this many TCP sessions are left."""
    med: Med = 2000
    """MED of a draining gateway."""


class AdminSection(Section):
    """The HTTP port for health checks, metrics and status."""

    listen: ListenAt = Listen("127.0.0.1", 9465)
    """Address and port of /healthz, /readyz (200 only while announced), /metrics, /status, and the pages / and
    /fleet."""
    allow: Annotated[tuple[AnyNetwork, ...], NOT_EMPTY] = tuple(map(parse_network, ALLOW))
    """Networks that may read these pages. The default is loopback and private networks. The last three are private
    IPv4 networks in 6to4 form."""
    names: tuple[HostName, ...] = ()
    """Host names by which the pages may be asked. Addresses, localhost and this host's own name always work."""
    token_file: Annotated[Place, Field(pattern=ABSOLUTE_OR_NONE)] = ""
    """File with a secret word of 16 characters or more. Who sends it may drain, undrain and reload by the port. ""
    takes these by the unix socket only."""
    certificate: Annotated[Place, Field(pattern=ABSOLUTE_OR_NONE)] = ""
    """PEM file with the certificate and its chain. With it the pages are https://. It is read again when it
    changes."""
    key: Annotated[Place, Field(pattern=ABSOLUTE_OR_NONE)] = ""
    """PEM file with the private key of `certificate`."""


class AuditSection(Section):
    """Limits of nat64.session_log and of the database behind `kun-nat64 who`."""

    database: Place = ""
    """Folder of the database. "" means beside the log: sessions.db for sessions.jsonl."""
    log_max_mb: Annotated[StrictInt, Field(ge=1, le=10_000_000)] = 1024
    """Size of the log and its older files in MB. The oldest are removed first."""
    database_max_mb: Annotated[StrictInt, Field(ge=1, le=10_000_000)] = 4096
    """Size of the database in MB. The oldest sessions are removed first."""
    keep_days: Annotated[StrictInt, Field(ge=1, le=36500)] = 90
    """Days after which sessions are removed."""


class LogSection(Section):
    """The agent's own log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is logged."""
    format: Literal["text", "json"] = "text"
    """Format of the log lines."""


class TenantEntry(Section):
    """Clients with public ports of their own, with a limit of their own, or refused. Optional; as many as needed."""

    name: Annotated[StrictStr, Field(pattern=TENANT_NAME, examples=["team-00"])]
    """Name of the tenant in the session log, metrics, `who` and `explain`."""
    networks: Annotated[tuple[Network6, ...], NOT_EMPTY] = Field(examples=[["2002:a01:2:1::/64"]])
    """IPv6 networks of its clients. A client has one tenant."""
    pool4: tuple[PoolEntry, ...] = Field(default=(), examples=[[{"address": "192.0.2.99", "ports": "20000-60000"}]])
    """Public addresses and ports of this tenant alone. [] means that it uses those of nat64.pool4."""
    max_sessions: Annotated[StrictInt, Field(ge=0)] = 0
    """Sessions that all its clients may hold together on this gateway. Beyond it they get no new ports. 0 means any
    number."""
    deny: StrictBool = False
    """Refuse its packets with an ICMPv6 error (administratively prohibited)."""
    mark: Annotated[StrictInt, Field(ge=4194305, le=8388607)] | Literal[0] = 0
    """Number in the packet mark of this tenant (0x4b000000 + number). 0 means that it is made from the name."""


class ConfigFile(Section):
    """Configuration of kun-nat64, the agent on a NAT64 gateway, with every key and its default.

    Times are in seconds. Required keys have no default. Their values here are examples from documentation networks.
    """

    gateway: GatewaySection
    nat64: Nat64Section
    bgp: BgpSection
    health: HealthSection
    fleet: FleetSection = FleetSection()
    guard: GuardSection = GuardSection()
    drain: DrainSection = DrainSection()
    admin: AdminSection = AdminSection()
    audit: AuditSection = AuditSection()
    log: LogSection = LogSection()
    follow: FollowSection | None = None
    tenant: tuple[TenantEntry, ...] = ()
