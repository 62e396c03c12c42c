"""What DNSSEC lets a server that changes answers say (RFC 6147 sections 3 and 5.5, RFC 4035 section 3.2, RFC 6840)."""

from kun_dns64.model.message import Query, Record, Response
from kun_dns64.model.question import Rcode, RRType
from kun_dns64.model.rules import Rules
from kun_dns64.policy.denial import Finding

# An upstream that validates tells by these that the data is bogus, not that its server is broken (RFC 8914).
DNSSEC_ERRORS = frozenset((1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 27))
PROOFS = frozenset((RRType.RRSIG, RRType.NSEC, RRType.NSEC3))


def is_bogus(response: Response | None) -> bool:
    """SERVFAIL because validation failed: not to be papered over by synthesis (RFC 6147 section 5.5, case 2)."""
    return (
        response is not None
        and response.rcode == Rcode.SERVFAIL
        and any(ede.code in DNSSEC_ERRORS for ede in response.ede)
    )


def without_proofs(records: tuple[Record, ...], query: Query) -> tuple[Record, ...]:
    """No DNSSEC records for a client that did not set DO, but those it asked for by type (RFC 4035 section 3.2.1)."""
    if query.do or not records:
        return records
    for record in records:
        if record.rtype in PROOFS:
            break
    else:
        return records
    qtype = query.question.qtype
    if qtype == RRType.ANY:
        return records
    return tuple(record for record in records if record.rtype not in PROOFS or record.rtype == qtype)


def covers(record: Record, rtype: int) -> bool:
    """Whether this RRSIG is over records of `rtype` (RFC 4034 section 3.1.1)."""
    return record.rtype == RRType.RRSIG and int.from_bytes(record.rdata[:2]) == rtype


def leave_signed_alone(query: Query, rules: Rules, finding: Finding, rtype: int) -> bool:
    """Strict mode: what is signed is not changed for a client that validates (RFC 6147 section 3)."""
    if not (rules.strict_dnssec and query.do) or finding.response is None:
        return False
    return any(covers(record, rtype) for record in finding.response.answer)


def wants_ad(query: Query) -> bool:
    """AD is for clients that said they understand it (RFC 6840 section 5.8)."""
    return query.ad or query.do
