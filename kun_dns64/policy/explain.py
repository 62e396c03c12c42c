"""Why an answer is what it is, in words: each decision with its rule, its numbers and the section that asks for it.

Nothing is noted while answering. The explanation is told afterwards, from the query, what was heard, and the reply, by
the functions that decided.
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address

from kun_dns64.formats.names import to_text
from kun_dns64.model.host_address import SixToFourHost
from kun_dns64.model.message import Query, Record, Response
from kun_dns64.model.question import CLASS_IN, Question, RRType
from kun_dns64.model.rules import GatewayDown, Rules, ZoneMode
from kun_dns64.model.step import Drop, Heard, Note, Reply
from kun_dns64.policy.acl import bad_subnet
from kun_dns64.policy.client import named_subnet
from kun_dns64.policy.completion import joined
from kun_dns64.policy.denial import DenialKind, read
from kun_dns64.policy.eligibility import obstacle
from kun_dns64.policy.lifetime import CLAMP_S, WITHOUT_SOA_S, current, denial_lifetime
from kun_dns64.policy.lookup_pair import Halves
from kun_dns64.policy.prepared import prepare
from kun_dns64.policy.query_context import QueryContext, situation
from kun_dns64.policy.rule_text import VERDICTS

SYNTHESISED = "synthesised"


def explain(query: Query, heard: Sequence[Heard], step: Reply | Drop, rules: Rules) -> tuple[Note, ...]:
    """The notes in the order of the decisions; the last one names the rule that gave the answer."""
    if not query.question.name:
        return (VERDICTS[step.rule],)
    prepared = prepare(rules)
    if bad_subnet(query, prepared) is not None:
        return (Note("the client subnet option is malformed", "RFC 7871 section 6"), VERDICTS[step.rule])
    case = situation(query, prepared)
    notes = [*_who(case), *_where(case)]
    known = tuple(current(one, rules) for one in heard)
    for one in known:
        notes += _said(one)
    if query.question.qtype == RRType.AAAA and query.question.qclass == CLASS_IN:
        notes += _halves(case, joined(case, known), step)
    return (*notes, VERDICTS[step.rule])


def _who(case: QueryContext) -> Iterator[Note]:
    subnet = named_subnet(case.query, case.prepared)
    if subnet is not None:
        yield Note(f"{case.query.source} is trusted to speak for {subnet}", "RFC 7871 section 11")
    client = case.client
    if client is None:
        return
    effects = [] if client.dns64 else ["real answers only"]
    effects += ["no A"] if client.filter_a else []
    effects += [f"pool {client.pool}"] if client.pool else []
    effects += [f"{len(client.domains)} domains of its own"] if client.domains else []
    if client.followed:
        yield Note(f"client of the followed table: {', '.join(effects) or 'nothing special'}", "[follow]")
        return
    yield Note(f"client policy {client.name!r}: {', '.join(effects) or 'nothing special'}", "[[client]], first match")


def _where(case: QueryContext) -> Iterator[Note]:
    zone, way = case.zone, case.exit
    if zone is not None:
        group = f", upstreams {zone.group}" if zone.group else ""
        yield Note(f"zone {to_text(zone.suffix)}: {zone.mode.value}{group}", "[[zone]], longest suffix")
    prefixes = ", ".join(str(one.prefix) for one in way.ways)
    source = "[follow]" if _follows(case) else "[[pool]]"
    yield Note(f"pool {way.pool or 'default'}: {prefixes}", source if way.pool else "[dns64]")
    if way.pool in case.rules.pools_down:
        how = "synthesis stops" if way.stop else f"TTL at most {CLAMP_S}" if way.clamp else "no change"
        yield Note(
            f"no gateway of the pool is up: {how}", f"on_gateway_down = {GatewayDown(case.rules.on_gateway_down)}"
        )


def _follows(case: QueryContext) -> bool:
    """Whether the client's pools are those of the followed table."""
    return case.client is not None and case.client.followed


