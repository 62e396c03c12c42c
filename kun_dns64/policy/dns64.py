"""The heart: an AAAA question, what was heard about AAAA and A, and what follows (RFC 6147 section 5.1)."""

from kun_dns64.model.message import Ede, EdeCode, Record
from kun_dns64.model.question import Question, Rcode, RRType
from kun_dns64.model.rules import ZoneMode
from kun_dns64.model.step import FailureKind, Heard, Reply, Rule, Step
from kun_dns64.policy.denial import Finding, Kind, read
from kun_dns64.policy.dnssec import is_bogus, is_signed
from kun_dns64.policy.eligibility import obstacle
from kun_dns64.policy.forward import failed, finish, forwarded, not_recursive
from kun_dns64.policy.hygiene import Records, answer_section, negative_authority, tidy
from kun_dns64.policy.lifetime import CLAMP_S, synthesis_cap
from kun_dns64.policy.situation import Situation
from kun_dns64.policy.synthesis import synthesise


class Known:
    """What was heard so far, read once. `excluded`: real AAAA that count as absent; `kept`: those that do not."""

    __slots__ = ("a", "aaaa", "excluded", "heard_a", "heard_aaaa", "kept")

    def __init__(self, case: Situation, heard: tuple[Heard, ...]) -> None:
        self.aaaa: Finding | None = None
        self.a: Finding | None = None
        for one in heard:
            if one.question.qtype == RRType.AAAA:
                self.aaaa, self.heard_aaaa = read(one.question, one.outcome), one
            elif one.question.qtype == RRType.A:
                self.a, self.heard_a = read(one.question, one.outcome), one
        data = self.aaaa.data if self.aaaa is not None else ()
        self.kept = case.prepared.exclusion.kept(data) if data else data
        self.excluded = tuple(record for record in data if record not in self.kept) if self.kept is not data else ()


def answer_aaaa(case: Situation, heard: tuple[Heard, ...]) -> Step:
    """Ask, or reply. Real AAAA win (section 5.1.1), NXDOMAIN is final (5.1.2), errors and empty answers lead to the A."""
    aaaa = case.query.question
    a = Question(aaaa.name, RRType.A, aaaa.qclass)
    why_not = obstacle(case)
    known = Known(case, heard)
    if why_not is None and case.mode is ZoneMode.FORCE:
        return _forced(case, known, aaaa, a)
    if known.aaaa is None:
        return case.ask(aaaa, a if why_not is None else None)
    if why_not is not None and why_not is not Rule.GATEWAY_DOWN:
        return forwarded(case, known.heard_aaaa, known.aaaa, _plain_rule(known.aaaa, why_not))
    final = _without_a(case, known, known.aaaa, why_not)
    if final is not None:
        return final
    if known.a is None:
        return case.ask(a)
    return _from_both(case, known, known.aaaa, known.a)


def _plain_rule(aaaa: Finding, why_not: Rule) -> Rule:
    if aaaa.kind is Kind.DATA:
        return Rule.REAL_AAAA
    return Rule.NXDOMAIN if aaaa.kind is Kind.NXDOMAIN else why_not


def _without_a(case: Situation, known: Known, aaaa: Finding, why_not: Rule | None) -> Reply | None:
    """The reply, where the AAAA's answer alone decides."""
    heard = known.heard_aaaa
    if aaaa.kind is Kind.NXDOMAIN:
        return forwarded(case, heard, aaaa, Rule.NXDOMAIN)
    if _not_cached(heard):
        return not_recursive()
    if is_bogus(aaaa.response):
        return failed(case, heard, aaaa, Rule.DNSSEC_FAILURE)
    end_mode = case.prepared.zones.mode(aaaa.chain.end) if aaaa.chain.links else case.mode
    if aaaa.kind is Kind.DATA and (known.kept or _leave_signed_alone(case, aaaa, RRType.AAAA)):
        if why_not is None and end_mode is ZoneMode.FORCE and known.a is None:
            return None
        return _real(case, known, aaaa)
    if end_mode is ZoneMode.NEVER and aaaa.kind is not Kind.ERROR:
        return forwarded(case, heard, aaaa, Rule.NOT_FOR_ZONE)
    if why_not is not None:
        return _nothing(case, known, aaaa, why_not, Ede(EdeCode.OTHER, why_not.value))
    return None


def _real(case: Situation, known: Known, aaaa: Finding) -> Reply:
    partly = known.kept is not aaaa.data and not _leave_signed_alone(case, aaaa, RRType.AAAA)
    return forwarded(case, known.heard_aaaa, aaaa, Rule.REAL_AAAA, known.kept if partly else None)


def _leave_signed_alone(case: Situation, finding: Finding, rtype: int) -> bool:
    """Strict mode: what is signed is not changed for a client that validates (RFC 6147 section 3)."""
    response = finding.response
    return case.rules.strict_dnssec and case.query.do and response is not None and is_signed(response, rtype)


