"""Memory that workers share: made by the process that forks them, inherited by each."""

import mmap
import os

from kun_dns64.state.rate_limit import TABLE_BYTES
from kun_dns64.state.shared_counts import ROW_BYTES, SharedCounts
from kun_dns64.transport.connections import SharedLimits

RATE_TABLE = memoryview(mmap.mmap(-1, TABLE_BYTES))
RATE_SECRET = os.urandom(16)


def shared_limits(workers: int) -> list[SharedLimits]:
    """What each of so many workers sees of the connections of the others."""
    tables = [memoryview(mmap.mmap(-1, workers * ROW_BYTES)) for _ in range(2)]
    return [
        SharedLimits(*(SharedCounts(workers, own, table, RATE_SECRET) for table in tables)) for own in range(workers)
    ]
