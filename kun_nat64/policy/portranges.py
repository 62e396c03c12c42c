"""Ports of pool4 as sets: Jool joins neighbouring ranges and splits them, so single entries have no identity."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address

from kun_nat64.model.facts import Pool4, Protocol

# The address as a number: the hash of an IPv4Address costs more than all the rest.
Owner = tuple[str, Protocol, int, int]
Ranges = list[tuple[int, int]]


def merged(entries: Iterable[Pool4]) -> frozenset[Pool4]:
    """The same ports in as few ranges as possible: the form in which desired and observed can be compared."""
    return frozenset(_entries((owner, _join(ranges)) for owner, ranges in _by_owner(entries).items()))


def without(entries: Sequence[Pool4], taken: Sequence[Pool4]) -> Sequence[Pool4]:
    """Ports of `entries` that are not in `taken`."""
    if not entries or not taken:
        return entries
    gone = {owner: _join(ranges) for owner, ranges in _by_owner(taken).items()}
    rest = ((owner, _minus(_join(ranges), gone.get(owner, []))) for owner, ranges in _by_owner(entries).items())
    return tuple(_entries(rest))


def _by_owner(entries: Iterable[Pool4]) -> dict[Owner, Ranges]:
    found: dict[Owner, Ranges] = defaultdict(list)
    for entry in entries:
        owner = (entry.instance, entry.protocol, int(entry.address), entry.mark)
        found[owner].append((entry.first_port, entry.last_port))
    return found


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
