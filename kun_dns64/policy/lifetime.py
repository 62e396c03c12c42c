"""How long answers live (RFC 6147 section 5.1.7, RFC 2308 sections 3 and 5, RFC 2181 section 5.2, RFC 8767)."""

from typing import NamedTuple

from kun_dns64.model.message import Record, Response
from kun_dns64.model.question import Question, Rcode, RRType
from kun_dns64.model.rules import Rules
from kun_dns64.model.step import Heard

WITHOUT_SOA_S = 600
CLAMP_S = 30
NO_CAP = 1 << 31
LOCAL_S = 600
# Questions that records of any type answer.
SEVERAL = frozenset((RRType.ANY,))


class Ttl(NamedTuple):
    """Seconds. `steady_s`: so long the TTL stays as it is, because a fixed cap bounds it and not the data."""

    ttl: int
    steady_s: int = 0


def soa_lifetime(record: Record) -> int:
    """What a negative answer with this SOA may live: its TTL or its MINIMUM, whichever is less (RFC 2308 section 5)."""
    return min(record.ttl, int.from_bytes(record.rdata[-4:]))


def denial_lifetime(response: Response) -> int | None:
    """What is left of a denial: the TTL of its SOA, which `arrived` or `of_stale` has set; None without an SOA.

    Of two SOA records, which no server should send, the shorter-lived counts.
    """
    found = [record.ttl for record in response.authority if record.rtype == RRType.SOA]
    return min(found) if found else None


def positive_lifetime(question: Question, response: Response) -> int | None:
    """The least TTL in the answer; None where it holds no data of the asked type (a chain that ends in nothing)."""
    qtype = question.qtype
    if not any(record.rtype == qtype for record in response.answer) and qtype not in SEVERAL:
        return None
    return min((record.ttl for record in response.answer), default=None)


def synthesis_ttl(
    addresses: tuple[Record, ...], aaaa: Response | None, excluded: tuple[Record, ...], clamp: bool
) -> Ttl:
    """How long AAAA made of these A may live (decisions of RFC 6147 sections 5.1.2 to 5.1.7).

    `aaaa`: the denial; None for an error or no reply. `excluded`: real AAAA records that counted as absent. `clamp`: a
    gateway is going, clients shall ask again soon.
    """
    counting = min([record.ttl for record in addresses])
    fixed = CLAMP_S if clamp else NO_CAP
    denial = denial_lifetime(aaaa) if aaaa is not None and not excluded else None
    if denial is not None:
        counting = min(counting, denial)
    else:
        fixed = min(fixed, WITHOUT_SOA_S)
        counting = min([counting, *(record.ttl for record in excluded)])
    return Ttl(min(counting, fixed), max(0, counting - fixed))


def with_ttl(records: tuple[Record, ...], ttl: int) -> tuple[Record, ...]:
    return tuple(record if record.ttl == ttl else record._replace(ttl=ttl) for record in records)


def arrived(question: Question, response: Response, max_ttl_s: int) -> Response:
    """An answer as it begins its life here: no TTL above the operator's, no denial's SOA above its MINIMUM.

    From now on every TTL only counts down, so a negative TTL is never counted twice (RFC 2308 section 5).
    """
    answer, additional = at_most(response.answer, max_ttl_s), at_most(response.additional, max_ttl_s)
    authority = at_most(response.authority, max_ttl_s)
    if authority and (response.rcode == Rcode.NXDOMAIN or positive_lifetime(question, response) is None):
        authority = tuple(
            record._replace(ttl=soa_lifetime(record)) if record.rtype == RRType.SOA else record for record in authority
        )
    if answer is response.answer and authority is response.authority and additional is response.additional:
        return response
    return response._replace(answer=answer, authority=authority, additional=additional)


def at_most(records: tuple[Record, ...], ttl: int) -> tuple[Record, ...]:
    for record in records:
        if record.ttl > ttl:
            return tuple(record if record.ttl <= ttl else record._replace(ttl=ttl) for record in records)
    return records


def of_stale(response: Response, ttl: int) -> Response:
    """Data past its time, with the one lifetime it may still have (RFC 8767 section 4)."""
    return response._replace(
        answer=with_ttl(response.answer, ttl),
        authority=with_ttl(response.authority, ttl),
        additional=with_ttl(response.additional, ttl),
    )


def current(heard: Heard, rules: Rules) -> Heard:
    """With the TTLs that count: of stale data the one it may have, of new data what we allow it to begin with."""
    outcome = heard.outcome
    if not isinstance(outcome, Response) or (heard.cached and not heard.stale):
        return heard
    if heard.stale:
        return heard._replace(outcome=of_stale(outcome, rules.stale_ttl_s))
    begun = arrived(heard.question, outcome, rules.max_ttl_s)
    return heard if begun is outcome else heard._replace(outcome=begun)
