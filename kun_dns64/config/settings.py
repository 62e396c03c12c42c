"""What the program uses: the configuration, checked, with every default and path resolved."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kun_base.admin_access import Access
from kun_base.table_follower import FollowPlan
from kun_dns64.config.client_source import ClientSource
from kun_dns64.config.endpoint import Endpoint, UpstreamAddress
from kun_dns64.config.file_stamp import FileStamp
from kun_dns64.model.rules import Rules
from kun_dns64.policy.memory_share import part

# Where to listen, and whether TLS is spoken there.
Address = tuple[Endpoint, bool]


@dataclass(frozen=True, slots=True)
class TlsListen:
    listen: tuple[Endpoint, ...]
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Limits:
    """Towards clients. Times in seconds, sizes in bytes; `rate_per_s` 0: no limit.

    `parts`: into how many the bounds of the whole server were divided here (`Settings.of_one_worker`). Rates and
    connections are not divided: workers share what they have counted.
    """

    budget_s: float
    udp_payload_max: int
    rate_per_s: int
    client_max_waiting: int
    tcp_idle_s: float
    tcp_max_connections: int
    tcp_max_per_client: int
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Asking:
    """Towards upstreams."""

    stagger_s: float
    case_randomisation: bool
    client_subnet: bool
    check_not_dns64: bool
    max_outstanding: int
    ca_file: Path | None
    # Within which a client is answered, in seconds.
    budget_s: float
    # Workers that have an equal part each.
    parts: int = 1


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """`max_entries` and `max_bytes` are those of all workers together; `share` divides them."""

    max_entries: int
    max_bytes: int
    max_ttl_s: int
    max_stale_s: int
    stale_ttl_s: int
    prefetch: bool


@dataclass(frozen=True, slots=True)
class GatewayWatch:
    """Whose /readyz tells that a pool has a way out; "" is the default pool. Pools without URLs are always up.

    `ca_file`: authorities for https:// ones; None: the system's.
    """

    urls: Mapping[str, tuple[str, ...]]
    poll_s: float
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Dnstap:
    """Where to tell of messages, None: nowhere, and of which. `identity` b"": the host's name."""

    socket: Path | None
    file: Path | None
    identity: bytes
    client: bool
    forwarder: bool
    queue_bytes: int


@dataclass(frozen=True, slots=True)
class ControlSocket:
    """Where the operator's commands are taken; `path` None: nowhere. `group`: who besides the owner; "": nobody."""

    path: Path | None
    group: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """`groups[""]` are the upstreams of everything that has none of its own.

    `watched`: what the files whose change is a reload were like before they were read. `freebind`: listen on addresses
    that this machine does not have yet. `notices`: what the operator should be told when these settings are in force.
    `follow`: the table that is followed; None: none.
    """

    rules: Rules
    groups: Mapping[str, tuple[UpstreamAddress, ...]]
    listen: tuple[Endpoint, ...]
    tls: TlsListen | None
    admin: Endpoint | None
    access: Access
    workers: int
    limits: Limits
    asking: Asking
    cache: CacheLimits
    gateways: GatewayWatch
    cookie_secret: bytes | None
    watched: tuple[FileStamp, ...]
    dnstap: Dnstap | None = None
    log_format: str = "text"
    log_level: str = "info"
    client_sources: tuple[ClientSource, ...] = ()
    watched_networks: tuple[FileStamp, ...] = ()
    freebind: bool = False
    notices: tuple[str, ...] = ()
    control: ControlSocket = ControlSocket(None)
    follow: FollowPlan | None = None
    # What the file and the flags say, for the difference that a reload makes.
    written: Mapping[str, Any] = field(default_factory=dict)

    def of_one_worker(self) -> "Settings":
        """The same with one worker's part of what the file bounds for the whole server."""
        workers, limits, asking, dnstap = self.workers, self.limits, self.asking, self.dnstap
        if workers == 1:
            return self
        return replace(
            self,
            limits=replace(limits, client_max_waiting=part(limits.client_max_waiting, workers), parts=workers),
            asking=replace(asking, max_outstanding=part(asking.max_outstanding, workers), parts=workers),
            dnstap=dnstap and replace(dnstap, queue_bytes=part(dnstap.queue_bytes, workers)),
        )

    @property
    def tls_listen(self) -> tuple[Endpoint, ...]:
        return self.tls.listen if self.tls else ()

    @property
    def addresses(self) -> frozenset[Address]:
        return frozenset([(one, False) for one in self.listen] + [(one, True) for one in self.tls_listen])
