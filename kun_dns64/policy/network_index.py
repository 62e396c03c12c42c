"""Hundreds of thousands of networks in 23 bytes each (IPv6) or 11 (IPv4): which class is an address in?

The networks stand in order of their first address, the shorter first. Two networks share addresses only if one holds
the other, so the networks that hold an address are the last one that begins at or before it, if that holds it, and the
parents of that one: one binary search, and a few steps up. The compiled `find` reads the same bytes.

Twin: fastpath/client_lookup.pyx.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable

MISS = -1
NO_PARENT = 0xFFFFFFFF
# (first address as a number, prefix length, class)
Entry = tuple[int, int, int]


class NetworkIndex:
    """Immutable. `bytes` of an address: 4 or 16. `find` gives the least class of all networks that hold the address.

    `starts`, `lengths`, `parents` and `classes` belong together, place by place.
    """

    __slots__ = ("classes", "lengths", "parents", "size_bytes", "starts")

    def __init__(self, size_bytes: int, entries: Iterable[Entry] = (), *, deepest: bool = False) -> None:
        """Of equal networks the least class counts. No host bits, please. `deepest`: the longest network counts."""
        self.size_bytes = size_bytes
        self.starts, self.lengths = b"", b""
        self.parents, self.classes = array("I"), array("H")
        self._fill(sorted(entries), deepest=deepest)

    def _fill(self, entries: list[Entry], *, deepest: bool) -> None:
        bits, starts, lengths = 8 * self.size_bytes, bytearray(), bytearray()
        above: list[tuple[int, int, int]] = []  # last address, place and class of each network we are inside
        before = (-1, -1)
        for start, length, number in entries:
            if (start, length) == before:
                continue
            before = start, length
            while above and above[-1][0] < start:
                above.pop()
            if above and not deepest:
                number = min(number, above[-1][2])
            self.parents.append(above[-1][1] if above else NO_PARENT)
            self.classes.append(number)
            above.append((start | (1 << bits - length) - 1, len(lengths), number))
            starts += start.to_bytes(self.size_bytes)
            lengths.append(length)
        self.starts, self.lengths = bytes(starts), bytes(lengths)

    def find(self, address: bytes, length: int) -> int:
        """The class of a network, `length` bits long, of which one network here holds all; MISS.

        An address is a network of all its bits.
        """
        wanted = address, length
        place = bisect_right(range(len(self.lengths)), wanted, key=self._order) - 1
        number, bits = int.from_bytes(address), 8 * self.size_bytes
        while place >= 0 and not self._holds(place, number, bits):
            parent = self.parents[place]
            place = MISS if parent == NO_PARENT else parent
        return MISS if place < 0 else self.classes[place]

    def _order(self, place: int) -> tuple[bytes, int]:
        return self.starts[self.size_bytes * place : self.size_bytes * (place + 1)], self.lengths[place]

    def _holds(self, place: int, number: int, bits: int) -> bool:
        start, length = self._order(place)
        return (number ^ int.from_bytes(start)) >> bits - length == 0

    def __len__(self) -> int:
        return len(self.lengths)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NetworkIndex) and self.__reduce__()[1] == other.__reduce__()[1]

    __hash__ = None  # type: ignore[assignment]

    @property
    def size(self) -> int:
        """What it holds, in bytes."""
        return len(self.starts) + len(self.lengths) + 4 * len(self.parents) + 2 * len(self.classes)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return _filled, (self.size_bytes, self.starts, self.lengths, self.parents.tobytes(), self.classes.tobytes())


def _filled(size_bytes: int, starts: bytes, lengths: bytes, parents: bytes, classes: bytes) -> NetworkIndex:
    made = NetworkIndex(size_bytes)
    made.starts, made.lengths = starts, lengths
    made.parents.frombytes(parents)
    made.classes.frombytes(classes)
    return made
