"""The records of the controller's table, each checked by itself (docs/kubernetes.md, "What the table holds").

`text` of a record is its value as the version counts it: JSON with sorted keys and no spaces, unknown fields included.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address
from typing import NamedTuple

from kun_base.prefix import Prefix
from kun_base.table_fields import (
    PublicShare,
    RecordFields,
    TableFault,
    is_name,
    is_text,
    read_address,
    read_prefixes,
    shown,
)

MAX_MARK = 4_194_304


class FollowedClient(NamedTuple):
    """Whose network it is. A node's pod network has the namespace "" and the name node/NAME."""

    class_name: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class FollowedPool:
    text: str
    vip: IPv4Address
    prefixes: tuple[Prefix, ...]
    mode: str
    is_default: bool
    domains: tuple[str, ...]
    fallback: str
    when_down: str
    gateway_status: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FollowedGateway:
    text: str
    pool: str
    desired: str
    version: str
    addresses: tuple[PublicShare, ...]


@dataclass(frozen=True, slots=True)
class FollowedClass:
    text: str
    ipv4: str
    synthesise: bool
    filter_a: bool
    deny: bool
    pool: str
    domains: tuple[tuple[str, str], ...]
    without: tuple[str, ...]
    mark: int
    addresses: tuple[PublicShare, ...]
    address_pool: str
    address_required: bool
    max_sessions: int
    policy: str


NamedRecord = FollowedPool | FollowedGateway | FollowedClass
TableRecord = NamedRecord | FollowedClient


def canonical(value: object) -> str:
    """Write JSON with sorted keys and no spaces: the same text for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def hash_text(kind: str, key: str, record: TableRecord) -> str:
    """Write the text that stands for a record in the version."""
    if isinstance(record, FollowedClient):
        return f"client\t{key}\t{record.class_name}\t{record.namespace}\t{record.name}"
    return f"{kind}\t{key}\t{record.text}"


def read_record(kind: str, name: str, value: object) -> NamedRecord:
    """Check the value of a pool, gateway or class. Raises TableFault."""
    if not is_name(name):
        raise TableFault(f"{kind}: {shown(name)} is not a name")
    fields = RecordFields(kind, name, value)
    match kind:
        case "pool":
            return _pool(fields, canonical(value))
        case "gateway":
            return _gateway(fields, canonical(value))
        case _:
            return _class(fields, canonical(value))


def _pool(fields: RecordFields, text: str) -> FollowedPool:
    return FollowedPool(
        text,
        vip=fields.made("vip", "an IPv4 address", read_address),
        prefixes=fields.made("prefixes", "a list of NAT64 prefixes", read_prefixes),
        mode=fields.one_of("mode", "spread", "active-standby"),
        is_default=fields.flag("default"),
        domains=fields.texts("domains"),
        fallback=fields.text("fallback"),
        when_down=fields.one_of("when_down", "keep", "clamp-ttl", "stop"),
        gateway_status=fields.urls("gateway_status"),
    )


def _gateway(fields: RecordFields, text: str) -> FollowedGateway:
    return FollowedGateway(
        text,
        pool=fields.get("pool", "the name of a pool", is_name),
        desired=fields.one_of("desired", "serve", "drain", "out"),
        version=fields.text("version"),
        addresses=fields.shares("addresses"),
    )


def _class(fields: RecordFields, text: str) -> FollowedClass:
    return FollowedClass(
        text,
        ipv4=fields.one_of("ipv4", "translate", "native", "deny"),
        synthesise=fields.flag("synthesise"),
        filter_a=fields.flag("filter_a"),
        deny=fields.flag("deny"),
        pool=fields.text("pool"),
        domains=fields.pairs("domains"),
        without=fields.texts("without"),
        mark=fields.number("mark", MAX_MARK),
        addresses=fields.shares("addresses"),
        address_pool=fields.text("address_pool"),
        address_required=fields.flag("address_required"),
        max_sessions=fields.number("max_sessions", 2**31 - 1),
        policy=fields.text("policy"),
    )


@lru_cache(maxsize=4096)
def same_text(text: str) -> str:
    """Give one object for equal texts: many lines have the same class and namespace."""
    return text


def read_client(class_name: str, namespace: str, name: object) -> FollowedClient:
    """Check one client; class and namespace are checked for the whole line. Raises TableFault."""
    if not is_text(name):
        raise TableFault(f"{shown(name)} is not the name of a client")
    return FollowedClient(class_name, namespace, str(name))
