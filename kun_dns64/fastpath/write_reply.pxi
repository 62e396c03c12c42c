"""Part of wire.pyx: the reply in the making.

Twin: formats/body.py.
"""


cdef class _Writer:
    """A reply in the making, its names compressed as formats/body.py does it."""

    cdef unsigned char out[ROOM]
    cdef int size, names, used, limit
    cdef unsigned char arena[ARENA]
    cdef int at[MOST_NAMES]
    cdef int length[MOST_NAMES]
    cdef int offset[MOST_NAMES]

    cdef void begin(self, chars query, int end, int limit) noexcept:
        cdef int i, place = HEADER
        memcpy(self.out, query, end + 4)
        self.size, self.names, self.used, self.limit = end + 4, 0, end - HEADER, limit
        for i in range(HEADER, end):
            self.arena[i - HEADER] = low(query[i])
        while query[place]:
            self.remember(place - HEADER, end - place, place)
            place += 1 + query[place]

    cdef void remember(self, int at, int length, int offset) noexcept:
        self.at[self.names], self.length[self.names], self.offset[self.names] = at, length, offset
        self.names += 1

    cdef bint name(self, chars name, int length) noexcept:
        """False when there is no room."""
        cdef int here = self.size, place = 0, i, base = self.used, known
        if base + length > ARENA or here + length > self.limit or self.names + 128 > MOST_NAMES:
            return False
        for i in range(length):
            self.arena[base + i] = low(name[i])
        self.used = base + length
        while name[place]:
            known = self.find(base + place, length - place)
            if known:
                memcpy(self.out + here, name, place)
                put16(self.out + here + place, 0xC000 | known)
                self.size = here + place + 2
                return True
            self.remember(base + place, length - place, here + place)
            place += 1 + name[place]
        memcpy(self.out + here, name, length)
        self.size = here + length
        return True

    cdef int find(self, int at, int length) noexcept:
        cdef int i
        for i in range(self.names):
            if self.length[i] == length and not memcmp(self.arena + self.at[i], self.arena + at, length):
                return self.offset[i]
        return 0

    cdef bint note(self, chars data, int size) noexcept:
        """Beside the names, to compare with."""
        if self.used + size > ARENA:
            return False
        memcpy(self.arena + self.used, data, size)
        self.used += size
        return True

    cdef bint room(self, int more) noexcept:
        return self.size + more <= self.limit

    cdef void raw(self, const void *data, int size) noexcept:
        memcpy(self.out + self.size, data, size)
        self.size += size

    cdef void head(self, int rtype, unsigned int ttl, int size) noexcept:
        """Type, class IN, TTL, length."""
        cdef unsigned char *at = self.out + self.size
        put16(at, rtype)
        put16(at + 2, 1)
        put32(at + 4, ttl)
        put16(at + 8, size)
        self.size += 10


cdef _Writer WRITER = _Writer()


cdef bint carry_over(int count, int kind, unsigned int *ttls, int *places) noexcept:
    """NS (`kind`) or, `kind` 0, addresses, from READER to WRITER. False for other types, and for what wants tidying."""
    cdef unsigned char name[256]
    cdef int types[MOST_RECORDS]
    cdef int begins[MOST_RECORDS]
    cdef int lengths[MOST_RECORDS]
    cdef int i, j, at, behind, length, rtype, size, put
    if count > MOST_RECORDS:
        return False
    for i in range(count):
        length = READER.expand(READER.place, name, &at)
        if not length or at + 10 > READER.size or not WRITER.name(name, length) or not WRITER.room(10):
            return False
        rtype, size = u16(READER.wire + at), u16(READER.wire + at + 8)
        if u16(READER.wire + at + 2) != 1 or at + 10 + size > READER.size:
            return False
        types[i], ttls[i], places[i] = rtype, READER.ttl(at + 4), WRITER.size + 4
        if READER.kept and not ttls[i]:
            return False  # it ran out before the answer did, and is left out
        WRITER.head(rtype, ttls[i], size)
        put = WRITER.size
        if kind == NS:
            length = READER.expand(at + 10, name, &behind)
            if rtype != NS or not length or behind != at + 10 + size or not WRITER.name(name, length):
                return False
            put16(WRITER.out + put - 2, WRITER.size - put)
        else:
            if not (rtype == A and size == 4 or rtype == AAAA and size == 16) or not WRITER.room(size):
                return False
            if not WRITER.note(READER.wire + at + 10, size):
                return False
            WRITER.raw(READER.wire + at + 10, size)
            length = size
        begins[i], lengths[i] = WRITER.used - length, length
        # Two of a type may be one RRset with two TTLs, or the same record twice.
        for j in range(i):
            if types[j] == rtype and (ttls[j] != ttls[i] or lengths[j] == length and not memcmp(
                WRITER.arena + begins[j], WRITER.arena + begins[i], length
            )):
                return False
        READER.place = at + 10 + size
    return True


cdef bint answer(int rtype, bytes head, unsigned int ttl, bytes never) noexcept:
    """The answer section: every address under `head` (12 bytes, or none) but those of the networks in `never`."""
    cdef int i, size = 16 if rtype == AAAA else 4, count = 0, inner = size - PyBytes_GET_SIZE(head)
    for i in range(ADDRESSES.count):
        if held(ADDRESSES.data[i], inner, never):
            continue
        if not WRITER.room(12 + size):
            return False
        WRITER.raw(<char *>b"\xc0\x0c", 2)
        WRITER.head(rtype, ttl, size)
        WRITER.raw(PyBytes_AS_STRING(head), size - inner)
        WRITER.raw(ADDRESSES.data[i], inner)
        count += 1
    put16(WRITER.out + 6, count)
    return count > 0


cdef bint held(chars address, int size, bytes networks) noexcept:
    """Whether one of the networks, each a mask and an address of `size` bytes, holds the address."""
    cdef chars at = <chars>PyBytes_AS_STRING(networks)
    cdef int i, j
    for i in range(PyBytes_GET_SIZE(networks) // (2 * size)):
        for j in range(size):
            if address[j] & at[j] != at[size + j]:
                break
        else:
            return True
        at += 2 * size
    return False
