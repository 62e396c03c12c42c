"""How many connections there are, in all and of one client, in all workers together.

Each worker writes its own row of a table that all of them read, so nobody locks it, and the row of one that died can be
emptied. A row has the number of all and, for clients, two sets of counters. A client has one counter in each, found by
a hash with a key; others may share it, so of the two sums the lesser counts. (A count-min sketch: Cormode,
Muthukrishnan 2005. A client that shares both counters with others is counted too high, never too low.)
"""

from kun_dns64.model.message import Source
from kun_dns64.state.rate_limit import client_mark

BUCKETS, SETS, COUNTER_BYTES = 8192, 2, 4
COUNTERS = 1 + SETS * BUCKETS
ROW_BYTES = COUNTERS * COUNTER_BYTES


class SharedCounts:
    """The view of worker `own`. `table`: ROW_BYTES for each of `workers`, zeros at first; None: nobody else's."""

    def __init__(self, workers: int = 1, own: int = 0, table: memoryview | None = None, secret: bytes = b"") -> None:
        counters = (memoryview(bytearray(workers * ROW_BYTES)) if table is None else table).cast("I")
        rows = [counters[COUNTERS * row : COUNTERS * (row + 1)] for row in range(workers)]
        self._own, self._secret = rows.pop(own), secret
        self._others = rows

    def forget(self) -> None:
        """This worker has none: it begins, or it died."""
        self._own[:] = memoryview(bytes(ROW_BYTES)).cast("I")

    def add(self, client: Source, by: int) -> None:
        for place in (0, *self._places(client)):
            self._own[place] += by

    def elsewhere(self, client: Source) -> int:
        """How many of this client the other workers have."""
        if not self._others:
            return 0
        return min(sum(row[place] for row in self._others) for place in self._places(client))

    def all_elsewhere(self) -> int:
        """How many the other workers have."""
        return sum(row[0] for row in self._others)

    def _places(self, client: Source) -> tuple[int, int]:
        mark = client_mark(client, self._secret)
        return 1 + mark % BUCKETS, 1 + BUCKETS + (mark >> 32) % BUCKETS
