# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The short way of the commonest misses: an A or AAAA question of a client, and of a name, that need nothing special.

One object goes with the query from its arrival to its reply: it is what is out upstream, what hears the answer, and
what waits for it. Octets become octets (formats/coldwire.pyx). Whatever is unusual is handed to the general path as it
stands: a shape that is not known, an equal question of somebody else, silence. So that path alone knows failover,
resending, staggering, TCP and all the rest.
"""

from collections import deque
from os import strerror

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, errno
from libc.time cimport time_t

from kun_dns64.formats.coldwire import encode_ask, forward, read_denial, read_query, synthesise
from kun_dns64.formats.options import COOKIE, option
from kun_dns64.formats.wire import DO, RRHEAD
from kun_dns64.metrics import LATENCY_BUCKETS
from kun_dns64.model.question import Question
from kun_dns64.model.step import AskedFlags, Rule
from kun_dns64.policy.memo import PLACES, RULES
from kun_dns64.policy.plain import SYNTHESISED_EDE

cdef extern from "<time.h>" nogil:
    struct timespec:
        time_t tv_sec
        long tv_nsec
    int clock_gettime(int, timespec *)
    int CLOCK_MONOTONIC

cdef extern from "<sys/socket.h>" nogil:
    ssize_t send(int, const void *, size_t, int)
    int MSG_DONTWAIT

cdef enum:
    A = 1
    AAAA = 28
    OPT = 41
    PLAIN_UDP = 512
    MOST_SOURCES = 65536

cdef dict TAILS = {
    (qtype, do): qtype.to_bytes(2) + b"\0\1" + bytes((do << 1,)) for qtype in (A, AAAA) for do in (False, True)
}
cdef object REAL = Rule.REAL_AAAA, FORWARDED = Rule.FORWARDED, SYNTHESISED = Rule.SYNTHESISED_NODATA
cdef int REAL_PLACE = PLACES[REAL], FORWARDED_PLACE = PLACES[FORWARDED], SYNTHESISED_PLACE = PLACES[SYNTHESISED]
cdef int BUCKETS = len(LATENCY_BUCKETS)


cdef double monotonic() noexcept:
    """The clock of time.monotonic."""
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return at.tv_sec + at.tv_nsec * 1e-9


cdef class Tally:
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


include "light.pxi"


cdef class MissPath:
    """One per worker. `take` a datagram that the memo could not answer; `renew` with every change of rules or limits."""

    cdef object _loop, _front, _plain_for, _resumed, _resolver, _shortcut, _prepared, _queue, _timer
    cdef dict _plain, _tallies, _opts
    cdef Tally _seconds
    cdef int _payload_max
    cdef unsigned int _max_ttl
    cdef double _patience_s
    cdef long _queries
    cdef long _replies[256]

    def __init__(self, resolver, shortcut, loop, front, resumed):
        """`resumed(wire, source, send, began, rules, said, rtt_s, upstream, steady_s, tick)` takes a query over."""
        cdef int i
        self._resolver, self._shortcut, self._loop = resolver, shortcut, loop
        self._front, self._resumed = front, resumed
        self._queue, self._timer = deque(), None
        self._tallies, self._seconds = {}, Tally()
        for i in range(256):
            self._replies[i] = 0

    def renew(self, prepared, plain_for, int payload_max, unsigned int max_ttl, double patience_s):
        """`plain_for(source)`: policy.plain.Plain or None. `patience_s`: then the general path takes over."""
        self._prepared, self._plain_for, self._plain = prepared, plain_for, {}
        self._payload_max, self._max_ttl, self._patience_s = payload_max, max_ttl, patience_s
        self._opts = {
            (do, made): self._opt(do, SYNTHESISED_EDE if made else b"") for do in (False, True) for made in (False, True)
        }

    def take(self, bytes wire, source, send):
        """Whether the query is answered here, now or later, by `send`. False: nothing has been done."""
        cdef tuple found = read_query(wire)
        cdef Light light
        if found is None:
            return False
        plain = self._plain.get(source, self)
        if plain is self:
            if len(self._plain) >= MOST_SOURCES:
                self._plain.clear()
            plain = self._plain[source] = self._plain_for(source)
        if plain is None or wire in <set>self._resolver.upstreams.observed.out:
            return False
        light = Light.__new__(Light)
        light._path, light._wire, light._source, light._send, light._plain = self, wire, source, send, plain
        light._end, light._qtype, light._edns, light._do, light._payload, light._cookie = found
        if light._do and not plain.with_do:
            return False
        light._name = wire[12 : light._end]
        light._lower = light._name.lower()
        light._exit = plain.exit(light._lower)
        if light._exit is None:
            return False
        light._began = monotonic()
        if not light.put(light._qtype, light._began):
            return False
        self._queries += 1
        self._front.pending += 1
        return True

    cdef int watch(self, Light light) except -1:
        self._queue.append(light)
        if self._timer is None:
            self._timer = self._loop.call_later(self._patience_s, self._look)
        return 0

    def _look(self):
        """Hands over what has been out too long. A query that asks its second question stands in the queue twice."""
        cdef Light light
        cdef double left
        cdef object queue = self._queue
        while queue:
            light = queue[0]
            if not light._done:
                left = light._sent_at + self._patience_s - monotonic()
                if left > 0 and not light._queued_again:
                    self._timer = self._loop.call_later(left, self._look)
                    return
                if light._queued_again:
                    light._queued_again = False
                else:
                    light.general()
            queue.popleft()
        self._timer = None

    cdef bytes opt(self, Light light, bint made):
        if not light._edns:
            return b""
        if not light._cookie:
            return self._opts[light._do, made]
        return self._opt(light._do, (SYNTHESISED_EDE if made else b"") + option(
            COOKIE, self._shortcut.cookie(light._cookie, light._source)
        ))

    cdef bytes _opt(self, bint do, bytes options):
        return b"\0" + RRHEAD.pack(OPT, self._payload_max, DO if do else 0, len(options)) + options

    cdef int limit(self, Light light):
        if not light._edns:
            return PLAIN_UDP
        return min(max(PLAIN_UDP, light._payload), self._payload_max)

    cdef Tally tally(self, upstream):
        found = self._tallies.get(upstream)
        if found is None:
            found = self._tallies[upstream] = Tally()
        return found

    cdef int replied(self, int place, double seconds) except -1:
        self._replies[place] += 1
        self._seconds.add(seconds)
        return 0

    cdef resume(self, Light light):
        self._resumed(
            light._wire, light._source, light._send, light._began, light._plain.prepared.rules, light._said,
            light._said_rtt_s, light._upstream, light._steady_s, light._tick,
        )

    @property
    def queries(self):
        """Taken so far."""
        return self._queries

    def counted(self):
        """What has been counted since the last call: replies by rule, their seconds, seconds by upstream."""
        cdef int i
        cdef dict replies = {rule: self._replies[i] for i, rule in enumerate(RULES) if self._replies[i]}
        for i in range(256):
            self._replies[i] = 0
        upstreams = {upstream: (<Tally>tally).take() for upstream, tally in self._tallies.items()}
        self._tallies.clear()
        return replies, self._seconds.take(), upstreams
