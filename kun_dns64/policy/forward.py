"""Replies made of one upstream answer as it is, and replies that say it could not be had."""

from kun_dns64.model.message import Ede, EdeCode, Record, Response
from kun_dns64.model.question import CLASS_ANY, Question, Rcode, RRType
from kun_dns64.model.step import SILENT_ZONE, FailureKind, Heard, Reply, Rule, UpstreamFailure
from kun_dns64.policy.denial import Finding, read
from kun_dns64.policy.dnssec import wants_ad
from kun_dns64.policy.query_context import QueryContext
from kun_dns64.policy.section_cleanup import MANY_TYPES, answer_section, tidy

# Which failures are between us and the upstream, and which lie behind it (RFC 8914 sections 4.23 and 4.24).
_KNOWN_RCODES = frozenset(Rcode)
# Codes above are about one hop: the EDNS version, the cookie, the signature of *our* question to the upstream.
MAX_PLAIN_RCODE = 15
NETWORK_ERRORS = frozenset((FailureKind.UNREACHABLE, FailureKind.CLOSED, FailureKind.GARBAGE, FailureKind.TRUNCATED))

# Others needed its place.
DISPLACED = Reply(Rcode.SERVFAIL, Rule.DISPLACED, ede=(Ede(EdeCode.OTHER, Rule.DISPLACED.value),))


def forwarded(
    case: QueryContext, heard: Heard, finding: Finding, rule: Rule, kept: tuple[Record, ...] | None = None
) -> Reply:
    """The upstream's answer. `kept`: what exclusion left of its data; then no signature and no AD fit it any more."""
    response = finding.response
    if response is None or response.rcode > MAX_PLAIN_RCODE:
        return failed(heard, finding, rule if rule is not Rule.FORWARDED else Rule.UPSTREAM_FAILED)
    query = case.query
    if query.question.qtype in MANY_TYPES or query.question.qclass == CLASS_ANY:
        answer = tidy(response.answer, query)
    elif kept is not None:
        answer = answer_section(query, finding.chain, kept, response.answer, data_signed=False)
    else:
        answer = answer_section(query, finding.chain, finding.data, response.answer)
    return finish(
        (heard,),
        Reply(
            response.rcode,
            rule,
            answer,
            tidy(response.authority, query),
            tidy(response.additional, query),
            ad=response.ad and kept is None and not heard.stale and wants_ad(query),
            ede=reasons(heard, finding) if response.rcode == Rcode.SERVFAIL else remembered(heard, response.ede),
        ),
    )


def finish(used: tuple[Heard, ...], reply: Reply) -> Reply:
    """The mark of stale data (RFC 8767 section 4, RFC 8914 sections 4.4 and 4.20), where some was used."""
    for heard in used:
        if heard.stale:
            break
    else:
        return reply
    code = EdeCode.STALE_NXDOMAIN if reply.rcode == Rcode.NXDOMAIN else EdeCode.STALE_ANSWER
    return reply._replace(ede=(*reply.ede, Ede(code)), stale=True)


def failed(heard: Heard, finding: Finding, rule: Rule) -> Reply:
    """SERVFAIL with the upstream's reasons, or ours (RFC 8914; RFC 9520 section 3 for an error remembered)."""
    if isinstance(heard.outcome, UpstreamFailure) and heard.outcome.kind is FailureKind.NOT_CACHED:
        return not_recursive()
    return Reply(Rcode.SERVFAIL, rule, ede=reasons(heard, finding))


def zone_silent() -> Reply:
    """To a question in a silent zone (policy/zone_share.py)."""
    question = Question(b"\x00", RRType.A)
    return failed(Heard(question, SILENT_ZONE, cached=True), read(question, SILENT_ZONE), Rule.UPSTREAM_FAILED)


def reasons(heard: Heard, finding: Finding) -> tuple[Ede, ...]:
    outcome = heard.outcome
    told: tuple[Ede, ...] = outcome.ede if isinstance(outcome, Response) else ()
    if not told:
        failure = finding.failure
        network = failure is not None and failure.kind in NETWORK_ERRORS
        text = failure.kind.value if failure is not None else _rcode_text(outcome)
        told = (Ede(EdeCode.NETWORK_ERROR if network else EdeCode.NO_REACHABLE_AUTHORITY, text),)
    return remembered(heard, told)


def remembered(heard: Heard, told: tuple[Ede, ...]) -> tuple[Ede, ...]:
    """An error out of the cache says so (RFC 8914 section 4.14)."""
    outcome = heard.outcome
    is_error = isinstance(outcome, UpstreamFailure) or outcome.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN)
    if heard.cached and is_error and EdeCode.CACHED_ERROR not in [ede.code for ede in told]:
        return (*told, Ede(EdeCode.CACHED_ERROR))
    return told


def _rcode_text(outcome: Response | UpstreamFailure) -> str:
    if isinstance(outcome, UpstreamFailure):
        return outcome.kind.value
    return Rcode(outcome.rcode).name if outcome.rcode in _KNOWN_RCODES else f"RCODE{outcome.rcode}"


def not_recursive() -> Reply:
    """RD=0, and the cache has no answer: we are no authority and were not asked to find one (RFC 8914 section 4.21)."""
    return Reply(Rcode.REFUSED, Rule.NOT_RECURSIVE, ede=(Ede(EdeCode.NOT_AUTHORITATIVE, Rule.NOT_RECURSIVE.value),))
