# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Twin of `find` in policy/network_index.py, and of `ReplyCaches.of`: from a source's bytes to its class, without objects.

It reads the bytes of the index as they are, so a change of members costs nothing here but new pointers.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp

from kun_dns64.policy import network_index as plain

cdef enum:
    V4 = 4
    V6 = 16
    STEP = 64  # entries between two of the coarse table, which a processor's cache holds

cdef int MISS = plain.MISS
cdef unsigned int NO_PARENT = plain.NO_PARENT
cdef long STRANGER = -2
cdef const char *MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"


cdef class _Index:
    def __init__(self, index):
        self.index, self.octets = index, index.octets
        self.starts, self.lengths, self.count = index.starts, index.lengths, len(index.lengths)
        self.coarse = b"".join([
            self.starts[place : place + self.octets] for place in range(0, len(self.starts), STEP * self.octets)
        ])
        if self.count:
            self.parents, self.classes = index.parents, index.classes

    cdef int find(self, const unsigned char *address) noexcept:
        cdef const unsigned char *starts = <const unsigned char *>PyBytes_AS_STRING(self.starts)
        cdef const unsigned char *lengths = <const unsigned char *>PyBytes_AS_STRING(self.lengths)
        cdef const unsigned char *coarse = <const unsigned char *>PyBytes_AS_STRING(self.coarse)
        cdef Py_ssize_t low = behind(coarse, self.octets, 0, (self.count + STEP - 1) // STEP, address) * STEP
        cdef unsigned int place
        if low:
            low = behind(starts, self.octets, low - STEP, min(low, self.count), address)
        if not low:
            return MISS
        place = <unsigned int>(low - 1)
        while not holds(starts + <Py_ssize_t>place * self.octets, lengths[place], address):
            place = self.parents[place]
            if place == NO_PARENT:
                return MISS
        return self.classes[place]


cdef inline Py_ssize_t behind(
    const unsigned char *starts, int octets, Py_ssize_t low, Py_ssize_t high, const unsigned char *address
) noexcept:
    """How many of the starts up to `high` are not behind the address; those before `low` are not."""
    cdef Py_ssize_t middle
    while low < high:
        middle = (low + high) >> 1
        if memcmp(starts + middle * octets, address, octets) <= 0:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline bint holds(const unsigned char *start, int length, const unsigned char *address) noexcept:
    cdef int whole = length >> 3, rest = length & 7
    if memcmp(start, address, whole):
        return False
    return not rest or (start[whole] ^ address[whole]) >> (8 - rest) == 0


cdef class ClientLookup:
    """Who may ask, who may speak for others, and which class each client is in. Each a pair of indexes, IPv4 and IPv6."""

    def __init__(self, allowed, trusted, clients):
        self._allowed4, self._allowed6 = _Index(allowed[0]), _Index(allowed[1])
        self._trusted4, self._trusted6 = _Index(trusted[0]), _Index(trusted[1])
        self._clients4, self._clients6 = _Index(clients[0]), _Index(clients[1])

    cpdef long key(self, bytes source):
        """The same number for all sources that get the same answers: twice the class, and 1 more for a trusted one."""
        cdef const unsigned char *address = <const unsigned char *>PyBytes_AS_STRING(source)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(source)
        if size == V6 and not memcmp(address, MAPPED, 12):
            address, size = address + 12, V4
        if size == V4:
            if self._allowed4.find(address) == MISS:
                return 2 * STRANGER
            return 2 * self._clients4.find(address) + (self._trusted4.find(address) != MISS)
        if size != V6 or self._allowed6.find(address) == MISS:
            return 2 * STRANGER
        return 2 * self._clients6.find(address) + (self._trusted6.find(address) != MISS)

    def of(self, bytes source):
        """The class alone, or MISS."""
        cdef const unsigned char *address = <const unsigned char *>PyBytes_AS_STRING(source)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(source)
        if size == V6 and not memcmp(address, MAPPED, 12):
            address, size = address + 12, V4
        return self._clients4.find(address) if size == V4 else self._clients6.find(address)
