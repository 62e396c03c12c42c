"""Records as JSON values and as the text that a table's version is made of (docs/kubernetes.md, "Versions")."""

import json
from hashlib import blake2b

from kun_cluster.model.table import ClassRecord, Client, GatewayRecord, PoolRecord, Share, Table

Record = PoolRecord | GatewayRecord | ClassRecord | Client
HASH_BYTES = 16
MODULUS = 1 << 128


def share_value(share: Share) -> dict[str, object]:
    """Give a share as JSON."""
    return {"address": share.address, "ports": f"{share.first_port}-{share.last_port}", "gateway": share.gateway}


def record_value(record: PoolRecord | GatewayRecord | ClassRecord) -> dict[str, object]:
    """Give the value of a record as JSON: texts, integers, booleans, lists and objects only."""
    match record:
        case PoolRecord():
            return {
                "vip": record.vip,
                "prefixes": list(record.prefixes),
                "mode": record.mode,
                "default": record.is_default,
                "domains": list(record.domains),
                "fallback": record.fallback,
                "when_down": record.when_down,
                "gateway_status": list(record.gateway_status),
            }
        case GatewayRecord():
            return {
                "pool": record.pool,
                "desired": record.desired,
                "version": record.version,
                "addresses": [share_value(share) for share in record.addresses],
            }
        case ClassRecord():
            return _class_value(record)


def _class_value(record: ClassRecord) -> dict[str, object]:
    return {
        "ipv4": record.ipv4,
        "synthesise": record.synthesise,
        "filter_a": record.filter_a,
        "deny": record.deny,
        "pool": record.pool,
        "domains": dict(record.domains),
        "without": list(record.without),
        "mark": record.mark,
        "addresses": [share_value(share) for share in record.addresses],
        "address_pool": record.address_pool,
        "address_required": record.address_required,
        "max_sessions": record.max_sessions,
        "policy": record.policy,
    }


def compact(value: object) -> str:
    """JSON with sorted keys and no spaces: the same text for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def record_hash(kind: str, key: str, record: Record) -> int:
    """128 bits of one record."""
    if isinstance(record, Client):
        text = f"{kind}\t{key}\t{record.class_name}\t{record.namespace}\t{record.name}"
    else:
        text = f"{kind}\t{key}\t{compact(record_value(record))}"
    return int.from_bytes(blake2b(text.encode(), digest_size=HASH_BYTES).digest(), "big")


def version_text(total: int) -> str:
    """The version as 32 hexadecimal digits."""
    return f"{total % MODULUS:032x}"


def records_of(table: Table) -> list[tuple[str, str, Record]]:
    """Kind, key and record of everything, in the order of a snapshot."""
    return [
        *(("pool", key, record) for key, record in sorted(table.pools.items())),
        *(("gateway", key, record) for key, record in sorted(table.gateways.items())),
        *(("class", key, record) for key, record in sorted(table.classes.items())),
        *(("client", key, record) for key, record in sorted(table.clients.items())),
    ]


def version_of(table: Table) -> str:
    """The version of a whole table: a sum, so that it can be brought up to date record by record."""
    return version_text(sum(record_hash(*entry) for entry in records_of(table)))
