"""A million domain suffixes in about nine megabytes: sorted 64-bit hashes beside the index of their pool.

Two suffixes share a hash once in 2**64, by a key no client knows (Python's hash of bytes); a name outside every list is
taken for a listed one less than once in 10**12 names.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping

from kun_base.errors import Fault
from kun_dns64.formats.names import from_text

_MASK = 0xFFFFFFFFFFFFFFFF
_MAX_BUCKET_BITS = 16
_SHOWN = 20
_LENGTHS = [bytes((length,)) for length in range(64)]


class SuffixSet:
    """Longest-suffix look-up over lower-case wire names. Where two pools list one suffix, the first pool has it."""

    __slots__ = ("_hashes", "_names", "_shift", "_starts", "_values")

    def __init__(self, names: tuple[str, ...], pairs: list[int]) -> None:
        self._names = names
        self._hashes = array("Q")
        self._values = array("H")
        previous = -1
        for pair in pairs:
            number = pair >> 16
            if number != previous:
                self._hashes.append(number)
                self._values.append(pair & 0xFFFF)
                previous = number
        bits = min(_MAX_BUCKET_BITS, len(self._hashes).bit_length())
        self._shift = 64 - bits
        self._starts = self._buckets(1 << bits)

    def _buckets(self, count: int) -> "array[int]":
        """Where the hashes of each value of the top bits begin: most look-ups end there."""
        counts = [0] * (count + 1)
        shift = self._shift
        for number in self._hashes:
            counts[(number >> shift) + 1] += 1
        starts, total = array("I"), 0
        for count in counts:
            total += count
            starts.append(total)
        return starts

    def find(self, name: bytes) -> str | None:
        hashes, starts, shift = self._hashes, self._starts, self._shift
        place = 0
        while True:
            number = hash(name[place:]) & _MASK
            bucket = number >> shift
            low, high = starts[bucket], starts[bucket + 1]
            if low != high:
                at = bisect_left(hashes, number, low, high)
                if at < high and hashes[at] == number:
                    return self._names[self._values[at]]
            length = name[place]
            if not length:
                return None
            place += 1 + length

    def __len__(self) -> int:
        return len(self._hashes)

    @property
    def octets(self) -> int:
        return sum(len(table) * table.itemsize for table in (self._hashes, self._values, self._starts))


def build_suffix_set(lists: Mapping[str, Iterable[str]]) -> tuple[SuffixSet, list[Fault]]:
    """Pool name to lines: one suffix a line, `#` begins a comment. Every bad line is a fault; 20 are told."""
    pairs: list[int] = []
    faults: list[Fault] = []
    for index, (pool, lines) in enumerate(lists.items()):
        for number, line in enumerate(lines, 1):
            try:
                suffix = parse_suffix(line)
            except ValueError as error:
                faults.append(Fault(f"pool {pool}, line {number}", line.strip()[:80], str(error)))
                continue
            if suffix is not None:
                pairs.append((hash(suffix) & _MASK) << 16 | index)
    pairs.sort()
    return SuffixSet(tuple(lists), pairs), _shortened(faults)


def _shortened(faults: list[Fault]) -> list[Fault]:
    if len(faults) <= _SHOWN:
        return faults
    return faults[:_SHOWN] + [Fault("domain lists", "", f"{len(faults) - _SHOWN} more lines are wrong")]


def parse_suffix(line: str) -> bytes | None:
    """The wire name of one line, lower-case; None for an empty one. Raises ValueError."""
    text = line.partition("#")[0].strip() if "#" in line else line.strip()
    if not text:
        return None
    if len(text.split(None, 1)) > 1:
        raise ValueError("one suffix a line")
    if text.isascii() and "\\" not in text and len(text) < 64:
        labels = text.strip(".").lower().encode().split(b".")
        if all(labels):
            return b"".join([_LENGTHS[len(label)] + label for label in labels]) + b"\x00"
    return from_text(text.lstrip(".") or ".").lower()
