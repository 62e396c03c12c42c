"""Whose inside addresses are and lately were: a session is named as its address was when it began.

Pods follow one another on one address. Looks at the sessions come some seconds apart, so that what is new at a look may
have begun under the name before.
"""

from collections import deque
from collections.abc import Collection, Iterator
from ipaddress import IPv6Address

from kun_nat64.model.clients import NO_CLIENTS, NOBODY, Client, Clients, mask

# Longer than two looks at the sessions are apart; and so many changes at most, the oldest are forgotten.
KEEP_S = 600.0
MOST = 200_000
Place = tuple[int, int]
TODAY = Client("the client of today")


class ClientHistory:
    """`now` and `at` are wall clock. Asked from the session log's thread while the event loop writes."""

    def __init__(self, clients: Clients = NO_CLIENTS) -> None:
        self.clients, self._lengths = clients, clients.lengths
        # Of each network, what it was until that moment, oldest first.
        self._past: dict[Place, tuple[tuple[float, Client | None], ...]] = {}
        self._changes: deque[tuple[float, Place]] = deque()

    def take_clients(self, clients: Clients, changed: Collection[Place] | None = None, *, now: float) -> None:
        """`changed`: where the new ones may differ; None: anywhere."""
        before, self.clients = self.clients, clients
        self._lengths = tuple(sorted({*self._lengths, *clients.lengths}, reverse=True))
        for length, number in _differing(before, clients) if changed is None else changed:
            old, new = (one.networks.get(length, {}).get(number) for one in (before, clients))
            if old != new:
                self._note((length, number), old, now)
        while self._changes and (len(self._changes) > MOST or self._changes[0][0] < now - KEEP_S):
            self._forget_oldest()

    def _note(self, place: Place, before: Client | None, now: float) -> None:
        self._past[place] = (*self._past.get(place, ()), (now, before))
        self._changes.append((now, place))

    def _forget_oldest(self) -> None:
        _, place = self._changes.popleft()
        left = self._past[place][1:]
        if left:
            self._past[place] = left
        else:
            del self._past[place]

    def who_was(self, address: IPv6Address, at: float) -> Client:
        """A pod whose record came after its first packet is the one that has the address now."""
        then, today = self._at(int(address), at), self.clients.of(address)
        if then is not None and (then.pod or today is None or not today.pod):
            return then
        return today or NOBODY

    def _at(self, address: int, at: float) -> Client | None:
        for length in self._lengths:
            place = length, address & mask(length)
            past = next((before for until, before in self._past.get(place, ()) if until > at), TODAY)
            found = self.clients.networks.get(length, {}).get(place[1]) if past is TODAY else past
            if found is not None:
                return found
        return None


def _differing(before: Clients, after: Clients) -> Iterator[Place]:
    for length in {*before.lengths, *after.lengths}:
        old, new = before.networks.get(length, {}), after.networks.get(length, {})
        if old is not new:
            yield from ((length, number) for number in {number for number, _ in old.items() ^ new.items()})
