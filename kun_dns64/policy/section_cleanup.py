"""What leaves here is tidy: only data on the chain, aliases first, no duplicates, one TTL per RRset (RFC 2181)."""

from kun_dns64.model.message import Query, Record
from kun_dns64.model.question import RRType
from kun_dns64.policy.chain import Chain
from kun_dns64.policy.dnssec import covers, without_proofs

# Answers to these hold records of other types than the one asked for.
MANY_TYPES = frozenset((RRType.ANY, RRType.RRSIG, RRType.SIG))

RRSIG = RRType.RRSIG
Records = tuple[Record, ...]


def answer_section(query: Query, chain: Chain, data: Records, received: Records, data_signed: bool = True) -> Records:
    """Aliases, each with its signatures, then the data with its own. `received`: where the signatures are."""
    signatures = [record for record in received if record.rtype == RRSIG] if query.do else []
    if not signatures:
        return chain.links + data
    out: list[Record] = []
    for link in chain.links:
        out.append(link)
        out += _signatures(signatures, link.name.lower(), link.rtype)
    out += data
    if data and data_signed:
        out += _signatures(signatures, chain.end, data[0].rtype)
    return tuple(out)


def _signatures(signatures: list[Record], owner: bytes, rtype: int) -> list[Record]:
    return [record for record in signatures if covers(record, rtype) and record.name.lower() == owner]


def tidy(records: Records, query: Query) -> Records:
    """A section passed on: each record once, one TTL per RRset, DNSSEC only for those who want it; order kept."""
    if not records:
        return records
    if len(records) > 1:
        records = _each_once(records)
    return without_proofs(records, query)


def _each_once(records: Records) -> Records:
    lowest: dict[tuple[bytes, int, int, bytes], int] = {}
    seen: dict[tuple[bytes, int, int, bytes, bytes], Record] = {}
    for record in records:
        name = record.name.lower()
        # A signature's TTL follows the type it covers (RFC 4034 section 3).
        covered = record.rdata[:2] if record.rtype == RRType.RRSIG else b""
        key = (name, record.rtype, record.rclass, covered)
        lowest[key] = min(record.ttl, lowest.get(key, record.ttl))
        seen.setdefault((*key, record.rdata), record)
    return tuple(
        record if record.ttl == (ttl := lowest[key[:4]]) else record._replace(ttl=ttl) for key, record in seen.items()
    )
