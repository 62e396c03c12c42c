cdef class _Followed:
    cdef list keys4, values4, keys6, values6
    cdef object table, policies
    cdef _Index networks4, networks6
    cdef int first

    cdef int find(self, const unsigned char *address, int size_bytes)


cdef class _Index:
    cdef object index
    cdef bytes starts, lengths, coarse
    cdef unsigned int[::1] parents
    cdef unsigned short[::1] classes
    cdef Py_ssize_t count
    cdef int size_bytes

    cdef int find(self, const unsigned char *address) noexcept


cdef class ClientLookup:
    cdef _Index _allowed4, _allowed6, _trusted4, _trusted6, _clients4, _clients6
    cdef _Followed _followed

    cdef int client(self, const unsigned char *address, int size_bytes)

    cpdef long key(self, bytes source)
