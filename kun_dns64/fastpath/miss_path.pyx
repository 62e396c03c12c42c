# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The short way of the commonest misses: an A or AAAA question of a client, and of a name, that need nothing special.

One object goes with each query (miss_query.pxi), one with each question that is out (upstream_question.pxi); queries wait for
questions, several for one if need be. Bytes become bytes (fastpath/wire.pyx). Whatever is unusual is handed to the
general path as it stands: a shape that is not known, a question somebody put in that way, silence. So that path alone
knows failover, resending, TCP and all the rest.

Twin: serving/resolution.py.
"""

cimport cython
from cpython.bytes cimport PyBytes_GET_SIZE

from kun_dns64.fastpath.wire cimport (
    PlainQuery, Reply, encode_ask, forward, is_servfail, read_denial, read_query, servfail, synthesise,
)
from kun_dns64.formats.reply_key import COOKIE_REPLY_BYTES
from kun_dns64.formats.options import COOKIE, option
from kun_dns64.formats.wire import DO, RRHEAD
from kun_dns64.state.metrics import LATENCY_BUCKETS
from kun_dns64.model.question import Question
from kun_dns64.model.step import AskedFlags, Rule
from kun_dns64.policy import client_share
from kun_dns64.cache.reply_cache import PLACES, RULES
from kun_dns64.policy import zone_share
from kun_dns64.policy.plain_query import ANSWERED_HERE, DISPLACED_EDE, SYNTHESISED_EDE, ZONE_SILENT_EDE
from kun_dns64.fastpath.layout cimport A, AAAA, MAX_TTL, OPT, PLAIN_UDP
from kun_dns64.fastpath.stores cimport Generations, MissStore, keep_reply
from kun_dns64.formats.reply_size cimport offered
from kun_dns64.policy.lifetime cimport reply_lifetime
from kun_dns64.fastpath.port_pool cimport WIDTH, Port, PortPool, PortQuestion, Randomness, heard
from kun_dns64.fastpath.system cimport CLOCK_MONOTONIC, clock_gettime, timespec
from kun_dns64.policy.retransmission cimport RoundTrip
from kun_dns64.policy.zone_share cimport Allowance, ZoneShares

cdef enum:
    LARGEST = 4096
    REFRESH_COST = 1
    # What comes of putting a question, beside zone_share's REFUSED.
    NOT_PUT = 0
    PUT = 1

# Which extended errors stand in a reply.
cdef enum:
    PLAIN
    SYNTHESISED_KIND
    DISPLACED
    ZONE_SILENT
    KINDS

cdef int REFUSED = zone_share.REFUSED, FREE = zone_share.FREE, PAID = zone_share.PAID
cdef double DISPLACED_AFTER_S = client_share.DISPLACED_AFTER_S

cdef double HELD_BACK_S = client_share.HELD_BACK_S
cdef Py_ssize_t MOST_ALIKE = client_share.MOST_ALIKE

# Of a question's key: type, class, flags; without DO, with it.
cdef list TAILS_A = [b"\0\x01\0\1\0", b"\0\x01\0\1\2"], TAILS_AAAA = [b"\0\x1c\0\1\0", b"\0\x1c\0\1\2"]
cdef object REAL = Rule.REAL_AAAA, FORWARDED = Rule.FORWARDED, SYNTHESISED = Rule.SYNTHESISED_NODATA
cdef int REAL_PLACE = PLACES[REAL], FORWARDED_PLACE = PLACES[FORWARDED], SYNTHESISED_PLACE = PLACES[SYNTHESISED]
cdef int A_FAILED_PLACE = PLACES[Rule.A_FAILED], UPSTREAM_FAILED_PLACE = PLACES[Rule.UPSTREAM_FAILED]
cdef int DISPLACED_PLACE = PLACES[Rule.DISPLACED]
cdef tuple HERE = ANSWERED_HERE
cdef int BUCKETS = len(LATENCY_BUCKETS)


# Where an answer is read that no query waits for.
cdef Reply SCRATCH = Reply()


cdef double monotonic() noexcept:
    """The clock of time.monotonic."""
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return at.tv_sec + at.tv_nsec * 1e-9


include "latency_histogram.pxi"
include "miss_query.pxi"
include "upstream_question.pxi"


cdef class MissPath:
    """One per worker. `take` a datagram the memo could not answer; `renew` with every change of rules or limits."""

    cdef object _share_of, _held_back
    cdef object _loop, _otherwise, _plain_for, _resumed, _settled, _resolver, _lookup, _prepared
    cdef MissStore _store
    cdef object _upstreams, _observed, _stagger_timer
    cdef ZoneShares _zones
    # The oldest and the newest of those that are watched.
    cdef MissQuery _staggered, _staggered_last
    cdef set _out
    cdef dict _clients, _states, _tallies, _in_flight, _lone
    cdef list _opts, _cookie_opts
    cdef LatencyHistogram _seconds
    cdef int _payload_max
    cdef Py_ssize_t _most
    cdef unsigned int _max_ttl
    cdef double _longest_s, _stagger_s
    # Questions that are out here, and how many may be.
    cdef Py_ssize_t _out_here, _most_here
    cdef long _replies[256]
    cdef readonly long pending, queries, late, staggered, refreshed

    def __init__(self, resolver, lookup, loop, resumed, settled, held_back):
        """`resumed(wire, source, send, began, rules, denial, rtt_s, upstream, steady_s, tick, failed)` takes a query over.

        `settled()` is told when no query is pending here any more. `held_back(wire, source, send, packet)` sends a
        reply that was long in coming.
        """
        cdef int i
        self._resolver, self._lookup, self._loop = resolver, lookup, loop
        self._resumed, self._settled, self._held_back = resumed, settled, held_back
        self._tallies, self._seconds = {}, LatencyHistogram()
        for i in range(256):
            self._replies[i] = 0

    def forget_members(self):
        """Other clients are in the classes: which one a source is in is looked up again."""
        self._clients = {}

    def renew(
        self, prepared, plain_for, int payload_max, unsigned int max_ttl, double longest_s, double stagger_s, share_of
    ):
        """`plain_for(source)`: policy.plain_query.Plain or None. `longest_s`: by then the general path takes over.

        `stagger_s`: then the A is asked beside the AAAA; 0: never here. `share_of(source)`: its ClientShare.
        """
        self._share_of = share_of
        self._prepared, self._plain_for, self._clients = prepared, plain_for, {}
        self._payload_max, self._max_ttl, self._longest_s = payload_max, max_ttl, longest_s
        self._stagger_s = stagger_s if stagger_s < longest_s else 0
        self._upstreams, self._states, self._lone = self._resolver.upstreams, {}, {}
        self._in_flight, self._most = self._upstreams.in_flight, self._upstreams.most
        self._most_here = self._most // 4
        self._observed, self._zones = self._upstreams.observed, self._upstreams.zones
        self._out = self._observed.out
        self._store = MissStore(self._resolver.cache.stores())
        # In the order of KINDS.
        edes = (b"", SYNTHESISED_EDE, DISPLACED_EDE, ZONE_SILENT_EDE)
        kinds = [(do, ede) for do in (False, True) for ede in edes]
        self._opts = [self._opt(do, ede) for do, ede in kinds]
        # All but the cookie itself, which comes last.
        empty = bytes(COOKIE_REPLY_BYTES)
        self._cookie_opts = [self._opt(do, ede + option(COOKIE, empty))[: -len(empty)] for do, ede in kinds]

    def way(self, otherwise):
        """`take`, and `otherwise` for what it does not."""
        self._otherwise = otherwise
        return self.handle

    def handle(self, bytes wire, source, send):
        if not self.take(wire, source, send):
            self._otherwise(wire, source, send)

    cpdef bint take(self, bytes wire, source, send) except -1:
        """Whether the query is answered here, now or later, by `send`. False: nothing has been done."""
        cdef PlainQuery found
        cdef tuple way
        cdef MissQuery query
        cdef Waiter client
        cdef bytes lower
        if not read_query(wire, &found):
            return False
        known = self._clients.get(source, self)
        if known is self:
            known = self.client(source)
        if known is None or wire in self._out:
            return False
        client = known
        if found.do and not client.with_do:
            return False
        query = MissQuery.__new__(MissQuery)
        query._end, query._qtype, query._edns, query._do = found.end, found.qtype, found.edns, found.do
        query._payload, query._cookie = found.payload, found.cookie
        query._name = wire[12 : query._end]
        query._lower = lower = query._name.lower()
        if client.one is None:
            exit = client.plain.exit(lower)
            if exit is None:
                return False
            way = tuple(exit)
        else:
            if lower.endswith(HERE):
                return False
            way = client.one
        query._head, query._fixed, query._group, query._tail = way
        query._path, query._client, query._wire, query._source, query._send = self, client, wire, source, send
        query._began = monotonic()
        if client.share.waiting >= client.most_waiting:
            return False
        if not query.next(query._qtype, query._began):
            return False
        self.queries += 1
        self.pending += 1
        client.share.waiting += 1
        query.answer_now()
        return True

    cdef Waiter client(self, source):
        """None: the general path answers this source."""
        cdef Waiter made = None
        if len(self._clients) >= <Py_ssize_t>self._lookup.most_sources:
            self._clients.clear()
        plain = self._plain_for(source)
        if plain is not None:
            made = Waiter.__new__(Waiter)
            made.plain, made.with_do = plain, plain.with_do
            made.one = None if plain.one is None else tuple(plain.one)
            made.never, made.excluded = plain.never, plain.excluded
            made.store, made.prefix = self._lookup.place(source)
            made.share = self._share_of(source)
            made.allowance = made.share.allowance
            made.most_waiting = made.share.most
        self._clients[source] = made
        return made

    cdef UpstreamState first(self, group):
        """The upstream to ask, where nobody is to be asked beside it."""
        state = self._lone.get(group, self)
        if state is self:
            state = self._lone[group] = self.state(self._upstreams.lone(group))
        if state is None or len(self._in_flight) >= self._most or self._observed.tap is not None:
            return self.state(self._upstreams.first(group))
        return state

    cdef UpstreamState state(self, upstream):
        cdef UpstreamState made
        if upstream is None:
            return None
        made = self._states.get(upstream)
        if made is None:
            made = self._states[upstream] = UpstreamState.__new__(UpstreamState)
            made.path, made.upstream, made.health = self, upstream, upstream.health
            made.round_trip = upstream.health.round_trip
            made.tally = self._tallies.setdefault(str(upstream.address), LatencyHistogram())
            made.pool, made.random, made.leaving = upstream.pool, upstream.random, []
        return made

    def _make_room(self):
        """Too many are out here: the oldest of each upstream go on in the general way, which chooses among them."""
        cdef UpstreamState state
        cdef UpstreamQuestion oldest
        for known in list(self._states.values()):
            state = known
            while self._out_here > self._most_here and state.oldest is not None:
                # Held here: it leaves all books.
                oldest = state.oldest
                oldest.go_on()

    cdef int stagger(self, MissQuery query) except -1:
        if not self._stagger_s:
            return 0
        if self._staggered is None:
            self._staggered = query
        else:
            self._staggered_last._next = query
        self._staggered_last = query
        if self._stagger_timer is None:
            self._stagger_timer = self._loop.call_later(self._stagger_s, self._ask_beside)
        return 0

    def _ask_beside(self):
        """The A of every query whose AAAA has been out so long (RFC 6147 section 5.1.8)."""
        cdef MissQuery query
        cdef double left
        while self._staggered is not None:
            query = self._staggered
            if query.waits_for_aaaa():
                left = query._began + self._stagger_s - monotonic()
                if left > 0:
                    self._stagger_timer = self._loop.call_later(left, self._ask_beside)
                    return
                query.ask_beside()
            self._staggered, query._next = query._next, None
        self._staggered_last = self._stagger_timer = None

    cdef bytes opt(self, MissQuery query, int kind):
        if not query._edns:
            return b""
        if not query._cookie:
            return self._opts[KINDS * query._do + kind]
        cdef bytes cookie = self._lookup.cookie(query._wire[query._cookie :], query._source)
        return <bytes>self._cookie_opts[KINDS * query._do + kind] + cookie

    cdef bytes _opt(self, bint do, bytes options):
        return b"\0" + RRHEAD.pack(OPT, self._payload_max, DO if do else 0, len(options)) + options

    cdef int limit(self, MissQuery query):
        if not query._edns:
            return PLAIN_UDP
        return offered(query._payload, self._payload_max)

    cdef int replied(self, int place, double seconds) except -1:
        self._replies[place] += 1
        self._seconds.add(seconds)
        return 0

    cdef int left(self, MissQuery query) except -1:
        """A query is pending here no more."""
        self.pending -= 1
        query._client.share.waiting -= 1
        if not self.pending:
            self._settled()
        return 0

    cdef resume(self, MissQuery query):
        self._resumed(
            query._wire, query._source, query._send, query._began, query._client.plain.prepared.rules,
            query._denial_packet, query._denial_rtt_s, query._denied_by, query._steady_s, query._tick,
            query._aaaa_failed,
        )
        self.left(query)

    def counted(self):
        """What has been counted since the last call: replies by rule, their seconds, seconds by upstream's address."""
        cdef int i
        cdef dict replies = {rule: self._replies[i] for i, rule in enumerate(RULES) if self._replies[i]}
        for i in range(256):
            self._replies[i] = 0
        upstreams = {address: (<LatencyHistogram>tally).take() for address, tally in self._tallies.items()}
        return replies, self._seconds.take(), upstreams
