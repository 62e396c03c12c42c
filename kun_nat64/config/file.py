"""The configuration file as the operator writes it: every key, its default, its own limits.

What several keys say together is checked in `crosscheck.py`; what the program makes of it is `resolve.py`.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from kun_base.special_ipv4 import NEVER_TRANSLATED
from kun_nat64.config.sessionplace import LOG
from kun_nat64.config.values import (
    AnyAddress,
    AnyNetwork,
    Community,
    GlobalValue,
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
    SysctlValue,
    parse_network4,
    parse_network6,
)

NAME = r"^[A-Za-z0-9][A-Za-z0-9-]{0,31}$"
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
    name: Annotated[StrictStr, Field(pattern=NAME)] = "gateway"
    inside: Literal["6to4", "native"] = "6to4"
    vip: Ipv4 | None = None
    allow_nonglobal_vip: StrictBool = False
    outside: Interface
    uplink: Interface | Literal[""] = ""
    near_by_router: StrictBool = True
    one_armed: StrictBool = False
    tunnel: Interface = "kun64"
    inside_mtu: Annotated[StrictInt, Field(ge=1280, le=65515)] = 8800
    outside_mtu: Annotated[StrictInt, Field(ge=576, le=65535)] = 1500
    mss: Mss | Literal["auto"] = 1420
    clients: Annotated[tuple[AnyNetwork, ...], NOT_EMPTY] = (parse_network4("10.0.0.0/8"),)
    check_source: StrictBool = True
    never_reach: tuple[Network4, ...] = NEVER_TRANSLATED
    routes: tuple[Network6, ...] = (parse_network6("2002::/16"),)
    manage_modules: StrictBool = True
    sysctls: dict[str, SysctlValue] = Field(default_factory=dict)
    observe_s: Annotated[Seconds, Field(ge=0.2, le=60)] = 2.0


class PoolEntry(Section):
    address: Ipv4
    ports: PortRange = Ports(20000, 60000)
    protocols: Annotated[tuple[Literal["tcp", "udp", "icmp"], ...], NOT_EMPTY] = ("tcp", "udp", "icmp")


class Nat64Section(Section):
    instance: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,14}$")] = "kun"
    pool6: Pool6 | None = None
    pool4: Annotated[tuple[PoolEntry, ...], NOT_EMPTY]
    tcp_established_s: Annotated[StrictInt, Field(ge=7200, le=86400 * 7)] = 7200
    tcp_transitory_s: Annotated[StrictInt, Field(ge=240, le=86400)] = 240
    udp_s: Annotated[StrictInt, Field(ge=120, le=86400)] = 300
    icmp_s: Annotated[StrictInt, Field(ge=1, le=86400)] = 60
    lowest_ipv6_mtu: Annotated[StrictInt, Field(ge=1280, le=65535)] = 1280
    globals: dict[str, GlobalValue] = Field(default_factory=dict)
    session_log: Place = LOG
    session_poll_s: Annotated[Seconds, Field(ge=1)] = 15.0
    sessions_per_client: Annotated[StrictInt, Field(ge=0)] = 0
    client_length: Annotated[StrictInt, Field(ge=16, le=128)] = 128
    new_flows_per_client_s: Annotated[StrictInt, Field(ge=0, le=1_000_000)] = 1000
    reset_orphans: StrictBool = True
    reset_orphans_flows: Annotated[StrictInt, Field(ge=1024, le=16777216)] = 262144


class PeerEntry(Section):
    address: AnyAddress
    # "as" is a word of Python.
    asn: AsNumber = Field(alias="as")
    hold_s: Annotated[StrictInt, Field(ge=3, le=65535)] = 3
    password_file: Annotated[Place, Field(pattern=ABSOLUTE_OR_NONE)] = ""


class BgpSection(Section):
    speaker: Literal["gobgp", "gobgp-cli"] = "gobgp"
    api: SpeakerApi = "unix:///run/gobgpd/api.sock"
    local_as: AsNumber
    router_id: Ipv4
    next_hop: Ipv4 | None = None
    next_hop6: Ipv6 | None = None
    peers: Annotated[tuple[PeerEntry, ...], NOT_EMPTY]
    med: Med = 10
    soft_fail_med: Med = 1000
    communities: tuple[Community, ...] = ()
    prefixes: tuple[AnyNetwork, ...] = ()
    manage_daemon: StrictBool = False
    daemon_file: Annotated[Place, Field(pattern=r"^/.+")] = "/etc/kun/gobgpd.conf"
    observe_s: Annotated[Seconds, Field(ge=0.5, le=300)] = 10.0


class HealthSection(Section):
    interval_s: Annotated[Seconds, Field(ge=0.02, le=60)] = 0.2
    timeout_s: Annotated[Seconds, Field(ge=0.01, le=60)] = 0.3
    fall: Annotated[StrictInt, Field(ge=1, le=100)] = 3
    rise: Annotated[StrictInt, Field(ge=1, le=1000)] = 10
    targets: Annotated[tuple[ProbeTarget, ...], NOT_EMPTY]
    quorum: Annotated[StrictInt, Field(ge=1)] = 1
    hold_down_s: Annotated[float, BeforeValidator(_number), Field(ge=0, le=86400)] = 5.0
    hold_down_max_s: Annotated[float, BeforeValidator(_number), Field(ge=0, le=86400)] = 300.0
    flap_memory_s: Seconds = 900.0
    pool_limit: Annotated[float, BeforeValidator(_number), Field(gt=0, le=1)] = 0.95
    pool_forecast_s: Annotated[float, BeforeValidator(_number), Field(ge=0, le=86400)] = 0.0
    probe_netns: Annotated[StrictStr, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$")] = ""
    probe_link: Annotated[Interface, Field(max_length=13)] = "kunprobe"
    probe_network: Network4 = parse_network4("169.254.64.0/30")
    probe_node: Node = ""
    way_back: Literal["router", "uplink"] = "router"


class FleetSection(Section):
    members: tuple[Member, ...] = ()
    poll_s: Annotated[Seconds, Field(ge=0.1, le=60)] = 1.0
    timeout_s: Annotated[Seconds, Field(ge=0.05, le=60)] = 0.8


class GuardSection(Section):
    max_removals: Annotated[StrictInt, Field(ge=0)] = 5
    never_withdraw_last: StrictBool = True


class DrainSection(Section):
    grace_s: Annotated[float, BeforeValidator(_number), Field(ge=0, le=86400)] = 30.0
    tcp_sessions_left: Annotated[StrictInt, Field(ge=0)] = 0
    med: Med = 2000


class AdminSection(Section):
    listen: ListenAt = Listen("127.0.0.1", 9465)


class AuditSection(Section):
    database: Place = ""
    log_max_mb: Annotated[StrictInt, Field(ge=1, le=10_000_000)] = 1024
    database_max_mb: Annotated[StrictInt, Field(ge=1, le=10_000_000)] = 4096
    keep_days: Annotated[StrictInt, Field(ge=1, le=36500)] = 90


class LogSection(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class ConfigFile(Section):
    """kun-nat64's configuration. Times are seconds."""

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


SECTIONS: dict[str, type[Section]] = {
    "gateway": GatewaySection,
    "nat64": Nat64Section,
    "bgp": BgpSection,
    "health": HealthSection,
    "fleet": FleetSection,
    "guard": GuardSection,
    "drain": DrainSection,
    "admin": AdminSection,
    "audit": AuditSection,
}
