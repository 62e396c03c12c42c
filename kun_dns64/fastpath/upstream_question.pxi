"""Part of fastpath/miss_path.pyx: one question that an upstream has not answered yet.

Twin: transport/upstream_udp.py.
"""


cdef class UpstreamState:
    """One upstream: what its questions need, looked up once; and those that are out, the oldest first."""

    cdef MissPath path
    cdef object upstream, health, timer
    cdef RoundTrip round_trip
    cdef PortPool pool
    cdef Randomness random
    cdef LatencyHistogram tally
    cdef UpstreamQuestion oldest, newest
    # Questions of this turn of the loop that share a port, and leave together.
    cdef Port port
    cdef list leaving

    cdef double patience_s(self) except -1:
        """How long a question stays here: until it would be sent again, or is no common one any more."""
        return min(self.round_trip.rto_s(), self.path._longest_s)

    cdef int send_later(self, UpstreamQuestion question) except -1:
        self.leaving.append(question)
        if len(self.leaving) == 1:
            self.path._loop.call_soon(self.send)
        elif len(self.leaving) == WIDTH:
            self.send()
        return 0

    def send(self):
        """Send what is leaving. Where the port has been closed, its questions have been told."""
        cdef list leaving = self.leaving
        cdef UpstreamQuestion question
        self.leaving = []
        if not leaving or self.port.fileno < 0:
            return
        self.port.send_all(leaving)
        for question in leaving:
            if not question.left_here:
                self.path._loop.call_soon(question.lost_here)

    cdef int watch(self, UpstreamQuestion question) except -1:
        if self.oldest is None:
            self.oldest = question
        else:
            self.newest._next, question._before = question, self.newest
        self.newest = question
        if self.timer is None:
            self.timer = self.path._loop.call_later(self.patience_s(), self.look)
        if self.path._out_here == self.path._most_here + 1:
            self.path._loop.call_soon(self.path._make_room)
        return 0

    def look(self):
        """Hands over what has been out too long."""
        cdef double patience_s = self.patience_s(), left
        cdef UpstreamQuestion oldest
        while self.oldest is not None:
            oldest = self.oldest
            left = oldest._sent_at + patience_s - monotonic()
            if left > 0:
                self.timer = self.path._loop.call_later(left, self.look)
                return
            # After a pause of this process timers are called before packets are read.
            oldest._port.read_waiting()
            if not oldest._done:
                oldest.unanswered()
        self.timer = None

    cdef void forget(self, UpstreamQuestion question) noexcept:
        """It is over. What is kept until a timer comes falls out of the processor's caches."""
        if question._before is None:
            self.oldest = question._next
        else:
            question._before._next = question._next
        if question._next is None:
            self.newest = question._before
        else:
            question._next._before = question._before
        question._before = question._next = None


