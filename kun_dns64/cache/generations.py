"""A bounded store that forgets what was not used lately, in constant time and with nothing added to each entry.

Two dictionaries: entries are made in the young one and moved there when used; when it holds half of what is allowed,
the young becomes the old, and what stood in the old unused is forgotten a few entries at a time. So whatever was used
within the last half of the capacity stays. (An LRU list would cost each entry 64 bytes, and the collector a walk.)

Twin: fastpath/stores.pyx, fastpath/packed_table.pxi.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")
# A slot in the dictionary and the two objects' own heads, in bytes, as measured on CPython 3.11.
ENTRY_BYTES = 150
FORGET_AT_ONCE = 3


class Generations(Generic[V]):
    """At most `max_entries` entries and about `max_bytes` bytes, keys, values and ENTRY_BYTES each counted.

    With less than two of either, nothing is kept.
    """

    __slots__ = ("_bytes", "_bytes_old", "_dying", "_half_bytes", "_half_entries", "_old", "_weigh", "_young")

    def __init__(self, max_entries: int, max_bytes: int, weigh: Callable[[V], int]) -> None:
        self._half_entries, self._half_bytes = max_entries // 2, max_bytes // 2
        self._weigh = weigh
        self._young: dict[bytes, V] = {}
        self._old: dict[bytes, V] = {}
        self._dying: list[dict[bytes, V]] = []
        self._bytes = 0
        self._bytes_old = 0

    def get(self, key: bytes) -> V | None:
        value = self._young.get(key)
        if value is None and self._old:
            value = self._old.pop(key, None)
            if value is not None:
                self._bytes_old -= len(key) + self._weigh(value) + ENTRY_BYTES
                self._insert(key, value)
        return value

    def peek(self, key: bytes) -> V | None:
        """As `get`, without counting as use."""
        value = self._young.get(key)
        return self._old.get(key) if value is None else value

    def keys(self) -> list[bytes]:
        """Return every key, the lately used ones first."""
        return [*self._young, *self._old]

    def __contains__(self, key: bytes) -> bool:
        """Whether `get` would find something; it does not count as use."""
        return key in self._young or key in self._old

    def put(self, key: bytes, value: V) -> None:
        if key in self._young or key in self._old:
            self.drop(key)
        self._insert(key, value)

    def replace(self, key: bytes, value: V) -> None:
        """Another value of the same weight for a key that `get` has just found."""
        self._young[key] = value

    def drop(self, key: bytes) -> None:
        value = self._young.pop(key, None)
        if value is not None:
            self._bytes -= len(key) + self._weigh(value) + ENTRY_BYTES
            return
        value = self._old.pop(key, None)
        if value is not None:
            self._bytes_old -= len(key) + self._weigh(value) + ENTRY_BYTES

    def clear(self) -> None:
        self._young, self._old, self._dying = {}, {}, []
        self._bytes = self._bytes_old = 0

    def retire(self) -> None:
        """`clear` without its pause: nothing is found any more, and the memory comes back with the next entries."""
        self._dying += [entries for entries in (self._old, self._young) if entries]
        self._young, self._old = {}, {}
        self._bytes = self._bytes_old = 0

    def _insert(self, key: bytes, value: V) -> None:
        if len(self._young) >= self._half_entries or self._bytes >= self._half_bytes:
            if not self._half_entries or not self._half_bytes:
                return
            if self._old:
                self._dying.append(self._old)
            self._old, self._young = self._young, {}
            self._bytes_old, self._bytes = self._bytes, 0
        self._young[key] = value
        self._bytes += len(key) + self._weigh(value) + ENTRY_BYTES
        if self._dying:
            self._forget_some(self._dying[-1])

    def _forget_some(self, dying: dict[bytes, V]) -> None:
        for _ in range(min(FORGET_AT_ONCE, len(dying))):
            dying.popitem()
        if not dying:
            self._dying.pop()

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    @property
    def size_bytes(self) -> int:
        return self._bytes + self._bytes_old
