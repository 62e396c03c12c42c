"""A million domain suffixes in eight megabytes: sorted 64-bit hashes, whose lowest bits name the pool.

Two suffixes share a hash once in 2**64 (less the bits for the pools), by a key no client knows: hash() of bytes;
with a million suffixes of one pool, a name outside is taken for a listed one less than once in 10**12 names.

What is hashed is the dotted text in lower case, not wire format: so lists are split and hashed block by block without a
line of Python for every line of theirs.
"""

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from operator import eq

from kun_base.errors import Fault
from kun_dns64.formats.names import MAX_LABEL, MAX_NAME, from_text, labels, suffixes

_MAX_BUCKET_BITS = 16
_SHOWN, _SHOWN_LENGTH = 20, 80
_KNOWN_MAX = 1024
# Escapes are for what is odd and meant (RFC 1035 section 5.1), slashes for RFC 2317; from_text judges the rest.
_USUAL = re.compile(r"(?:[a-zA-Z0-9._/-]|\\.|[^\x00-\x7f])*", re.DOTALL)
_COMMENT = re.compile(rb"#[^\n]*")
_BLANKS = (b" ", b"\t", b"\r")
_PLAIN = b"abcdefghijklmnopqrstuvwxyz0123456789-_.\n"
_LABELS_AS_X = bytes(byte if byte in b".\n" else 0x78 for byte in range(256))
_TOO_LONG_LABEL = b"x" * (MAX_LABEL + 1)
# Without the first length byte and the root.
_MAX_TEXT = MAX_NAME - 2


class SuffixSet:
    """Longest-suffix look-up over lower-case wire names. Where two pools list one suffix, the first pool has it."""

    __slots__ = ("_entries", "_half", "_known", "_mask", "_names", "_shift", "_starts")

    def __init__(self, names: tuple[str, ...], hashes: Sequence[Sequence[int]]) -> None:
        """`hashes` of each pool's suffixes, in the order of `names`."""
        self._names = names
        # One query looks its name up several times.
        self._known: dict[bytes, str | None] = {}
        bits = max(len(names) - 1, 0).bit_length()
        self._mask = -1 << bits
        self._entries = array("q", _sorted_once(_tagged(hashes, bits)))
        bucket_bits = max(1, min(_MAX_BUCKET_BITS, len(self._entries).bit_length()))
        self._shift, self._half = 64 - bucket_bits, 1 << bucket_bits - 1
        # Where the entries of each value of the top bits begin: most look-ups end there.
        edges = (edge << self._shift for edge in range(-self._half, self._half + 1))
        self._starts = array("I", [bisect_left(self._entries, edge) for edge in edges])

    def find(self, name: bytes) -> str | None:
        known = self._known
        if name not in known:
            if len(known) >= _KNOWN_MAX:
                known.clear()
            known[name] = self._look_up(name)
        return known[name]

    def _look_up(self, name: bytes) -> str | None:
        entries, starts, mask, shift, half = self._entries, self._starts, self._mask, self._shift, self._half
        for key in _keys(name):
            number = hash(key) & mask
            bucket = (number >> shift) + half
            low, high = starts[bucket], starts[bucket + 1]
            if low != high:
                at = bisect_left(entries, number, low, high)
                if at < high and entries[at] & mask == number:
                    return self._names[entries[at] - number]
        return None

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        return sum(len(table) * table.itemsize for table in (self._entries, self._starts))


def _tagged(hashes: Sequence[Sequence[int]], bits: int) -> list[int]:
    mask = -1 << bits
    if not bits:
        return [number for pool in hashes for number in pool]
    return [number & mask | index for index, pool in enumerate(hashes) for number in pool]


def _sorted_once(entries: list[int]) -> list[int]:
    entries.sort()
    if any(map(eq, entries, islice(entries, 1, None))):
        return [entry for entry, _ in groupby(entries)]
    return entries


