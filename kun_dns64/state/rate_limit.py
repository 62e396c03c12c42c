"""Answers per second for each client (a /32 or a /56): over the limit, every second one is TC=1, the others silence.

A real client then comes by TCP, where its address is proven; a forged one gets nothing worth forging.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address, ip_address

from kun_dns64.model.message import Source

# Clients remembered; when there are more, those with a full allowance are forgotten.
MOST_CLIENTS = 100_000
# One household or node of an IPv6 network.
NETWORK_BITS = 56


class Verdict(IntEnum):
    ANSWER = 0
    SLIP = 1
    DROP = 2


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float
    slips: int = 0


class RateLimiter:
    """A token bucket for each client, which holds one second's worth."""

    def __init__(self, rate_per_s: int) -> None:
        self._rate = rate_per_s
        self._buckets: dict[tuple[int, int], _Bucket] = {}

    def judge(self, source: Source, now: float) -> Verdict:
        key = client_key(source)
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= MOST_CLIENTS:
                self._forget(now)
            bucket = self._buckets[key] = _Bucket(float(self._rate), now)
        bucket.tokens = min(bucket.tokens + (now - bucket.at) * self._rate, float(self._rate))
        bucket.at = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return Verdict.ANSWER
        bucket.slips += 1
        return Verdict.SLIP if bucket.slips % 2 else Verdict.DROP

    def _forget(self, now: float) -> None:
        """All whose bucket is full again; if that is nobody, everybody."""
        kept = {key: bucket for key, bucket in self._buckets.items() if now - bucket.at < 1}
        self._buckets = kept if len(kept) < MOST_CLIENTS else {}


@lru_cache(maxsize=65536)
def client_key(source: Source) -> tuple[int, int]:
    """Version, and the bits that name the client."""
    address = ip_address(source.partition("%")[0] if isinstance(source, str) else source)
    if isinstance(address, IPv4Address):
        return 4, int(address)
    return 6, int(address) >> (128 - NETWORK_BITS)
