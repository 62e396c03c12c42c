"""An alias whose target was not looked up: we ask on, as any resolver must (RFC 1034 section 5.3.3, step 4c).

An authoritative server gives the CNAME alone where the target is in a zone that it does not serve. What was heard along
such a chain is joined to one answer, so that all other rules see what a resolver would have said.
"""

from collections.abc import Sequence

from kun_dns64.model.message import Response
from kun_dns64.model.question import CLASS_IN, Question, RRType
from kun_dns64.model.step import Ask, FailureKind, Heard, UpstreamFailure
from kun_dns64.policy.denial import DenialKind, Finding, read
from kun_dns64.policy.lifetime import LOCAL_S
from kun_dns64.policy.query_context import QueryContext
from kun_dns64.policy.special_names import special_answer

SOA = RRType.SOA
ANSWERS = frozenset((0, 3))
# Further questions for one type. Real chains have two or three links; a loop must end.
MOST_FURTHER = 8


def target_of(question: Question, finding: Finding) -> Question | None:
    """What is to be asked next; None: the answer is whole. A denial with an SOA speaks of the target."""
    response = finding.response
    if (
        finding.kind is not DenialKind.NODATA
        or response is None
        or not finding.chain.links
        or question.qclass != CLASS_IN
    ):
        return None
    if any(record.rtype == SOA for record in response.authority):
        return None
    return Question(finding.chain.end, question.qtype)


def ask_on(case: QueryContext, heard: Heard, finding: Finding) -> Ask | None:
    """The next question about an answer that is not whole. Without RD nobody is asked (RFC 1034 section 4.3.1)."""
    target = target_of(heard.question, finding) if case.query.rd else None
    return None if target is None else case.ask_behind(target)


def joined(case: QueryContext, heard: Sequence[Heard]) -> tuple[Heard, ...]:
    """One outcome for each type, under the first question of it. TTLs are those of `heard`.

    A target that is a special-use name is answered here, as if the client had asked for it.
    """
    return tuple([_joined_here(case, one) for one in _joined(heard)])


def _joined_here(case: QueryContext, heard: Heard) -> Heard:
    target = target_of(heard.question, _finding(heard))
    reply = None if target is None else special_answer(case.at(target))
    if target is None or reply is None:
        return heard
    here = Response(reply.rcode, reply.answer, reply.authority)
    return _join(heard, Heard(target, here, cached=True, steady_s=LOCAL_S, tick=heard.tick))


def _joined(heard: Sequence[Heard]) -> list[Heard]:
    if len(heard) < 2:
        return list(heard)
    found: list[Heard] = []
    further = 0
    for one in heard:
        place = _place(found, one)
        if place is None:
            found.append(one)
            continue
        further += 1
        found[place] = _join(found[place], one)
        if further >= 2 * MOST_FURTHER and target_of(found[place].question, _finding(found[place])) is not None:
            failure = UpstreamFailure(FailureKind.GARBAGE, "alias chain too long")
            found[place] = found[place]._replace(outcome=failure)
    return found


def _place(found: list[Heard], one: Heard) -> int | None:
    """Where the answer stands that `one` goes on with."""
    for place, first in enumerate(found):
        if first.question.qtype == one.question.qtype and first.question.name.lower() != one.question.name.lower():
            target = target_of(first.question, _finding(first))
            if target is not None and target.name == one.question.name.lower():
                return place
    return None


def _finding(heard: Heard) -> Finding:
    return read(heard.question, heard.outcome)


def _join(first: Heard, more: Heard) -> Heard:
    return Heard(
        first.question,
        _outcome(first.outcome, more.outcome),
        stale=first.stale or more.stale,
        cached=first.cached and more.cached,
        upstream=more.upstream or first.upstream,
        rtt_s=first.rtt_s + more.rtt_s,
        steady_s=min(first.steady_s, more.steady_s),
        tick=first.tick if first.tick == more.tick else -1,
    )


def _outcome(first: Response | UpstreamFailure, more: Response | UpstreamFailure) -> Response | UpstreamFailure:
    if isinstance(more, UpstreamFailure) or isinstance(first, UpstreamFailure) or more.rcode not in ANSWERS:
        return more
    return more._replace(answer=first.answer + more.answer, ad=first.ad and more.ad, ede=first.ede + more.ede)
