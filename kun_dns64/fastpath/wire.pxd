# A query of a client as the miss path reads it; `cookie`: where it stands, 0: none.
cdef struct PlainQuery:
    int end
    int qtype
    int payload
    int cookie
    bint edns
    bint do

# The parts of a reply in the making; what the cache keeps of the upstream's answer, and its lifetime.
cdef class Reply:
    cdef bytes packet, packed, places
    cdef unsigned int lifetime, ages_s
    cdef int own_steady_s

cdef bint read_query(bytes wire, PlainQuery *found) noexcept

cdef bytes encode_ask(bytes name, int qtype, bint do, const unsigned char *bits, bint scrambled)

cdef bint read_denial(Reply into, bytes wire, bytes asked, bytes query, int end, unsigned int max_ttl, unsigned int age) except -1

cdef bint synthesise(
    Reply into, bytes wire, bytes asked, bytes query, int end, unsigned int max_ttl, unsigned int age, bytes head, bytes never,
    unsigned int denial_ttl, unsigned int fixed, bytes opt, int limit,
) except -1

cdef bint forward(
    Reply into, bytes wire, bytes asked, bytes query, int end, int rtype, unsigned int max_ttl, unsigned int age, bytes excluded,
    bint wants_ad, bytes opt, int limit,
) except -1

cdef bint is_servfail(bytes wire, bytes asked, int end) noexcept

cdef bytes servfail(bytes query, int end, bytes opt)
