"""Part of wire.pyx: an upstream's packet, or what the cache keeps of one, record by record.

Twin: formats/response.py, formats/packed_answer.py.
"""


cdef class _Reader:
    """An upstream's packet, copied, with the client's case in its question and the TTLs that count in its records."""

    cdef unsigned char wire[ROOM]
    cdef int size, question, place
    cdef unsigned int max_ttl, age
    cdef bint kept

    cdef bint begin(self, bytes wire, bytes asked, chars query, int end, unsigned int max_ttl) noexcept:
        """Whether it is a whole reply without error to exactly what was asked, case included.

        `query`: of the client, whose name ends at `end`.
        """
        cdef chars question = <chars>PyBytes_AS_STRING(asked)
        cdef int size = PyBytes_GET_SIZE(wire), behind = end + 4
        if size < behind or size > ROOM:
            return False
        memcpy(self.wire, PyBytes_AS_STRING(wire), size)
        if not self.is_good() or u16(self.wire + 4) != 1:
            return False
        if memcmp(self.wire, question, 2) or memcmp(self.wire + HEADER, question + HEADER, behind - HEADER):
            return False
        memcpy(self.wire + HEADER, query + HEADER, end - HEADER)
        self.size, self.question, self.place, self.max_ttl = size, behind, behind, min(max_ttl, MAX_TTL)
        self.age, self.kept = 0, False
        return True

    cdef bint revive(self, bytes entry, chars query, int end, int qtype, unsigned int age) noexcept:
        """`begin` for an answer the cache has (cache/answers.py), `age` seconds old."""
        cdef chars at = <chars>PyBytes_AS_STRING(entry) + ANSWER_STAMP
        cdef int behind = PyBytes_GET_SIZE(entry) - ANSWER_STAMP - HEADER
        if behind < 0 or end + 4 + behind > ROOM:
            return False
        memcpy(self.wire, at, HEADER)
        if not self.is_good():
            return False
        memcpy(self.wire + HEADER, query + HEADER, end - HEADER)
        put16(self.wire + end, qtype)
        put16(self.wire + end + 2, 1)
        memcpy(self.wire + end + 4, at + HEADER, behind)
        self.size, self.question, self.place, self.max_ttl = end + 4 + behind, end + 4, end + 4, MAX_TTL
        self.age, self.kept = age, True
        return True

    cdef bint start(
        self, bytes wire, bytes asked, chars query, int end, int qtype, unsigned int max_ttl, unsigned int age
    ) noexcept:
        """`revive` where nothing was asked, else `begin`."""
        if asked is None:
            return self.revive(wire, query, end, qtype, age)
        return self.begin(wire, asked, query, end, max_ttl)

    cdef bint is_good(self) noexcept:
        """QR and no opcode, AA and RD as they like, no TC; no rcode."""
        return self.wire[2] & 0xFA == 0x80 and not self.wire[3] & 0x0F

    cdef int expand(self, int place, unsigned char *out, int *behind) noexcept:
        """The uncompressed name at `place`; its length, 0 if it is none. Pointers go backward, as in wire.read_name.

        What they lead to ends before them, too: the cache keeps the packet without its end, the OPT.
        """
        cdef int used = 0, length, target, limit = place, top = self.size
        behind[0] = 0
        while place < top:
            length = self.wire[place]
            if length >= 0xC0:
                if place + 2 > top:
                    return 0
                top = place
                target = (length & 0x3F) << 8 | self.wire[place + 1]
                if not behind[0]:
                    behind[0] = place + 2
                if target >= limit or target < HEADER:
                    return 0
                place = limit = target
                continue
            if length > 63 or used + length + 1 > 255 or place + 1 + length > top:
                return 0
            memcpy(out + used, self.wire + place, length + 1)
            used += length + 1
            place += length + 1
            if not length:
                if not behind[0]:
                    behind[0] = place
                return used
        return 0

    cdef unsigned int ttl(self, int place) noexcept:
        """The TTL that stands there as it counts, which then stands there."""
        cdef unsigned int ttl = received_ttl(u32(self.wire + place), self.max_ttl, self.age)
        put32(self.wire + place, ttl)
        return ttl

    cdef bint ends_with(self, int opts) noexcept:
        """Whether nothing is left but so many OPT, empty ones."""
        cdef chars at = self.wire + self.place
        if not opts:
            return self.place == self.size
        return (
            opts == 1 and self.place + 11 == self.size and not at[0] and u16(at + 1) == OPT and not at[5]
            and not u16(at + 9)
        )

    cdef bytes packed(self, int answer, int authority, int additional):
        """The records read so far as the cache keeps them (formats/packed_answer.py); b"" if they come from there."""
        if self.kept:
            return b""
        cdef bytes made = PyBytes_FromStringAndSize(NULL, HEADER + self.place - self.question)
        cdef unsigned char *out = <unsigned char *>PyBytes_AS_STRING(made)
        put16(out, 0)
        put16(out + 2, u16(self.wire + 2) & 0x84A0)
        put16(out + 4, 1)
        put16(out + 6, answer)
        put16(out + 8, authority)
        put16(out + 10, additional)
        memcpy(out + HEADER, self.wire + self.question, self.place - self.question)
        return made


cdef _Reader READER = _Reader()


cdef class _Addresses:
    """The answer section: addresses of the question's own name, each once."""

    cdef chars data[MOST_RECORDS]
    cdef int count
    cdef unsigned int ttl

    cdef bint read(self, _Reader reader, int rtype, int count) noexcept:
        cdef int i, j, bytes_each = 4 if rtype == A else 16
        cdef chars at
        if not 0 < count <= MOST_RECORDS:
            return False
        self.count, self.ttl = count, MAX_TTL
        for i in range(count):
            at = reader.wire + reader.place
            if reader.place + 12 + bytes_each > reader.size or u16(at) != 0xC00C or u16(at + 2) != rtype:
                return False
            if u16(at + 4) != 1 or u16(at + 10) != bytes_each:
                return False
            self.ttl = min(self.ttl, reader.ttl(reader.place + 6))
            self.data[i] = at + 12
            for j in range(i):
                if not memcmp(self.data[j], at + 12, bytes_each):
                    return False
            reader.place += 12 + bytes_each
        return True


cdef _Addresses ADDRESSES = _Addresses()
