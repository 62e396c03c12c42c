"""Replies to an AAAA question that take from both halves (RFC 6147 sections 5.1.5, 5.3.2 and 5.4)."""

from typing import NamedTuple

from kun_dns64.model.message import Ede, EdeCode, Response
from kun_dns64.model.question import Rcode
from kun_dns64.model.step import Heard, Reply, Rule
from kun_dns64.policy.denial import DenialKind
from kun_dns64.policy.dnssec import wants_ad
from kun_dns64.policy.forward import failed, finish, forwarded
from kun_dns64.policy.lifetime import passing, synthesis_ttl
from kun_dns64.policy.lookup_pair import Half, Halves
from kun_dns64.policy.query_context import QueryContext
from kun_dns64.policy.section_cleanup import answer_section, tidy
from kun_dns64.policy.synthesis import synthesise

NOERROR = Rcode.NOERROR


class Reason(NamedTuple):
    """Why there is synthesis: the rule, and the extended error that says so."""

    rule: Rule
    ede: tuple[Ede, ...]


def reason(rule: Rule) -> Reason:
    return Reason(rule, (Ede(EdeCode.SYNTHESIZED, rule.value),))


def synthesised(case: QueryContext, halves: Halves, a: Half, aaaa: Response | None, reason: Reason) -> Reply | None:
    """The A's reply with AAAA in place of A; its own aliases, authority and additional. None: no A may be embedded."""
    response, query = a.finding.response, case.query
    assert response is not None
    ttl, steady_s = synthesis_ttl(a.finding.data, aaaa, halves.excluded, case.exit.clamp)
    made = synthesise(a.finding.data, case.exit.ways, case.prepared.embedding, ttl)
    if not made:
        return None
    used: tuple[Heard, ...] = (a.heard,) if halves.aaaa is None else (halves.aaaa.heard, a.heard)
    return finish(
        used,
        Reply(
            NOERROR,
            reason.rule,
            answer_section(query, a.finding.chain, made, response.answer, data_signed=False),
            tidy(response.authority, query),
            tidy(response.additional, query),
            ad=query.do and case.rules.trust_ad and _both_secure(halves, used),
            ede=reason.ede,
            steady_s=steady_s,
        ),
    )


def _both_secure(halves: Halves, used: tuple[Heard, ...]) -> bool:
    """Both replies authentic, nothing left out, nothing past its time (RFC 6147 section 5.5, case 2)."""
    return not halves.excluded and all(
        isinstance(one.outcome, Response) and one.outcome.ad and not one.stale for one in used
    )


def shadowed(case: QueryContext, aaaa: Half, decided: Reply) -> Reply:
    """Shadow mode: the plain answer to the AAAA question, with what would have been said beside it."""
    plain = forwarded(case, aaaa.heard, aaaa.finding, decided.rule)
    return plain._replace(shadow=decided.answer)


def denied(case: QueryContext, halves: Halves, aaaa: Half, rule: Rule, ede: Ede | None = None) -> Reply:
    """No AAAA to give: the reply to the AAAA question, without what was excluded (section 5.4).

    After an error there is no such reply, and nobody knows that there is no AAAA: SERVFAIL.
    """
    heard, finding, query = aaaa.heard, aaaa.finding, case.query
    response = finding.response
    if finding.kind is DenialKind.ERROR or response is None:
        return failed(heard, finding, Rule.AAAA_FAILED)
    authority = tidy(response.authority, query)
    steady_s = 0
    a = halves.a
    if halves.excluded and a is not None and a.finding.kind is DenialKind.NODATA and a.finding.response is not None:
        authority = tidy(a.finding.response.authority, query)  # the AAAA's reply has no denial in it
    if rule is Rule.GATEWAY_DOWN:
        authority, steady_s = passing(authority)
    return finish(
        (heard,) if a is None else (heard, a.heard),
        Reply(
            Rcode.NOERROR,
            rule,
            answer_section(query, finding.chain, (), response.answer),
            authority,
            tidy(response.additional, query),
            ad=response.ad and not halves.excluded and not heard.stale and wants_ad(query),
            ede=response.ede if ede is None else (*response.ede, ede),
            steady_s=steady_s,
        ),
    )
