"""AAAA records out of A records (RFC 6147 section 5.1.7, RFC 6052 section 2.2)."""

from kun_base.prefix import Prefix
from kun_dns64.model.message import Record
from kun_dns64.model.question import RRType
from kun_dns64.policy.mapping import EmbeddingTable

# A message holds at most (65535 - 32) / 28 of them; far beyond it is too large whatever happens.
MAX_RECORDS = 65535 // 28 + 1


def synthesise(
    addresses: tuple[Record, ...], prefixes: tuple[Prefix, ...], table: EmbeddingTable, ttl: int
) -> tuple[Record, ...]:
    """One AAAA per A and prefix, all with one TTL (RFC 2181 section 5.2); the first prefix's come first.

    Addresses the operator never embeds are left out, so the result may be empty.
    """
    made: list[dict[bytes, Record]] = [{} for _ in range(max(1, len(prefixes)))]
    for record in addresses:
        owner = record.name
        for rank, prefix in enumerate(table.prefixes(record.rdata, prefixes, owner.lower())):
            address = prefix.embed_octets(record.rdata)
            made[rank].setdefault(address, Record(owner, RRType.AAAA, record.rclass, ttl, address))
    if len(made) == 1:
        return tuple(made[0].values())[:MAX_RECORDS]
    merged = {address: record for found in made for address, record in found.items()}
    return tuple(merged.values())[:MAX_RECORDS]
