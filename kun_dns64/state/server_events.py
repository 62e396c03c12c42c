"""What changed since the last look, as events for the log: one for all workers, and seldom enough to be read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kun_base.event_pace import EventPace

FULL = 0.9
DAY_S = 86400.0
# Days before a certificate ends at which that is said.
CERTIFICATE_DAYS = (30, 14, 7, 3, 2, 1)


@dataclass(frozen=True, slots=True)
class Event:
    level: str
    name: str
    fields: Mapping[str, object]


@dataclass(slots=True)
class _Known:
    up: bool = True
    since: float = 0.0
    # Whether the fall was written: a return without one would puzzle.
    told: bool = False


@dataclass(slots=True)
class ServerEvents:
    """The memory between looks. Times are seconds of one clock, given as `now`."""

    _upstreams: dict[str, _Known] = field(default_factory=dict)
    _groups: dict[str, _Known] = field(default_factory=dict)
    _gateways: dict[tuple[str, str], _Known] = field(default_factory=dict)
    _limited: dict[str, int] = field(default_factory=dict)
    _certificates: dict[str, int] = field(default_factory=dict)
    _flaps: EventPace = field(default_factory=lambda: EventPace(30.0, burst=4))
    _limits: EventPace = field(default_factory=lambda: EventPace(60.0))
    _full: EventPace = field(default_factory=lambda: EventPace(3600.0))

    def upstreams(
        self, seen: Mapping[str, Sequence[tuple[bool, str]]], groups: Mapping[str, Sequence[str]], now: float
    ) -> Iterator[Event]:
        """`seen`: each upstream as every worker knows it, up or not and why; `groups`: the upstreams of each."""
        for name in self._upstreams.keys() - seen.keys():
            del self._upstreams[name]
        up = {name: all(one for one, _ in rows) for name, rows in seen.items()}
        for name, rows in seen.items():
            why = next((reason for one, reason in rows if not one and reason), None)
            workers = f"{sum(not one for one, _ in rows)} of {len(rows)}" if len(rows) > 1 else None
            yield from self._turn(self._upstreams, name, up[name], "upstream", now, why=why, down_in=workers)
        for group, members in groups.items():
            some = not members or any(up.get(name, True) for name in members)
            effect = "answers come from the cache, stale ones included; what is not there is SERVFAIL"
            yield from self._turn(self._groups, group, some, "group", now, upstreams=" ".join(members), effect=effect)

    def _turn(
        self, known: dict[str, _Known], name: str, up: bool, what: str, now: float, **fields: object
    ) -> Iterator[Event]:
        one = known.setdefault(name, _Known())
        if one.up == up:
            return
        lasted, one.up, one.since = now - one.since, up, now
        label = {what: name or "default"}
        if up:
            if one.told:
                yield Event("info", f"{what}-up", {**label, "down_s": round(lasted, 1)})
            one.told = False
            return
        held = self._flaps.allows(f"{what} {name}", now)
        one.told = held is not None
        if held is not None:
            yield Event("warning", f"{what}-down", {**label, **fields, "not_logged": held or None})

    def gateways(self, seen: Mapping[str, Mapping[str, str]], now: float) -> Iterator[Event]:
        """`seen`: why each gateway of each pool is down, "" for one that is up."""
        present = {(pool, url) for pool, urls in seen.items() for url in urls}
        for gone in self._gateways.keys() - present:
            del self._gateways[gone]
        for pool, urls in seen.items():
            left = sum(not why for why in urls.values())
            for url, why in urls.items():
                one = self._gateways.setdefault((pool, url), _Known())
                if one.up == (not why):
                    continue
                lasted, one.up, one.since = now - one.since, not why, now
                place = {"pool": pool or "default", "gateway": url, "up": f"{left} of {len(urls)}"}
                if not why:
                    if one.told:
                        yield Event("info", "gateway-up", {**place, "down_s": round(lasted, 1)})
                    one.told = False
                    continue
                held = self._flaps.allows(f"gateway {pool} {url}", now)
                one.told = held is not None
                if held is not None:
                    effect = "none: others of the pool are up" if left else None
                    fields = {**place, "why": why, "effect": effect, "not_logged": held or None}
                    yield Event("warning", "gateway-down", fields)

    def limits(self, counts: Iterable[Mapping[str, int]], now: float) -> Iterator[Event]:
        """`counts`: how often each worker had to limit clients since it began."""
        total: dict[str, int] = {}
        for part in counts:
            for what, count in part.items():
                total[what] = total.get(what, 0) + count
        for what, count in total.items():
            # A worker that was replaced begins at 0.
            before = min(self._limited.get(what, 0), count)
            if count > before and self._limits.allows(what, now) is not None:
                yield Event("warning", "clients-limited", {"what": what, "times": count - before, "since_start": count})
                self._limited[what] = count
            elif count < self._limited.get(what, 0):
                self._limited[what] = count

    def cache(self, shares: Sequence[float], now: float) -> Iterator[Event]:
        """`shares`: how full each worker's part is, 0 to 1."""
        if shares and max(shares) >= FULL and self._full.allows("cache", now) is not None:
            remedy = "[cache] max_bytes or max_entries may be larger"
            yield Event("warning", "cache-full", {"share": f"{max(shares):.0%}", "remedy": remedy})

    def certificates(self, ends: Mapping[str, float], wall: float) -> Iterator[Event]:
        """`ends`: when the certificate of each file ends, seconds since 1970."""
        for file, end in ends.items():
            left = end - wall
            step = sum(left <= days * DAY_S for days in CERTIFICATE_DAYS) + (left <= 0)
            if step > self._certificates.get(file, 0):
                words = "has ended" if left <= 0 else f"ends in {left / DAY_S:.0f} days"
                yield Event("error" if left <= 3 * DAY_S else "warning", "certificate", {"file": file, "state": words})
            self._certificates[file] = step
