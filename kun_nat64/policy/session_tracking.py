"""Computes begins and ends of sessions from lists of Jool's session table.

No session is missed while lists come more often than the shortest timeout: Jool removes a session only when its
lifetime is over (RFC 6146 section 3.5), even after a close or reset. The times are more precise than the interval of
the lists:

- a session that is new in this list began after the list before, and not later than its last packet, which was
  `timeout - expires` ago;
- a session that is gone ended when its lifetime was over, by the list before: a later packet would have extended it.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address
from itertools import repeat
from math import nan

from kun_nat64.model.audit import PROTOCOLS, UNKNOWN, Record, Timeouts
from kun_nat64.model.clients import NOBODY, Client
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.sessionlist import PageKey, Pages, SessionPage, key_of, packed, split, unpacked

# So many beginnings and ends are told at once: as values they take much more than they do here.
BATCH = 10_000
LOWER = 0xFFFF


@dataclass(frozen=True, slots=True)
class Look:
    """The session table, read from `begun` to `done`. `whole`: it has all sessions. Taking it empties it."""

    pages: Pages
    begun: float
    done: float
    whole: bool = True


@dataclass(frozen=True, slots=True)
class News:
    started: tuple[Record, ...] = ()
    ended: tuple[Record, ...] = ()


# Whose an inside address was at a moment.
WhoWas = Callable[[IPv6Address, float], Client]


def nobody(_address: IPv6Address, _at: float) -> Client:
    return NOBODY


@dataclass(slots=True)
class Living:
    """The living sessions of one page, in the order of `flows`: what was not there at `after` was there at `began`.

    A session's time is over `left_s` after `seen`. `places`: where its record is kept, the lower 16 bits; `newest`: the
    newest place, which none is 65536 behind. `clients`: whose it was when it began; None: all of them nobody's, as on
    most gateways.
    """

    flows: bytes = b""
    seen: float = 0.0
    left_s: "array[float]" = field(default_factory=lambda: array("f"))
    after: "array[float]" = field(default_factory=lambda: array("d"))
    began: "array[float]" = field(default_factory=lambda: array("d"))
    places: "array[int]" = field(default_factory=lambda: array("H"))
    clients: list[Client] | None = None
    newest: int = 0

    def client(self, place: int) -> Client:
        return NOBODY if self.clients is None else self.clients[place]

    def over(self, place: int) -> float:
        return self.seen + self.left_s[place]

    def record(self, key: PageKey, flow: bytes, place: int, ended: float | None = None) -> Record:
        kept_at = self.newest - (self.newest - self.places[place] & LOWER)
        return Record(unpacked(key, flow), self.after[place], self.began[place], ended, kept_at, self.client(place))

    def only(self, wanted: list[int]) -> "Living":
        flows = [*split(self.flows)]
        return Living(
            b"".join(flows[one] for one in wanted),
            self.seen,
            array("f", [self.left_s[place] for place in wanted]),
            array("d", [self.after[place] for place in wanted]),
            array("d", [self.began[place] for place in wanted]),
            array("H", [self.places[place] for place in wanted]),
            None if self.clients is None else [self.clients[place] for place in wanted],
            self.newest,
        )


class Ledger:
    """The sessions that live. `known`: those that an earlier ledger left alive, `looked_at`: when it looked last."""

    def __init__(self, known: Iterable[Record] = (), looked_at: float = UNKNOWN) -> None:
        self._pages: dict[PageKey, Living] = {}
        self._looked_at = looked_at
        self._take_known(known)

    def __len__(self) -> int:
        return sum(len(living.places) for living in self._pages.values())

    def _take_known(self, known: Iterable[Record]) -> None:
        """What nobody has seen since then may have ended at any later moment: its time is over when it is missed."""
        flows: dict[PageKey, bytearray] = {}
        for one in known:
            key = key_of(one.flow)
            living = self._pages.setdefault(key, Living(seen=self._looked_at))
            flows.setdefault(key, bytearray()).extend(packed(one.flow))
            living.left_s.append(max(0.0, one.began - self._looked_at))
            living.after.append(one.after)
            living.began.append(one.began)
            if one.client is not NOBODY and living.clients is None:
                living.clients = [NOBODY] * len(living.places)
            living.places.append(one.place & LOWER)
            living.newest = max(living.newest, one.place)
            if living.clients is not None:
                living.clients.append(one.client)
        for key, found in flows.items():
            self._pages[key].flows = bytes(found)

    def take(self, look: Look, timeouts: Timeouts, place: int, who_was: WhoWas = nobody) -> Iterator[News]:
        """What has begun and ended since the last look, in parts: read all of them. New records are kept at `place`."""
        last, self._looked_at = self._looked_at, look.begun
        turn = _Turn(look, timeouts, place, who_was, last)
        for key in sorted({*self._pages, *look.pages}):
            page, before = look.pages.pop(key, None), self._pages.pop(key, None)
            living = turn.page(key, page or SessionPage(b"", array("f")), before or Living())
            if living.places:
                self._pages[key] = living
            if turn.size >= BATCH:
                yield turn.told()
        yield turn.told()


class _Turn:
    """One look, page by page."""

    def __init__(self, look: Look, timeouts: Timeouts, place: int, who_was: WhoWas, last: float) -> None:
        self._look, self._timeouts, self._place, self._who_was, self._last = look, timeouts, place, who_was, last
        self._started: list[Record] = []
        self._ended: list[Record] = []

    @property
    def size(self) -> int:
        return len(self._started) + len(self._ended)

    def told(self) -> News:
        news = News(tuple(self._started), tuple(self._ended))
        self._started, self._ended = [], []
        return news

    def page(self, key: PageKey, page: SessionPage, before: Living) -> Living:
        if page.flows == before.flows:
            return replace(before, seen=self._look.done, left_s=page.left_s, newest=max(self._place, before.newest))
        where = {flow: place for place, flow in enumerate(split(before.flows))}
        flows, left = _once(page)
        # A new one is found at -1, the last place: its values are put there.
        found = [*map(where.get, flows, repeat(-1))]
        living = Living(b"".join(flows), self._look.done, left, newest=max(self._place, before.newest))
        living.after = array("d", [*map([*before.after, self._last].__getitem__, found)])
        living.began = array("d", [*map([*before.began, nan].__getitem__, found)])
        living.places = array("H", [*map([*before.places, self._place & LOWER].__getitem__, found)])
        if before.clients is not None:
            living.clients = [*map([*before.clients, NOBODY].__getitem__, found)]
        fresh = [place for place, one in enumerate(found) if one < 0]
        self._begin(key, living, fresh)
        if len(found) - len(fresh) == len(where):
            return living
        return self._end(key, living, before, {flow: where[flow] for flow in where.keys() - set(flows)})

    def _begin(self, key: PageKey, living: Living, fresh: list[int]) -> None:
        if not fresh:
            return
        flows = [*split(living.flows)]
        for place in fresh:
            idle_s = _idle_s(PROTOCOLS[key[0]], living.left_s[place], self._timeouts)
            living.began[place] = began = max(self._last, self._look.done - idle_s)
            client = self._who_was(unpacked(key, flows[place]).inside.address, began)
            if client is not NOBODY:
                living.clients = living.clients or [NOBODY] * len(flows)
                living.clients[place] = client
            self._started.append(living.record(key, flows[place], place))

    def _end(self, key: PageKey, living: Living, before: Living, missing: dict[bytes, int]) -> Living:
        """End sessions that are not listed. If the list is not whole, they live until their lifetime is over."""
        done, kept = self._look.done, []
        for flow, place in missing.items():
            if not self._look.whole and before.over(place) > done:
                kept.append(place)
                continue
            ended = max(before.began[place], min(before.over(place), done))
            self._ended.append(before.record(key, flow, place, ended))
        return _joined(living, before.only(kept)) if kept else living


def _once(page: SessionPage) -> "tuple[list[bytes], array[float]]":
    """Remove sessions that were listed twice, because the table changed while it was read."""
    flows = [*split(page.flows)]
    if len(set(flows)) == len(flows):
        return flows, page.left_s
    first = {flow: place for place, flow in reversed([*enumerate(flows)])}
    return [*first], array("f", [page.left_s[place] for place in first.values()])


def _joined(living: Living, kept: Living) -> Living:
    """All by the time of `living`."""
    left = array("f", [kept.over(place) - living.seen for place in range(len(kept.places))])
    clients = None
    if living.clients is not None or kept.clients is not None:
        clients = [one.client(place) for one in (living, kept) for place in range(len(one.places))]
    return Living(
        living.flows + kept.flows,
        living.seen,
        living.left_s + left,
        living.after + kept.after,
        living.began + kept.began,
        living.places + kept.places,
        clients,
        living.newest,
    )


def _idle_s(protocol: Protocol, left_s: float, timeouts: Timeouts) -> float:
    """Seconds since the last packet; 0 where that cannot be said (the timeouts were changed in between)."""
    match protocol:
        case Protocol.UDP:
            limit = timeouts.udp_s
        case Protocol.ICMP:
            limit = timeouts.icmp_s
        case Protocol.TCP:
            # Only states of RFC 6146 section 3.5.2 that the long timeout is for have more left than the short one. A
            # reset leaves the state as it is and takes the short time (handle-rst-during-fin-rcv).
            long = left_s > timeouts.tcp_transitory_s
            limit = timeouts.tcp_established_s if long else timeouts.tcp_transitory_s
    return max(0.0, limit - left_s)
