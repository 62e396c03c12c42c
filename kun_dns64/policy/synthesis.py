"""AAAA records out of A records (RFC 6147 section 5.1.7, RFC 6052 section 2.2)."""

from operator import itemgetter

from kun_dns64.model.message import Record
from kun_dns64.model.question import RRType
from kun_dns64.policy.mapping import EmbeddingTable, Ways

AAAA = RRType.AAAA
Records = tuple[Record, ...]
# A message holds at most (65535 - 32) / 28 of them; far beyond it is too large whatever happens.
MAX_RECORDS = 65535 // 28 + 1


def synthesise(addresses: Records, default: Ways, table: EmbeddingTable, ttl: int) -> Records:
    """One AAAA per A and prefix, all with one TTL (RFC 2181 section 5.2); the first prefix's come first.

    Addresses the operator never embeds are left out, so the result may be empty.
    """
    if len(default) == 1:
        made = [
            Record(owner, AAAA, rclass, ttl, way.embed(ipv4))
            for owner, _, rclass, _, ipv4 in addresses
            for way in table.ways(ipv4, default, owner)
        ]
    else:
        ranked = [
            (rank, Record(owner, AAAA, rclass, ttl, way.embed(ipv4)))
            for owner, _, rclass, _, ipv4 in addresses
            for rank, way in enumerate(table.ways(ipv4, default, owner))
        ]
        made = [record for _, record in sorted(ranked, key=itemgetter(0))]
    return tuple(made[:MAX_RECORDS])
