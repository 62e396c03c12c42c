cdef struct Entry:
    # The key follows, then the value.
    unsigned int key_size, size


cdef class Table:
    cdef Entry **entries
    cdef unsigned int *hashes
    cdef Py_ssize_t slots, count, last

    cdef Py_ssize_t find(self, bytes key, unsigned int hashed) noexcept
    cdef int add(self, Entry *entry, unsigned int hashed) except -1
    cdef void place(self, Entry *entry, unsigned int hashed) noexcept
    cdef int grow(self) except -1
    cdef Entry *take(self, Py_ssize_t at) noexcept
    cdef void free_last(self) noexcept
    cdef dict copied(self)


cdef class Generations:
    cdef Table young, old
    cdef list _dying
    cdef object _weigh
    cdef Py_ssize_t _half_entries, _half_bytes, _bytes, _bytes_old

    cpdef bytes get(self, bytes key)
    cpdef put(self, bytes key, bytes value)
    cpdef replace(self, bytes key, bytes value)
    cpdef drop(self, bytes key)
    cdef bint has(self, bytes key) except -1
    cdef Py_ssize_t weight(self, Entry *entry) except -1
    cdef int insert(self, Entry *entry, unsigned int hashed) except -1
    cdef int remove(self, bytes key, unsigned int hashed) except -1
    cdef int forget_some(self, Table dying) except -1


cdef class MissStore:
    cdef Generations _data
    cdef object _failures
    cdef bint _prefetch

    cpdef find(self, bytes key, double now, bint exists=*)
    cdef object unknown(self, bytes key)
    cdef bint has(self, bytes key) except -1
    cpdef put_off(self, bytes key, bytes entry, long age)
    cpdef long keep(self, bytes key, bytes packed, long lifetime, double now) except -1


cdef bytes write_key(bytes prefix, bytes wire, bytes lower, Py_ssize_t end, Py_ssize_t until, bytes mark, int limit)
cdef int limit_of(bytes wire, Py_ssize_t end, int most)

cpdef int keep_reply(
    Generations store, bytes prefix, bytes wire, bytes lower, bint cookie, bytes packet, int rule, long seconds,
    bytes places, long tick,
) except -1
