cdef class Generations:
    cdef readonly dict _young, _old
    cdef list _dying
    cdef object _weigh
    cdef Py_ssize_t _half_entries, _half_octets, _octets, _octets_old

    cpdef get(self, bytes key)
    cpdef put(self, bytes key, value)
    cpdef replace(self, bytes key, value)
    cpdef drop(self, bytes key)
    cdef bint has(self, bytes key) except -1
    cdef Py_ssize_t weight(self, bytes key, value) except -1
    cdef int insert(self, bytes key, value) except -1
    cdef int forget_some(self, dict dying) except -1


cdef class MissStore:
    cdef Generations _data, _failures
    cdef bint _prefetch

    cpdef find(self, bytes key, double now, bint exists=*)
    cdef object unknown(self, bytes key)
    cpdef put_off(self, bytes key, bytes entry, long age)
    cpdef long keep(self, bytes key, bytes packed, long lifetime, double now) except -1


cdef bytes write_key(bytes prefix, bytes wire, bytes lower, Py_ssize_t end, Py_ssize_t until, bytes mark, int limit)
cdef int limit_of(bytes wire, Py_ssize_t end, int most)

cpdef int keep_reply(
    Generations store, bytes prefix, bytes wire, bytes lower, bint cookie, bytes packet, int rule, long seconds,
    bytes places, long tick,
) except -1
