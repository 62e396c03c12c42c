"""The configuration file as the operator writes it: every key with its type, default, limits and description.

The text below a key describes it. From here, `make reference` writes gateway-config/kun-dns64.toml and
docs/reference.md.
What several keys say together is checked in `crosscheck.py`; what the program makes of it is `resolve.py`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from kun_base.admin_access import ALLOW
from kun_base.config_values import parse_ipv6_network, parse_network
from kun_base.follow_section import FollowSection
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
    """The DNS over TLS listener (RFC 7858). Optional."""

    listen: list[Listen] = [Endpoint.parse("127.0.0.1:8853")]
    """Addresses and TCP ports for DNS over TLS."""
    certificate: Place = Field(examples=["tls.crt"])
    """PEM file with the certificate and its chain. The server reads it again when it changes."""
    key: Place = Field(examples=["tls.key"])
    """PEM file with the private key. The server reads it again when it changes."""
    offered_as: OfferedName = ""
    """Name in the certificate, offered to clients that discover encrypted DNS (RFC 9462). "" offers none."""


class ServerSection(Section):
    """Listeners, and limits towards clients."""

    listen: list[Listen] = Field(default=list(LISTEN), min_length=1)
    """Addresses and ports for DNS over UDP and TCP. Sockets that systemd passes replace them."""
    freebind: bool = False
    """Listen on addresses that this machine does not have yet."""
    workers: int = Field(default=0, ge=0, le=256)
    """Worker processes. 0 means one per core."""
    allow_clients: list[Network] = [parse_network(text) for text in ALLOW_CLIENTS]
    """Networks that may ask. Everybody else gets REFUSED.

    If the key is absent and a listener is reachable from the Internet, 2002::/16 is narrowed to the 6to4 networks of
    private IPv4 addresses.
    """
    trust_ecs_from: list[Network] = []
    """Forwarders whose EDNS client subnet names the real client. Each also gets the larger share of `forwarders`."""
    forwarders: list[Network] = []
    """Resolvers that ask for many clients. Each gets ten times a client's share."""
    udp_payload_max: int = Field(default=1232, ge=512, le=65535)
    """Largest UDP reply in bytes."""
    budget_s: float = Field(default=1.8, ge=0.2, le=30)
    """Every query is answered within this many seconds."""
    rate_limit_per_s: int = Field(default=0, ge=0)
    """UDP replies per second for one client (an IPv4 address or an IPv6 /56). Above it, the reply has TC=1 or is
    dropped. 0 disables the limit."""
    client_max_waiting: int = Field(default=1000, ge=1)
    """Queries of one client that may wait for upstreams, all workers together. The limit is ten times higher with a
    DNS cookie or over TCP."""
    tcp_idle_s: float = Field(default=10, gt=0, le=3600)
    """Close a TCP connection after this many seconds without a complete query and without a pending reply."""
    tcp_max_connections: int = Field(default=1000, ge=1)
    """TCP and TLS connections, all workers together. A TLS connection counts from before its handshake. Above the
    limit, the connection that is idle longest is closed."""
    tcp_max_per_client: int = Field(default=100, ge=1)
    """TCP and TLS connections of one client (an IPv4 address or an IPv6 /56), all workers together. Above the limit,
    its connection that is idle longest is closed."""
    special_names: list[Special] = list(SpecialName)
    """Special-use names that are answered locally as their RFCs require. A [[zone]] with servers takes precedence."""
    identity: ChaosText = ""
    """TXT answer to id.server and hostname.bind in class CHAOS. "{host}" stands for the host name. "" means REFUSED."""
    version: ChaosText = ""
    """TXT answer to version.bind and version.server in class CHAOS. "{version}" stands for the program's version. ""
    means REFUSED."""
    cookie_secret_file: Place = ""
    """File with the secret for DNS cookies (RFC 9018): 16 bytes in hex, the same on every replica. "" makes a random
    secret at start."""
    watch_config: bool = False
    """Reload when this file changes. Without it, reload with SIGHUP or `kun-dns64 reload`."""
    log_format: Literal["text", "json"] = "text"
    """Format of the log lines."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is logged."""
    tls: TlsSection | None = None
    """Optional DNS over TLS listener."""


class AdminSection(Section):
    """The HTTP port for health checks, metrics and status."""

    listen: OptionalListen = Endpoint.parse("127.0.0.1:9464")
    """Address and port of /healthz, /readyz, /metrics, /status, /explain?name=&type=&client= and the page /. ""
    disables them."""
    allow: list[Network] = Field(default=[parse_network(text) for text in ALLOW], min_length=1)
    """Networks that may read these pages. The default is loopback and private networks. The last three are private
    IPv4 networks in 6to4 form."""
    names: list[DomainName] = []
    """Host names by which the pages may be asked. Addresses, localhost and this host's own name always work."""
    token_file: Place = ""
    """File with a secret word of 16 characters or more. Who sends it may reload, flush and set the log level by the
    port. "" takes these by the control socket only."""
    certificate: Place = ""
    """PEM file with the certificate and its chain. With it the pages are https://. It is read again when it
    changes."""
    key: Place = ""
    """PEM file with the private key of `certificate`."""


