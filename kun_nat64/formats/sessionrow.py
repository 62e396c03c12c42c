"""Session records as rows of the session database, and back. Times are whole milliseconds, addresses numbers."""

from ipaddress import IPv4Address, IPv6Address

from kun_nat64.model.audit import PROTOCOLS, Record, SessionKey
from kun_nat64.model.clients import NOBODY, Client
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.traffic import Endpoint4, Endpoint6

SCHEMA_VERSION = 2
# Parts of this version know no names. They are given the columns when they are opened for writing.
WITHOUT_NAMES = 1
ADD_NAMES = tuple(f"ALTER TABLE session ADD COLUMN {name} TEXT" for name in ("tenant", "namespace", "pod"))
# The index is all that `who` needs to come to the rows of one public port, and the only random access of a write.
SCHEMA = """
CREATE TABLE session(
    outside INTEGER NOT NULL,      -- public IPv4 address, port, protocol: see sessionrow.outside_key
    after INTEGER NOT NULL,        -- it was not there yet; 0: unknown
    began INTEGER NOT NULL,        -- it was there
    ended INTEGER,                 -- NULL: it lives
    inside BLOB NOT NULL,          -- IPv6 address of the pod
    inside_port INTEGER NOT NULL,
    remote INTEGER NOT NULL,       -- IPv4 address and port of the other end
    tenant TEXT,                   -- whose the inside address was at the beginning; NULL: not known
    namespace TEXT,
    pod TEXT
);
CREATE INDEX session_by_outside ON session(outside, after);
CREATE TABLE about(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
"""
INSERT = "INSERT INTO session VALUES (?, ?, ?, NULL, ?, ?, ?, ?, ?, ?)"
END = (
    "UPDATE session SET ended = ? WHERE outside = ? AND after = ? AND remote = ? AND inside = ? AND inside_port = ? "
    "AND began = ? AND ended IS NULL"
)
COLUMNS = "outside, after, began, ended, inside, inside_port, remote"
NAMES, NO_NAMES = "tenant, namespace, pod", "NULL, NULL, NULL"
LIVING = f"SELECT {COLUMNS}, {NAMES} FROM session WHERE ended IS NULL"
# `?2` is the moment: whoever was there for sure, or may have been.
WHO = "FROM session WHERE outside = ?1 AND after <= ?2 AND (ended IS NULL OR ended >= ?2)"
Text = str | None
Row = tuple[int, int, int, int | None, bytes, int, int, Text, Text, Text]


def who_query(version: int) -> str:
    """For a part of that schema version."""
    return f"SELECT {COLUMNS}, {NO_NAMES if version == WITHOUT_NAMES else NAMES} {WHO}"


def outside_key(address: IPv4Address, port: int, protocol: Protocol) -> int:
    return (int(address) << 16 | port) << 2 | PROTOCOLS.index(protocol)


def insert_row(record: Record) -> tuple[int, int, int, bytes, int, int, Text, Text, Text]:
    client = record.client
    return (*_key_row(record), client.tenant or None, client.namespace or None, client.pod or None)


def _key_row(record: Record) -> tuple[int, int, int, bytes, int, int]:
    flow = record.flow
    inside, remote = flow.inside, flow.remote
    return (
        outside_key(flow.outside.address, flow.outside.port, flow.protocol),
        round(record.after * 1000),
        round(record.began * 1000),
        inside.address.packed,
        inside.port,
        int(remote.address) << 16 | remote.port,
    )


def end_row(record: Record) -> tuple[int, int, int, int, bytes, int, int]:
    """For END."""
    outside, after, began, inside, port, remote = _key_row(record)
    ended = record.ended if record.ended is not None else record.began
    return round(ended * 1000), outside, after, remote, inside, port, began


def record_of(row: Row, place: int) -> Record:
    outside, after, began, ended, inside, inside_port, remote, *names = row
    flow = SessionKey(
        PROTOCOLS[outside & 3],
        Endpoint6(IPv6Address(inside), inside_port),
        Endpoint4(IPv4Address(outside >> 18), outside >> 2 & 0xFFFF),
        Endpoint4(IPv4Address(remote >> 16), remote & 0xFFFF),
    )
    client = Client(*(name or "" for name in names)) if any(names) else NOBODY
    return Record(flow, after / 1000, began / 1000, None if ended is None else ended / 1000, place, client)