def _keys(name: bytes) -> list[bytes]:
    """What is hashed for each suffix of a wire name: its dotted text. The name itself first, the root last."""
    text, places, place = bytearray(name), [], 0
    while length := name[place]:
        text[place] = 0x2E
        place += 1
        places.append(place)
        place += length
    del text[place:]
    dotted = bytes(text)
    if dotted.count(b".") != len(places):
        return [_unusual_key(suffix) for suffix in suffixes(name)]
    places.append(place)
    return [dotted[place:] for place in places]


def _unusual_key(name: bytes) -> bytes:
    """A dot inside a label is none between labels. No line has a newline in it, so no text begins with one."""
    parts = list(labels(name))
    return b"\n" + name if any(b"." in part for part in parts) else b".".join(parts)


def build_suffix_set(lists: Mapping[str, Iterable[bytes]]) -> tuple[SuffixSet, list[Fault]]:
    """Pool name to blocks of whole lines, one suffix a line, `#` begins a comment. Bad lines are faults, 20 told.

    A fault's place is its line in the pool's list.
    """
    hashes: list[array[int]] = []
    faults: list[Fault] = []
    for blocks in lists.values():
        found, number = array("q"), 0
        for block in blocks:
            lines = _plain_lines(block)
            found.extend(map(hash, lines if lines is not None else _one_by_one(block, number, faults)))
            number += block.count(b"\n")
        hashes.append(found)
    return SuffixSet(tuple(lists), hashes), _shortened(faults)


def _plain_lines(block: bytes) -> Iterator[bytes] | None:
    """The suffixes of a block in which every line is right and nothing is unusual; None: look at each line."""
    text = block.lower()
    if b"#" in text:
        text = _COMMENT.sub(b"", text)
    if any(blank in text for blank in _BLANKS):
        text = b"\n".join(map(bytes.strip, text.split(b"\n")))
    text = b"\n" + text + b"\n"
    # Trailing and leading dots go, as people write them, but a dot alone is the root.
    if text.translate(None, _PLAIN) or b".." in text or b"\n.\n" in text:
        return None
    text = text.replace(b".\n", b"\n").replace(b"\n.", b"\n")
    lines = text.split(b"\n")
    if _TOO_LONG_LABEL in text.translate(_LABELS_AS_X) or max(map(len, lines)) > _MAX_TEXT:
        return None
    return filter(None, lines)


def _one_by_one(block: bytes, number: int, faults: list[Fault]) -> Iterator[bytes]:
    for line in block.decode("utf-8", "replace").split("\n"):
        number += 1
        try:
            suffix = parse_suffix(line)
        except ValueError as error:
            # Never as it stands: a list from elsewhere may hold what steers terminals.
            faults.append(Fault(f"line {number}", repr(line.strip()[:_SHOWN_LENGTH]), str(error)))
            continue
        if suffix is not None:
            yield _keys(suffix)[0]


def _shortened(faults: list[Fault]) -> list[Fault]:
    if len(faults) <= _SHOWN:
        return faults
    return faults[:_SHOWN] + [Fault("further lines", "", f"{len(faults) - _SHOWN} more are wrong")]


def parse_suffix(line: str) -> bytes | None:
    """The wire name of one line, lower-case; None for an empty one. Raises ValueError."""
    text = line.partition("#")[0].strip()
    if not text:
        return None
    if len(text.split(None, 1)) > 1:
        raise ValueError("one suffix a line")
    return suffix_from_text(text.lstrip(".") or ".")


def suffix_from_text(text: str) -> bytes:
    """`Example.org` as lower-case wire format; `.` is the root. Raises ValueError with what would be right."""
    if text.startswith("*."):
        raise ValueError(f"needs no asterisk: {text[2:]!r} means the name and all below it")
    usual = _USUAL.match(text)
    odd = text[usual.end() :][:1] if usual else ""
    if odd:
        raise ValueError(f"has {odd!r} in it, which no host or zone name has; write it \\{ord(odd):03d} if it is meant")
    try:
        return from_text(text).lower()
    except ValueError as error:
        raise ValueError(str(error).removeprefix(f"{text!r}: ")) from None
