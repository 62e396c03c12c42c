cdef tuple read_query(bytes wire)

cdef bytes encode_ask(bytes name, int qtype, bint do, const unsigned char *bits, bint scrambled)

cdef tuple read_denial(bytes wire, bytes asked, bytes query, int end, unsigned int max_ttl, unsigned int age)

cdef tuple synthesise(
    bytes wire, bytes asked, bytes query, int end, unsigned int max_ttl, unsigned int age, bytes head, bytes never,
    unsigned int denial_ttl, unsigned int fixed, bytes opt, int limit,
)

cdef tuple forward(
    bytes wire, bytes asked, bytes query, int end, int rtype, unsigned int max_ttl, unsigned int age, bytes excluded,
    bint wants_ad, bytes opt, int limit,
)
