"""How large a reply may be. Few sizes, so that few replies have to be made for one question.

A client may offer any of 65,536 sizes, and the cost of each new one would be ours. So an offer is rounded down: the
reply is never larger than the client can take, and at most 63 octets smaller than it could be (4,095 above 4 KiB). The
largest size we send stays exact. Compiled twin: `offered` in policy/stores.pxd.
"""

PLAIN_UDP = 512
STEP, LARGE, LARGE_STEP = 64, 4096, 4096
# An owner of one octet (the root), type, class, TTL, length: no record is smaller.
LEAST_RECORD = 11
# Beyond what fills a reply, for records that are left out of it.
SPARE_RECORDS = 16


def offered(payload: int, most: int) -> int:
    """The reply's limit in octets for the size in a client's OPT (RFC 6891 section 6.2.3); `most` is what we send."""
    if payload >= most:
        return most
    if payload <= PLAIN_UDP:
        return PLAIN_UDP
    return payload & -(STEP if payload < LARGE else LARGE_STEP)


def records_for(limit: int) -> int:
    """So many records of an answer are enough to fill `limit` octets."""
    return limit // LEAST_RECORD + SPARE_RECORDS
