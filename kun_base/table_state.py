"""The table in force, and changes to it: checked as a whole before any of it is in force. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address, ip_network
from itertools import pairwise
from typing import Any

from kun_base.table_fields import TableFault
from kun_base.table_records import FollowedClass, FollowedClient, FollowedGateway, FollowedPool, TableRecord, hash_text

MODULUS = 1 << 128
EMPTY_VERSION = "0" * 32
LIMITS = {"pool": 1_000, "gateway": 10_000, "class": 100_000, "client": 2_000_000}
Ranges = tuple[tuple[int, int], ...]


@dataclass(slots=True)
class TableChange:
    """What is different, by key: the new record, or None for one that is gone. Keys of `clients` are networks."""

    pools: dict[str, FollowedPool | None] = field(default_factory=dict)
    gateways: dict[str, FollowedGateway | None] = field(default_factory=dict)
    classes: dict[str, FollowedClass | None] = field(default_factory=dict)
    clients: dict[str, FollowedClient | None] = field(default_factory=dict)

    def of(self, kind: str) -> dict[str, Any]:
        """Give the records of one kind."""
        kinds: dict[str, dict[str, Any]] = {
            "pool": self.pools,
            "gateway": self.gateways,
            "class": self.classes,
            "client": self.clients,
        }
        return kinds[kind]

    def removed(self, kind: str) -> int:
        """Count the keys of one kind that are gone."""
        return sum(record is None for record in self.of(kind).values())

    def __bool__(self) -> bool:
        return bool(self.pools or self.gateways or self.classes or self.clients)


def record_sum(kind: str, key: str, record: TableRecord) -> int:
    """Give the 128 bits that one record adds to the version."""
    return int.from_bytes(blake2b(hash_text(kind, key, record).encode(), digest_size=16).digest(), "big")


def version_text(total: int) -> str:
    """Write a sum as a version."""
    return f"{total % MODULUS:032x}"


class FollowedTable:
    """The records in force. Only `apply` changes them; whoever reads may keep none of these maps."""

    def __init__(self) -> None:
        self.pools: dict[str, FollowedPool] = {}
        self.gateways: dict[str, FollowedGateway] = {}
        self.classes: dict[str, FollowedClass] = {}
        self.clients: dict[str, FollowedClient] = {}
        self.clients_of: Counter[str] = Counter()
        self._lengths: Counter[tuple[int, int]] = Counter()
        self._shares: dict[IPv4Address, dict[tuple[str, str], Ranges]] = {}
        self._marks: dict[tuple[str, int], str] = {}

    def of(self, kind: str) -> dict[str, Any]:
        """Give the records of one kind."""
        kinds: dict[str, dict[str, Any]] = {
            "pool": self.pools,
            "gateway": self.gateways,
            "class": self.classes,
            "client": self.clients,
        }
        return kinds[kind]

    def counts(self) -> dict[str, int]:
        """Count the records of each kind."""
        return {kind: len(self.of(kind)) for kind in LIMITS}

    def client_of(self, address: IPv4Address | IPv6Address) -> tuple[str, FollowedClient] | None:
        """Give the client with the longest network that holds the address, and that network."""
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if (found := self.clients.get(str(address))) is not None:
            return str(address), found
        for version, length in sorted(self._lengths, reverse=True):
            if version == address.version:
                network = str(ip_network((address, length), strict=False))
                if (found := self.clients.get(network)) is not None:
                    return network, found
        return None

    def copy(self) -> "FollowedTable":
        """Give a copy to read from, while this one goes on changing."""
        out = FollowedTable()
        for kind in LIMITS:
            out.of(kind).update(self.of(kind))
        return out

    def check(self, change: TableChange) -> None:
        """Raise TableFault if the table would contradict itself with this change."""
        for kind, most in LIMITS.items():
            records = change.of(kind)
            added = sum(record is not None and key not in self.of(kind) for key, record in records.items())
            if len(self.of(kind)) + added - change.removed(kind) > most:
                raise TableFault(f"there are more than {most} records of the kind {kind}")
        self._check_classes(change)
        self._check_pools(change)
        self._check_shares(change)
        self._check_marks(change)

    def apply(self, change: TableChange) -> None:
        """Bring a change into force that `check` has passed."""
        for kind in ("gateway", "class"):
            for key, record in change.of(kind).items():
                self._index(kind, key, record)
        self._index_marks(change)
        self._count(self.clients_of, change)
        self._count_lengths(change)
        for kind in LIMITS:
            records = self.of(kind)
            for key, record in change.of(kind).items():
                if record is None:
                    del records[key]
                else:
                    records[key] = record

    def _count(self, counts: Counter[str], change: TableChange) -> None:
        """Bring the number of clients of each class up to date."""
        for network, client in change.clients.items():
            old = self.clients.get(network)
            if old is not None:
                counts[old.class_name] -= 1
            if client is not None:
                counts[client.class_name] += 1

    def _count_lengths(self, change: TableChange) -> None:
        for network, client in change.clients.items():
            if "/" in network and (client is None) == (network in self.clients):
                text, _, length = network.partition("/")
                key = 6 if ":" in text else 4, int(length)
                self._lengths[key] += -1 if client is None else 1
                if not self._lengths[key]:
                    del self._lengths[key]

    def _check_classes(self, change: TableChange) -> None:
        moved: Counter[str] = Counter()
        self._count(moved, change)
        for name in moved.keys() | change.classes.keys():
            there = change.classes.get(name) if name in change.classes else self.classes.get(name)
            if there is None and self.clients_of[name] + moved[name]:
                raise TableFault(f"clients are in the class {name!r}, which is not in the table")

    def _check_pools(self, change: TableChange) -> None:
        pools = self.pools.keys() | {key for key, pool in change.pools.items() if pool is not None}
        gone = {key for key, pool in change.pools.items() if pool is None}
        pools -= gone
        for kind in ("pool", "gateway", "class"):
            for key, record in self._to_look_at(kind, change, all_of_them=bool(gone)):
                for pool in pools_of(record):
                    if pool not in pools:
                        raise TableFault(f"{kind} {key!r} names the pool {pool!r}, which is not in the table")
        defaults = [key for key, pool in self._to_look_at("pool", change, all_of_them=True) if pool.is_default]
        if len(defaults) > 1:
            raise TableFault(f"the pools {sorted(defaults)[0]!r} and {sorted(defaults)[1]!r} are both the default")

    def _to_look_at(self, kind: str, change: TableChange, *, all_of_them: bool) -> Iterator[tuple[str, Any]]:
        """Give the records of a kind as they will be: those that change, or all."""
        changed = change.of(kind)
        yield from ((key, record) for key, record in changed.items() if record is not None)
        if all_of_them:
            yield from ((key, record) for key, record in self.of(kind).items() if key not in changed)

    def _check_shares(self, change: TableChange) -> None:
        """Find a public port that would be in two shares; only addresses that change are looked at."""
        new: dict[IPv4Address, list[tuple[int, int, str]]] = {}
        for kind in ("gateway", "class"):
            for key, record in change.of(kind).items():
                for address, ranges in _ranges(record).items():
                    new.setdefault(address, []).extend((*one, f"{kind} {key!r}") for one in ranges)
        for address, found in new.items():
            for (kind, key), ranges in self._shares.get(address, {}).items():
                if key not in change.of(kind):
                    found += [(*one, f"{kind} {key!r}") for one in ranges]
            found.sort()
            for (_, last, one), (first, _, other) in pairwise(found):
                if first <= last:
                    raise TableFault(f"port {first} of {address} is in two shares: of {one} and of {other}")

    def _check_marks(self, change: TableChange) -> None:
        """Find a packet mark that two classes of one pool would have: their ports would be one tenant's."""
        new: dict[tuple[str, int], str] = {}
        for key, record in change.classes.items():
            mark = _mark_of(record)
            if mark is None:
                continue
            other = self._marks.get(mark, key)
            other = new.setdefault(mark, key if other in change.classes else other)
            if other != key:
                raise TableFault(f"the classes {other!r} and {key!r} both have the mark {mark[1]} in pool {mark[0]!r}")

    def _index_marks(self, change: TableChange) -> None:
        for key in change.classes:
            mark = _mark_of(self.classes.get(key))
            if mark is not None and self._marks.get(mark) == key:
                del self._marks[mark]
        for key, record in change.classes.items():
            mark = _mark_of(record)
            if mark is not None:
                self._marks[mark] = key

    def _index(self, kind: str, key: str, record: Any) -> None:
        for address in _ranges(self.of(kind).get(key)):
            owners = self._shares[address]
            del owners[kind, key]
            if not owners:
                del self._shares[address]
        for address, ranges in _ranges(record).items():
            self._shares.setdefault(address, {})[kind, key] = ranges


def pools_of(record: Any) -> Iterable[str]:
    """Give the names of the pools that a record names."""
    match record:
        case FollowedPool():
            named: tuple[str, ...] = () if record.fallback == "default" else (record.fallback,)
        case FollowedGateway():
            named = (record.pool,)
        case _:
            named = (record.pool, record.address_pool, *record.without, *(pool for _, pool in record.domains))
    return (name for name in named if name)


def _mark_of(record: FollowedClass | None) -> tuple[str, int] | None:
    """Pool and mark of a class that has one."""
    return (record.address_pool, record.mark) if record is not None and record.mark else None


def _ranges(record: Any) -> Mapping[IPv4Address, Ranges]:
    found: dict[IPv4Address, Ranges] = {}
    for share in record.addresses if record is not None else ():
        found[share.address] = (*found.get(share.address, ()), (share.first_port, share.last_port))
    return found
