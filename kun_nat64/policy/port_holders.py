"""Finds the pod that had a public port at a time, and whether that is certain."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address

from kun_nat64.model.audit import Record
from kun_nat64.model.clients import NOBODY, Client
from kun_nat64.model.joolfacts import Protocol


@dataclass(frozen=True, slots=True)
class Holder:
    """One inside address and port, with its sessions at that moment. `certain`: one of them was there for sure.

    `client`: whose it was when they began; pods that had the address one after the other are two holders.

    Not certain: the time lies between the first list with the session and the list before it.
    """

    protocol: Protocol
    inside: IPv6Address
    port: int
    certain: bool
    sessions: tuple[Record, ...]
    client: Client = NOBODY


def was_there(record: Record, at: float) -> bool:
    return record.began <= at and (record.ended is None or at <= record.ended)


def holders(records: Iterable[Record], at: float) -> tuple[Holder, ...]:
    """Certain ones first. A public port belongs to one inside address at a time (RFC 6146 section 3.1.1)."""
    groups: dict[tuple[Protocol, IPv6Address, int, Client], list[Record]] = {}
    for record in records:
        flow = record.flow
        groups.setdefault((flow.protocol, flow.inside.address, flow.inside.port, record.client), []).append(record)
    found = [
        Holder(protocol, inside, port, any(was_there(one, at) for one in group), _in_time(group), client)
        for (protocol, inside, port, client), group in groups.items()
    ]
    return tuple(sorted(found, key=lambda one: (not one.certain, one.protocol, one.inside, one.port)))


def _in_time(records: list[Record]) -> tuple[Record, ...]:
    return tuple(sorted(records, key=lambda one: (one.began, str(one.flow.remote))))
