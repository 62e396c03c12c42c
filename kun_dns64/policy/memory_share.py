"""Who may hold how much: bounds such as `[cache] max_bytes` are the whole server's, divided here.

Each worker gets an equal part. Of a cache's, a quarter is for finished replies and the rest for upstreams' answers,
failures among them (cache/answers.py).
"""

from typing import NamedTuple

MIB = 1 << 20
# Without a memory limit, and at most.
DEFAULT_BYTES, DEFAULT_ENTRIES = 512 * MIB, 500_000
# Of a memory limit: the interpreters, connections, sources and the kernel's buffers need the rest.
LIMIT_SHARE = 4
REPLIES_SHARE = 4
# Replies kept for the rest of the second, and sources that are known: of all workers, and the most of one.
HOT_BYTES, MOST_HOT_BYTES = 32 * MIB, 8 * MIB
SOURCES, MOST_SOURCES = 65_536, 16_384


class MemoryShare(NamedTuple):
    """What one worker may keep, in entries and bytes; `hot_bytes`: of replies for the rest of the second."""

    answer_entries: int
    answer_bytes: int
    reply_entries: int
    reply_bytes: int
    hot_bytes: int = MOST_HOT_BYTES
    sources: int = MOST_SOURCES


def default_bytes(memory_limit: int | None) -> int:
    """Of a server whose `max_bytes` is 0. `memory_limit`: bytes its processes may take together; None: any."""
    return DEFAULT_BYTES if memory_limit is None else min(DEFAULT_BYTES, memory_limit // LIMIT_SHARE)


def share(max_entries: int, max_bytes: int, workers: int) -> MemoryShare:
    """One worker's part of the whole."""
    entries, size_bytes = max_entries // workers, max_bytes // workers
    replies = size_bytes // REPLIES_SHARE
    hot, sources = min(MOST_HOT_BYTES, HOT_BYTES // workers), min(MOST_SOURCES, SOURCES // workers)
    return MemoryShare(entries, size_bytes - replies, entries, replies, hot, sources)


def part(whole: int, workers: int) -> int:
    """One worker's part of a bound; one at least."""
    return max(1, whole // workers)


# Of a lone worker without a configuration.
WHOLE = share(DEFAULT_ENTRIES, DEFAULT_BYTES, 1)
