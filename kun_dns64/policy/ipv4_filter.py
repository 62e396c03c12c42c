"""Clients that shall not see an IPv4 address (`filter_a`): none by type A, and none by any other type either.

A name that does not exist stays so (RFC 2308 section 2.1). The rest of a reply is left as it is.
"""

from kun_dns64.formats.names import root_end
from kun_dns64.model.message import Ede, EdeCode, Record
from kun_dns64.model.question import CLASS_ANY, CLASS_IN, Rcode, RRType
from kun_dns64.model.step import Heard, Reply, Rule, Step
from kun_dns64.policy import local
from kun_dns64.policy.completion import ask_on
from kun_dns64.policy.denial import DenialKind
from kun_dns64.policy.dnssec import covers
from kun_dns64.policy.forward import forwarded, not_recursive
from kun_dns64.policy.lifetime import CLAMP_S
from kun_dns64.policy.lookup_pair import Half
from kun_dns64.policy.query_context import QueryContext

A, RRSIG = RRType.A, RRType.RRSIG
SERVICES = frozenset((RRType.SVCB, RRType.HTTPS))
# Keys of service parameters (RFC 9460 section 14.3.2).
MANDATORY, IPV4HINT = 0, 4
FILTERED = (Ede(EdeCode.FILTERED, Rule.FILTERED_A.value),)

Records = tuple[Record, ...]


def is_filtered(case: QueryContext) -> bool:
    return case.client is not None and case.client.filter_a


def answer_filtered_a(case: QueryContext, heard: tuple[Heard, ...]) -> Step:
    """NODATA for A, so that IPv6-only clients do not wait for IPv4; NXDOMAIN where there is no such name.

    An error says neither, and is not passed on: some clients would give up although the AAAA works.
    """
    if not heard:
        return case.ask(case.query.question)
    a = Half(heard[-1])
    if a.not_cached:
        return not_recursive()
    if (further := ask_on(case, a.heard, a.finding)) is not None:
        return further
    if a.finding.kind in (DenialKind.NXDOMAIN, DenialKind.NODATA):
        rule = Rule.NXDOMAIN if a.finding.kind is DenialKind.NXDOMAIN else Rule.FORWARDED
        return without_ipv4(case, forwarded(case, a.heard, a.finding, rule))
    ttls = [record.ttl for record in (*a.finding.chain.links, *a.finding.data)]
    return _nodata(case, min(ttls, default=CLAMP_S))


def _nodata(case: QueryContext, ttl: int) -> Reply:
    """The SOA lets caches keep it for a while."""
    reply = local.nodata(case.query.question.name, case.rules, Rule.FILTERED_A, ttl)
    return reply._replace(aa=False, ede=FILTERED)


def without_ipv4(case: QueryContext, reply: Reply) -> Reply:
    """The reply without A records in any section, and without the IPv4 hints of service records."""
    answer, authority, additional = (_without(s) for s in (reply.answer, reply.authority, reply.additional))
    if answer is reply.answer and authority is reply.authority and additional is reply.additional:
        return reply
    if reply.answer and not answer and reply.rcode == Rcode.NOERROR:
        return _nodata(case, min(record.ttl for record in reply.answer))
    return reply._replace(
        answer=answer,
        authority=authority,
        additional=additional,
        ad=reply.ad and answer is reply.answer,
        ede=reply.ede if answer is reply.answer else (*reply.ede, *FILTERED),
    )


def _without(records: Records) -> Records:
    """The same tuple where nothing is to be left out. What was signed otherwise loses its signatures."""
    kept: list[Record] = []
    changed: set[tuple[bytes, int]] = set()
    for record in records:
        plain = _plain(record)
        if plain is not record:
            changed.add((record.name.lower(), record.rtype))
        if plain is not None:
            kept.append(plain)
    if not changed:
        return records
    return tuple(
        record
        for record in kept
        if record.rtype != RRSIG or not any(covers(record, t) and record.name.lower() == n for n, t in changed)
    )


def _plain(record: Record) -> Record | None:
    """None: it is an IPv4 address, or nobody knows what is in it."""
    if record.rclass not in (CLASS_IN, CLASS_ANY):
        return record
    if record.rtype == A:
        return None
    if record.rtype not in SERVICES:
        return record
    rdata = without_hint(record.rdata)
    return None if rdata is None else record if rdata == record.rdata else record._replace(rdata=rdata)


def without_hint(rdata: bytes) -> bytes | None:
    """Service data without `ipv4hint`, which is not mandatory any more either; None for malformed data."""
    start = root_end(rdata, 2)
    place, params = start, b""
    while start and place < len(rdata):
        key, length = int.from_bytes(rdata[place : place + 2]), int.from_bytes(rdata[place + 2 : place + 4])
        param = rdata[place : place + 4 + length]
        place += 4 + length
        if key == MANDATORY:
            keys = [param[at : at + 2] for at in range(4, len(param), 2) if param[at : at + 2] != b"\x00\x04"]
            param = b"\x00\x00" + (2 * len(keys)).to_bytes(2) + b"".join(keys) if keys else b""
        if key != IPV4HINT:
            params += param
    return rdata[:start] + params if start and place == len(rdata) else None
