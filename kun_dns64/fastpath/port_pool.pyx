# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""portpool.py and randomness.py compiled: the same rules and the same names, with fewer objects on a packet's way.

Twin: transport/portpool.py, transport/randomness.py.
"""

import select
from os import strerror

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EINTR, errno

from kun_dns64.transport import portpool
from kun_dns64.transport.errnos import LOCAL as LOCAL_ERRNOS

cdef extern from "<sys/epoll.h>" nogil:
    union epoll_data_t:
        int fd
    struct epoll_event:
        epoll_data_t data
    int epoll_wait(int, epoll_event *, int, int)

cdef extern from "<sys/random.h>" nogil:
    ssize_t getrandom(void *, size_t, unsigned int)

cdef extern from "<sys/socket.h>" nogil:
    ssize_t c_recv "recv"(int, void *, size_t, int)
    ssize_t c_send "send"(int, const void *, size_t, int)
    int MSG_DONTWAIT

cdef enum:
    BURST = 128
    MAX_DATAGRAM = 65535
    CHUNK = 8192

cdef unsigned char ROOM[MAX_DATAGRAM]
cdef double RENEWED_PER_S = portpool.RENEWED_PER_S, SAVED = portpool.SAVED
cdef Py_ssize_t KEEP = portpool.KEEP, MOST = portpool.MOST
cdef int GUESSES = portpool.GUESSES
cdef frozenset LOCAL = LOCAL_ERRNOS


cpdef int heard(object health, RoundTrip round_trip, double rtt_s, double now) except -1:
    """As `Health.heard` (transport/health.py). `round_trip`: the health's own."""
    round_trip.measured(rtt_s)
    if health.silences or health.down:
        health.alive(now)
    else:
        health.heard_at = now
    return 0


cdef class Randomness:
    """The kernel's random octets, one system call for many numbers."""

    def __init__(self):
        self._place = CHUNK

    cdef const unsigned char *some(self, Py_ssize_t count) except NULL:
        """At most CHUNK of them; valid until the next call."""
        cdef Py_ssize_t have = 0
        cdef ssize_t more
        if self._place + count > CHUNK:
            while have < CHUNK:
                more = getrandom(self._octets + have, CHUNK - have, 0)
                if more > 0:
                    have += more
                elif errno != EINTR:
                    raise OSError(errno, strerror(errno))
            self._place = 0
        self._place += count
        return self._octets + self._place - count

    def octets(self, Py_ssize_t count):
        return PyBytes_FromStringAndSize(<const char *>self.some(count), count)

    def id(self):
        """0 to 65535, evenly."""
        cdef const unsigned char *at = self.some(2)
        return at[0] << 8 | at[1]

    def bits(self, Py_ssize_t octets):
        return int.from_bytes(self.octets(octets))

    cdef Py_ssize_t under(self, Py_ssize_t limit) except -1:
        cdef const unsigned char *at = self.some(4)
        cdef unsigned long long drawn = <unsigned int>at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]
        return <Py_ssize_t>(drawn * <unsigned long long>limit >> 32)

    def below(self, Py_ssize_t limit):
        """0 to limit-1; the bias of 32 bits is far below what anyone could use."""
        return self.under(limit)


