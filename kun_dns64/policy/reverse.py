"""PTR of addresses we made: the whole zone under ip6.arpa is ours (RFC 6147 section 5.3.1, RFC 8880 section 7.2.1)."""

from kun_dns64.formats.names import in_addr_arpa
from kun_dns64.model.message import Record
from kun_dns64.model.question import CLASS_IN, Question, RRType
from kun_dns64.model.rules import PtrMode
from kun_dns64.model.step import Heard, Reply, Rule, Step
from kun_dns64.policy import local
from kun_dns64.policy.completion import ask_on
from kun_dns64.policy.denial import DenialKind, Finding, read
from kun_dns64.policy.dnssec import without_proofs
from kun_dns64.policy.forward import failed, finish
from kun_dns64.policy.lifetime import LOCAL_S, denial_lifetime
from kun_dns64.policy.mapping import DISCOVERY_IPV4, IPV4ONLY
from kun_dns64.policy.query_context import QueryContext
from kun_dns64.policy.reverse_zone import FULL_DEPTH, ReverseZone, address_of, embedded, nibbles_below, zone_of
from kun_dns64.policy.section_cleanup import answer_section, tidy

ASKED_BEHIND = frozenset((RRType.PTR, RRType.CNAME, RRType.ANY))


def reversed_name(case: QueryContext, heard: tuple[Heard, ...]) -> Step | None:
    """None for names outside the reverse zones of our prefixes."""
    if case.query.question.qclass != CLASS_IN:
        return None
    zone = zone_of(case.name, case.prepared.reverse)
    if zone is None:
        return _host(case, heard)
    question, rules = case.query.question, case.rules
    if case.name == zone.apex:
        return local.at_apex(question, zone.apex, rules, Rule.LOCAL_REVERSE)
    text = nibbles_below(case.name, zone)
    if text is None:
        return local.nxdomain(zone.apex, rules, Rule.LOCAL_REVERSE)
    if len(text) < FULL_DEPTH:
        return local.nodata(zone.apex, rules, Rule.LOCAL_REVERSE)
    return _whole_address(case, heard, zone, embedded(text, zone.prefix))


def _host(case: QueryContext, heard: tuple[Heard, ...]) -> Step | None:
    """A host's own 6to4 address that `map` makes us answer with. All else below it is that host's, and not ours."""
    address = address_of(case.name)
    ipv4 = None if address is None else case.prepared.embedding.host_of(address)
    return None if ipv4 is None else _behind(case, heard, case.name, ipv4)


def _whole_address(case: QueryContext, heard: tuple[Heard, ...], zone: ReverseZone, ipv4: bytes) -> Step:
    question, rules = case.query.question, case.rules
    if ipv4 in DISCOVERY_IPV4:
        if question.qtype in (RRType.PTR, RRType.ANY):
            return local.data(Rule.LOCAL_REVERSE, Record(question.name, RRType.PTR, CLASS_IN, LOCAL_S, IPV4ONLY))
        return local.nodata(zone.apex, rules, Rule.LOCAL_REVERSE)
    if not case.prepared.embedding.reachable(ipv4, zone.prefix):
        return local.nxdomain(zone.apex, rules, Rule.LOCAL_REVERSE)
    return _behind(case, heard, zone.apex, ipv4)


def _behind(case: QueryContext, heard: tuple[Heard, ...], apex: bytes, ipv4: bytes) -> Step:
    """What the in-addr.arpa name has to say. `apex`: whose SOA a denial carries."""
    if case.query.question.qtype not in ASKED_BEHIND:
        return local.nodata(apex, case.rules, Rule.LOCAL_REVERSE)
    target = Question(in_addr_arpa(ipv4), RRType.PTR)
    if not heard:
        return case.ask_behind(target)
    finding = read(target, heard[-1].outcome)
    return ask_on(case, heard[-1], finding) or _from_target(case, heard[-1], apex, finding, target.name)


def _from_target(case: QueryContext, heard: Heard, apex: bytes, finding: Finding, target: bytes) -> Reply:
    response = finding.response
    if finding.kind is DenialKind.ERROR or response is None:
        return failed(heard, finding, Rule.UPSTREAM_FAILED)
    if finding.kind is not DenialKind.DATA:
        lifetime = denial_lifetime(response)
        ttl = LOCAL_S if lifetime is None else min(LOCAL_S, lifetime)
        deny = local.nxdomain if finding.kind is DenialKind.NXDOMAIN else local.nodata
        return finish((heard,), deny(apex, case.rules, Rule.REVERSE, ttl))
    cname = case.rules.ptr_mode is PtrMode.CNAME and not finding.chain.links
    if not cname and case.query.question.qtype == RRType.CNAME:
        return local.nodata(apex, case.rules, Rule.REVERSE)
    answer = _by_cname(case, finding, target) if cname else _by_copy(case, finding)
    authority, additional = tidy(response.authority, case.query), tidy(response.additional, case.query)
    return finish((heard,), Reply(response.rcode, Rule.REVERSE, answer, authority, additional, ede=response.ede))


def _by_cname(case: QueryContext, finding: Finding, target: bytes) -> tuple[Record, ...]:
    """A CNAME onto the in-addr.arpa name, only where that has data itself (RFC 6147 section 5.3.1, option 2)."""
    assert finding.response is not None
    query = case.query
    ttl = max(1, min(LOCAL_S, *(record.ttl for record in finding.data)))
    cname = Record(query.question.name, RRType.CNAME, CLASS_IN, ttl, target)
    if query.question.qtype != RRType.PTR:  # ANY too: an alias matches it and is not followed (RFC 1034 section 4.3.2)
        return (cname,)
    return (cname, *answer_section(query, finding.chain, finding.data, finding.response.answer))


def _by_copy(case: QueryContext, finding: Finding) -> tuple[Record, ...]:
    """The same RDATA at the asked name: no signature fits it, and no alias is made longer (RFC 6147 section 5.3.1)."""
    name = case.query.question.name
    lifetime = min((record.ttl for record in finding.chain.links), default=LOCAL_S * 1000)
    data = without_proofs(finding.data, case.query)
    return tuple(record._replace(name=name, ttl=min(record.ttl, lifetime)) for record in data)
