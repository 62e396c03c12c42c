"""Room for questions: which one goes when too many are out upstream.

First those that nobody waits for any more, then the oldest of those that were out for `DISPLACED_AFTER_S`. An upstream
that answers fast has answered by then, so a dead zone displaces its own questions and nobody else's. Slow questions,
those of the general path, have three quarters of what may be out, and those about one zone a quarter; what is left is
for those that are answered at once. (Unbound: jostle-timeout, half of num-queries-per-thread; BIND: fetches-per-zone.)
"""

from collections import OrderedDict

from kun_dns64.policy.client_share import DISPLACED_AFTER_S
from kun_dns64.policy.zone_share import zone_of

# However few may be out.
LEAST_OF_ZONE = 64


class _Queue:
    """Questions by age: those that nobody waits for, and the others."""

    __slots__ = ("idle", "waited")

    def __init__(self) -> None:
        self.idle: OrderedDict[bytes, float] = OrderedDict()
        self.waited: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self.idle) + len(self.waited)

    def oldest(self, now: float) -> bytes | None:
        """None: all are young, and somebody waits for each."""
        if self.idle:
            return next(iter(self.idle))
        key = next(iter(self.waited), None)
        return key if key is not None and now - self.waited[key] >= DISPLACED_AFTER_S else None


class Room:
    """The slow questions that are out, by their keys. `most`: of all questions."""

    def __init__(self, most: int) -> None:
        self._most_slow, self._most_of_zone = max(1, most - most // 4), max(LEAST_OF_ZONE, most // 4)
        self._all = _Queue()
        self._zones: dict[bytes, _Queue] = {}
        self._zone_by_key: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, key: bytes, name: bytes, since: float, *, waited: bool) -> None:
        zone = self._zone_by_key[key] = zone_of(name.lower())
        for queue in (self._all, self._zones.setdefault(zone, _Queue())):
            (queue.waited if waited else queue.idle)[key] = since

    def remove(self, key: bytes) -> None:
        zone = self._zone_by_key.pop(key, None)
        if zone is None:
            return
        own = self._zones[zone]
        for queue in (self._all, own):
            if queue.waited.pop(key, None) is None:
                queue.idle.pop(key, None)
        if not own:
            del self._zones[zone]

    def wait(self, key: bytes, *, waited: bool) -> None:
        """Somebody waits for it again, or nobody does any more."""
        zone = self._zone_by_key.get(key)
        if zone is None:
            return
        for queue in (self._all, self._zones[zone]):
            before, after = (queue.idle, queue.waited) if waited else (queue.waited, queue.idle)
            since = before.pop(key, None)
            if since is not None:
                after[key] = since

    def is_free(self, name: bytes, *, full: bool) -> bool:
        """Whether a question about `name` needs nobody's place. `full`: as many are out as may be."""
        own = self._zones.get(zone_of(name.lower()))
        return not full and len(self._all) < self._most_slow and (own is None or len(own) < self._most_of_zone)

    def to_go(self, name: bytes, now: float, *, full: bool) -> bytes | None:
        """Whose place a question about `name` takes; None: nobody's, and it cannot be put."""
        own = self._zones.get(zone_of(name.lower()))
        if own is not None and len(own) >= self._most_of_zone:
            return own.oldest(now)
        return self._all.oldest(now)
