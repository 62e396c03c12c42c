"""ipv4only.arpa, by which hosts learn the prefix, is answered here (RFC 7050, RFC 8880 section 7.1)."""

from kun_dns64.model.message import Record
from kun_dns64.model.question import CLASS_IN, RRType
from kun_dns64.model.step import Reply, Rule
from kun_dns64.policy import local
from kun_dns64.policy.eligibility import obstacle
from kun_dns64.policy.lifetime import CLAMP_S, LOCAL_S
from kun_dns64.policy.mapping import IPV4ONLY
from kun_dns64.policy.query_context import QueryContext
from kun_dns64.policy.synthesis import synthesise

WELL_KNOWN_IPV4 = (b"\xc0\x00\x00\xaa", b"\xc0\x00\x00\xab")
RULE = Rule.LOCAL_DISCOVERY


def discovered(case: QueryContext) -> Reply | None:
    """The answer for ipv4only.arpa and all below it; None for other names, and for its DS (section 7.1, item 4)."""
    name, question, rules = case.name, case.query.question, case.rules
    if not name.endswith(IPV4ONLY) or question.qclass != CLASS_IN:
        return None
    if name != IPV4ONLY:
        below = name[-len(IPV4ONLY) - 1 :] if len(name) > len(IPV4ONLY) else b""
        return local.nxdomain(IPV4ONLY, rules, RULE) if below and _is_label_boundary(name) else None
    if question.qtype == RRType.DS:
        return None
    addresses = tuple(Record(question.name, RRType.A, CLASS_IN, LOCAL_S, ipv4) for ipv4 in WELL_KNOWN_IPV4)
    if question.qtype in (RRType.A, RRType.ANY):
        return local.data(RULE, *addresses)
    if question.qtype != RRType.AAAA:
        return local.at_apex(question, IPV4ONLY, rules, RULE)
    why_not = obstacle(case)
    if why_not is not None or rules.shadow:
        return local.nodata(IPV4ONLY, rules, RULE, CLAMP_S if why_not is Rule.GATEWAY_DOWN else LOCAL_S)
    ttl = CLAMP_S if case.exit.clamp else LOCAL_S
    made = synthesise(addresses, case.exit.ways, case.prepared.embedding, ttl)
    return local.data(RULE, *made) if made else local.nodata(IPV4ONLY, rules, RULE)


def _is_label_boundary(name: bytes) -> bool:
    place, start = 0, len(name) - len(IPV4ONLY)
    while place < start:
        place += 1 + name[place]
    return place == start
