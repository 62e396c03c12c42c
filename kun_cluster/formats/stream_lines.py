"""The lines of the stream and of the state file (docs/kubernetes.md, "The lines")."""

from collections.abc import Iterable, Iterator
from itertools import groupby, islice

from kun_cluster.formats.record_text import Record, compact, record_value
from kun_cluster.formats.times import rfc3339
from kun_cluster.model.table import Client

FORMAT = 1
PER_LINE = 500
KINDS = ("pool", "gateway", "class", "client")
PLURAL = {"pool": "pools", "gateway": "gateways", "class": "classes", "client": "clients"}

Entry = tuple[str, str, Record]


def begin_line(change: str, before: str, view: str, cluster: str) -> str:
    """First line of a change: `change` is snapshot or delta, `before` the version a delta starts at."""
    return compact(
        {"type": "begin", "format": FORMAT, "change": change, "from": before, "view": view, "cluster": cluster}
    )


def commit_line(version: str, revision: int, counts: dict[str, int], now: float) -> str:
    """Last line of a change. `now` in Unix seconds."""
    return compact({"type": "commit", "version": version, "revision": revision, "counts": counts, "at": rfc3339(now)})


def heartbeat_line(version: str, revision: int, now: float) -> str:
    """Say that nothing has changed."""
    return compact({"type": "heartbeat", "version": version, "revision": revision, "at": rfc3339(now)})


def set_lines(entries: Iterable[Entry]) -> Iterator[str]:
    """Lines that set records. Clients of one class and namespace share a line, up to 500."""
    clients: list[tuple[str, str, str, str]] = []
    for kind, key, record in entries:
        if isinstance(record, Client):
            clients.append((record.class_name, record.namespace, key, record.name))
        else:
            yield compact({"type": kind, "name": key, "value": record_value(record)})
    clients.sort()
    for (class_name, namespace), group in groupby(clients, key=lambda client: client[:2]):
        while chunk := list(islice(group, PER_LINE)):
            rows = [[key, name] for _, _, key, name in chunk]
            yield compact({"type": "clients", "class": class_name, "namespace": namespace, "entries": rows})


def remove_lines(keys: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Lines that remove records, given as (kind, key)."""
    ordered = iter(sorted(keys, key=lambda key: (KINDS.index(key[0]), key[1])))
    while chunk := list(islice(ordered, PER_LINE)):
        line: dict[str, object] = {"type": "remove"}
        for kind, group in groupby(chunk, key=lambda key: key[0]):
            line[PLURAL[kind]] = [key for _, key in group]
        yield compact(line)
