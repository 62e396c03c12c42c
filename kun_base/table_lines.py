"""Lines of the table's stream and file as values (docs/kubernetes.md, "The lines"). Raises TableFault, nothing else."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kun_base.table_fields import TableFault, check_network, is_count, is_name
from kun_base.table_records import FollowedClient, NamedRecord, read_client, read_record, same_text

FORMAT = 1
MAX_LINE = 1 << 20
PER_LINE = 500
KINDS = ("pool", "gateway", "class", "client")
PLURALS = {"pools": "pool", "gateways": "gateway", "classes": "class", "clients": "client"}
VIEWS = ("all", "exceptions")
MAX_REVISION = 2**64 - 1
VERSION = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class BeginLine:
    """A change starts. `before`: the version a delta starts at, "" for a snapshot."""

    change: str
    before: str
    view: str
    cluster: str


@dataclass(frozen=True, slots=True)
class RecordLine:
    kind: str
    name: str
    record: NamedRecord


@dataclass(frozen=True, slots=True)
class ClientsLine:
    entries: tuple[tuple[str, FollowedClient], ...]


@dataclass(frozen=True, slots=True)
class RemoveLine:
    keys: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CommitLine:
    """A change ends. `version` "": not given (files only). `at`: Unix seconds."""

    version: str
    revision: int
    counts: Mapping[str, int]
    at: float


@dataclass(frozen=True, slots=True)
class HeartbeatLine:
    version: str
    revision: int
    at: float


TableLine = BeginLine | RecordLine | ClientsLine | RemoveLine | CommitLine | HeartbeatLine


def read_line(data: bytes) -> TableLine:
    """Read one line without its newline. Raises TableFault."""
    line = _object(data)
    kind = line.get("type")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise TableFault(f"a line has the unknown type {str(kind)[:40]!r}")
    return reader(line)


def _object(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_LINE:
        raise TableFault(f"a line is longer than {MAX_LINE} bytes")
    try:
        text = data.decode()
        line = json.loads(text, parse_constant=_no_number)
        # A lone surrogate can stand in JSON, and nowhere else.
        if "\\u" in text:
            json.dumps(line, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise TableFault(f"a line is not JSON in UTF-8: {str(error)[:80]}") from None
    if not isinstance(line, dict):
        raise TableFault("a line is not an object")
    return line


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is not a number")


def _field(line: Mapping[str, Any], field: str, wanted: str, is_right: Callable[[Any], bool]) -> Any:
    value = line.get(field)
    if not is_right(value):
        raise TableFault(f"{line['type']}: {field} = {repr(value)[:80]}, wants {wanted}")
    return value


def _is_text(value: object) -> bool:
    return value == "" or is_name(value)


def _begin(line: Mapping[str, Any]) -> BeginLine:
    _field(line, "format", f"{FORMAT}", lambda value: is_count(value, FORMAT) and value == FORMAT)
    change = _field(line, "change", "snapshot or delta", lambda value: value in ("snapshot", "delta"))
    is_from = is_version if change == "delta" else lambda value: value == ""
    before = _field(line, "from", 'a version, or "" for a snapshot', is_from)
    view = _field(line, "view", "all or exceptions", lambda value: value in VIEWS)
    return BeginLine(change, before, view, _field(line, "cluster", "a text", _is_text))


def _record(line: Mapping[str, Any]) -> RecordLine:
    kind, name = line["type"], _field(line, "name", "a name", is_name)
    return RecordLine(kind, name, read_record(kind, name, line.get("value")))


def _clients(line: Mapping[str, Any]) -> ClientsLine:
    class_name = same_text(_field(line, "class", "the name of a class", is_name))
    namespace = same_text(_field(line, "namespace", "a text", _is_text))
    entries = _field(line, "entries", f"1 to {PER_LINE} of [NETWORK, NAME]", _is_entries)
    found = tuple((check_network(network), read_client(class_name, namespace, name)) for network, name in entries)
    return ClientsLine(found)


def _is_entries(value: object) -> bool:
    if not isinstance(value, list) or not 1 <= len(value) <= PER_LINE:
        return False
    return all(isinstance(one, list) and len(one) == 2 for one in value)


def _remove(line: Mapping[str, Any]) -> RemoveLine:
    keys: list[tuple[str, str]] = []
    for plural, kind in PLURALS.items():
        if plural in line:
            names = _field(line, plural, "a list of keys", lambda value: isinstance(value, list))
            keys += [(kind, name) for name in names]
    if not 1 <= len(keys) <= PER_LINE or not all(is_name(key) for _, key in keys):
        raise TableFault(f"remove: wants 1 to {PER_LINE} keys")
    return RemoveLine(tuple(keys))


def _commit(line: Mapping[str, Any]) -> CommitLine:
    counts = _field(line, "counts", "how many there are of each kind", _is_counts)
    version = _field(line, "version", "a version", lambda value: value == "" or is_version(value))
    return CommitLine(version, _revision(line), {kind: counts[kind] for kind in KINDS}, _at(line))


def _is_counts(value: object) -> bool:
    return isinstance(value, dict) and all(is_count(value.get(kind), MAX_REVISION) for kind in KINDS)


def _heartbeat(line: Mapping[str, Any]) -> HeartbeatLine:
    return HeartbeatLine(_field(line, "version", "a version", is_version), _revision(line), _at(line))


def is_version(value: object) -> bool:
    """Tell whether a value is a version: 32 hexadecimal digits."""
    return isinstance(value, str) and VERSION.fullmatch(value) is not None


def _revision(line: Mapping[str, Any]) -> int:
    found: int = _field(line, "revision", "an integer", lambda value: is_count(value, MAX_REVISION))
    return found


def _at(line: Mapping[str, Any]) -> float:
    text = _field(line, "at", "a time (RFC 3339, UTC)", lambda value: isinstance(value, str))
    try:
        when = datetime.fromisoformat(text)
        if when.utcoffset() is None:
            raise ValueError
        return when.timestamp()
    except (ValueError, OverflowError):
        raise TableFault(f"{line['type']}: at = {text[:40]!r}, wants a time (RFC 3339, UTC)") from None


_READERS: dict[str, Callable[[Mapping[str, Any]], TableLine]] = {
    "begin": _begin,
    "pool": _record,
    "gateway": _record,
    "class": _record,
    "clients": _clients,
    "remove": _remove,
    "commit": _commit,
    "heartbeat": _heartbeat,
}
