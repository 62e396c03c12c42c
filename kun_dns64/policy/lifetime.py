"""How long answers live (RFC 6147 section 5.1.7, RFC 2308 sections 3 and 5, RFC 2181 section 5.2, RFC 8767)."""

from dataclasses import replace

from kun_dns64.model.message import Record, Response
from kun_dns64.model.question import Question, RRType

WITHOUT_SOA_S = 600
CLAMP_S = 30
LOCAL_S = 600
# Questions that records of any type answer.
SEVERAL = frozenset((RRType.ANY,))


def soa_lifetime(record: Record) -> int:
    """What a negative answer with this SOA may live: its TTL or its MINIMUM, whichever is less (RFC 2308 section 5)."""
    return min(record.ttl, int.from_bytes(record.rdata[-4:]))


def denial_lifetime(response: Response) -> int | None:
    """The lifetime of a denial, from the SOA records of its authority section; None without one (RFC 2308 section 5).

    Of two SOA records, which no server should send, the shorter-lived counts.
    """
    found = [soa_lifetime(record) for record in response.authority if record.rtype == RRType.SOA]
    return min(found) if found else None


def positive_lifetime(question: Question, response: Response) -> int | None:
    """The least TTL in the answer; None where it holds no data of the asked type (a chain that ends in nothing)."""
    qtype = question.qtype
    if not any(record.rtype == qtype for record in response.answer) and qtype not in SEVERAL:
        return None
    return min((record.ttl for record in response.answer), default=None)


def synthesis_cap(aaaa: Response | None, excluded: tuple[Record, ...]) -> int:
    """What the reply about AAAA allows a synthesised record to live (decisions of RFC 6147 sections 5.1.2 to 5.1.7).

    `aaaa` None: there was an error or no reply. `excluded`: real AAAA records that counted as absent.
    """
    if excluded:
        return min(WITHOUT_SOA_S, *(record.ttl for record in excluded))
    if aaaa is None:
        return WITHOUT_SOA_S
    lifetime = denial_lifetime(aaaa)
    return WITHOUT_SOA_S if lifetime is None else lifetime


def with_ttl(records: tuple[Record, ...], ttl: int) -> tuple[Record, ...]:
    return tuple(record if record.ttl == ttl else record._replace(ttl=ttl) for record in records)


def at_most(records: tuple[Record, ...], ttl: int) -> tuple[Record, ...]:
    if all(record.ttl <= ttl for record in records):
        return records
    return tuple(record if record.ttl <= ttl else record._replace(ttl=ttl) for record in records)


def of_stale(response: Response, ttl: int) -> Response:
    """Data past its time, with the one lifetime it may still have (RFC 8767 section 4)."""
    return replace(
        response,
        answer=with_ttl(response.answer, ttl),
        authority=with_ttl(response.authority, ttl),
        additional=with_ttl(response.additional, ttl),
    )
