"""Part of misspath.pyx: one query on its short way."""


cdef class Light:
    """One query under way. For its port it is what is out there; for `Upstreams` it is what is in flight."""

    cdef MissPath _path
    cdef bytes _wire, _name, _lower, _key, _asked, _cookie, _said
    cdef object _source, _send, _plain, _exit, _upstreams, _upstream, _port, _tally
    cdef int _end, _qtype, _stage, _ident, _payload, _tick, _steady_s
    cdef bint _edns, _do, _done, _queued_again
    cdef double _began, _sent_at, _said_rtt_s
    cdef unsigned int _denial_ttl

    cdef bint put(self, int qtype, double now) except -1:
        """Asks upstream. False, with nothing done: the general path must."""
        cdef bytes key = self._lower + <bytes>TAILS[qtype, self._do] + <bytes>self._exit.key_tail
        cdef object upstreams = self._path._resolver.upstreams, upstream, random
        cdef dict flights = upstreams.in_flight
        cdef dict out
        if key in flights or self._path._resolver.cache.knows(key, now):
            return False
        upstream = upstreams.first(self._exit.group)
        if upstream is None:
            return False
        try:
            port = upstream.port()
        except OSError:
            return False
        scrambled = upstream.case_bits() is not None
        random = upstream.random
        out = port.out
        cdef bytes asked
        cdef int ident
        while True:
            asked = encode_ask(self._name, qtype, self._do, random.octets(2 + len(self._name)), scrambled)
            ident = <unsigned char>asked[0] << 8 | <unsigned char>asked[1]
            if ident not in out:
                break
        self._stage, self._key, self._asked, self._ident = qtype, key, asked, ident
        self._upstreams, self._upstream, self._port, self._sent_at = upstreams, upstream, port, now
        out[ident] = self
        (<set>upstream.observed.out).add(asked)
        flights[key] = self
        upstreams.asked += 1
        self._path.watch(self)
        cdef int fileno = port.fileno
        if fileno < 0:
            port.send(asked)
        elif send(fileno, PyBytes_AS_STRING(asked), PyBytes_GET_SIZE(asked), MSG_DONTWAIT) < 0 and errno != EAGAIN:
            self._path._loop.call_soon(port.unreachable, OSError(errno, strerror(errno)))
        return True

    def received(self, bytes wire):
        """As UdpAttempt's. A defect costs the short way, not the answer."""
        try:
            return self._received(wire)
        except Exception as error:
            self._path._resolver.defect(error, repr(self._name))
            if not self._done:
                self._done = True
                (<set>self._upstream.observed.out).discard(self._asked)
                (<dict>self._port.out).pop(self._ident, None)
                (<dict>self._upstreams.in_flight).pop(self._key, None)
                self._path.resume(self)
            return True

    cdef object _received(self, bytes wire):
        cdef tuple denial
        cdef object data
        if self._done:
            return False
        cdef bytes opt = self._path.opt(self, self._stage != self._qtype)
        cdef int limit = self._path.limit(self)
        if self._stage != self._qtype:
            data = synthesise(
                wire, self._asked, self._wire, self._path._max_ttl, self._exit.head, self._plain.never, self._denial_ttl,
                self._exit.fixed_s, opt, limit,
            )
            if data is None:
                return self.adopted().received(wire)
            self.answered(data, SYNTHESISED, SYNTHESISED_PLACE)
            return True
        if self._stage == AAAA:
            denial = read_denial(wire, self._asked, self._wire, self._path._max_ttl)
            if denial is not None:
                self.denied(wire, denial)
                return True
        data = forward(
            wire, self._asked, self._wire, self._stage, self._path._max_ttl,
            self._plain.excluded if self._stage == AAAA else b"", self._do or self._wire[3] & 0x20, opt, limit,
        )
        if data is None:
            return self.adopted().received(wire)
        if self._stage == AAAA:
            self.answered(data, REAL, REAL_PLACE)
        else:
            self.answered(data, FORWARDED, FORWARDED_PLACE)
        return True

    cdef int landed(self, bytes packed, unsigned int lifetime, double now) except -1:
        """The answer is in: off the port, into the cache. For how long the cache will say the same."""
        cdef double rtt_s = now - self._sent_at
        cdef dict out
        (<set>self._upstream.observed.out).discard(self._asked)
        out = self._port.out
        del out[self._ident]
        if not out:
            self._upstream.released(self._port)
        (<dict>self._upstreams.in_flight).pop(self._key, None)
        self._upstream.health.heard(rtt_s, now)
        self._path.tally(self._upstream).add(rtt_s)
        return self._path._resolver.cache.keep(self._key, packed, lifetime, now)

    cdef denied(self, bytes wire, tuple denial):
        """No AAAA: the A is next."""
        cdef double now = monotonic()
        self._said, self._said_rtt_s, self._tick = wire, now - self._sent_at, <int>now
        self._denial_ttl = denial[1]
        self._steady_s = self.landed(denial[0], denial[1], now)
        self._queued_again = True
        if not self.put(A, now):
            self._done = True
            self._path.resume(self)

    cdef answered(self, object data, object rule, int place):
        cdef double now = monotonic()
        cdef int steady_s = self.landed(data.packed, data.lifetime_s, now)
        cdef int tick = <int>now
        cdef bytes packet = data.packet
        self._done = True
        if self._stage != self._qtype:
            steady_s = min(steady_s, self._steady_s) if tick == self._tick else 0
        if data.steady_s:
            steady_s = min(steady_s, data.steady_s + 1)
        self._path.replied(place, now - self._began)
        self._path._front.settled()
        self._send(packet)
        if steady_s > 0 and self._plain.prepared is self._path._prepared:
            self._path._shortcut.keep(
                self._source, self._wire, self._end, self._cookie, packet, place,
                min(<long>steady_s, <long>data.ages_s), data.places, tick,
            )

    def move_to_tcp(self):
        self.adopted().move_to_tcp()

    def finish(self, result):
        self.adopted().finish(result)

    def cancel(self):
        self._done = True

    def general(self):
        """The question goes on in the general way, and the query behind it too."""
        return self._over()[0]

    cdef object adopted(self):
        return self._over()[1]

    cdef tuple _over(self):
        self._done = True
        found = self._upstreams.adopt(
            Question(self._name, self._stage), AskedFlags(False, self._do), self._exit.group, self._port, self._ident,
            self._asked, self._sent_at,
        )
        self._path.resume(self)
        return found
