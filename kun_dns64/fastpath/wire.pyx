# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Upstream bytes straight into reply bytes, for the shapes that most answers have: one pass, no object per record.

Pure functions. Each says None for whatever is not exactly the shape it knows: the general path (formats/response.py,
policy/, formats/render.py) must judge then. What they do say is what the general path would, byte for byte
(tests/dns64/cache/test_misspath.py).

Twin: formats/query.py, formats/render.py.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr, memcmp, memcpy

from kun_dns64.fastpath.layout cimport (
    A, AAAA, ANSWER_STAMP, COOKIE_OPTION, HEADER, MAX_TTL, NS, OPT, OPT_TAIL, OWN_PAYLOAD, QUESTION_TAIL, SOA,
    is_cookie_size, put16, put32, u16, u32,
)
from kun_dns64.policy.lifetime cimport capped_ttl, received_ttl, soa_ttl, steady_seconds

ctypedef const unsigned char *chars

cdef enum:
    MOST_RECORDS = 24
    MOST_NAMES = 512
    ARENA = 8192
    ROOM = 4096
    QR_RD_RA = 0x8180
    SERVFAIL = 2
    # Type and class of the question, and the header behind the id, which a finished reply has before the rest.
    BEHIND_NAME = QUESTION_TAIL + HEADER - 2

cdef inline unsigned char low(unsigned char byte) noexcept:
    return byte | 0x20 if 65 <= byte <= 90 else byte


cdef int name_end(chars wire, int size) noexcept:
    """Where the question's name ends; 0 for what is no name, or holds a zero byte in a label (formats/reply_key.py)."""
    cdef int place = HEADER, length
    while place < size:
        length = wire[place]
        place += 1
        if not length:
            return place if place - HEADER <= 255 else 0
        if length > 63 or place + length >= size or memchr(wire + place, 0, length) != NULL:
            return 0
        place += length
    return 0


cdef bint read_query(bytes wire, PlainQuery *found) noexcept:
    """Whether it is a recursive IN query for A or AAAA without CD, and with no option but a cookie."""
    cdef chars at = <chars>PyBytes_AS_STRING(wire)
    cdef int size = PyBytes_GET_SIZE(wire), end, qtype, place, length
    # RD and nothing else of the first flags but AA and TC, which mean nothing here; CD off; one question alone.
    if size < HEADER + 5 or at[2] & 0xF9 != 1 or at[3] & 0x10:
        return False
    if u32(at + 4) != 0x10000 or at[8] or at[9] or at[10] or at[11] > 1:
        return False
    end = name_end(at, size)
    if not end or end - HEADER < 2 or end + 4 > size or u16(at + end + 2) != 1:
        return False
    qtype = u16(at + end)
    if qtype != A and qtype != AAAA:
        return False
    place = end + 4
    found.end, found.qtype, found.edns, found.do, found.payload, found.cookie = end, qtype, at[11], False, 0, 0
    if not at[11]:
        return place == size
    if size < place + 11 or at[place] or u16(at + place + 1) != OPT or at[place + 6]:
        return False
    length = u16(at + place + 9)
    if place + 11 + length != size:
        return False
    found.do, found.payload = at[place + 7] >= 0x80, u16(at + place + 3)
    if not length:
        return True
    if length < 12 or u16(at + place + 11) != COOKIE_OPTION or u16(at + place + 13) != length - 4:
        return False
    found.cookie = place + 15
    return is_cookie_size(length - 4)


cdef bytes encode_ask(bytes name, int qtype, bint do, chars bits, bint scrambled):
    """As `formats.render.encode_ask` with EDNS. `bits`: random, two bytes for the id, one for each of the name."""
    cdef int size = PyBytes_GET_SIZE(name), i
    cdef chars source = <chars>PyBytes_AS_STRING(name)
    cdef bytes made = PyBytes_FromStringAndSize(NULL, HEADER + size + OPT_TAIL)
    cdef unsigned char *out = <unsigned char *>PyBytes_AS_STRING(made)
    memcpy(out, <char *>b"\0\0\x01\x20\0\x01\0\0\0\0\0\x01", HEADER)
    out[0], out[1] = bits[0], bits[1]
    for i in range(size):
        out[HEADER + i] = source[i]
        if scrambled and 65 <= (source[i] & 0xDF) <= 90:
            out[HEADER + i] ^= bits[2 + i] & 0x20
    out += HEADER + size
    memcpy(out, <char *>b"\0\0\0\x01\0\0\x29\0\0\0\0\0\0\0\0", OPT_TAIL)
    out[1] = qtype
    put16(out + 7, OWN_PAYLOAD)
    if do:
        out[11] = 0x80
    return made


