"""One client's share of those who wait: how many of its queries may wait for upstreams, and how fast they end.

A client is a /32 or a /56, as for the rate limit. Beyond its share the query of it that has waited longest makes room,
once it has waited `DISPLACED_AFTER_S`; else the new one is turned away. (Unbound's wait-limit and jostle-timeout do the
same, for one client and for all.) Who has shown that its address is its own, by a cookie or over TCP, and a forwarder
that asks for many, has FACTOR times as much.

Answers that were held back could leave all at once: who fills a share with a forged address and then has one slow name
answered sends a pulse to somebody else (DNSBomb). So answers that were waited for leave at `PACE_BYTES_PER_S` where
the address is not proven.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Protocol

from kun_dns64.model.message import Source
from kun_dns64.policy.zone_share import CLIENT_PER_S, Allowance

FACTOR = 10
DISPLACED_AFTER_S = 0.2
# Of one question, by one client whose address is not proven: BIND's max-clients-per-query.
MOST_ALIKE = 100
PACE_BYTES_PER_S, PACE_BURST_BYTES = 1_000_000.0, 64 * 1024
# An answer faster than this was held back by nobody.
HELD_BACK_S = 0.1
# Later than this it is no use to anybody.
MOST_DELAY_S = 1.0
MOST_CLIENTS = 16384


class Waiting(Protocol):
    """A query that waits for upstreams longer than most."""

    @property
    def began(self) -> float: ...

    def displace(self) -> None:
        """Ends it now: another one needs the place."""
        ...


class ClientShare:
    """Of one client, at one of `workers`: an equal part of what it has with all of them, as names go to all alike.

    `waiting`: its queries under way; `most`: what it may have, without a proof of its address.
    `held`: answers that must leave at the pace, each with what sends it, in the order they came. `allowance`: in
    questions that are not answered at once.
    """

    __slots__ = (
        "_burst_bytes", "_bytes_per_s", "_free_bytes", "_held_bytes", "_looked_at", "allowance", "held",
        "is_forwarder", "most", "slow", "waiting",
    )  # fmt: skip

    def __init__(self, most: int, is_forwarder: bool, workers: int = 1) -> None:
        self.most, self.is_forwarder = most * FACTOR if is_forwarder else most, is_forwarder
        self.waiting = 0
        per_s = CLIENT_PER_S * (FACTOR if is_forwarder else 1) / workers
        self.allowance = Allowance(self.most, per_s, self.most, 0.0)
        # In the order they came; those that end at once never stand here.
        self.slow: OrderedDict[Waiting, None] = OrderedDict()
        self.held: deque[tuple[Callable[[bytes | None], None], bytes]] = deque()
        self._bytes_per_s, self._burst_bytes = PACE_BYTES_PER_S / workers, PACE_BURST_BYTES // workers
        self._held_bytes, self._free_bytes, self._looked_at = 0, float(self._burst_bytes), 0.0

    @property
    def most_proven(self) -> int:
        """What it may have once its address is proven."""
        return self.most if self.is_forwarder else self.most * FACTOR

    @property
    def most_at_once(self) -> int:
        """Bytes of held answers that may leave together."""
        return self._burst_bytes

    def make_room(self, now: float) -> bool:
        """The query that has waited longest goes; False: none has waited long enough."""
        oldest = next(iter(self.slow), None)
        if oldest is None or now - oldest.began < DISPLACED_AFTER_S:
            return False
        del self.slow[oldest]
        oldest.displace()
        return True

    def may_leave(self, size: int, now: float) -> bool:
        """Take `size` bytes from the allowance, if it has them. Unused, it grows to the burst and no further."""
        gained = max(0.0, now - self._looked_at) * self._bytes_per_s
        self._free_bytes, self._looked_at = min(self._free_bytes + gained, float(self._burst_bytes)), now
        if self._free_bytes < min(size, self._burst_bytes):
            return False
        self._free_bytes -= size
        return True

    def hold(self, send: Callable[[bytes | None], None], packet: bytes) -> bool:
        """Put an answer behind those that are held; False: it would leave too late to be of use."""
        if self._held_bytes + len(packet) > self._bytes_per_s * MOST_DELAY_S:
            return False
        self.held.append((send, packet))
        self._held_bytes += len(packet)
        return True

    def release(self, now: float) -> Iterator[tuple[Callable[[bytes | None], None], bytes]]:
        """Give what may leave now. Called late, it gives no more than the burst: a busy loop makes no pulse."""
        while self.held and self.may_leave(len(self.held[0][1]), now):
            send, packet = self.held.popleft()
            self._held_bytes -= len(packet)
            yield send, packet

    def next_in_s(self) -> float:
        """How long until the first of those that are held may leave."""
        if not self.held:
            return 0.0
        return max(0.0, min(len(self.held[0][1]), self._burst_bytes) - self._free_bytes) / self._bytes_per_s


class ClientShares:
    """Of all clients of a worker. `key_of(source)` names a client, `is_forwarder(source)` one with a larger share.

    `workers`: how many there are; `most` is for this one alone.
    """

    def __init__(
        self, most: int, key_of: Callable[[Source], object], is_forwarder: Callable[[Source], bool], workers: int = 1
    ) -> None:
        self._most, self._key_of, self._is_forwarder, self._workers = most, key_of, is_forwarder, workers
        self._by_client: dict[object, ClientShare] = {}

    def of(self, source: Source) -> ClientShare:
        key = self._key_of(source)
        found = self._by_client.get(key)
        if found is None:
            if len(self._by_client) >= MOST_CLIENTS:
                # Those in use are as many as queries are under way, which others bound.
                self._by_client = {client: share for client, share in self._by_client.items() if share.waiting}
            found = self._by_client[key] = ClientShare(self._most, self._is_forwarder(source), self._workers)
        return found