class ControlSection(Section):
    """The unix socket behind `kun-dns64 status`, `reload`, `flush`, `explain` and the other commands."""

    socket: Place = ""
    """Path of the socket. "" means /run/kun-dns64/control.sock, "none" disables it."""
    group: str = ""
    """Group that may use the socket. "" allows the owner and root only."""


class UpstreamSection(Section):
    """The resolvers that kun-dns64 asks."""

    servers: list[Upstream] = []
    """Upstream resolvers: udp://ADDR (TCP on truncation), tcp://ADDR, tls://IP@NAME, https://IP/dns-query@NAME. [] uses
    those of `resolv_conf`."""
    resolv_conf: Place = "/etc/resolv.conf"
    """File with upstreams, read while `servers` is empty and again when it changes. Addresses of this server in it are
    skipped."""
    stagger_ms: int = Field(default=50, ge=0, le=10_000)
    """Ask for A this many milliseconds after AAAA. 0 asks for A only after the AAAA answer."""
    case_randomisation: bool = True
    """Randomise the case of names in upstream questions (0x20)."""
    trust_ad: bool = False
    """Copy the upstream's AD bit to synthesised answers too."""
    client_subnet: bool = False
    """Forward the EDNS client subnet to upstreams."""
    check_not_dns64: bool = False
    """At start, ask the upstreams for AAAA of ipv4only.arpa and warn if one of them synthesises."""
    max_outstanding: int = Field(default=10_000, ge=1)
    """Upstream questions without an answer, all workers together."""
    ca_file: Place = ""
    """PEM file with the certificate authorities of tls:// and https:// upstreams. "" uses the system's."""


class CacheSection(Section):
    """The answer cache and the reply cache."""

    max_entries: int = Field(default=500_000, ge=0)
    """Entries of the answer cache, and as many finished replies. All workers share it."""
    max_bytes: int = Field(default=0, ge=0)
    """Memory of both caches in bytes. All workers share it. 0 means a quarter of the cgroup's memory limit, at most
    536870912."""
    max_ttl_s: int = Field(default=86_400, ge=0, le=604_800)
    """Longest time in seconds that an answer is kept."""
    max_stale_s: int = Field(default=86_400, ge=0, le=604_800)
    """Serve an expired answer for this many seconds while upstreams fail (RFC 8767). 0 disables it."""
    stale_ttl_s: int = Field(default=30, ge=1, le=3600)
    """TTL of stale answers in seconds."""
    prefetch: bool = True
    """Renew answers in use shortly before they expire."""


class MapEntry(Section):
    ipv4: Network4 = Field(examples=["10.0.0.0/8"])
    """IPv4 network of the entry. The longest match wins."""
    prefix: MapPrefix = Field(examples=["2001:db8:64::/96"])
    """NAT64 prefix for this network. "none" never synthesises, "6to4" gives the host's own 6to4 address."""
    host: Literal["embed", "1"] | None = Field(default=None, examples=["embed"])
    """Only with prefix = "6to4". "embed" gives 2002:V4::V4, "1" gives 2002:V4::1."""


class Dns64Section(Section):
    """Synthesis of AAAA records (RFC 6147)."""

    vip: Vip = None
    """IPv4 address that the gateways announce. "203.0.113.1" makes the prefix 2002:cb00:7101::/96."""
    prefixes: list[Nat64Prefix] = []
    """NAT64 prefixes, instead of `vip`. With neither, the prefix is 64:ff9b::/96."""
    allow_nonglobal_vip: bool = False
    """Allow a private, shared, loopback, link-local or multicast VIP and 192.88.99.0/24. Documentation networks are
    always allowed."""
    exclude_aaaa: list[Network6] = [parse_ipv6_network(text) for text in EXCLUDE_AAAA]
    """AAAA records in these networks count as absent. The server's own prefixes are always excluded."""
    never_embed: list[Network4] = list(NEVER_TRANSLATED)
    """IPv4 networks that are never synthesised. The VIPs are never synthesised either. A `map` entry for the same or a
    smaller network overrides this list."""
    ptr_mode: Literal["cname", "ptr"] = "cname"
    """Answer to a PTR query below a NAT64 prefix. "cname" points to the in-addr.arpa name, "ptr" gives its PTR records
    directly."""
    strict_dnssec: bool = False
    """Do not synthesise for queries with DO=1 when the A records are signed."""
    shadow: bool = False
    """Answer without synthesis, and count the replies that would have been synthesised."""
    soa_mname: DomainName = "localhost"
    """Name server in the SOA and NS records of ipv4only.arpa and of the reverse zones of the prefixes."""
    soa_rname: MailName = "nobody.invalid"
    """Mailbox in the same SOA records, for example "hostmaster@example.org"."""
    map: list[MapEntry] = []
    """Other prefixes for some IPv4 networks, for example [{ ipv4 = "10.0.0.0/8", prefix = "2001:db8:64::/96" }]."""
    gateway_status: list[StatusUrl] = []
    """URLs of the gateways' /readyz. A gateway is up if it answers 200. The pool is down only when all its gateways
    are. [] means always up."""
    gateway_poll_s: float = Field(default=2, ge=0.1, le=3600)
    """Ask each URL of `gateway_status` this often, in seconds."""
    gateway_ca_file: Place = ""
    """PEM file with the certificate authorities of https:// URLs in `gateway_status`. "" uses the system's."""
    on_gateway_down: Literal["keep", "clamp-ttl", "stop"] = "clamp-ttl"
    """When all gateways are down: "keep" changes nothing, "clamp-ttl" limits the TTL to 30 s, "stop" ends synthesis."""


