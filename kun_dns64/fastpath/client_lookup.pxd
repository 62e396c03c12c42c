cdef class _Index:
    cdef object index
    cdef bytes starts, lengths, coarse
    cdef unsigned int[::1] parents
    cdef unsigned short[::1] classes
    cdef Py_ssize_t count
    cdef int octets

    cdef int find(self, const unsigned char *address) noexcept


cdef class ClientLookup:
    cdef _Index _allowed4, _allowed6, _trusted4, _trusted6, _clients4, _clients6

    cpdef long key(self, bytes source)
