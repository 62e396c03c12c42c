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
_BUCKET_SHIFT = 48
_SHOWN = 20


class SuffixSet:
    """Longest-suffix look-up over lower-case wire names. Where two pools list one suffix, the first pool has it."""

    __slots__ = ("_hashes", "_names", "_starts", "_values")

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
        self._starts = self._buckets()

    def _buckets(self) -> "array[int]":
        """Where the hashes of each value of the top 16 bits begin: most look-ups end there."""
        counts = [0] * 65537
        for number in self._hashes:
            counts[(number >> _BUCKET_SHIFT) + 1] += 1
        starts, total = array("I"), 0
        for count in counts:
            total += count
            starts.append(total)
        return starts

    def find(self, name: bytes) -> str | None:
        hashes, starts = self._hashes, self._starts
        place = 0
        while True:
            number = hash(name[place:]) & _MASK
            bucket = number >> _BUCKET_SHIFT
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
    text = line.partition("#")[0].strip()
    if not text:
        return None
    if any(char.isspace() for char in text):
        raise ValueError("one suffix a line")
    return from_text(text.lstrip(".") or ".").lower()
