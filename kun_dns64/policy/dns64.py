"""The heart: an AAAA question, what was heard about AAAA and A, and what follows (RFC 6147 section 5.1)."""

from kun_dns64.model.message import Ede, EdeCode
from kun_dns64.model.question import Question, RRType
from kun_dns64.model.rules import ZoneMode
from kun_dns64.model.step import Ask, FailureKind, Heard, Reply, Rule, Step
from kun_dns64.policy.assembly import Reason, denied, reason, shadowed, synthesised
from kun_dns64.policy.completion import ask_on
from kun_dns64.policy.denial import DATA, ERROR, NODATA, NXDOMAIN
from kun_dns64.policy.dnssec import is_bogus, leave_signed_alone
from kun_dns64.policy.eligibility import obstacle
from kun_dns64.policy.forward import failed, forwarded, not_recursive
from kun_dns64.policy.lifetime import passing
from kun_dns64.policy.lookup_pair import Half, Halves
from kun_dns64.policy.query_context import QueryContext

A, AAAA = RRType.A, RRType.AAAA
NEVER, FORCE = ZoneMode.NEVER, ZoneMode.FORCE
DENIED, EXCLUDED = reason(Rule.SYNTHESISED_NODATA), reason(Rule.SYNTHESISED_EXCLUDED)
FAILED, TIMED_OUT = reason(Rule.SYNTHESISED_ERROR), reason(Rule.SYNTHESISED_TIMEOUT)
FORCED = reason(Rule.SYNTHESISED_FORCED)


def answer_aaaa(case: QueryContext, heard: tuple[Heard, ...]) -> Step:
    """Ask, or reply. Real AAAA win (section 5.1.1), NXDOMAIN is final (5.1.2), errors and denials lead to the A."""
    halves = Halves(case, heard)
    step = _decide(case, halves)
    if case.rules.shadow and halves.aaaa is not None and isinstance(step, Reply):
        return shadowed(case, halves.aaaa, step)
    return step


def _decide(case: QueryContext, halves: Halves) -> Step:
    aaaa = case.query.question
    a = Question(aaaa.name, A, aaaa.qclass)
    why_not = obstacle(case)
    if why_not is None and case.mode is FORCE and not case.rules.shadow:
        return _forced(case, halves, aaaa, a)
    if halves.aaaa is None:
        return case.ask(aaaa, a if why_not is None else None)
    if why_not is not None and why_not is not Rule.GATEWAY_DOWN:
        further = ask_on(case, halves.aaaa.heard, halves.aaaa.finding)
        return further or forwarded(case, halves.aaaa.heard, halves.aaaa.finding, _plain_rule(halves.aaaa, why_not))
    final = _without_a(case, halves, halves.aaaa, why_not)
    if final is not None:
        return final
    if halves.a is None:
        return case.ask(a)
    return _from_both(case, halves, halves.aaaa, halves.a)


def _plain_rule(aaaa: Half, otherwise: Rule) -> Rule:
    if aaaa.finding.kind is DATA:
        return Rule.REAL_AAAA
    return Rule.NXDOMAIN if aaaa.finding.kind is NXDOMAIN else otherwise


def _without_a(case: QueryContext, halves: Halves, aaaa: Half, why_not: Rule | None) -> Step | None:
    """The next step, where the AAAA's answer alone decides it; None: the A is needed."""
    heard, finding = aaaa.heard, aaaa.finding
    if finding.kind is NXDOMAIN:
        return forwarded(case, heard, finding, Rule.NXDOMAIN)
    if finding.kind is ERROR:
        if aaaa.not_cached:
            return not_recursive()
        if is_bogus(finding.response):
            return failed(heard, finding, Rule.DNSSEC_FAILURE)
    end_mode = case.prepared.zones.mode(finding.chain.end) if finding.chain.links else case.mode
    if halves.kept or (halves.excluded and leave_signed_alone(case.query, case.rules, finding, AAAA)):
        if FORCE not in (case.mode, end_mode):
            return _real(case, halves, aaaa)
        if why_not is not None:
            return _real_for_now(_real(case, halves, aaaa))
        return None if end_mode is FORCE else _real(case, halves, aaaa)
    if (end_mode is NEVER or why_not is not None) and (further := ask_on(case, heard, finding)) is not None:
        return further
    if end_mode is NEVER and finding.kind is not ERROR:
        return forwarded(case, heard, finding, Rule.NOT_FOR_ZONE)
    if why_not is not None:
        return denied(case, halves, aaaa, why_not, Ede(EdeCode.OTHER, why_not.value))
    return None