include "read_answer.pxi"
include "write_reply.pxi"


cdef class Reply:
    """What `read_denial`, `synthesise` and `forward` make, where they know the shape. The next one takes its place.

    `packet`: the reply. `packed`, `lifetime`: what the cache keeps, and for how long. `own_steady_s`: as
    `model.step.Reply`'s. `ages_s`: the least TTL that counts down. `places`: where those stand, two bytes each, as
    cache/reply_cache.py has them.
    """


cdef bint read_denial(
    Reply into, bytes wire, bytes asked, bytes query, int end, unsigned int max_ttl, unsigned int age
) except -1:
    """`packed` and `lifetime` of a denial of AAAA with one SOA and no more (RFC 2308 section 2.2).

    `asked`: the question as it was put; None for `wire` from the cache, `age` seconds old. So in all that follow.
    """
    cdef unsigned char name[256]
    cdef int head, after, past
    cdef unsigned int ttl, minimum
    cdef chars at = READER.wire
    if not READER.start(wire, asked, <chars>PyBytes_AS_STRING(query), end, AAAA, max_ttl, age) or u32(at + 6) != 1:
        return False
    if not READER.expand(READER.place, name, &head) or head + 10 > READER.size:
        return False
    past = head + 10 + u16(at + head + 8)
    if u16(at + head) != SOA or u16(at + head + 2) != 1 or past > READER.size:
        return False
    if not READER.expand(head + 10, name, &after) or not READER.expand(after, name, &after) or after + 20 != past:
        return False
    READER.place = past
    if not READER.ends_with(u16(at + 10)):
        return False
    minimum = u32(at + past - 4)
    ttl = soa_ttl(READER.ttl(head + 4), minimum)
    put32(READER.wire + head + 4, ttl)
    into.packed, into.lifetime = READER.packed(0, 1, 0), ttl
    return True


cdef bint is_servfail(bytes wire, bytes asked, int end) noexcept:
    """Whether it is a whole SERVFAIL to exactly what was asked, whose name ends at `end`."""
    cdef chars at = <chars>PyBytes_AS_STRING(wire), question = <chars>PyBytes_AS_STRING(asked)
    cdef int behind = end + QUESTION_TAIL
    if PyBytes_GET_SIZE(wire) < behind or at[2] & 0xFA != 0x80 or at[3] & 0x0F != SERVFAIL or u16(at + 4) != 1:
        return False
    return not memcmp(at, question, 2) and not memcmp(at + HEADER, question + HEADER, behind - HEADER)


cdef bytes servfail(bytes query, int end, bytes opt):
    """The reply to `query`, whose name ends at `end`."""
    cdef Py_ssize_t behind = end + QUESTION_TAIL, more = PyBytes_GET_SIZE(opt)
    cdef bytes made = PyBytes_FromStringAndSize(NULL, behind + more)
    cdef unsigned char *out = <unsigned char *>PyBytes_AS_STRING(made)
    memcpy(out, PyBytes_AS_STRING(query), behind)
    put16(out + 2, QR_RD_RA | SERVFAIL)
    put16(out + 6, 0)
    put16(out + 8, 0)
    put16(out + 10, 1 if more else 0)
    memcpy(out + behind, PyBytes_AS_STRING(opt), more)
    return made


