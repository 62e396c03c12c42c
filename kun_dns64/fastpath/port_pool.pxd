from kun_dns64.policy.retransmission cimport RoundTrip


cpdef int heard(object health, RoundTrip round_trip, double rtt_s, double now) except -1


cdef class Randomness:
    cdef unsigned char _bytes[8192]
    cdef Py_ssize_t _place

    cdef const unsigned char *some(self, Py_ssize_t count) except NULL
    cdef Py_ssize_t under(self, Py_ssize_t limit) except -1


# Packets of one system call: as many of a port's as are read, and of a turn's questions as leave, at once.
cdef enum:
    WIDTH = 32


cdef class PortQuestion:
    cdef bytes wire
    cdef bint left_here

    cpdef bint received(self, bytes wire) except -1


cdef class Port:
    cdef PortPool _pool
    cdef object _sock
    cdef set _given_up
    cdef int _wrong
    cdef readonly int fileno
    cdef readonly bint leaving
    cdef readonly dict out
    cdef readonly object upstream

    cpdef free(self, ident)
    cpdef give_up(self, ident)
    cpdef bint send(self, bytes wire) except -1
    cdef int send_all(self, list questions) except -1
    cdef int read(self) except -1
    cdef bint is_late(self, ident) except -1
    cpdef read_waiting(self)


cdef class PortPool:
    cdef readonly object owner, loop
    cdef readonly dict ports
    cdef Randomness random
    cdef list _shared
    cdef double _tokens, _counted_at
    cdef object _epoll
    cdef int _epoll_fd

    cpdef Port port(self, double now)
    cdef Port fresh(self, double now)
    cdef Port shared(self)
    cdef Port _open(self)
    cdef int _retire(self, Port port) except -1
