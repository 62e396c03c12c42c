"""Answers per second for each client (a /32 or a /56): over the limit, every second one is TC=1, the others silence.

A real client then comes by TCP, where its address is proven; a forged one gets nothing worth forging. Workers share the
table of clients, so that one has its rate once, however many workers its queries reach. Nobody locks it: two workers
that judge one client in the same microsecond may count one answer for two.
"""

from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv4Address, ip_address

from kun_dns64.model.message import Source

# One household or node of an IPv6 network.
NETWORK_BITS = 56
# A client has its place in one of the sets; of those in a set the one that was judged longest ago makes room.
SETS, WAYS = 16384, 4
ENTRY_BYTES = 16
TABLE_BYTES = SETS * WAYS * ENTRY_BYTES


class Verdict(IntEnum):
    ANSWER = 0
    SLIP = 1
    DROP = 2


class RateLimiter:
    """Each client's allowance is one second's worth, and comes back with time.

    `table`: ENTRY_BYTES for each client it can hold, zeros at first; None: this limiter's own. `secret`: of the hash
    that finds a client's place, the same for all who share a table.
    """

    def __init__(self, rate_per_s: int, table: memoryview | None = None, secret: bytes = b"") -> None:
        if table is None:
            table = memoryview(bytearray(TABLE_BYTES))
        entries = len(table) // ENTRY_BYTES
        # Whose place it is; the moment up to which the allowance is used, on a clock that all of them read.
        self._clients = table[: 8 * entries].cast("Q")
        self._used_up_to = table[8 * entries : 16 * entries].cast("d")
        self._interval_s, self._sets, self._secret = 1 / rate_per_s, entries // WAYS, secret
        self._slips = 0

    def judge(self, source: Source, now: float, times: int = 1) -> Verdict:
        """`times`: that often a client's rate, for a forwarder."""
        client = client_mark(source, self._secret)
        place = self._place(client, now)
        used = max(self._used_up_to[place], now - 1) + self._interval_s / times
        if used <= now + 1e-9:
            self._used_up_to[place] = used
            return Verdict.ANSWER
        self._slips += 1
        return Verdict.SLIP if self._slips % 2 else Verdict.DROP

    def _place(self, client: int, now: float) -> int:
        first = client % self._sets * WAYS
        places = range(first, first + WAYS)
        for place in places:
            if self._clients[place] == client:
                return place
        place = min(places, key=lambda one: self._used_up_to[one] if self._clients[one] else -1.0)
        self._clients[place], self._used_up_to[place] = client, now - 1
        return place


@lru_cache(maxsize=16384)
def client_key(source: Source) -> tuple[int, int]:
    """Version, and the bits that name the client."""
    address = ip_address(source.partition("%")[0] if isinstance(source, str) else source)
    if isinstance(address, IPv4Address):
        return 4, int(address)
    return 6, int(address) >> (128 - NETWORK_BITS)


@lru_cache(maxsize=16384)
def client_mark(source: Source, secret: bytes) -> int:
    """A number for the client, never 0: with a secret nobody can choose addresses that share one place."""
    version, bits = client_key(source)
    hashed = blake2b(bits.to_bytes(8) + bytes((version,)), digest_size=8, key=secret)
    return int.from_bytes(hashed.digest()) or 1
