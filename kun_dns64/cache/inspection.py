"""Look into the answer cache for an operator: what it holds for a name, and which keys lie below one."""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from kun_dns64.cache.answers import STAMP, Cache
from kun_dns64.formats.packed_answer import unpack
from kun_dns64.model.message import Response
from kun_dns64.model.question import Question
from kun_dns64.model.step import UpstreamFailure

_KEY_TAIL = Struct("!HHB")


@dataclass(frozen=True, slots=True)
class CacheKey:
    """A key of the answer cache, taken apart. `name`: lower case, wire format; `group`: the upstreams asked."""

    name: bytes
    qtype: int
    qclass: int
    cd: bool
    do: bool
    group: str


@dataclass(frozen=True, slots=True)
class CacheRow:
    """One entry. `state`: fresh, stale or failure; `left_s`: whole seconds until that ends, negative for stale data."""

    key: CacheKey
    state: str
    left_s: int
    outcome: Response | UpstreamFailure


def split_key(key: bytes) -> CacheKey:
    """Take a cache key apart. Raises ValueError for bytes that are no key."""
    end = _name_end(key)
    if len(key) < end + _KEY_TAIL.size:
        raise ValueError("no key of the answer cache")
    qtype, qclass, flags = _KEY_TAIL.unpack_from(key, end)
    rest = key[end + _KEY_TAIL.size :]
    group = rest.rpartition(b"/")[2].decode(errors="replace")
    return CacheKey(key[:end], qtype, qclass, bool(flags & 1), bool(flags & 2), group)


def _name_end(key: bytes) -> int:
    at = 0
    while at < len(key) and key[at]:
        at += key[at] + 1
    return at + 1


def is_below(key: bytes, name: bytes) -> bool:
    """Whether the key's name is `name` or lies below it. `name`: lower case, wire format."""
    own = key[: _name_end(key)]
    at = 0
    while len(own) - at >= len(name):
        if own[at:] == name:
            return True
        if not own[at]:
            return False
        at += own[at] + 1
    return False


def rows(cache: Cache, name: bytes, now: float) -> Iterator[CacheRow]:
    """Yield what the cache holds for exactly this name. Looking does not count as use."""
    data, failures, _ = cache.stores()
    for key in data.keys():  # noqa: SIM118 (a store, not a dict)
        if key.startswith(name) and len(name) == _name_end(key):
            packed = data.peek(key)
            if packed is not None:
                yield _data_row(key, packed, now)
    for key in failures.keys():  # noqa: SIM118
        if key.startswith(name) and len(name) == _name_end(key):
            kept = failures.peek(key)
            if kept is not None and kept[0] > now:
                yield CacheRow(split_key(key), "failure", int(kept[0] - now), kept[2])


def _data_row(key: bytes, packed: bytes, now: float) -> CacheRow:
    parts = split_key(key)
    arrival, lifetime, _ = STAMP.unpack_from(packed)
    left_s = lifetime - (int(now) - arrival)
    question = Question(parts.name, parts.qtype, parts.qclass)
    response = unpack(question, packed[STAMP.size :], min(int(now) - arrival, lifetime))
    return CacheRow(parts, "fresh" if left_s > 0 else "stale", left_s, response)
