"""The objects of egress.networking.kun/v1alpha1, read and checked one by one."""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

from kun_cluster.model.rollout import NO_ORDERS, USUAL_RULES, Orders, RolloutRules
from kun_cluster.model.selector import EVERYTHING, Selector

GROUP = "egress.networking.kun"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class Mode(StrEnum):
    SPREAD = "Spread"
    ACTIVE_STANDBY = "ActiveStandby"


class WhenDown(StrEnum):
    KEEP = "Keep"
    CLAMP_TTL = "ClampTTL"
    STOP = "Stop"


class Desired(StrEnum):
    SERVE = "Serve"
    DRAIN = "Drain"
    OUT = "Out"


class Ipv4(StrEnum):
    TRANSLATE = "Translate"
    NATIVE = "Native"
    DENY = "Deny"


class AddressKind(StrEnum):
    SHARED = "Shared"
    DEDICATED = "Dedicated"


class WhenNoAddress(StrEnum):
    DENY = "Deny"
    SHARED = "Shared"


@dataclass(frozen=True, slots=True)
class Meta:
    """Who an object is. `created` is RFC 3339 text in UTC, "" for a manifest that was never applied."""

    name: str
    namespace: str = ""
    uid: str = ""
    created: str = ""
    generation: int = 0
    resource_version: str = ""
    deleting: bool = False

    @property
    def age(self) -> tuple[bool, str, str, str]:
        """Sort key: the older object first; one without a time counts as new; then by name, never by chance."""
        return (not self.created, self.created, self.namespace, self.name)

    @property
    def full_name(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class AllowedNamespaces:
    """Namespaces that are named, or that the selector selects."""

    names: frozenset[str] = frozenset()
    selector: Selector | None = None


@dataclass(frozen=True, slots=True)
class EgressPool:
    """`allowed` None: every namespace. `ports_per_share` is a power of two. `cool_down_s` in seconds.

    `version`: what its gateways shall run, "" for any. `orders`: the leader's, from the pool's status.
    """

    meta: Meta
    vip: IPv4Address
    public_networks: tuple[IPv4Network, ...] = ()
    mode: Mode = Mode.SPREAD
    is_default: bool = False
    allowed: AllowedNamespaces | None = None
    domains: tuple[str, ...] = ()
    fallback: str = ""
    when_down: WhenDown = WhenDown.CLAMP_TTL
    cool_down_s: int = 600
    ports_per_share: int = 1024
    shared_addresses: int = 1
    allow_nonglobal_vip: bool = False
    version: str = ""
    rollout_rules: RolloutRules = USUAL_RULES
    orders: Orders = NO_ORDERS

    def __str__(self) -> str:
        return f"EgressPool {self.meta.name}"


@dataclass(frozen=True, slots=True)
class EgressGateway:
    """`admin` is the URL of its agent; `node` the Kubernetes node it runs on, "" when it is outside of the cluster."""

    meta: Meta
    pool: str
    admin: str
    node: str = ""
    desired: Desired = Desired.SERVE
    version: str = ""

    def __str__(self) -> str:
        return f"EgressGateway {self.meta.name}"


@dataclass(frozen=True, slots=True)
class PoolDomains:
    pool: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What a tenant wants for its pods. `ipv4` None: as each pod's annotation says.

    `shares` is the number of shares it gets on each gateway (spread) or in all (active-standby).
    """

    meta: Meta
    pod_selector: Selector = EVERYTHING
    ipv4: Ipv4 | None = None
    pool: str = ""
    domains: tuple[PoolDomains, ...] = ()
    address: AddressKind = AddressKind.SHARED
    shares: int = 1
    when_no_address: WhenNoAddress = WhenNoAddress.DENY
    filter_a: bool = False
    max_sessions: int = 0
    priority: int = 0

    def __str__(self) -> str:
        return f"EgressPolicy {self.meta.full_name}"


class Use(StrEnum):
    """What an allocation gives: a whole address to a gateway (two uses), or a share of it to a policy."""

    SHARED_ADDRESS = "SharedAddress"
    DEDICATED_ADDRESS = "DedicatedAddress"
    SHARE = "Share"


@dataclass(frozen=True, slots=True)
class Owner:
    kind: str
    name: str
    namespace: str = ""
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    def is_same(self, other: "Owner") -> bool:
        """Tell whether both are one object; a uid counts where both have one (manifests have none)."""
        same_uid = not self.uid or not other.uid or self.uid == other.uid
        return same_uid and (self.kind, self.namespace, self.name) == (other.kind, other.namespace, other.name)


@dataclass(frozen=True, slots=True)
class EgressAllocation:
    """One public address, or one share of its ports. `gateway` "": an active-standby pool. Times in Unix seconds.

    Its name is the address, or the address and the first port: so the API server refuses to give it twice.
    """

    meta: Meta
    pool: str
    address: IPv4Address
    use: Use
    owner: Owner
    first_port: int = 0
    last_port: int = 65535
    gateway: str = ""
    since: float = 0.0
    released_at: float | None = field(default=None)

    def __str__(self) -> str:
        return f"EgressAllocation {self.meta.name}"

    @property
    def is_held(self) -> bool:
        return self.released_at is None