# Thousands may hang on one another (`_next`).
@cython.trashcan(True)
cdef class UpstreamQuestion(PortQuestion):
    """For its port it is what is out there; for `Upstreams` it is what is in question."""

    cdef MissPath _path
    cdef UpstreamQuestion _before, _next
    cdef bytes _name, _key
    cdef object _group, _upstreams, _ident
    cdef UpstreamState _state
    cdef Port _port
    cdef set _out
    cdef dict _in_flight
    cdef list _waiting
    cdef int _qtype
    # Nobody has to wait for it: it fetches anew what the cache still has.
    cdef bint _do, _done, _aside, _scrambled
    cdef double _sent_at
    # What was taken of its zone's share, and of whose else.
    cdef int _paid
    cdef Allowance _payer

    cdef bint join(self, MissQuery query) except -1:
        if self._done or len(self._waiting) >= MOST_ALIKE and self.alike(query) >= MOST_ALIKE:
            return False
        self._upstreams.coalesced += 1
        self._aside = False
        self._waiting.append(query)
        return True

    cdef Py_ssize_t alike(self, MissQuery query):
        """How many queries of the same client wait for it."""
        cdef Py_ssize_t count = 0
        for other in self._waiting:
            count += (<MissQuery>other)._client.share is query._client.share
        return count

    cpdef bint received(self, bytes wire) except -1:
        """As UdpAttempt's. A defect costs the short way, not the answer."""
        try:
            return self._received(wire)
        except Exception as error:
            self._path._resolver.defect(error, repr(self._name))
            self.leave()
            for query in self._waiting:
                (<MissQuery>query).over()
            return True

    cdef bint _received(self, bytes wire) except -1:
        cdef list waiting = self._waiting
        cdef MissQuery query
        cdef Reply made = None
        cdef double now = monotonic()
        cdef unsigned int ttl, max_ttl = self._path._max_ttl
        cdef long steady_s
        if self._done:
            return False
        if is_servfail(wire, self.wire, self.end()) and not self.may_go_on(now):
            self._state.health.alive(now)
            self.give_up(answered=True)
            return True
        for query in waiting:
            if query._over:
                waiting = [query for query in waiting if not (<MissQuery>query)._over]
                break
        if self._qtype == AAAA and read_denial(SCRATCH, wire, self.wire, self.wire, self.end(), max_ttl, 0):
            ttl = SCRATCH.lifetime
            steady_s = self.answered(SCRATCH, now)
            if not waiting:
                self._path.late += not self._aside
            for query in waiting:
                query.denied(wire, self._state.upstream, now - self._sent_at, ttl, steady_s, now)
            return True
        for query in waiting:
            made = query if query._qtype == self._qtype or query._denied else SCRATCH
            if not (self.bare(wire) if made is SCRATCH else query.make(wire, self.wire, self._qtype, 0)):
                return self.adopted().received(wire)
        if made is None:
            # Nobody waits for it any more; the cache does.
            made = SCRATCH
            if not self.bare(wire):
                return self.adopted().received(wire)
            self._path.late += not self._aside
        steady_s = self.answered(made, now)
        for query in waiting:
            if query._qtype == self._qtype or query._denied:
                query.answer(self._qtype, steady_s, <long>now, now)
            else:
                query._early_packet, query._early_asked = wire, self.wire
                query._early_steady_s, query._early_tick = steady_s, <long>now
        return True

    cdef bint bare(self, bytes wire) except -1:
        """What the cache keeps of it, where there is no reply to be made."""
        return forward(
            SCRATCH, wire, self.wire, self.wire, self.end(), self._qtype, self._path._max_ttl, 0, b"", False, b"",
            LARGEST,
        )

    cdef int end(self):
        """Of the name in the question."""
        return PyBytes_GET_SIZE(self._name) + 12

    cdef int leave(self) except -1:
        """Off the port, and out of all books."""
        if not self._done:
            self.done()
            self._out.discard(self.wire)
            self._port.free(self._ident)
            self._in_flight.pop(self._key, None)
        return 0

    cdef bint may_go_on(self, double now) except -1:
        """Whether the general path may spend on it what an answer will give back; not for nobody's sake."""
        cdef MissQuery query
        if self._paid:
            return True
        for query in self._waiting:
            if not query._over:
                self._payer = query._client.allowance
                break
        else:
            if not self._aside:
                return False
        self._paid = self._path._zones.goes_on(self._lower(), self._group, self._sent_at, now, self._payer)
        return self._paid != FREE

    cdef bytes _lower(self):
        """Its key begins with it."""
        return (<bytes>self._key)[: PyBytes_GET_SIZE(self._name)]

    cdef int unanswered(self) except -1:
        """The upstream is silent: the general path goes on as far as shares reach, else it is over."""
        if self.may_go_on(monotonic()):
            self.general()
        else:
            self._state.health.silent(self._sent_at)
            self.give_up(answered=False)
        return 0

    cdef int go_on(self) except -1:
        """Others need its place here."""
        if monotonic() - self._sent_at < DISPLACED_AFTER_S:
            self.general()
        else:
            self.unanswered()
        return 0

    cdef int give_up(self, bint answered) except -1:
        cdef MissQuery query
        self._upstreams.displaced += 1
        if not answered:
            self._state.send()
            self._port.give_up(self._ident)
        self.leave()
        for query in self._waiting:
            query.displaced(self._qtype)
        return 0

    cdef long answered(self, Reply made, double now) except -1:
        """The answer is in, and goes to the cache. For how long the cache will say the same."""
        cdef double rtt_s = now - self._sent_at
        self.leave()
        if self._scrambled and self._state.upstream.case_in_doubt:
            self._state.upstream.kept_case(self.wire[12 : self.end()])
        if self._path._zones._groups:
            self._path._zones.answered(self._lower(), self._group, now, self._paid, self._payer)
        heard(self._state.health, self._state.round_trip, rtt_s, now)
        self._state.tally.add(rtt_s)
        return self._path._store.keep(self._key, made.packed, made.lifetime, now)

    def move_to_tcp(self):
        self.adopted().move_to_tcp()

    def hinted(self, reason):
        self.adopted().hinted(reason)

    def cancel(self):
        self.done()

    cdef void done(self) noexcept:
        if not self._done:
            self._done = True
            self._path._out_here -= 1
            self._state.forget(self)

    def lost_here(self):
        """This machine did not send it: the general way does, soon."""
        if not self._done:
            self.general()

    def general(self):
        """The question goes on in the general way, and the queries behind it too."""
        return self.handed_over()[0]

    cdef object adopted(self):
        return self.handed_over()[1]

    cdef tuple handed_over(self):
        self.done()
        self._state.send()
        found = self._upstreams.adopt(
            Question(self._name, self._qtype), AskedFlags(False, self._do), self._group, self._state.upstream,
            self._port, self._ident, self.wire, self._scrambled, self.left_here, self._sent_at, self._paid, self._payer,
        )
        for query in self._waiting:
            (<MissQuery>query).over()
        return found


cdef UpstreamQuestion put_question(MissPath path, bytes name, int qtype, bint do, group, bytes key, double now):
    """Puts the question. None, with nothing done: the general path must."""
    cdef UpstreamState state = path.first(group)
    cdef UpstreamQuestion question
    cdef Port port, own
    cdef bytes asked
    cdef object ident
    if state is None:
        return None
    try:
        port = own = state.pool.fresh(now)
    except OSError:
        return None
    if own is None:
        if not state.leaving or state.port.fileno < 0:
            state.leaving, state.port = [], state.pool.shared()
        port = state.port
    cdef object upstream = state.upstream
    cdef bint scrambled = upstream.randomise_case and now >= <double>upstream.plain_case_until
    while True:
        asked = encode_ask(name, qtype, do, state.random.some(2 + PyBytes_GET_SIZE(name)), scrambled)
        ident = <unsigned char>asked[0] << 8 | <unsigned char>asked[1]
        if ident not in port.out:
            break
    question = UpstreamQuestion.__new__(UpstreamQuestion)
    question._path, question._name, question._qtype, question._do, question._group = path, name, qtype, do, group
    question._key, question.wire, question._ident, question._sent_at = key, asked, ident, now
    question._scrambled = scrambled
    question._upstreams, question._state, question._port = path._upstreams, state, port
    question._out, question._in_flight, question._waiting = path._out, path._in_flight, []
    port.out[ident] = question
    question._out.add(asked)
    question._in_flight[key] = question
    path._out_here += 1
    state.watch(question)
    if own is None:
        state.send_later(question)
    else:
        question.left_here = port.send(asked)
        if not question.left_here:
            path._loop.call_soon(question.lost_here)
    return question
