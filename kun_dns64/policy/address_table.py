"""Hundreds of thousands of single addresses, each with a number, changed one by one in constant time.

A hash table with open addressing (linear probing; a removal moves what follows back), cut into parts, so that growing
is never long. An entry takes 18 bytes (IPv6) or 6 (IPv4), and a table is between three eighths and three quarters full:
48 bytes at most. The compiled `find` reads the same bytes.

Twin: fastpath/client_lookup.pyx.
"""

from array import array

MISS = -1
PART_BITS = 9
PARTS = 1 << PART_BITS
SMALLEST = 4
# Knuth's multiplicative hash: 2^64 divided by the golden ratio. The addresses are the operator's, not an attacker's.
FACTOR = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
MOST_NUMBER = 65_534


class AddressTable:
    """Addresses of `bytes` bytes, each with a number from 0 to MOST_NUMBER; `values` hold one more, 0 is empty."""

    __slots__ = ("_counts", "count", "keys", "size_bytes", "values")

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes, self.count = size_bytes, 0
        self.keys = [bytearray(size_bytes * SMALLEST) for _ in range(PARTS)]
        self.values = [array("H", bytes(2 * SMALLEST)) for _ in range(PARTS)]
        self._counts = [0] * PARTS

    def find(self, address: bytes) -> int:
        """The address's number, or MISS."""
        part, place = self._place(address)
        return self.values[part][place] - 1

    def put(self, address: bytes, number: int) -> None:
        """Add an address, or give it another number."""
        part, place = self._place(address)
        if not self.values[part][place]:
            if 4 * (self._counts[part] + 1) > 3 * len(self.values[part]):
                self._grow(part)
                part, place = self._place(address)
            self._counts[part] += 1
            self.count += 1
            self.keys[part][place * self.size_bytes : (place + 1) * self.size_bytes] = address
        self.values[part][place] = number + 1

    def remove(self, address: bytes) -> None:
        """Forget an address, if it is there."""
        part, hole = self._place(address)
        keys, values, size_bytes = self.keys[part], self.values[part], self.size_bytes
        if not values[hole]:
            return
        self._counts[part] -= 1
        self.count -= 1
        mask = len(values) - 1
        place = hole
        while values[place := (place + 1) & mask]:
            key = keys[place * size_bytes : (place + 1) * size_bytes]
            home = (_mix(key) >> 32) & mask
            # It may stand in the hole unless its home lies behind that.
            if (place - home) & mask >= (place - hole) & mask:
                keys[hole * size_bytes : (hole + 1) * size_bytes] = key
                values[hole] = values[place]
                hole = place
        values[hole] = 0

    def _place(self, address: bytes) -> tuple[int, int]:
        """Part, and the place where the address stands or would stand."""
        mixed, size_bytes = _mix(address), self.size_bytes
        part = mixed >> 64 - PART_BITS
        keys, values = self.keys[part], self.values[part]
        mask = len(values) - 1
        place = (mixed >> 32) & mask
        while values[place] and keys[place * size_bytes : (place + 1) * size_bytes] != address:
            place = (place + 1) & mask
        return part, place

    def _grow(self, part: int) -> None:
        keys, values, size_bytes = self.keys[part], self.values[part], self.size_bytes
        self.keys[part] = bytearray(2 * len(keys))
        self.values[part] = array("H", bytes(4 * len(values)))
        for old, value in enumerate(values):
            if value:
                key = bytes(keys[old * size_bytes : (old + 1) * size_bytes])
                _, place = self._place(key)
                self.keys[part][place * size_bytes : (place + 1) * size_bytes] = key
                self.values[part][place] = value

    def __len__(self) -> int:
        return self.count

    @property
    def size(self) -> int:
        """What it holds, in bytes."""
        return sum(map(len, self.keys)) + sum(2 * len(values) for values in self.values)


def _mix(address: bytes | bytearray) -> int:
    number = int.from_bytes(address)
    return ((number >> 64 ^ number) & MASK) * FACTOR & MASK
