"""Replies to an AAAA question that take from both halves (RFC 6147 sections 5.1.5, 5.3.2 and 5.4)."""

from dataclasses import replace

from kun_dns64.model.message import Ede, EdeCode, Response
from kun_dns64.model.question import Rcode
from kun_dns64.model.step import Heard, Reply, Rule
from kun_dns64.policy.denial import Finding, Kind
from kun_dns64.policy.dnssec import wants_ad
from kun_dns64.policy.forward import failed, finish, forwarded
from kun_dns64.policy.halves import Half, Halves
from kun_dns64.policy.hygiene import Records, answer_section, negative_authority, tidy
from kun_dns64.policy.lifetime import CLAMP_S
from kun_dns64.policy.situation import Situation
from kun_dns64.policy.synthesis import synthesise


def embed(case: Situation, a: Finding, cap: int) -> Records:
    """AAAA for every A that may be embedded, living as long as the least of A, `cap` and the gateway's state allow."""
    ttl = min(cap, *(record.ttl for record in a.data))
    if case.exit.clamp:
        ttl = min(ttl, CLAMP_S)
    return synthesise(a.data, case.exit.prefixes, case.prepared.embedding, ttl)


def synthesised(case: Situation, halves: Halves, a: Half, made: Records, rule: Rule) -> Reply:
    """The A's reply with AAAA in place of A; its own aliases, authority and additional."""
    response, query = a.finding.response, case.query
    assert response is not None
    used: tuple[Heard, ...] = (a.heard,) if halves.aaaa is None else (halves.aaaa.heard, a.heard)
    return finish(
        case,
        used,
        Reply(
            Rcode.NOERROR,
            rule,
            answer_section(query, a.finding.chain, made, response.answer, data_signed=False),
            tidy(response.authority, query),
            tidy(response.additional, query),
            ad=query.do and case.rules.trust_ad and _both_secure(halves, used),
            ede=(Ede(EdeCode.SYNTHESIZED, rule.value),),
        ),
    )


def _both_secure(halves: Halves, used: tuple[Heard, ...]) -> bool:
    """Both replies authentic, nothing left out, nothing past its time (RFC 6147 section 5.5, case 2)."""
    return not halves.excluded and all(
        isinstance(one.outcome, Response) and one.outcome.ad and not one.stale for one in used
    )


def shadowed(case: Situation, aaaa: Half, decided: Reply) -> Reply:
    """Shadow mode: the plain answer to the AAAA question, with what would have been said beside it."""
    plain = forwarded(case, aaaa.heard, aaaa.finding, decided.rule)
    return replace(plain, shadow=decided.answer)


def denied(case: Situation, halves: Halves, aaaa: Half, rule: Rule, ede: Ede | None = None) -> Reply:
    """No AAAA to give: the reply to the AAAA question, without what was excluded (section 5.4).

    After an error there is no such reply, and nobody knows that there is no AAAA: SERVFAIL.
    """
    heard, finding, query = aaaa.heard, aaaa.finding, case.query
    response = finding.response
    if finding.kind is Kind.ERROR or response is None:
        return failed(heard, finding, Rule.AAAA_FAILED)
    authority = negative_authority(response, query)
    a = halves.a
    if halves.excluded and a is not None and a.finding.kind is Kind.NODATA and a.finding.response is not None:
        authority = negative_authority(a.finding.response, query)  # the AAAA's reply has no denial in it
    return finish(
        case,
        (heard,) if a is None else (heard, a.heard),
        Reply(
            Rcode.NOERROR,
            rule,
            answer_section(query, finding.chain, (), response.answer),
            authority,
            tidy(response.additional, query),
            ad=response.ad and not halves.excluded and not heard.stale and wants_ad(query),
            ede=response.ede if ede is None else (*response.ede, ede),
        ),
    )