cdef bint finish(Reply into, unsigned int flags, bytes opt, unsigned int ttl, int steady_s) except -1:
    """The rest of a reply whose answer section is written with this TTL."""
    cdef unsigned int ttls[2 * MOST_RECORDS]
    cdef int places[2 * MOST_RECORDS]
    cdef int answers = u16(WRITER.out + 6), authority = u16(READER.wire + 8), additional = u16(READER.wire + 10)
    cdef int each = (WRITER.size - READER.question) // answers, i, opts
    # An empty OPT comes last, where there is one.
    opts = 1 if additional and u16(READER.wire + READER.size - 10) == OPT and not READER.wire[READER.size - 11] else 0
    additional -= opts
    if not carry_over(authority, NS, ttls, places):
        return False
    if not carry_over(additional, 0, ttls + authority, places + authority) or not READER.ends_with(opts):
        return False
    if not WRITER.room(PyBytes_GET_SIZE(opt)):
        return False
    put16(WRITER.out + 2, flags)
    put16(WRITER.out + 8, authority)
    put16(WRITER.out + 10, additional + (1 if PyBytes_GET_SIZE(opt) else 0))
    WRITER.raw(PyBytes_AS_STRING(opt), PyBytes_GET_SIZE(opt))
    note_ageing(into, 0 if steady_s else answers, ttl, each, authority + additional, ttls, places)
    into.packet = PyBytes_FromStringAndSize(<char *>WRITER.out, WRITER.size)
    into.packed, into.lifetime = READER.packed(ADDRESSES.count, authority, additional), ADDRESSES.ttl
    into.own_steady_s = steady_s
    return True


cdef int note_ageing(
    Reply into, int answers, unsigned int ttl, int each, int others, unsigned int *ttls, int *places
) except -1:
    cdef bytes found = PyBytes_FromStringAndSize(NULL, 2 * (answers + others))
    cdef unsigned char *out = <unsigned char *>PyBytes_AS_STRING(found)
    cdef unsigned int least = ttl if answers else 0xFFFFFFFF
    cdef int i
    for i in range(answers):
        put16(out + 2 * i, i * each + 6 + BEHIND_NAME)
    out += 2 * answers
    for i in range(others):
        least = min(least, ttls[i])
        put16(out + 2 * i, places[i] - READER.question + BEHIND_NAME)
    into.ages_s, into.places = least, found
    return 0


cdef bint synthesise(
    Reply into, bytes wire, bytes asked, bytes query, int end, unsigned int max_ttl, unsigned int age, bytes head, bytes never,
    unsigned int denial_ttl, unsigned int fixed, bytes opt, int limit,
) except -1:
    """The reply to `query`, AAAA under `head`, made of an A. False: the general path must."""
    cdef chars at = <chars>PyBytes_AS_STRING(query)
    cdef int steady_s
    cdef unsigned int ttl
    if not READER.start(wire, asked, at, end, A, max_ttl, age):
        return False
    if not ADDRESSES.read(READER, A, u16(READER.wire + 6)):
        return False
    ttl = min(ADDRESSES.ttl, denial_ttl)
    steady_s = steady_seconds(ttl, fixed)
    ttl = capped_ttl(ttl, fixed)
    WRITER.begin(at, end, min(limit, ROOM))
    if not answer(AAAA, head, ttl, never):
        return False
    return finish(into, QR_RD_RA, opt, ttl, steady_s)


cdef bint forward(
    Reply into, bytes wire, bytes asked, bytes query, int end, int rtype, unsigned int max_ttl, unsigned int age, bytes excluded,
    bint wants_ad, bytes opt, int limit,
) except -1:
    """The reply to `query` with the addresses upstream has. False: the general path must, or one of them is excluded."""
    cdef chars at = <chars>PyBytes_AS_STRING(query)
    cdef int i
    if not READER.start(wire, asked, at, end, rtype, max_ttl, age):
        return False
    if not ADDRESSES.read(READER, rtype, u16(READER.wire + 6)):
        return False
    for i in range(ADDRESSES.count):
        if held(ADDRESSES.data[i], 4 if rtype == A else 16, excluded):
            return False
    WRITER.begin(at, end, min(limit, ROOM))
    if not answer(rtype, b"", ADDRESSES.ttl, b""):
        return False
    return finish(into, QR_RD_RA | (READER.wire[3] & 0x20 if wants_ad else 0), opt, ADDRESSES.ttl, 0)
