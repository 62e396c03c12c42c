"""What the operator decided, checked and resolved: the program's own form of the configuration."""

from collections.abc import Mapping as Mapping_
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from kun_base.prefix import Prefix
from kun_dns64.model.host_address import SixToFourHost
from kun_dns64.model.members_update import MembersUpdate
from kun_dns64.model.special import ALL_SPECIAL_NAMES, SpecialName

IPNetwork = IPv4Network | IPv6Network


class ZoneMode(StrEnum):
    NORMAL = "normal"
    NEVER = "never"
    FORCE = "force"


class PtrMode(StrEnum):
    CNAME = "cname"
    PTR = "ptr"


class GatewayDown(StrEnum):
    KEEP = "keep"
    CLAMP_TTL = "clamp-ttl"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Embed addresses of `network` in `prefix`; None: never (RFC 6147 section 5.1.7).

    `SixToFourHost`: the hosts have 6to4 tunnels of their own, and are reached there, past every translator.
    """

    network: IPv4Network
    prefix: Prefix | SixToFourHost | None


@dataclass(frozen=True, slots=True)
class Zone:
    suffix: bytes
    mode: ZoneMode = ZoneMode.NORMAL
    group: str = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """Names that leave by other gateways: their own prefixes, and upstreams under `group` when they have some.

    `when_down` None: as all rules say.
    """

    name: str
    prefixes: tuple[Prefix, ...]
    group: str = ""
    fallback: str = ""
    when_down: GatewayDown | None = None


@dataclass(frozen=True, slots=True)
class ClientPolicy:
    """`domains`: suffix (wire format, lower-case) to pool; goes before `pool`, which is that of all other names.

    `followed`: it comes from the followed table, where `pool_domains` are the pools' own domains for this client, and
    `default_pool` is that of all other names.
    """

    name: str
    networks: tuple[IPNetwork, ...]
    dns64: bool = True
    filter_a: bool = False
    pool: str = ""
    domains: Mapping_[bytes, str] = field(default_factory=dict)
    followed: bool = False
    pool_domains: Mapping_[bytes, str] = field(default_factory=dict)
    default_pool: str = ""


class ClassLookup(Protocol):
    """Class of the first client policy one of whose networks holds all of a network, `length` bits long; or -1."""

    def find(self, address: bytes, length: int) -> int: ...

    def __len__(self) -> int: ...


class FollowedLookup(Protocol):
    """Place of a client among the policies of the followed table; or -1. Its members change in place."""

    def find(self, address: bytes, length: int) -> int: ...

    def apply(self, update: MembersUpdate) -> bool:
        """Returns whether networks have changed, and not only single addresses."""
        ...

    def __len__(self) -> int: ...


# For IPv4 and for IPv6.
ClientNetworks = tuple[ClassLookup, ClassLookup]


class SuffixTable(Protocol):
    """Longest-suffix look-up over wire-format lower-case names; a million entries are fine."""

    def find(self, name: bytes) -> str | None: ...


# eq=False: two sets of rules are the same only if they are the same object, so what is prepared from one can be
# remembered by identity.
@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """Everything `next_step` needs beside the query. Immutable: a reload makes a new one and a new `generation`.

    `allow_clients` empty: nobody. `pools_down`: names of pools whose gateways are all gone; "" is the default prefixes.
    A pool's `fallback` names the pool to use then; "default": the default prefixes. `local_mname` and `local_rname`
    (wire format) stand in the SOA of the zones answered here. `client_subnet`: pass EDNS client subnet on.
    `special_names` are answered here. `designated`: SVCB data of the encrypted resolver that clients are told of (RFC
    9462). `identity` and `version` answer questions of class CHAOS; "": REFUSED. `client_networks`: whose members may
    change without new rules; None: the networks of `clients`. `followed`: the clients of the followed table, which go
    before those; their policies are those of `clients` from `followed_from` on.
    """

    generation: int
    prefixes: tuple[Prefix, ...]
    exclude_aaaa: tuple[IPv6Network, ...]
    never_embed: tuple[IPv4Network, ...]
    mappings: tuple[Mapping, ...] = ()
    zones: tuple[Zone, ...] = ()
    pools: tuple[Pool, ...] = ()
    pool_of: SuffixTable | None = None
    clients: tuple[ClientPolicy, ...] = ()
    allow_clients: tuple[IPNetwork, ...] = ()
    trust_ecs_from: tuple[IPNetwork, ...] = ()
    forwarders: tuple[IPNetwork, ...] = ()
    ptr_mode: PtrMode = PtrMode.CNAME
    strict_dnssec: bool = False
    trust_ad: bool = False
    shadow: bool = False
    max_ttl_s: int = 86400
    stale_ttl_s: int = 30
    on_gateway_down: GatewayDown = GatewayDown.CLAMP_TTL
    pools_down: frozenset[str] = frozenset()
    local_mname: bytes = b"\x09localhost\x00"
    local_rname: bytes = b"\x06nobody\x07invalid\x00"
    client_subnet: bool = False
    special_names: frozenset[SpecialName] = ALL_SPECIAL_NAMES
    designated: tuple[bytes, ...] = ()
    identity: str = ""
    version: str = ""
    client_networks: ClientNetworks | None = None
    followed: FollowedLookup | None = None
    followed_from: int = 0
