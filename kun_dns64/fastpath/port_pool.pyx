# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""portpool.py and randomness.py compiled: the same rules and the same names, with fewer objects on a packet's way.

Twin: transport/portpool.py, transport/randomness.py.
"""

import select
from os import strerror

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EINTR, errno

from kun_dns64.fastpath.system cimport MSG_DONTWAIT, iovec, mmsghdr, recvmmsg, send_one, sendmmsg
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

cdef enum:
    BURST = 128
    MAX_DATAGRAM = 65535
    CHUNK = 8192

cdef unsigned char ROOM[WIDTH][MAX_DATAGRAM]
cdef iovec PARTS_IN[WIDTH]
cdef iovec PARTS_OUT[WIDTH]
cdef mmsghdr IN[WIDTH]
cdef mmsghdr OUT[WIDTH]


cdef void point() noexcept:
    """Each message to its part, once: the kernel leaves that as it is."""
    cdef int i
    for i in range(WIDTH):
        PARTS_IN[i].iov_base, PARTS_IN[i].iov_len = ROOM[i], MAX_DATAGRAM
        IN[i].msg_hdr.msg_iov, IN[i].msg_hdr.msg_iovlen = &PARTS_IN[i], 1
        OUT[i].msg_hdr.msg_iov, OUT[i].msg_hdr.msg_iovlen = &PARTS_OUT[i], 1


point()
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
    """The kernel's random bytes, one system call for many numbers."""

    def __init__(self):
        self._place = CHUNK

    cdef const unsigned char *some(self, Py_ssize_t count) except NULL:
        """At most CHUNK of them; valid until the next call."""
        cdef Py_ssize_t have = 0
        cdef ssize_t more
        if self._place + count > CHUNK:
            while have < CHUNK:
                more = getrandom(self._bytes + have, CHUNK - have, 0)
                if more > 0:
                    have += more
                elif errno != EINTR:
                    raise OSError(errno, strerror(errno))
            self._place = 0
        self._place += count
        return self._bytes + self._place - count

    def random_bytes(self, Py_ssize_t count):
        return PyBytes_FromStringAndSize(<const char *>self.some(count), count)

    def id(self):
        """0 to 65535, evenly."""
        cdef const unsigned char *at = self.some(2)
        return at[0] << 8 | at[1]

    def bits(self, Py_ssize_t size_bytes):
        return int.from_bytes(self.random_bytes(size_bytes))

    cdef Py_ssize_t under(self, Py_ssize_t limit) except -1:
        cdef const unsigned char *at = self.some(4)
        cdef unsigned long long drawn = <unsigned int>at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]
        return <Py_ssize_t>(drawn * <unsigned long long>limit >> 32)

    def below(self, Py_ssize_t limit):
        """0 to limit-1; the bias of 32 bits is far below what anyone could use."""
        return self.under(limit)


cdef class PortQuestion:
    """A question of compiled code that is out on a port."""

    cpdef bint received(self, bytes wire) except -1:
        """As transport/portpool.py's PortQuestion."""
        return False


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
        if send_one(self.fileno, PyBytes_AS_STRING(wire), PyBytes_GET_SIZE(wire), MSG_DONTWAIT) >= 0:
            return True
        self._pool.loop.call_soon(self.failed, errno)
        return False

    cdef int send_all(self, list questions) except -1:
        """`send` for at most WIDTH questions, each a PortQuestion, which learns whether its packet has left."""
        cdef PortQuestion question
        cdef int i = 0, sent = 0, more, count = len(questions)
        for question in questions:
            PARTS_OUT[i].iov_base, PARTS_OUT[i].iov_len = PyBytes_AS_STRING(question.wire), PyBytes_GET_SIZE(question.wire)
            i += 1
        while sent < count:
            more = sendmmsg(self.fileno, &OUT[sent], count - sent, MSG_DONTWAIT)
            if more < 0:
                self._pool.loop.call_soon(self.failed, errno)
                sent += 1
            for i in range(sent, sent + more):
                (<PortQuestion>questions[i]).left_here = True
            sent += max(0, more)
        return 0

    cpdef free(self, ident):
        if self.out.pop(ident, None) is not None and not self.out and self.leaving:
            self._pool.drop(self)

    cpdef give_up(self, ident):
        """`free` without an answer, which may still come."""
        if self._given_up is None:
            self._given_up = set()
        self._given_up.add(ident)
        self.free(ident)

    cdef int read(self) except -1:
        """Read at most WIDTH packets; how many there were. What a packet sets going may drop the port."""
        cdef int i, count = recvmmsg(self.fileno, IN, WIDTH, MSG_DONTWAIT, NULL)
        cdef bytes wire
        cdef bint good
        if count < 0:
            self.failed(errno)
            return 0
        for i in range(count):
            if self.fileno < 0:
                break
            wire = PyBytes_FromStringAndSize(<char *>ROOM[i], IN[i].msg_len)
            attempt = self.out.get(ROOM[i][0] << 8 | ROOM[i][1]) if IN[i].msg_len >= 12 else None
            if attempt is None and self.is_late(ROOM[i][0] << 8 | ROOM[i][1]):
                continue
            if isinstance(attempt, PortQuestion):
                good = (<PortQuestion>attempt).received(wire)
            else:
                good = attempt is not None and attempt.received(wire)
            if not good:
                self.guessed()
        return count

    cdef bint is_late(self, ident) except -1:
        """Whether it answers a question that nobody waits for; once for each."""
        if self._given_up is None or ident not in self._given_up:
            return False
        self._given_up.remove(ident)
        return True

    cpdef read_waiting(self):
        """Read what has come to this port."""
        cdef int left = BURST
        while left > 0 and self.fileno >= 0:
            left = left - WIDTH if self.read() == WIDTH else 0

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
        cdef Port port = self.fresh(now)
        return self.shared() if port is None else port

    cdef Port shared(self):
        return self._shared[self.random.under(len(self._shared))]

    cdef Port fresh(self, double now):
        """`port` where it opens one. None: one is to be shared."""
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
        return None

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
        """Read from the ports that have packets, until BURST have been read."""
        cdef epoll_event events[BURST]
        cdef int i, count = epoll_wait(self._epoll_fd, events, BURST, 0), left = BURST
        cdef Port port
        for i in range(count):
            port = self.ports.get(events[i].data.fd)
            if port is not None and left > 0:
                left -= port.read()

    def close(self):
        for port in list(self.ports.values()):
            self.drop(port)
        if not self._epoll.closed:
            self.loop.remove_reader(self._epoll_fd)
            self._epoll.close()

    def __len__(self):
        return len(self.ports)
