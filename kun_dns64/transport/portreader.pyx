# cython: language_level=3, boundscheck=False, wraparound=False
"""Takes the packets that wait on upstream ports: what `UdpUpstream._readable` does, with fewer objects on the way."""

from os import strerror

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.errno cimport EAGAIN, EINTR, errno

cdef extern from "<sys/epoll.h>" nogil:
    union epoll_data_t:
        int fd
    struct epoll_event:
        epoll_data_t data
    int epoll_wait(int, epoll_event *, int, int)

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int, void *, size_t, int)
    int MSG_DONTWAIT

cdef enum:
    BURST = 128
    MAX_DATAGRAM = 65535

cdef unsigned char ROOM[MAX_DATAGRAM]


def drain(int epoll, dict ports):
    """One packet from each port that has some, at most `BURST` ports. `ports`: by descriptor."""
    cdef epoll_event events[BURST]
    cdef int i, count = epoll_wait(epoll, events, BURST, 0)
    cdef ssize_t size
    cdef bytes wire
    for i in range(count):
        port = ports.get(events[i].data.fd)
        if port is None:
            continue
        size = recv(events[i].data.fd, ROOM, MAX_DATAGRAM, MSG_DONTWAIT)
        if size < 0:
            if errno != EAGAIN and errno != EINTR:
                port.unreachable(OSError(errno, strerror(errno)))
            continue
        if size < 12:
            port.guessed()
            continue
        wire = PyBytes_FromStringAndSize(<char *>ROOM, size)
        attempt = (<dict>port.out).get(ROOM[0] << 8 | ROOM[1])
        if attempt is None or not attempt.received(wire):
            port.guessed()
