# cython: annotation_typing=False
"""How large a reply may be, and how many records of an answer are worth a look for it.

One source for both builds: the compiled path calls `offered` as C (reply_size.pxd).
"""

PLAIN_UDP = 512
# An owner of one byte (the root), type, class, TTL, length: no record is smaller.
LEAST_RECORD = 11
# Beyond what fills a reply, for records that are left out of it.
SPARE_RECORDS = 16


def offered(payload: int, most: int) -> int:
    """The reply's limit in bytes for the size in a client's OPT (RFC 6891 section 6.2.3); `most` is what we send."""
    if payload >= most:
        return most
    return payload if payload > PLAIN_UDP else PLAIN_UDP


def records_for(limit: int) -> int:
    """So many records of an answer are enough to fill `limit` bytes."""
    return limit // LEAST_RECORD + SPARE_RECORDS
