"""Ports of pool4 as sets: Jool joins neighbouring ranges and splits them, so single entries have no identity."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address

from kun_nat64.model.facts import Pool4, Protocol
from kun_nat64.model.traffic import Binding

# The address as a number: the hash of an IPv4Address costs more than all the rest.
Owner = tuple[str, Protocol, int, int]
Ranges = list[tuple[int, int]]
# With an empty pool4 Jool takes these ports of the addresses outside (DEFAULT_POOL4_MIN_PORT in its source).
BORROWED_FIRST, BORROWED_LAST = 61001, 65535


def merged(entries: Iterable[Pool4]) -> frozenset[Pool4]:
    """Merge ports into as few ranges as possible, so that desired and observed ports can be compared."""
    return frozenset(_entries((owner, _spans(held)) for owner, held in _grouped(entries).items()))


def without(entries: Sequence[Pool4], taken: Sequence[Pool4]) -> Sequence[Pool4]:
    """Ports of `entries` that are not in `taken`."""
    return exchanged(entries, taken)[0]


def exchanged(wanted: Sequence[Pool4], found: Sequence[Pool4]) -> tuple[Sequence[Pool4], Sequence[Pool4]]:
    """Return the ports that only one side has. Entries of an address on only one side stay as they are."""
    if not wanted or not found:
        return wanted, found
    # Most often they know none in common, and then thousands of entries need no grouping.
    common = {int(entry.address) for entry in wanted}.intersection(int(entry.address) for entry in found)
    if not common:
        return wanted, found
    mine, theirs = _grouped(wanted, common), _grouped(found, common)
    return (*_aside(wanted, common), *_beyond(mine, theirs)), (*_aside(found, common), *_beyond(theirs, mine))


def _grouped(entries: Iterable[Pool4], only: Container[int] | None = None) -> dict[Owner, list[Pool4]]:
    """`only`: of these addresses."""
    groups: dict[Owner, list[Pool4]] = defaultdict(list)
    for entry in entries:
        number = int(entry.address)
        if only is None or number in only:
            groups[entry.instance, entry.protocol, number, entry.mark].append(entry)
    return groups


def _aside(entries: Iterable[Pool4], common: Container[int]) -> Iterator[Pool4]:
    return (entry for entry in entries if int(entry.address) not in common)


def _beyond(entries: dict[Owner, list[Pool4]], taken: dict[Owner, list[Pool4]]) -> Iterator[Pool4]:
    return _entries((owner, _minus(_spans(held), _spans(taken.get(owner, ())))) for owner, held in entries.items())


def _spans(entries: Iterable[Pool4]) -> Ranges:
    return _join([(entry.first_port, entry.last_port) for entry in entries])


def borrowed(bindings: Iterable[Binding], pool4: Iterable[Pool4], instance: str) -> tuple[Pool4, ...]:
    """Ports that flows still hold from a time when pool4 was empty: their answers match no pool4 entry any more."""
    held = [one for one in bindings if not one.static and BORROWED_FIRST <= one.outside.port <= BORROWED_LAST]
    owners = {(one.protocol, one.outside.address) for one in held}
    ranges = [Pool4(instance, protocol, address, BORROWED_FIRST, BORROWED_LAST) for protocol, address in owners]
    outside_pool4 = without(ranges, [replace(entry, mark=0) for entry in pool4])
    return tuple(entry for entry in outside_pool4 if any(_lies_in(one, entry) for one in held))


def _lies_in(binding: Binding, entry: Pool4) -> bool:
    same = (binding.protocol, binding.outside.address) == (entry.protocol, entry.address)
    return same and entry.first_port <= binding.outside.port <= entry.last_port


def _entries(ranges_of: Iterable[tuple[Owner, Ranges]]) -> Iterator[Pool4]:
    for (instance, protocol, number, mark), ranges in ranges_of:
        address = IPv4Address(number)
        yield from (Pool4(instance, protocol, address, first, last, mark) for first, last in ranges)


def _join(ranges: Ranges) -> Ranges:
    joined: Ranges = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined


def _minus(ranges: Ranges, gone: Ranges) -> Ranges:
    """Both joined and sorted."""
    rest: Ranges = []
    for first, last in ranges:
        for away_first, away_last in gone:
            if away_last < first or away_first > last:
                continue
            if away_first > first:
                rest.append((first, away_first - 1))
            first = away_last + 1
            if first > last:
                break
        if first <= last:
            rest.append((first, last))
    return rest
