"""The compiled table: records of four kinds (docs/kubernetes.md, "The table and its stream")."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

DEFAULT_CLASS = "default"
NATIVE_CLASS = "native"
REFUSED_CLASS = "refused"


class Client(NamedTuple):
    """Whose address it is, and its class."""

    class_name: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Share:
    """Ports of a public address. `gateway` "": whichever gateway of the pool holds the VIP."""

    address: str
    first_port: int
    last_port: int
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class PoolRecord:
    vip: str
    prefixes: tuple[str, ...]
    mode: str
    is_default: bool = False
    domains: tuple[str, ...] = ()
    fallback: str = ""
    when_down: str = "clamp-ttl"
    gateway_status: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GatewayRecord:
    pool: str
    desired: str
    version: str = ""
    addresses: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class ClassRecord:
    """`domains`: suffix to pool. `address_required`: gateways of `address_pool` without a share refuse its packets."""

    ipv4: str
    synthesise: bool
    filter_a: bool = False
    deny: bool = False
    pool: str = ""
    domains: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    mark: int = 0
    addresses: tuple[Share, ...] = ()
    address_pool: str = ""
    address_required: bool = False
    max_sessions: int = 0
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Keys are names; for clients a network in its shortest text, without /128 and /32."""

    pools: Mapping[str, PoolRecord] = field(default_factory=dict)
    gateways: Mapping[str, GatewayRecord] = field(default_factory=dict)
    classes: Mapping[str, ClassRecord] = field(default_factory=dict)
    clients: Mapping[str, Client] = field(default_factory=dict)