class DnstapSection(Section):
    """Copies of the DNS messages (dnstap.info). Off while neither socket nor file is set."""

    socket: Place = ""
    """Unix socket of a reader, for example fstrm_capture or dnstap -u. The server connects whenever it exists."""
    file: Place = ""
    """File for the messages. It is truncated at start, and opened again at a reload if it was moved away. Several
    workers write to FILE.PID each."""
    identity: str = ""
    """Identity in the messages. "" means the host name."""
    client: bool = True
    """Write CLIENT_QUERY and CLIENT_RESPONSE messages."""
    forwarder: bool = True
    """Write FORWARDER_QUERY and FORWARDER_RESPONSE messages: the traffic with upstreams."""
    queue_bytes: int = Field(default=4 * 1024 * 1024, ge=65_536, le=1024 * 1024 * 1024)
    """Queue in bytes per output, all workers together. When it is full, messages are dropped and counted.
    Answers never wait."""


class ZoneSection(Section):
    """Rules for all names below a suffix. The longest suffix wins."""

    suffix: Text = Field(examples=["cluster.local"])
    """Domain suffix that the section is for."""
    dns64: Literal["normal", "never", "force"] = "normal"
    """"never" does not synthesise. "force" ignores real AAAA records, and falls back to them if there is no A."""
    servers: list[Upstream] = []
    """Upstreams for this suffix. [] uses those of [upstream]."""


class PoolSection(Section):
    """An egress pool: its names leave by another VIP."""

    name: Name = Field(examples=["overseas"])
    """Name of the pool, for [[client]], `fallback`, logs and metrics."""
    vip: Vip = None
    """IPv4 address that the gateways of this pool announce. Give `vip` or `prefixes`."""
    prefixes: list[Nat64Prefix] = []
    """NAT64 prefixes of this pool, instead of `vip`."""
    domains: list[Text] = []
    """Domain suffixes that use this pool."""
    domain_files: list[Place] = []
    """Files with one domain suffix a line. # begins a comment. The server reads a file again when it changes. A million
    lines are fine."""
    servers: list[Upstream] = []
    """Upstreams for the names of this pool. [] uses those of [upstream]."""
    gateway_status: list[StatusUrl] = []
    """URLs of the /readyz of this pool's gateways, as in [dns64]."""
    fallback: str = ""
    """Pool to use while all gateways of this one are down. "default" means the prefixes of [dns64], "" means none."""


class ClientSection(Section):
    """A class of clients. The first match wins. Matched by source address, or by EDNS client subnet from a trusted
    forwarder."""

    name: Name = Field(examples=["dual-stack pods"])
    """Name of the class, for logs and metrics."""
    networks: list[Network] = Field(default=[], examples=[["2002:a01:2::/48"]])
    """Client networks."""
    network_files: list[Place] = []
    """Files with one network a line. # begins a comment. The server reads a file again when it changes. Other clients
    are not affected."""
    dns64: bool = True
    """Synthesise for these clients. false passes on real answers only."""
    filter_a: bool = False
    """Answer A queries with NODATA, for clients without IPv4."""
    pool: str = ""
    """Egress pool of these clients. "" chooses by name."""
    domains: list[Text] = []
    """With `pool`: only these suffixes use it. [] means all names."""


class ConfigFile(Section):
    """Configuration of kun-dns64, with every key and its default. Keys and sections you do not change may be removed.

    Relative paths are relative to this file's folder. SIGHUP reloads. A file with errors leaves the old configuration
    in force.
    """

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
    follow: FollowSection | None = None


__all__ = ["ConfigFile", "Endpoint", "UpstreamAddress"]
