"""Memory that all workers share: made when the first process loads this, inherited by those it forks."""

import mmap
import os

from kun_dns64.state.rate_limit import TABLE_OCTETS

RATE_TABLE = memoryview(mmap.mmap(-1, TABLE_OCTETS))
RATE_SECRET = os.urandom(16)
