"""Records of the zones this server answers itself: ipv4only.arpa and the reverse zones of its prefixes."""

from kun_dns64.model.message import Record
from kun_dns64.model.question import CLASS_IN, Question, Rcode, RRType
from kun_dns64.model.rules import Rules
from kun_dns64.model.step import Reply, Rule
from kun_dns64.policy.lifetime import LOCAL_S

# serial, refresh, retry, expire, minimum
_TIMERS = b"".join(number.to_bytes(4) for number in (1, 3600, 1200, 604800, LOCAL_S))


def soa(apex: bytes, rules: Rules, ttl: int = LOCAL_S) -> Record:
    return Record(apex, RRType.SOA, CLASS_IN, ttl, rules.local_mname + rules.local_rname + _TIMERS)


def nodata(apex: bytes, rules: Rules, rule: Rule, ttl: int = LOCAL_S) -> Reply:
    return Reply(Rcode.NOERROR, rule, authority=(soa(apex, rules, ttl),), aa=True)


def nxdomain(apex: bytes, rules: Rules, rule: Rule, ttl: int = LOCAL_S) -> Reply:
    return Reply(Rcode.NXDOMAIN, rule, authority=(soa(apex, rules, ttl),), aa=True)


def data(rule: Rule, *records: Record) -> Reply:
    return Reply(Rcode.NOERROR, rule, records, aa=True)


def at_apex(question: Question, apex: bytes, rules: Rules, rule: Rule) -> Reply:
    """SOA and NS of the zone; no other type is there."""
    if question.qtype == RRType.SOA:
        return data(rule, soa(apex, rules))
    if question.qtype == RRType.NS:
        return data(rule, Record(apex, RRType.NS, CLASS_IN, LOCAL_S, rules.local_mname))
    if question.qtype == RRType.ANY:
        ns = Record(apex, RRType.NS, CLASS_IN, LOCAL_S, rules.local_mname)
        return data(rule, soa(apex, rules), ns)
    return nodata(apex, rules, rule)
