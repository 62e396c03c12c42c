"""The one decision: given a query and what has been heard so far, ask something, reply, or say nothing."""

from collections.abc import Sequence

from kun_dns64.model.message import Ede, EdeCode, Query
from kun_dns64.model.question import CLASS_IN, Rcode, RRType
from kun_dns64.model.rules import Rules
from kun_dns64.model.step import Heard, Reply, Rule, Step
from kun_dns64.policy import local
from kun_dns64.policy.acl import bad_subnet, stranger
from kun_dns64.policy.denial import read
from kun_dns64.policy.discovery import discovered
from kun_dns64.policy.dns64 import answer_aaaa
from kun_dns64.policy.forward import forwarded
from kun_dns64.policy.lifetime import current
from kun_dns64.policy.prepared import prepare
from kun_dns64.policy.query_context import QueryContext, situation
from kun_dns64.policy.reverse import reversed_name

A, AAAA = RRType.A, RRType.AAAA


def next_step(query: Query, heard: Sequence[Heard], rules: Rules, now: float) -> Step:
    """`heard`: the outcomes of everything asked for this query, in order; empty at first. `now` in seconds.

    Pure and total: the same arguments give the same step, and no octets from outside raise. A query needs at most two
    asks. `now` is part of the contract although today's rules read ages from `heard` alone.
    """
    prepared = prepare(rules)
    if not heard:
        refusal = stranger(query, prepared) or bad_subnet(query, prepared)
        if refusal is not None:
            return refusal
    if not query.question.name:
        return Reply(Rcode.NOERROR, Rule.COOKIE_ONLY)
    known = tuple([current(one, rules) for one in heard])
    case = situation(query, prepared)
    own = discovered(case) or reversed_name(case, known)
    if own is not None:
        return own
    if query.question.qclass == CLASS_IN:
        if query.question.qtype == AAAA:
            return answer_aaaa(case, known)
        if query.question.qtype == A and case.client is not None and case.client.filter_a:
            return _filtered_a(case)
    return _plain(case, known)


def _plain(case: QueryContext, heard: tuple[Heard, ...]) -> Step:
    """All other types and classes pass through (RFC 6147 sections 5.1 and 5.3.3)."""
    if not heard:
        return case.ask(case.query.question)
    last = heard[-1]
    aaaa = case.query.question.qtype == AAAA
    return forwarded(
        case, last, read(case.query.question, last.outcome), Rule.NOT_FOR_CLASS if aaaa else Rule.FORWARDED
    )


def _filtered_a(case: QueryContext) -> Reply:
    """NODATA for A, so that IPv6-only clients do not wait for IPv4. The SOA lets caches keep it for a while."""
    reply = local.nodata(case.query.question.name, case.rules, Rule.FILTERED_A)
    return reply._replace(aa=False, ede=(Ede(EdeCode.FILTERED, Rule.FILTERED_A.value),))
