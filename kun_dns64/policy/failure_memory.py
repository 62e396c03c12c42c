"""What is kept of a failure, and what that weighs: a server that fails may send 64 KiB with it (RFC 9520)."""

from sys import getsizeof

from kun_dns64.model.message import Ede, Response
from kun_dns64.model.question import RRType
from kun_dns64.model.step import FailureKind, UpstreamFailure
from kun_dns64.policy.denial import is_referral

SOA = RRType.SOA
MOST_EDES, MOST_TEXT = 3, 200
# The entry, its two times, the outcome's own head; then what an SOA record and an extended error have around their
# bytes. As CPython 3.11 allocates them.
ENTRY_BYTES, SOA_BYTES, EDE_BYTES = 290, 270, 80


def bare(outcome: Response | UpstreamFailure) -> Response | UpstreamFailure:
    """The failure without what no reply needs: rcode, flags, one SOA and the extended errors are left.

    A referral becomes the failure it is, so that nobody takes what is left of it for an answer.
    """
    if isinstance(outcome, UpstreamFailure):
        return outcome._replace(detail=outcome.detail[:MOST_TEXT])
    if is_referral(outcome):
        return UpstreamFailure(FailureKind.LAME, "a referral, not an answer")
    soa = tuple([record for record in outcome.authority if record.rtype == SOA][:1])
    edes = tuple([Ede(ede.code, ede.text[:MOST_TEXT]) for ede in outcome.ede[:MOST_EDES]])
    return outcome._replace(answer=(), authority=soa, additional=(), ede=edes)


def weight(outcome: Response | UpstreamFailure) -> int:
    """Bytes that a bare failure takes, its entry included."""
    if isinstance(outcome, UpstreamFailure):
        return ENTRY_BYTES + getsizeof(outcome.detail)
    soa = sum([SOA_BYTES + len(record.name) + len(record.rdata) for record in outcome.authority])
    return ENTRY_BYTES + soa + sum([EDE_BYTES + getsizeof(ede.text) for ede in outcome.ede])
