"""Part of fastpath/miss_path.pyx: how long answers took.

Twin: state/metrics.py.
"""


cdef class LatencyHistogram:
    """Seconds by bucket, as Metrics.observe sorts them."""

    cdef double bounds[16]
    cdef double buckets[16]
    cdef double total

    def __init__(self):
        cdef int i
        for i in range(BUCKETS):
            self.bounds[i] = LATENCY_BUCKETS[i]
        self.clear()

    cdef void clear(self):
        cdef int i
        self.total = 0
        for i in range(16):
            self.buckets[i] = 0

    cdef void add(self, double seconds) noexcept:
        cdef int i = 0
        while i < BUCKETS and self.bounds[i] < seconds:
            i += 1
        self.buckets[i] += 1
        self.total += seconds

    def take(self):
        """What was counted since the last call, as a histogram's row."""
        cdef int i
        cdef list row = [self.buckets[i] for i in range(BUCKETS + 1)]
        row.append(self.total)
        self.clear()
        return row
