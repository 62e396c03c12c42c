"""The configuration file as the operator writes it: every key, its default, its own limits.

What several keys say together is checked in `crosscheck.py`; what the program makes of it is `resolve.py`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from kun_base.admin_access import ALLOW
from kun_base.special_ipv4 import NEVER_TRANSLATED
from kun_dns64.config.endpoint import Endpoint, UpstreamAddress
from kun_dns64.config.values import (
    ChaosText,
    DomainName,
    Listen,
    MailName,
    MapPrefix,
    Nat64Prefix,
    Network,
    Network4,
    Network6,
    OfferedName,
    OptionalListen,
    Place,
    Special,
    StatusUrl,
    Upstream,
    Vip,
    parse_ipv6_network,
    parse_network,
)
from kun_dns64.model.special import SpecialName

Name = Annotated[str, Field(min_length=1, max_length=80)]
Text = Annotated[str, Field(min_length=1)]

ALLOW_CLIENTS = (
    "127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10", "2002::/16",
)  # fmt: skip
EXCLUDE_AAAA = ("::ffff:0:0/96", "64:ff9b::/96")


LISTEN = (Endpoint.parse("127.0.0.1:5353"), Endpoint.parse("[::1]:5353"))


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class TlsSection(Section):
    listen: list[Listen] = [Endpoint.parse("127.0.0.1:8853")]
    certificate: Place
    key: Place
    offered_as: OfferedName = ""


class ServerSection(Section):
    listen: list[Listen] = Field(default=list(LISTEN), min_length=1)
    freebind: bool = False
    workers: int = Field(default=0, ge=0, le=256)
    allow_clients: list[Network] = [parse_network(text) for text in ALLOW_CLIENTS]
    trust_ecs_from: list[Network] = []
    forwarders: list[Network] = []
    udp_payload_max: int = Field(default=1232, ge=512, le=65535)
    budget_s: float = Field(default=1.8, ge=0.2, le=30)
    rate_limit_per_s: int = Field(default=0, ge=0)
    client_max_waiting: int = Field(default=1000, ge=1)
    tcp_idle_s: float = Field(default=10, gt=0, le=3600)
    tcp_max_connections: int = Field(default=1000, ge=1)
    tcp_max_per_client: int = Field(default=100, ge=1)
    special_names: list[Special] = list(SpecialName)
    identity: ChaosText = ""
    version: ChaosText = ""
    cookie_secret_file: Place = ""
    watch_config: bool = False
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    tls: TlsSection | None = None


class AdminSection(Section):
    """Who may use the admin pages; with `token_file` they take what the control socket takes."""

    listen: OptionalListen = Endpoint.parse("127.0.0.1:9464")
    allow: list[Network] = Field(default=[parse_network(text) for text in ALLOW], min_length=1)
    names: list[DomainName] = []
    token_file: Place = ""
    certificate: Place = ""
    key: Place = ""


class ControlSection(Section):
    """The unix socket behind `kun-dns64 status`, `reload`, `flush` and the like."""

    socket: Place = ""
    group: str = ""


class UpstreamSection(Section):
    servers: list[Upstream] = []
    resolv_conf: Place = "/etc/resolv.conf"
    stagger_ms: int = Field(default=50, ge=0, le=10_000)
    case_randomisation: bool = True
    trust_ad: bool = False
    client_subnet: bool = False
    check_not_dns64: bool = False
    max_outstanding: int = Field(default=10_000, ge=1)
    ca_file: Place = ""


class CacheSection(Section):
    max_entries: int = Field(default=500_000, ge=0)
    max_bytes: int = Field(default=0, ge=0)
    max_ttl_s: int = Field(default=86_400, ge=0, le=604_800)
    max_stale_s: int = Field(default=86_400, ge=0, le=604_800)
    stale_ttl_s: int = Field(default=30, ge=1, le=3600)
    prefetch: bool = True


class MapEntry(Section):
    ipv4: Network4
    prefix: MapPrefix
    host: Literal["embed", "1"] | None = None


class Dns64Section(Section):
    vip: Vip = None
    prefixes: list[Nat64Prefix] = []
    allow_nonglobal_vip: bool = False
    exclude_aaaa: list[Network6] = [parse_ipv6_network(text) for text in EXCLUDE_AAAA]
    never_embed: list[Network4] = list(NEVER_TRANSLATED)
    ptr_mode: Literal["cname", "ptr"] = "cname"
    strict_dnssec: bool = False
    shadow: bool = False
    soa_mname: DomainName = "localhost"
    soa_rname: MailName = "nobody.invalid"
    map: list[MapEntry] = []
    gateway_status: list[StatusUrl] = []
    gateway_poll_s: float = Field(default=2, ge=0.1, le=3600)
    gateway_ca_file: Place = ""
    on_gateway_down: Literal["keep", "clamp-ttl", "stop"] = "clamp-ttl"


class DnstapSection(Section):
    socket: Place = ""
    file: Place = ""
    identity: str = ""
    client: bool = True
    forwarder: bool = True
    queue_bytes: int = Field(default=4 * 1024 * 1024, ge=65_536, le=1024 * 1024 * 1024)


class ZoneSection(Section):
    suffix: Text
    dns64: Literal["normal", "never", "force"] = "normal"
    servers: list[Upstream] = []


class PoolSection(Section):
    name: Name
    vip: Vip = None
    prefixes: list[Nat64Prefix] = []
    domains: list[Text] = []
    domain_files: list[Place] = []
    servers: list[Upstream] = []
    gateway_status: list[StatusUrl] = []
    fallback: str = ""


class ClientSection(Section):
    name: Name
    networks: list[Network] = []
    network_files: list[Place] = []
    dns64: bool = True
    filter_a: bool = False
    pool: str = ""
    domains: list[Text] = []


class ConfigFile(Section):
    """The whole file. Every section and key may be left out, except what names a thing."""

    server: ServerSection = Field(default_factory=ServerSection)
    admin: AdminSection = Field(default_factory=AdminSection)
    control: ControlSection = Field(default_factory=ControlSection)
    upstream: UpstreamSection = Field(default_factory=UpstreamSection)
    cache: CacheSection = Field(default_factory=CacheSection)
    dns64: Dns64Section = Field(default_factory=Dns64Section)
    dnstap: DnstapSection = Field(default_factory=DnstapSection)
    zone: list[ZoneSection] = []
    pool: list[PoolSection] = []
    client: list[ClientSection] = []


__all__ = ["ConfigFile", "Endpoint", "UpstreamAddress"]
