"""The table for people: what `kun-controller compile` prints."""

from collections import Counter
from collections.abc import Iterable, Sequence

from kun_cluster.formats.record_text import record_value, share_value, version_of
from kun_cluster.model.problem import Problem
from kun_cluster.model.table import ClassRecord, Client, GatewayRecord, PoolRecord, Share, Table

Row = tuple[str, ...]


def table_value(table: Table, problems: Sequence[Problem]) -> dict[str, object]:
    """The table as one JSON value."""
    clients = {
        key: {"class": one.class_name, "namespace": one.namespace, "name": one.name}
        for key, one in sorted(table.clients.items())
    }
    return {
        "version": version_of(table),
        "pools": {key: record_value(one) for key, one in sorted(table.pools.items())},
        "gateways": {key: record_value(one) for key, one in sorted(table.gateways.items())},
        "classes": {key: record_value(one) for key, one in sorted(table.classes.items())},
        "clients": clients,
        "problems": [
            {"object": one.object, "reason": str(one.reason), "message": one.message, "in_force": not one.fatal}
            for one in problems
        ],
    }


def table_text(table: Table) -> str:
    """The table as text: pools, gateways, classes, clients."""
    used = Counter(client.class_name for client in table.clients.values())
    blocks = (
        _block(
            "POOL  VIP  PREFIX  MODE  DEFAULT  FALLBACK  WHEN DOWN  DOMAINS",
            map(_pool_row, sorted(table.pools.items())),
        ),
        _block("GATEWAY  POOL  DESIRED  SHARED ADDRESSES", map(_gateway_row, sorted(table.gateways.items()))),
        _block(
            "CLASS  IPV4  SYNTHESISE  FILTER A  POOL  DOMAINS  ADDRESSES  CLIENTS",
            ((*_class_row(entry), str(used[entry[0]])) for entry in sorted(table.classes.items())),
        ),
        _block("CLIENT  CLASS  OBJECT", map(_client_row, sorted(table.clients.items()))),
    )
    return "\n\n".join((f"version {version_of(table)}", *(block for block in blocks if block)))


def _pool_row(entry: tuple[str, PoolRecord]) -> Row:
    name, one = entry
    prefixes, default = ",".join(one.prefixes), _yes(one.is_default)
    return name, one.vip, prefixes, one.mode, default, one.fallback or "-", one.when_down, _some(one.domains)


def _gateway_row(entry: tuple[str, GatewayRecord]) -> Row:
    name, one = entry
    return name, one.pool, one.desired, _shares(one.addresses)


def _class_row(entry: tuple[str, ClassRecord]) -> Row:
    name, one = entry
    return name, one.ipv4, _yes(one.synthesise), _yes(one.filter_a), one.pool or "-", _domains(one), _addresses(one)


def _client_row(entry: tuple[str, Client]) -> Row:
    key, one = entry
    return key, one.class_name, f"{one.namespace}/{one.name}" if one.namespace else one.name


def _block(head: str, found: Iterable[Row]) -> str:
    """Rows under their heads, which stand in `head` two spaces apart; "" without rows."""
    rows = list(found)
    if not rows:
        return ""
    lines = [tuple(head.split("  ")), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _some(texts: Sequence[str], most: int = 3) -> str:
    shown = ",".join(texts[:most])
    return f"{shown},… ({len(texts)})" if len(texts) > most else shown or "-"


def _shares(shares: Iterable[Share]) -> str:
    return ",".join(f"{value['address']}:{value['ports']}" for value in map(share_value, shares)) or "-"


def _domains(one: ClassRecord) -> str:
    texts = [f"{suffix}→{pool}" for suffix, pool in one.domains] + [f"without {pool}" for pool in one.without]
    return _some(texts)


def _addresses(one: ClassRecord) -> str:
    if not one.address_pool:
        return "shared" if one.synthesise else "-"
    shown = ",".join(
        f"{share.address}:{share.first_port}-{share.last_port}" + (f"@{share.gateway}" if share.gateway else "")
        for share in one.addresses
    )
    return shown or ("none yet: refused" if one.address_required else "none yet: shared")