def _from_both(case: Situation, known: Known, aaaa: Finding, a: Finding) -> Reply:
    if _not_cached(known.heard_a):
        return not_recursive()
    if a.kind is Kind.ERROR:
        return failed(case, known.heard_a, a, Rule.DNSSEC_FAILURE if is_bogus(a.response) else Rule.A_FAILED)
    if a.kind is Kind.NXDOMAIN and not known.excluded:
        return forwarded(case, known.heard_a, a, Rule.NXDOMAIN)
    if a.kind is not Kind.DATA:
        return _nothing(case, known, aaaa, Rule.NO_A)
    if _leave_signed_alone(case, a, RRType.A):
        return _nothing(case, known, aaaa, Rule.NOT_SIGNED_OVER)
    if case.prepared.zones.mode(a.chain.end) is ZoneMode.NEVER:
        return _nothing(case, known, aaaa, Rule.NOT_FOR_ZONE)
    cap = synthesis_cap(aaaa.response if aaaa.kind is Kind.NODATA else None, known.excluded)
    made = _made(case, a, cap)
    if not made:
        return _nothing(case, known, aaaa, Rule.IPV4_DENIED, Ede(EdeCode.FILTERED, Rule.IPV4_DENIED.value))
    return _synthesised(case, known, a, made, _reason(aaaa, known))


def _made(case: Situation, a: Finding, cap: int) -> Records:
    ttl = min(cap, *(record.ttl for record in a.data))
    if case.exit.clamp:
        ttl = min(ttl, CLAMP_S)
    return synthesise(a.data, case.exit.prefixes, case.prepared.embedding, ttl)


def _reason(aaaa: Finding, known: Known) -> Rule:
    if known.excluded:
        return Rule.SYNTHESISED_EXCLUDED
    if aaaa.kind is Kind.NODATA:
        return Rule.SYNTHESISED_NODATA
    timeout = aaaa.failure is not None and aaaa.failure.kind is FailureKind.TIMEOUT
    return Rule.SYNTHESISED_TIMEOUT if timeout else Rule.SYNTHESISED_ERROR


def _synthesised(case: Situation, known: Known, a: Finding, made: Records, rule: Rule) -> Reply:
    """The A's reply with AAAA in place of A: its aliases, authority and additional (sections 5.1.5, 5.3.2, 5.4)."""
    response, query = a.response, case.query
    assert response is not None
    used = tuple(one for one in (getattr(known, "heard_aaaa", None), known.heard_a) if one is not None)
    both_ad = all(getattr(one.outcome, "ad", False) for one in used)
    reply = finish(
        case,
        used,
        Reply(
            Rcode.NOERROR,
            rule,
            answer_section(query, a.chain, made, response.answer, data_signed=False),
            tidy(response.authority, query),
            tidy(response.additional, query),
            ad=both_ad and case.rules.trust_ad and query.do and not known.excluded,
            ede=(Ede(EdeCode.SYNTHESIZED, rule.value),),
        ),
    )
    return _shadowed(case, known, reply) if case.rules.shadow else reply


def _shadowed(case: Situation, known: Known, reply: Reply) -> Reply:
    """Shadow mode: the plain answer, with what would have been said beside it."""
    if known.aaaa is None:
        plain = forwarded(case, known.heard_a, known.a, reply.rule) if known.a else reply
    else:
        plain = forwarded(case, known.heard_aaaa, known.aaaa, reply.rule)
    return Reply(
        plain.rcode, reply.rule, plain.answer, plain.authority, plain.additional,
        plain.aa, plain.ad, plain.ede, plain.stale, reply.answer,
    )  # fmt: skip


def _nothing(case: Situation, known: Known, aaaa: Finding, rule: Rule, ede: Ede | None = None) -> Reply:
    """No AAAA to give: the reply to the AAAA question, without what was excluded (section 5.4).

    After an error there is no such reply, and nobody knows that there is no AAAA: SERVFAIL.
    """
    heard, response, query = known.heard_aaaa, aaaa.response, case.query
    if aaaa.kind is Kind.ERROR or response is None:
        return failed(case, heard, aaaa, Rule.AAAA_FAILED)
    extra: tuple[Ede, ...] = (ede,) if ede is not None else ()
    authority = negative_authority(response, query)
    if known.excluded and not authority and known.a is not None and known.a.response is not None:
        authority = negative_authority(known.a.response, query)
    answer: tuple[Record, ...] = answer_section(query, aaaa.chain, (), response.answer)
    ad = response.ad and not known.excluded and not heard.stale and (query.ad or query.do)
    used = (heard, known.heard_a) if known.a is not None else (heard,)
    reply = Reply(
        Rcode.NOERROR, rule, answer, authority, tidy(response.additional, query), ad=ad, ede=response.ede + extra
    )
    return finish(case, used, reply)


def _forced(case: Situation, known: Known, aaaa: Question, a: Question) -> Step:
    """The A comes first, and the real AAAA only where there is nothing to embed."""
    if known.a is None:
        return case.ask(a)
    if _not_cached(known.heard_a):
        return not_recursive()
    if known.a.kind is Kind.NXDOMAIN:
        return forwarded(case, known.heard_a, known.a, Rule.NXDOMAIN)
    if known.a.kind is Kind.DATA and not _leave_signed_alone(case, known.a, RRType.A):
        made = _made(case, known.a, synthesis_cap(None, ()))
        if made and case.prepared.zones.mode(known.a.chain.end) is not ZoneMode.NEVER:
            return _synthesised(case, known, known.a, made, Rule.SYNTHESISED_FORCED)
    if known.aaaa is None:
        return case.ask(aaaa)
    return forwarded(case, known.heard_aaaa, known.aaaa, _plain_rule(known.aaaa, Rule.NO_A))


def _not_cached(heard: Heard) -> bool:
    return getattr(heard.outcome, "kind", None) is FailureKind.NOT_CACHED