def _real(case: QueryContext, halves: Halves, aaaa: Half) -> Reply:
    """What upstream has, less what is excluded."""
    finding = aaaa.finding
    whole = not halves.excluded or leave_signed_alone(case.query, case.rules, finding, AAAA)
    return forwarded(case, aaaa.heard, finding, Rule.REAL_AAAA, None if whole else halves.kept)


def _real_for_now(reply: Reply) -> Reply:
    """Of a zone whose real AAAA are ignored, except while there is no gateway."""
    answer, steady_s = passing(reply.answer, AAAA)
    return reply._replace(answer=answer, steady_s=steady_s)


def _further(case: QueryContext, aaaa: Half, a: Half) -> Ask | None:
    """Where an alias stood alone, what is to be asked about its target.

    An AAAA's alone beside a whole answer to the A is a denial without SOA: that upstream does follow aliases.
    """
    if a.finding.kind in (DATA, NXDOMAIN):
        return None
    return ask_on(case, aaaa.heard, aaaa.finding) or ask_on(case, a.heard, a.finding)


def _from_both(case: QueryContext, halves: Halves, aaaa: Half, a: Half) -> Step:
    further = _further(case, aaaa, a)
    if further is not None:
        return further
    if halves.kept:  # only a forced zone at the end of the chain asks for the A then
        return _forced_reply(case, halves, a) or _real(case, halves, aaaa)
    if a.not_cached:
        return not_recursive()
    finding = a.finding
    if finding.kind is ERROR:
        return failed(a.heard, finding, Rule.DNSSEC_FAILURE if is_bogus(finding.response) else Rule.A_FAILED)
    if finding.kind is NXDOMAIN and not halves.excluded:
        return forwarded(case, a.heard, finding, Rule.NXDOMAIN)
    if finding.kind is not DATA:
        return denied(case, halves, aaaa, Rule.NO_A)
    if leave_signed_alone(case.query, case.rules, finding, A):
        return denied(case, halves, aaaa, Rule.NOT_SIGNED_OVER)
    if case.prepared.zones.mode(finding.chain.end) is NEVER:
        return denied(case, halves, aaaa, Rule.NOT_FOR_ZONE)
    denial = aaaa.finding.response if aaaa.finding.kind is NODATA else None
    reply = synthesised(case, halves, a, denial, _reason(aaaa, halves))
    if reply is not None:
        return reply
    return denied(case, halves, aaaa, Rule.IPV4_DENIED, Ede(EdeCode.FILTERED, Rule.IPV4_DENIED.value))


def _reason(aaaa: Half, halves: Halves) -> Reason:
    if halves.excluded:
        return EXCLUDED
    if aaaa.finding.kind is NODATA:
        return DENIED
    failure = aaaa.finding.failure
    return TIMED_OUT if failure is not None and failure.kind is FailureKind.TIMEOUT else FAILED


def _forced(case: QueryContext, halves: Halves, aaaa: Question, a: Question) -> Step:
    """The A comes first, and the real AAAA only where there is nothing to embed; without either, as in any zone."""
    if halves.a is None:
        return case.ask(a, aaaa)
    if halves.a.not_cached:
        return not_recursive()
    if halves.a.finding.kind is NXDOMAIN:
        return forwarded(case, halves.a.heard, halves.a.finding, Rule.NXDOMAIN)
    if (further := ask_on(case, halves.a.heard, halves.a.finding)) is not None:
        return further
    reply = _forced_reply(case, halves, halves.a)
    if reply is not None:
        return reply
    if halves.aaaa is None:
        return case.ask(aaaa)
    if halves.kept:
        return _real(case, halves, halves.aaaa)
    finding = halves.aaaa.finding
    if finding.kind is NXDOMAIN or (halves.excluded and leave_signed_alone(case.query, case.rules, finding, AAAA)):
        return forwarded(case, halves.aaaa.heard, finding, _plain_rule(halves.aaaa, Rule.NO_A))
    return _from_both(case, halves, halves.aaaa, halves.a)


def _forced_reply(case: QueryContext, halves: Halves, a: Half) -> Reply | None:
    finding = a.finding
    if finding.kind is not DATA or leave_signed_alone(case.query, case.rules, finding, A):
        return None
    if case.prepared.zones.mode(finding.chain.end) is NEVER:
        return None
    return synthesised(case, halves, a, None, FORCED)
