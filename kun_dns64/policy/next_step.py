"""The one decision: given a query and what has been heard so far, ask something, reply, or say nothing."""

from collections.abc import Sequence

from kun_dns64.model.message import Query
from kun_dns64.model.question import CLASS_IN, Rcode, RRType
from kun_dns64.model.rules import Rules
from kun_dns64.model.step import Heard, Reply, Rule, Step
from kun_dns64.policy.acl import bad_subnet, stranger
from kun_dns64.policy.chaos import chaos_answer
from kun_dns64.policy.completion import ask_on, joined
from kun_dns64.policy.denial import read
from kun_dns64.policy.discovery import discovered
from kun_dns64.policy.dns64 import answer_aaaa
from kun_dns64.policy.forward import forwarded
from kun_dns64.policy.ipv4_filter import answer_filtered_a, is_filtered, without_ipv4
from kun_dns64.policy.lifetime import current
from kun_dns64.policy.prepared import prepare
from kun_dns64.policy.query_context import QueryContext, situation
from kun_dns64.policy.reverse import reversed_name
from kun_dns64.policy.special_names import special_answer

A, AAAA = RRType.A, RRType.AAAA


def next_step(query: Query, heard: Sequence[Heard], rules: Rules, now: float) -> Step:
    """`heard`: the outcomes of everything asked for this query, in order; empty at first. `now` in seconds.

    Pure and total: the same arguments give the same step, and no bytes from outside raise. A query needs at most two
    asks, and more only where an upstream leaves aliases to us (policy/completion.py). `now` is part of the contract
    although today's rules read ages from `heard` alone.
    """
    prepared = prepare(rules)
    if not heard:
        refusal = stranger(query, prepared) or bad_subnet(query, prepared)
        if refusal is not None:
            return refusal
    if not query.question.name:
        return Reply(Rcode.NOERROR, Rule.COOKIE_ONLY)
    case = situation(query, prepared)
    return _decided(case, joined(case, [current(one, rules) for one in heard]))


def _decided(case: QueryContext, heard: tuple[Heard, ...]) -> Step:
    own = discovered(case) or chaos_answer(case) or special_answer(case)
    if own is not None:
        return own
    step = reversed_name(case, heard) or _answered(case, heard)
    return without_ipv4(case, step) if isinstance(step, Reply) and is_filtered(case) else step


def _answered(case: QueryContext, heard: tuple[Heard, ...]) -> Step:
    _, qtype, qclass = case.query.question
    if qclass == CLASS_IN:
        if qtype == AAAA:
            return answer_aaaa(case, heard)
        if qtype == A and is_filtered(case):
            return answer_filtered_a(case, heard)
    return _plain(case, heard)


def _plain(case: QueryContext, heard: tuple[Heard, ...]) -> Step:
    """All other types and classes pass through (RFC 6147 sections 5.1 and 5.3.3)."""
    if not heard:
        return case.ask(case.query.question)
    last = heard[-1]
    finding = read(case.query.question, last.outcome)
    aaaa = case.query.question.qtype == AAAA
    return ask_on(case, last, finding) or forwarded(case, last, finding, Rule.NOT_FOR_CLASS if aaaa else Rule.FORWARDED)
