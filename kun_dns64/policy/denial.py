"""What a reply says about the data asked for: there is some, there is none, or it is no answer at all."""

from enum import StrEnum
from typing import NamedTuple

from kun_dns64.model.message import Record, Response
from kun_dns64.model.question import Question, Rcode, RRType
from kun_dns64.model.step import FailureKind, UpstreamFailure
from kun_dns64.policy.chain import Chain, at_end, follow
from kun_dns64.policy.lifetime import with_ttl


class DenialKind(StrEnum):
    DATA = "data"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    ERROR = "error"


DATA, NODATA, NXDOMAIN, ERROR = DenialKind
NS, SOA = RRType.NS, RRType.SOA


class Finding(NamedTuple):
    """`data`: the records of the asked type at the end of the chain, each once. `response` None: none to use."""

    kind: DenialKind
    chain: Chain
    data: tuple[Record, ...] = ()
    response: Response | None = None
    failure: UpstreamFailure | None = None


def read(question: Question, outcome: Response | UpstreamFailure) -> Finding:
    if isinstance(outcome, UpstreamFailure):
        return Finding(ERROR, Chain((), question.name.lower()), failure=outcome)
    chain = follow(question, outcome.answer)
    rcode = outcome.rcode
    if rcode:
        return Finding(NXDOMAIN if rcode == Rcode.NXDOMAIN else ERROR, chain, (), outcome)
    if chain.broken:
        return Finding(ERROR, chain, failure=UpstreamFailure(FailureKind.GARBAGE, "alias loop or chain too long"))
    data = _each_once(at_end(question, chain, outcome.answer)) if outcome.answer else ()
    if data:
        return Finding(DATA, chain, data, outcome)
    if is_referral(outcome):
        return Finding(ERROR, chain, failure=UpstreamFailure(FailureKind.LAME, "a referral, not an answer"))
    return Finding(NODATA, chain, (), outcome)


def _each_once(found: list[Record]) -> tuple[Record, ...]:
    """Each record once, all with the least TTL of any of them.

    RFC 2181 section 5; a duplicate's TTL counts although the duplicate goes.
    """
    if len(found) < 2:
        return tuple(found)
    least = min([record.ttl for record in found])
    return with_ttl(tuple({record.rdata: record for record in reversed(found)}.values())[::-1], least)


def is_referral(response: Response) -> bool:
    """NS without SOA and without an answer: the server sends us elsewhere (RFC 2308 section 2.2)."""
    if response.answer or not response.authority:
        return False
    types = [record.rtype for record in response.authority]
    return SOA not in types and NS in types
