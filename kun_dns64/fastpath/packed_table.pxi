"""A table from bytes to bytes: each entry is one block of memory, where a dictionary has two objects and a wider slot.

Open addressing with linear probing (Knuth 6.4, algorithms L and R), at most three quarters full. The hash is Python's own, so
it has a key. Part of fastpath/stores.pyx.

Twin: cache/generations.py.
"""

cdef enum:
    LEAST_SLOTS = 8


cdef inline unsigned int hash_of(bytes key) except? 0:
    """Never 0: that marks an empty slot."""
    cdef Py_hash_t found = hash(key)
    cdef unsigned int folded = <unsigned int>(found ^ (found >> 32))
    return folded or 1


cdef Entry *new_entry(bytes key, bytes value) except NULL:
    cdef Py_ssize_t named = PyBytes_GET_SIZE(key), size = PyBytes_GET_SIZE(value)
    cdef Entry *entry = <Entry *>PyMem_Malloc(sizeof(Entry) + named + size)
    if entry == NULL:
        raise MemoryError
    entry.key_size, entry.size = <unsigned int>named, <unsigned int>size
    memcpy(bytes_of(entry), PyBytes_AS_STRING(key), named)
    memcpy(bytes_of(entry) + named, PyBytes_AS_STRING(value), size)
    return entry


cdef inline char *bytes_of(Entry *entry) noexcept:
    """The key's, then the value's."""
    return <char *>entry + sizeof(Entry)


cdef inline bytes key_in(Entry *entry):
    return PyBytes_FromStringAndSize(bytes_of(entry), entry.key_size)


cdef inline bytes value_in(Entry *entry):
    return PyBytes_FromStringAndSize(bytes_of(entry) + entry.key_size, entry.size)


cdef class Table:
    """`count` entries. Whoever takes one out frees it or puts it into another table."""

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.slots):
            PyMem_Free(self.entries[i])
        PyMem_Free(self.entries)
        PyMem_Free(self.hashes)

    cdef Py_ssize_t find(self, bytes key, unsigned int hashed) noexcept:
        """The slot of a key; -1: it is not here."""
        cdef Py_ssize_t mask = self.slots - 1, at = hashed & mask, named = PyBytes_GET_SIZE(key)
        cdef Entry *entry
        if not self.count:
            return -1
        while self.hashes[at]:
            if self.hashes[at] == hashed:
                entry = self.entries[at]
                if entry.key_size == named and not memcmp(bytes_of(entry), PyBytes_AS_STRING(key), named):
                    return at
            at = (at + 1) & mask
        return -1

    cdef int add(self, Entry *entry, unsigned int hashed) except -1:
        """Its key must not be here yet."""
        if 4 * (self.count + 1) > 3 * self.slots:
            self.grow()
        self.place(entry, hashed)
        self.count += 1
        return 0

    cdef void place(self, Entry *entry, unsigned int hashed) noexcept:
        cdef Py_ssize_t mask = self.slots - 1, at = hashed & mask
        while self.hashes[at]:
            at = (at + 1) & mask
        self.hashes[at], self.entries[at] = hashed, entry

    cdef int grow(self) except -1:
        cdef Py_ssize_t before = self.slots, slots = 2 * before or LEAST_SLOTS, i
        cdef Entry **entries = self.entries
        cdef unsigned int *hashes = self.hashes
        cdef Entry **wider = <Entry **>PyMem_Calloc(slots, sizeof(Entry *))
        cdef unsigned int *more = <unsigned int *>PyMem_Calloc(slots, sizeof(unsigned int))
        if wider == NULL or more == NULL:
            PyMem_Free(wider)
            PyMem_Free(more)
            raise MemoryError
        self.entries, self.hashes, self.slots, self.last = wider, more, slots, slots - 1
        for i in range(before):
            if hashes[i]:
                self.place(entries[i], hashes[i])
        PyMem_Free(entries)
        PyMem_Free(hashes)
        return 0

    cdef Entry *take(self, Py_ssize_t at) noexcept:
        """Out of this slot. Those behind it that were pushed on by others move up."""
        cdef Entry *entry = self.entries[at]
        cdef Py_ssize_t mask = self.slots - 1, hole = at, other = (at + 1) & mask
        while self.hashes[other]:
            if (other - self.hashes[other] & mask) >= (other - hole & mask):
                self.hashes[hole], self.entries[hole] = self.hashes[other], self.entries[other]
                hole = other
            other = (other + 1) & mask
        self.hashes[hole], self.entries[hole] = 0, NULL
        self.count -= 1
        return entry

    cdef void free_last(self) noexcept:
        """One entry of a table in which nothing is looked for any more."""
        while self.count:
            if self.hashes[self.last]:
                PyMem_Free(self.entries[self.last])
                self.hashes[self.last], self.entries[self.last] = 0, NULL
                self.count -= 1
                return
            self.last -= 1

    cdef dict copied(self):
        return {key_in(self.entries[i]): value_in(self.entries[i]) for i in range(self.slots) if self.hashes[i]}