def _said(heard: Heard) -> Iterator[Note]:
    finding = read(heard.question, heard.outcome)
    kind = _type_text(heard.question)
    where = (
        "stale, from the cache" if heard.stale else "from the cache" if heard.cached else heard.upstream or "upstream"
    )
    if finding.failure is not None:
        detail = f" ({finding.failure.detail})" if finding.failure.detail else ""
        yield Note(f"{kind}: {finding.failure.kind.value}{detail}, {where}", "RFC 6147 section 5.1.3")
        return
    assert isinstance(heard.outcome, Response)
    links = "".join(f" -> {to_text(link.rdata)}" for link in finding.chain.links if link.rtype == RRType.CNAME)
    lifetime = denial_lifetime(heard.outcome)
    denial = (
        ""
        if finding.kind is DenialKind.DATA
        else " without SOA"
        if lifetime is None
        else f", SOA good for {lifetime} s"
    )
    many = len(finding.data)
    count = f", {many} record{'s' if many > 1 else ''}" if many else ""
    code = f" (rcode {heard.outcome.rcode})" if finding.kind is DenialKind.ERROR else ""
    yield Note(f"{kind}{links}: {finding.kind.value}{code}{count}{denial}, {where}", "RFC 2308 section 2")


def _halves(case: QueryContext, heard: tuple[Heard, ...], step: Reply | Drop) -> Iterator[Note]:
    halves = Halves(case, heard)
    why_not = obstacle(case)
    if why_not is None:
        for record in halves.excluded:
            yield Note(f"{IPv6Address(record.rdata)} is excluded and counts as absent", "RFC 6147 section 5.1.4")
    if why_not is not None or halves.a is None or halves.a.finding.kind is not DenialKind.DATA:
        return
    if case.mode is ZoneMode.NEVER or not isinstance(step, Reply):
        return
    for record in halves.a.finding.data:
        yield _embedding(case, record)
    if step.rule.value.startswith(SYNTHESISED):
        yield _arithmetic(case, halves, step)


def _embedding(case: QueryContext, record: Record) -> Note:
    ipv4 = IPv4Address(record.rdata)
    ways = case.prepared.embedding.ways(record.rdata, case.exit.ways, record.name)
    if not ways:
        return Note(f"{ipv4} is never embedded", "never_embed, map, RFC 6052 section 3.1")
    made = ", ".join(str(IPv6Address(way.embed(record.rdata))) for way in ways)
    if isinstance(ways[0].prefix, SixToFourHost):
        return Note(f"{ipv4} becomes the host's own 6to4 address, {made}", "[dns64] map, RFC 3056 section 2")
    return Note(f"{ipv4} becomes {made}", "RFC 6052 section 2.2")


def _arithmetic(case: QueryContext, halves: Halves, step: Reply) -> Note:
    """Every number the TTL was the least of."""
    assert halves.a is not None
    terms = [f"A {min(record.ttl for record in halves.a.finding.data)}"]
    aaaa = halves.aaaa.finding if halves.aaaa is not None else None
    lifetime = denial_lifetime(aaaa.response) if aaaa is not None and aaaa.response is not None else None
    if halves.excluded:
        terms += [f"excluded AAAA {min(record.ttl for record in halves.excluded)}", f"no denial {WITHOUT_SOA_S}"]
    elif aaaa is not None and aaaa.kind is DenialKind.NODATA and lifetime is not None:
        terms.append(f"denial {lifetime}")
    else:
        terms.append(f"no SOA {WITHOUT_SOA_S}")
    if case.exit.clamp:
        terms.append(f"gateway {CLAMP_S}")
    if step.stale:
        terms.append(f"stale {case.rules.stale_ttl_s}")
    made = [record.ttl for record in step.answer + step.shadow if record.rtype == RRType.AAAA]
    return Note(f"TTL = min({', '.join(terms)}) = {min(made, default=0)}", "RFC 6147 section 5.1.7")


def _type_text(question: Question) -> str:
    known = {int(rtype): rtype.name for rtype in RRType}
    return f"{to_text(question.name)} {known.get(question.qtype, f'TYPE{question.qtype}')}"
