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
    OWN_PAYLOAD = 1232
    MAX_TTL = 604800
