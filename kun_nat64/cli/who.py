"""The `who` command: from a public address and port, and a time, to the pod that had it."""

import json
import re
import sqlite3
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from time import time
from typing import Any

from kun_base.errors import ConfigError, Fault
from kun_nat64.cli.errors import complain
from kun_nat64.cli.who_flags import Asked
from kun_nat64.config.sessionplace import LOG, beside, session_database
from kun_nat64.drivers.session_database import parts_of, reader
from kun_nat64.formats.elastic_common_schema import iso
from kun_nat64.formats.sessionrow import outside_key, record_of, who_query
from kun_nat64.model.audit import UNKNOWN, Record
from kun_nat64.model.clients import Client
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.policy.port_holders import Holder, holders

CONFIG = Path("/etc/kun/kun-nat64.toml")
DATABASE = Path(beside(LOG))
PUBLIC = re.compile(r"([0-9.]+):(\d{1,5})")
AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)(?: ago)?")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# More sessions of one holder than these are counted, not listed.
LISTED = 10
LATEST = 253402300799.0
NOT_LOOKED_UP = 3


@dataclass(frozen=True, slots=True)
class Question:
    address: IPv4Address
    port: int
    at: float
    protocols: tuple[Protocol, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """`unread`: parts of the database that could not be read."""

    holders: tuple[Holder, ...]
    unread: tuple[str, ...]


def show_who(asked: Asked) -> int:
    """Exit code 0: somebody had it, 1: nobody is known, 3: it could not be looked up. Raises ConfigError."""
    question = parse(asked.public, asked.at, asked.proto, now=time())
    folder = asked.database or _folder(asked.config)
    if folder is None:
        words = f"no sessions are logged: [nat64] session_log is empty in {asked.config or CONFIG}"
        return complain(words, as_json=asked.as_json, code=NOT_LOOKED_UP)
    try:
        return _answered(folder, question, asked)
    except OSError as error:
        remedy = "; run this with sudo" if isinstance(error, PermissionError) else ""
        return complain(
            f"{folder} cannot be read: {error.strerror or error}{remedy}", as_json=asked.as_json, code=NOT_LOOKED_UP
        )


def _answered(folder: Path, question: Question, asked: Asked) -> int:
    if not folder.is_dir() or not parts_of(folder):
        words = (
            f"there is no session database in {folder}: `[nat64] session_log` makes one; --config FILE or --database "
            "FOLDER names another place"
        )
        return complain(words, as_json=asked.as_json, code=NOT_LOOKED_UP)
    answer = ask(folder, question)
    for line in answer.unread:
        print(f"not read: {line}", file=sys.stderr)
    print(json.dumps(_as_data(question, answer), indent=1) if asked.as_json else _as_text(question, answer))
    return 0 if answer.holders else NOT_LOOKED_UP if answer.unread else 1


def _folder(config: Path | None) -> Path | None:
    with suppress(OSError):
        if config is None and not CONFIG.exists():
            return DATABASE
    return session_database(config or CONFIG)


def parse(public: str, at: str, proto: str, *, now: float) -> Question:
    """Raises ConfigError with every fault at once."""
    faults = []
    address, port, moment = IPv4Address(0), 0, now
    protocols: tuple[Protocol, ...] = tuple(Protocol)
    try:
        found = PUBLIC.fullmatch(public.strip())
        address, port = IPv4Address(found[1] if found else ""), int(found[2] if found else "x")
        if port > 65535:
            raise ValueError
    except (AddressValueError, ValueError):
        faults.append(Fault("IP:PORT", repr(public), 'must be a public IPv4 address and a port, "192.0.2.11:40283"'))
    try:
        moment = parse_time(at, now=now)
    except (ValueError, OverflowError):
        wanted = 'must be a time, "2026-11-21T06:15:00Z", Unix seconds, "90m ago", "now"'
        faults.append(Fault("--at", repr(at), wanted))
    if proto:
        try:
            protocols = (Protocol(proto.lower()),)
        except ValueError:
            faults.append(Fault("--proto", repr(proto), "must be tcp, udp or icmp"))
    if faults:
        raise ConfigError("command line", faults)
    return Question(address, port, moment, protocols)


def parse_time(text: str, *, now: float) -> float:
    """Seconds since 1970. Without an offset a time is UTC, as in the log. Raises ValueError, OverflowError."""
    at = _seconds(text.strip(), now)
    if not 0 <= at <= LATEST:
        raise ValueError(f"{text} is before 1970, or after 9999")
    return at


def _seconds(text: str, now: float) -> float:
    if text == "now":
        return now
    if ago := AGO.fullmatch(text):
        return now - float(ago[1]) * SECONDS[ago[2]]
    if re.fullmatch(r"\d{9,11}(\.\d+)?", text):
        return float(text)
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def ask(folder: Path, question: Question) -> Answer:
    """From all parts: a session that still lives may have begun in any of them."""
    records: list[Record] = []
    unread = []
    keys = [outside_key(question.address, question.port, protocol) for protocol in question.protocols]
    moment = round(question.at * 1000)
    for place, path in reversed(parts_of(folder)):
        try:
            with closing(reader(path)) as db:
                query = who_query(db.execute("PRAGMA user_version").fetchone()[0])
                found = [row for key in keys for row in db.execute(query, (key, moment))]
            records += [record_of(row, place) for row in found]
        except (sqlite3.Error, ValueError, IndexError, TypeError) as error:
            unread.append(f"part {place}: {error}")
    return Answer(holders(records, question.at), tuple(unread))


def _as_data(question: Question, answer: Answer) -> dict[str, Any]:
    return {
        "public": f"{question.address}:{question.port}",
        "at": iso(question.at),
        "holders": [
            {
                "protocol": one.protocol,
                "inside": str(one.inside),
                "port": one.port,
                "certain": one.certain,
                **_names(one.client),
                "sessions": [_session(record) for record in one.sessions],
            }
            for one in answer.holders
        ],
        "unread": list(answer.unread),
    }


def _names(client: Client) -> dict[str, str | None]:
    """None: nobody told the gateway."""
    return {"tenant": client.tenant or None, "namespace": client.namespace or None, "pod": client.pod or None}


def _session(record: Record) -> dict[str, Any]:
    return {
        "remote": str(record.flow.remote),
        "earliest_start": None if record.after == UNKNOWN else iso(record.after),
        "start": iso(record.began),
        "end": None if record.ended is None else iso(record.ended),
    }


def _as_text(question: Question, answer: Answer) -> str:
    asked = f"{question.address}:{question.port} at {iso(question.at)}"
    if not answer.holders:
        return f"{asked}: nobody, as far as the log says"
    return "\n".join(line for one in answer.holders for line in _lines(asked, one))


def _named(client: Client) -> str:
    pod = f"pod {client.namespace}/{client.pod}" if client.pod else ""
    tenant = f"tenant {client.tenant}" if client.tenant else ""
    words = ", ".join(filter(None, (pod, tenant)))
    return f", {words}" if words else ""


def _lines(asked: str, one: Holder) -> list[str]:
    sure = "" if one.certain else " (possibly: it was seen first at a later look)"
    lines = [f"{asked} {one.protocol}: [{one.inside}]:{one.port}{_named(one.client)}{sure}"]
    for record in one.sessions[:LISTED]:
        ended = "lives" if record.ended is None else f"to {iso(record.ended)}"
        since = "or earlier" if record.after == UNKNOWN else f"or up to {record.began - record.after:.0f} s earlier"
        lines.append(f"  with {record.flow.remote}, from {iso(record.began)} {since}, {ended}")
    more = len(one.sessions) - LISTED
    return [*lines, *([f"  and {more} more sessions"] if more > 0 else [])]
