"""Part of fastpath/miss_path.pyx: one query on the miss path.

Twin: serving/resolution.py.
"""


cdef class Waiter:
    """What the rules say to one source, and where replies to it are kept."""

    cdef object plain
    cdef Generations store
    cdef tuple one
    cdef bytes prefix, never, excluded
    cdef bint with_do
    cdef object share
    cdef Allowance allowance
    cdef long most_waiting


# Thousands may hang on one another (`_next`).
@cython.trashcan(True)
cdef class MissQuery(Reply):
    """One query under way: what it asks next, what it waits for, and its reply."""

    cdef MissPath _path
    cdef MissQuery _next
    cdef Waiter _client
    cdef bytes _wire, _name, _lower, _head, _tail
    cdef object _source, _send, _group
    cdef int _end, _qtype, _payload
    # Where its cookie stands, 0: none.
    cdef int _cookie
    cdef bint _edns, _do, _over
    cdef double _began
    cdef unsigned int _fixed
    # Of the denial of its AAAA: the packet (None from the cache), who sent it, and for how long the cache will say so.
    cdef bint _denied
    cdef bytes _denial_packet
    cdef object _denied_by
    cdef double _denial_rtt_s
    cdef unsigned int _denial_ttl
    cdef long _steady_s, _tick
    # Its A has been asked before the denial came; and if it came first, the packet, the question, and how long
    # and from when on the cache has it.
    cdef bint _beside
    cdef bytes _early_packet, _early_asked
    cdef long _early_steady_s, _early_tick
    # Whether the cache alone has answered it, until that is sent.
    cdef bint _ready
    cdef int _ready_type
    cdef long _ready_steady_s, _ready_tick
    # Nothing in its zone is answered, so it has not been asked, and this is the reply.
    cdef bint _refused
    # The AAAA is given up, and the A is known.
    cdef bint _aaaa_failed

    cdef bint next(self, int qtype, double now) except -1:
        """Takes it from the cache, waits for who has asked, or asks. False, with nothing done: see `over`."""
        cdef bytes key = self.key(qtype), entry
        cdef long age, steady_s
        cdef int put
        cdef MissPath path = self._path
        question = path._in_flight.get(key)
        if type(question) is UpstreamQuestion and not (<UpstreamQuestion>question)._aside:
            return self.wait_for(<UpstreamQuestion>question, qtype)
        known = path._store.find(key, now, self._denial_packet is not None)
        if known is False:
            return False
        if known is None:
            if question is not None:
                return type(question) is UpstreamQuestion and self.wait_for(<UpstreamQuestion>question, qtype)
            put = self.put(qtype, key, now)
            if put == REFUSED:
                return self.refuse(qtype)
            if put == NOT_PUT:
                return False
            return True if qtype != self._qtype else self.may_stagger()
        entry, age, steady_s = known
        if steady_s <= 0:
            steady_s = 1
            path._store.put_off(key, entry, age)
            if question is None and path._resolver.may_refresh(now, REFRESH_COST):
                self.fetch_anew(qtype, key, now)
        if qtype == AAAA:
            if read_denial(SCRATCH, entry, None, self._wire, self._end, MAX_TTL, age):
                self._denied, self._denial_ttl = True, SCRATCH.lifetime
                self._steady_s, self._tick = steady_s, <long>now
                if self.next(A, now):
                    return True
                self._denied = False
                return False
        self._ready = self.make(entry, None, qtype, age)
        self._ready_type, self._ready_steady_s, self._ready_tick = qtype, steady_s, <long>now
        return self._ready

    cdef int fetch_anew(self, int qtype, bytes key, double now) except -1:
        """For the cache's sake alone, as Resolver.cached does it with data that ends soon."""
        cdef UpstreamQuestion question = put_question(self._path, self._name, qtype, self._do, self._group, key, now)
        self._path.refreshed += 1
        if question is None:
            self._path._upstreams.ask(Question(self._name, qtype), AskedFlags(False, self._do), self._group, None)
        else:
            question._aside = True
        return 0

    cdef bint wait_for(self, UpstreamQuestion question, int qtype) except -1:
        if not question.join(self):
            return False
        return True if qtype != self._qtype else self.may_stagger()

    cdef bint may_stagger(self) except -1:
        if self._qtype == AAAA:
            self._path.stagger(self)
        return True

    cdef bytes key(self, int qtype):
        cdef bytes key = self._lower + <bytes>(TAILS_A if qtype == A else TAILS_AAAA)[self._do]
        return key + self._tail if self._tail else key

    cdef int put(self, int qtype, bytes key, double now) except -2:
        """REFUSED in a silent zone; NOT_PUT where the general path must."""
        cdef MissPath path = self._path
        cdef Allowance payer = self._client.allowance
        cdef int paid = path._zones.admits(self._lower, self._group, now, payer)
        cdef UpstreamQuestion question
        if paid == REFUSED:
            return REFUSED
        question = put_question(path, self._name, qtype, self._do, self._group, key, now)
        if question is None:
            return NOT_PUT
        question._paid, question._payer = paid, payer
        question._waiting.append(self)
        return PUT

    cdef bint refuse(self, int qtype) except -1:
        """Answer SERVFAIL for a silent zone. False: there is stale data, or an A for the AAAA, for the general path."""
        if self._path._store.has(self.key(qtype)):
            return False
        if qtype == AAAA and (self.knows_a() or self.key(A) in self._path._in_flight):
            return False
        self._path._upstreams.refused += 1
        self._refused = True
        return True

    cdef bint knows_a(self) except -1:
        return self._early_packet is not None or self._path._store.has(self.key(A))

    cdef bint make(self, bytes wire, bytes asked, int qtype, unsigned int age) except -1:
        """The reply. False: the general path must."""
        cdef MissPath path = self._path
        cdef Waiter client = self._client
        cdef bytes opt = path.opt(self, SYNTHESISED_KIND if qtype != self._qtype else PLAIN)
        cdef int limit = path.limit(self)
        if qtype != self._qtype:
            return synthesise(
                self, wire, asked, self._wire, self._end, path._max_ttl, age, self._head, client.never,
                self._denial_ttl, self._fixed, opt, limit,
            )
        return forward(
            self, wire, asked, self._wire, self._end, qtype, path._max_ttl, age,
            client.excluded if qtype == AAAA else b"", self._do or self._wire[3] & 0x20, opt, limit,
        )

    cdef bint waits_for_aaaa(self) noexcept:
        return not self._over and not self._denied and self._early_packet is None

    cdef int ask_beside(self) except -1:
        """The A while the AAAA is still out."""
        cdef double now = monotonic()
        cdef bytes key = self.key(A)
        cdef bint put = False
        cdef int found
        question = self._path._in_flight.get(key)
        if question is not None:
            put = type(question) is UpstreamQuestion and (<UpstreamQuestion>question).join(self)
        else:
            known = self._path._store.find(key, now)
            if type(known) is tuple:
                return 0
            if known is None:
                found = self.put(A, key, now)
                if found == REFUSED:
                    return 0
                put = found == PUT
        if put:
            self._beside = True
            self._path.staggered += 1
        else:
            self.over()
        return 0

    cdef int denied(
        self, bytes wire, object upstream, double rtt_s, unsigned int ttl, long steady_s, double now
    ) except -1:
        """No AAAA: the A is next, unless it came before."""
        self._denied, self._denial_ttl, self._steady_s, self._tick = True, ttl, steady_s, <long>now
        self._denial_packet, self._denied_by, self._denial_rtt_s = wire, upstream, rtt_s
        if self._early_packet is not None:
            if self.make(self._early_packet, self._early_asked, A, 0):
                self.answer(A, self._early_steady_s, self._early_tick, now)
            else:
                self.over()
        elif not self._beside:
            if self.next(A, now):
                self.answer_now()
            else:
                self.over()
        return 0

    cdef int answer_now(self) except -1:
        """If the cache had it all, or there is nothing to ask."""
        if self._refused:
            self.fail(A_FAILED_PLACE if self._qtype == AAAA else UPSTREAM_FAILED_PLACE, ZONE_SILENT)
        elif self._ready:
            self.answer(self._ready_type, self._ready_steady_s, self._ready_tick, monotonic())
        return 0

    cdef int answer(self, int qtype, long steady_s, long tick, double now) except -1:
        """Send what was made. `steady_s` from `tick` on: of the answer to `qtype` it is made of."""
        cdef bytes packet = self.packet
        cdef int place = REAL_PLACE if qtype == AAAA else FORWARDED_PLACE if qtype == self._qtype else SYNTHESISED_PLACE
        self._over = True
        if tick != <long>now:
            steady_s = 0
        if qtype != self._qtype:
            steady_s = min(steady_s, self._steady_s) if tick == self._tick else 0
        steady_s = reply_lifetime(steady_s, self.own_steady_s, self.ages_s)
        self._path.replied(place, now - self._began)
        if now - self._began < HELD_BACK_S:
            self._send(packet)
        else:
            self._path._held_back(self._wire, self._source, self._send, packet)
        self._path.left(self)
        if steady_s > 0 and self._client.plain.prepared is self._path._prepared:
            keep_reply(
                self._client.store, self._client.prefix, self._wire, self._lower, self._cookie != 0, packet,
                place, steady_s, self.places, tick,
            )
        return 0

    cdef int displaced(self, int qtype) except -1:
        """The question it waits for is given up: SERVFAIL, unless more is known."""
        if self._over:
            return 0
        if qtype != self._qtype and not self._denied:
            # The A beside the AAAA: a denial will ask for it again.
            self._beside = False
            return 0
        if self._path._store.has(self.key(qtype)):
            return self.over()
        if qtype == AAAA and self.knows_a():
            self._aaaa_failed = True
            return self.over()
        return self.fail(DISPLACED_PLACE, DISPLACED)

    cdef int fail(self, int place, int kind) except -1:
        """SERVFAIL, sent at the client's pace where it was long in coming."""
        cdef MissPath path = self._path
        cdef double waited_s = monotonic() - self._began
        cdef bytes packet = servfail(self._wire, self._end, path.opt(self, kind))
        self._over = True
        path.replied(place, waited_s)
        if waited_s < HELD_BACK_S:
            self._send(packet)
        else:
            path._held_back(self._wire, self._source, self._send, packet)
        path.left(self)
        return 0

    cdef int over(self) except -1:
        """The general path goes on with it."""
        if not self._over:
            self._over = True
            self._path.resume(self)
        return 0
