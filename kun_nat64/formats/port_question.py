"""Who had a public port: the question as it is typed, and the answer as data."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from kun_base.errors import ConfigError, Fault
from kun_nat64.formats.elastic_common_schema import iso
from kun_nat64.model.audit import UNKNOWN, Record
from kun_nat64.model.clients import Client
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.policy.port_holders import Holder

PUBLIC = re.compile(r"([0-9.]+):(\d{1,5})")
AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)(?: ago)?")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LATEST = 253402300799.0


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


def answer_data(question: Question, answer: Answer) -> dict[str, Any]:
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
    """None: the gateway did not know."""
    return {"tenant": client.tenant or None, "namespace": client.namespace or None, "pod": client.pod or None}


def _session(record: Record) -> dict[str, Any]:
    return {
        "remote": str(record.flow.remote),
        "earliest_start": None if record.after == UNKNOWN else iso(record.after),
        "start": iso(record.began),
        "end": None if record.ended is None else iso(record.ended),
    }
