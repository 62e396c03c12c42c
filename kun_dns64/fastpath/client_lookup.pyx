# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""From a source's bytes to its class, without objects: `find` of the three policy files, and `ReplyCaches.of`.

It reads the bytes of the index as they are, so a change of members costs nothing here but new pointers.

Twin: policy/network_index.py, policy/address_table.py, policy/followed_clients.py, cache/reply_store.py.
"""

from cpython cimport array
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp

from kun_dns64.policy import address_table, network_index as plain

cdef enum:
    V4 = 4
    V6 = 16
    STEP = 64  # entries between two of the coarse table, which a processor's cache holds

cdef int MISS = plain.MISS
cdef unsigned int NO_PARENT = plain.NO_PARENT
cdef long STRANGER = -2
cdef int PART_SHIFT = 64 - address_table.PART_BITS
cdef unsigned long long FACTOR = address_table.FACTOR
cdef const char *MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"


cdef class _Index:
    def __init__(self, index):
        self.index, self.size_bytes = index, index.size_bytes
        self.starts, self.lengths, self.count = index.starts, index.lengths, len(index.lengths)
        self.coarse = b"".join([
            self.starts[place : place + self.size_bytes] for place in range(0, len(self.starts), STEP * self.size_bytes)
        ])
        if self.count:
            self.parents, self.classes = index.parents, index.classes

    cdef int find(self, const unsigned char *address) noexcept:
        cdef const unsigned char *starts = <const unsigned char *>PyBytes_AS_STRING(self.starts)
        cdef const unsigned char *lengths = <const unsigned char *>PyBytes_AS_STRING(self.lengths)
        cdef const unsigned char *coarse = <const unsigned char *>PyBytes_AS_STRING(self.coarse)
        cdef Py_ssize_t low = behind(coarse, self.size_bytes, 0, (self.count + STEP - 1) // STEP, address) * STEP
        cdef unsigned int place
        if low:
            low = behind(starts, self.size_bytes, low - STEP, min(low, self.count), address)
        if not low:
            return MISS
        place = <unsigned int>(low - 1)
        while not holds(starts + <Py_ssize_t>place * self.size_bytes, lengths[place], address):
            place = self.parents[place]
            if place == NO_PARENT:
                return MISS
        return self.classes[place]


cdef inline Py_ssize_t behind(
    const unsigned char *starts, int size_bytes, Py_ssize_t low, Py_ssize_t high, const unsigned char *address
) noexcept:
    """How many of the starts up to `high` are not behind the address; those before `low` are not."""
    cdef Py_ssize_t middle
    while low < high:
        middle = (low + high) >> 1
        if memcmp(starts + middle * size_bytes, address, size_bytes) <= 0:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline bint holds(const unsigned char *start, int length, const unsigned char *address) noexcept:
    cdef int whole = length >> 3, rest = length & 7
    if memcmp(start, address, whole):
        return False
    return not rest or (start[whole] ^ address[whole]) >> (8 - rest) == 0


cdef inline unsigned long long mixed(const unsigned char *address, int size_bytes) noexcept:
    """As `_mix` of policy/address_table.py."""
    cdef unsigned long long high = 0, low = 0
    cdef int place
    for place in range(size_bytes):
        if place < size_bytes - 8:
            high = high << 8 | address[place]
        else:
            low = low << 8 | address[place]
    return (high ^ low) * FACTOR


cdef int find_address(list all_keys, list all_values, const unsigned char *address, int size_bytes):
    cdef unsigned long long mix = mixed(address, size_bytes)
    cdef Py_ssize_t part = <Py_ssize_t>(mix >> PART_SHIFT)
    cdef array.array values = all_values[part]
    cdef const unsigned char *keys = <const unsigned char *>PyByteArray_AS_STRING(all_keys[part])
    cdef const unsigned short *numbers = values.data.as_ushorts
    cdef Py_ssize_t mask = len(values) - 1, place = <Py_ssize_t>(mix >> 32) & mask
    while numbers[place]:
        if not memcmp(keys + place * size_bytes, address, size_bytes):
            return numbers[place] - 1
        place = (place + 1) & mask
    return MISS


cdef class _Followed:
    """The lists and arrays are those that are changed in place; networks are made anew, and this with them."""

    def __init__(self, table, int first):
        self.table, self.first, self.policies = table, first, table.policies
        self.keys4, self.values4 = table.addresses[V4].keys, table.addresses[V4].values
        self.keys6, self.values6 = table.addresses[V6].keys, table.addresses[V6].values
        self.networks4, self.networks6 = _Index(table.networks[V4]), _Index(table.networks[V6])

    cdef int find(self, const unsigned char *address, int size_bytes):
        cdef array.array policies = self.policies
        cdef int number
        if size_bytes == V4:
            number = find_address(self.keys4, self.values4, address, size_bytes)
        else:
            number = find_address(self.keys6, self.values6, address, size_bytes)
        if number == MISS:
            number = self.networks4.find(address) if size_bytes == V4 else self.networks6.find(address)
        return self.first + policies.data.as_ushorts[number] if 0 <= number < len(policies) else MISS


cdef class ClientLookup:
    """Who may ask, who may speak for others, and which class each client is in. Each a pair of indexes, IPv4 and IPv6.

    `followed`: see policy/client_table.py.
    """

    def __init__(self, allowed, trusted, clients, followed=None, int followed_from=0):
        self._followed = None if followed is None else _Followed(followed, followed_from)
        self._allowed4, self._allowed6 = _Index(allowed[0]), _Index(allowed[1])
        self._trusted4, self._trusted6 = _Index(trusted[0]), _Index(trusted[1])
        self._clients4, self._clients6 = _Index(clients[0]), _Index(clients[1])

    cdef int client(self, const unsigned char *address, int size_bytes):
        cdef int found
        if self._followed is not None:
            found = self._followed.find(address, size_bytes)
            if found != MISS:
                return found
        return self._clients4.find(address) if size_bytes == V4 else self._clients6.find(address)

    cpdef long key(self, bytes source):
        """The same number for all sources that get the same answers: twice the class, and 1 more for a trusted one."""
        cdef const unsigned char *address = <const unsigned char *>PyBytes_AS_STRING(source)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(source)
        if size == V6 and not memcmp(address, MAPPED, 12):
            address, size = address + 12, V4
        if size == V4:
            if self._allowed4.find(address) == MISS:
                return 2 * STRANGER
            return 2 * self.client(address, V4) + (self._trusted4.find(address) != MISS)
        if size != V6 or self._allowed6.find(address) == MISS:
            return 2 * STRANGER
        return 2 * self.client(address, V6) + (self._trusted6.find(address) != MISS)

    def of(self, bytes source):
        """The class alone, or MISS."""
        cdef const unsigned char *address = <const unsigned char *>PyBytes_AS_STRING(source)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(source)
        if size == V6 and not memcmp(address, MAPPED, 12):
            address, size = address + 12, V4
        return self.client(address, V4 if size == V4 else V6)
