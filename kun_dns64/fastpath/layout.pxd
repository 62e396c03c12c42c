# Where things stand in packets and in what the caches keep, for all compiled parts. stores.pyx checks every one of them
# against the Python side's constant when it is imported.
cdef enum:
    HEADER = 12
    # Behind a question's name: its type and class; and with an OPT record up to its options.
    QUESTION_TAIL = 4
    OPT_TAIL = 15
    # Before an answer in the cache: arrival, lifetime, the age from which it is due (cache/answers.py).
    ANSWER_STAMP = 12
    # Before a finished reply: tick, until, rule, number of TTLs, bytes it needs, bytes of OPT (cache/reply_cache.py).
    REPLY_STAMP = 14
    # In place of the bytes a reply needs: it is cut for each client.
    CUT = 0xFFFF
    COOKIE_OPTION = 10
    # Bytes of a COOKIE: a client's alone, and with the server's part at least and at most.
    CLIENT_COOKIE = 8
    LEAST_FULL_COOKIE = 16
    MOST_FULL_COOKIE = 40
    # What is sent without OPT at most, and what we offer to upstreams.
    PLAIN_UDP = 512
    OWN_PAYLOAD = 1232
    MAX_TTL = 604800
    # Types of records.
    A = 1
    NS = 2
    SOA = 6
    AAAA = 28
    OPT = 41


cdef inline bint is_cookie_size(long size) noexcept:
    return size == CLIENT_COOKIE or LEAST_FULL_COOKIE <= size <= MOST_FULL_COOKIE


cdef inline long u16(const unsigned char *at) noexcept:
    return <long>at[0] << 8 | at[1]


cdef inline long u32(const unsigned char *at) noexcept:
    return <long>at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]


cdef inline void put16(unsigned char *at, unsigned long value) noexcept:
    at[0], at[1] = value >> 8 & 0xFF, value & 0xFF


cdef inline void put32(unsigned char *at, unsigned long value) noexcept:
    at[0], at[1], at[2], at[3] = value >> 24 & 0xFF, value >> 16 & 0xFF, value >> 8 & 0xFF, value & 0xFF