cdef class Port:
    """A connected socket: the kernel drops what comes from elsewhere, and tells of ICMP errors at once."""

    def close(self):
        self._sock.close()
        self.fileno = -1

    def take(self, attempt):
        """An id that is free on this port."""
        cdef object ident = self._pool.random.id()
        while ident in self.out:
            ident = self._pool.random.id()
        self.out[ident] = attempt
        return ident

    cpdef bint send(self, bytes wire) except -1:
        """Whether the packet has left this machine; if not, it is as good as lost on the way, and sent again later."""
        if c_send(self.fileno, PyBytes_AS_STRING(wire), PyBytes_GET_SIZE(wire), MSG_DONTWAIT) >= 0:
            return True
        self._pool.loop.call_soon(self.failed, errno)
        return False

    cpdef free(self, ident):
        if self.out.pop(ident, None) is not None and not self.out and self.leaving:
            self._pool.drop(self)

    cdef bint readable(self) except -1:
        """Read one packet; whether there was one."""
        cdef ssize_t size = c_recv(self.fileno, ROOM, MAX_DATAGRAM, MSG_DONTWAIT)
        if size < 0:
            self.failed(errno)
            return False
        attempt = self.out.get(ROOM[0] << 8 | ROOM[1]) if size >= 12 else None
        if attempt is None or not attempt.received(PyBytes_FromStringAndSize(<char *>ROOM, size)):
            self.guessed()
        return True

    cpdef read_waiting(self):
        """Read what has come to this port."""
        cdef int i
        for i in range(BURST):
            if self.fileno < 0 or not self.readable():
                return

    def guessed(self):
        self.upstream.observed.wrong_replies += 1
        self._wrong += 1
        if self._wrong >= GUESSES:
            self._pool.drop(self)
            for attempt in list(self.out.values()):
                attempt.move_to_tcp()

    def failed(self, int number):
        """A send or a receive ended with this errno.

        Errors of this machine are losses. ICMP speaks of the address, and may be forged: the port is left, and its
        questions are asked again.
        """
        if number in LOCAL:
            return
        self._pool.drop(self)
        for attempt in list(self.out.values()):
            attempt.hinted(strerror(number))


cdef class PortPool:
    """All ports of one upstream, and the one epoll for them."""

    def __init__(self, owner, loop):
        self.owner, self.loop, self.random = owner, loop, owner.random
        self.ports, self._shared = {}, []
        self._tokens, self._counted_at = SAVED, 0.0
        self._epoll = select.epoll()
        self._epoll_fd = self._epoll.fileno()
        loop.add_reader(self._epoll_fd, self.drain)

    cpdef Port port(self, double now):
        """A port to ask from, at `now` of a monotonic clock in seconds.

        Raises what `Owner.connect` raises, where no port is open.
        """
        cdef Py_ssize_t count = len(self._shared)
        self._tokens = min(SAVED, self._tokens + (now - self._counted_at) * RENEWED_PER_S)
        self._counted_at = now
        if not count or (self._tokens >= 1.0 and len(self.ports) < MOST):
            self._tokens = max(0.0, self._tokens - 1.0)
            try:
                return self._open()
            except OSError:
                # No descriptor is left, say; the open ones are as good as under load.
                if not count:
                    raise
        return self._shared[self.random.under(count)]

    cdef Port _open(self):
        cdef object sock = self.owner.connect()
        cdef Port port = Port.__new__(Port)
        try:
            self._epoll.register(sock.fileno(), select.EPOLLIN)
        except OSError:
            sock.close()
            raise
        port._pool, port._sock, port.upstream, port.out = self, sock, self.owner, {}
        port.fileno = sock.fileno()
        self.ports[port.fileno] = port
        self._shared.append(port)
        if len(self._shared) > KEEP:
            self._retire(self._shared.pop(0))
        return port

    cdef int _retire(self, Port port) except -1:
        port.leaving = True
        if not port.out:
            self.drop(port)
        return 0

    def drop(self, Port port):
        """Closes it; what is out there must be told by the caller."""
        if port.fileno < 0:
            return
        if not port.leaving:
            self._shared.remove(port)
        del self.ports[port.fileno]
        port.close()

    def drain(self):
        """One packet from each port that has some, at most BURST ports."""
        cdef epoll_event events[BURST]
        cdef int i, count = epoll_wait(self._epoll_fd, events, BURST, 0)
        cdef Port port
        for i in range(count):
            port = self.ports.get(events[i].data.fd)
            if port is not None:
                port.readable()

    def close(self):
        for port in list(self.ports.values()):
            self.drop(port)
        if not self._epoll.closed:
            self.loop.remove_reader(self._epoll_fd)
            self._epoll.close()

    def __len__(self):
        return len(self.ports)
