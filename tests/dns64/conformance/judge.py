"""Compares a reply with a row. Whatever the row says, the reply must also keep the rules every reply has to keep."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from .case import Expect
from .client import Heard, Query
from .names import Names
from .script import Lines, parse_record
from .second_reader import disagreements
from .upstream import ScriptedUpstream, parse_key

Record = tuple[str, int, int, int, bytes]
"""Owner in lower case, class, type, TTL, RDATA in canonical form."""


def judge(query: Query, sent: bytes, heard: Heard, expect: Expect, names: Names, transport: str) -> list[str]:
    """Every way in which the reply is not the one the row asks for; empty if it is."""
    if heard.wire is None:
        return [] if expect.silence else [f"no reply within {heard.took_s:.2f} s"]
    if expect.silence:
        return [f"a reply came where none may: {heard.wire[:80].hex()}"]
    problems = list(_header(query, sent, heard.wire, expect))
    try:
        reply = dns.message.from_wire(_as_query_opcode(heard.wire), one_rr_per_rrset=True)
    except dns.exception.DNSException as garbage:
        return [*problems, f"the reply cannot be parsed ({garbage!r}): {heard.wire.hex()}"]
    problems += disagreements(heard.wire, reply)
    problems += _opt(query, reply, expect)
    problems += _rcode(reply, expect)
    problems += _sections(reply, expect, names)
    problems += _rrsets(reply)
    if heard.took_s > expect.within_s:
        problems.append(f"took {heard.took_s:.3f} s, allowed {expect.within_s} s")
    if transport.startswith("udp") and len(heard.wire) > _size_allowed(query):
        problems.append(f"{len(heard.wire)} bytes by UDP, allowed {_size_allowed(query)}")
    if expect.check is not None and (complaint := expect.check(reply, heard.wire, names)):
        problems.append(complaint)
    return problems + ([f"the whole reply:\n{reply}"] if problems else [])


def judge_upstream(upstream: ScriptedUpstream, expect: Expect, names: Names) -> list[str]:
    """Compares how often the upstream was asked; `*` counts everything below the case's own name."""
    problems = []
    for limits, exact in ((expect.asked, True), (expect.at_most, False)):
        for text, wanted in (limits or {}).items():
            seen = _times_asked(upstream, text, names)
            if seen != wanted if exact else seen > wanted:
                limit = wanted if exact else f"at most {wanted}"
                problems.append(f"upstream saw {seen} queries for {text!r}, expected {limit}")
    if expect.seen is not None and (complaint := expect.seen(upstream.below(names.own))):
        problems.append(complaint)
    return problems


def _times_asked(upstream: ScriptedUpstream, text: str, names: Names) -> int:
    if text.startswith("* "):
        return len(upstream.below(names.fill(text[2:])))
    return len(upstream.below(names.own)) if text == "*" else upstream.count(parse_key(text, names))


def _size_allowed(query: Query) -> int:
    return 512 if query.edns is None else max(512, min(query.payload, 1232))


def _header(query: Query, sent: bytes, wire: bytes, expect: Expect) -> Iterator[str]:
    """RFC 1035 section 4.1.1, RFC 4035 section 3.2 for CD, RFC 6147 section 5.4 for the question."""
    if len(wire) < 12:
        yield f"the reply has only {len(wire)} bytes"
        return
    if wire[:2] != sent[:2]:
        yield f"id {wire[:2].hex()}, sent {sent[:2].hex()}"
    flags, asked = int.from_bytes(wire[2:4], "big"), int.from_bytes(sent[2:4], "big")
    wanted: dict[str, bool | None] = {"QR": True, "RD": bool(asked & dns.flags.RD)}
    wanted |= {"RA": expect.ra, "AA": expect.aa, "TC": expect.tc, "AD": expect.ad}
    for name in [name for name, value in wanted.items() if value is None]:
        wanted.pop(name)
    if query.raw is None:
        wanted["CD"] = query.cd
    else:
        for name in ("RA", "RD"):  # RFC 8906 section 3.1.4: nothing is said about them in errors on malformed queries
            wanted.pop(name)
    for name, value in wanted.items():
        if bool(flags & int(dns.flags.Flag[name])) != value:
            yield f"{name} is {int(not value)}, expected {int(bool(value))}"
    if flags & 0x0040:
        yield "the reserved Z bit is set"
    if flags & 0x7800 != asked & 0x7800:
        yield f"opcode {flags >> 11 & 15}, sent {asked >> 11 & 15}"
    if expect.question == "same" and wire[12 : 12 + len(_question(sent))] != _question(sent):
        yield "the question differs from the query's, byte by byte"


def _as_query_opcode(wire: bytes) -> bytes:
    """dnspython reads UPDATE replies by rules of their own; the opcode itself is judged in the header."""
    return wire[:2] + bytes([wire[2] & 0x87]) + wire[3:] if len(wire) > 2 else wire


def _question(wire: bytes) -> bytes:
    end = 12
    while wire[end]:
        end += wire[end] + 1
    return wire[12 : end + 5]


def _opt(query: Query, reply: dns.message.Message, expect: Expect) -> Iterator[str]:
    """RFC 6891: OPT if and only if the query had one, version 0, no flag but a copied DO (RFC 3225 section 3)."""
    wanted = query.edns is not None if expect.opt is None and query.raw is None else expect.opt
    if wanted is not None and wanted != (reply.edns >= 0):
        yield "OPT is missing" if wanted else "OPT in a reply to a query without OPT"
    if reply.edns >= 0:
        if reply.edns != 0:
            yield f"EDNS version {reply.edns}"
        if reply.payload != 1232:
            yield f"advertised UDP size {reply.payload}, expected 1232"
        if int(reply.ednsflags) & 0x7FFF:
            yield f"EDNS Z flags {int(reply.ednsflags) & 0x7FFF:#x}"
        if query.raw is None and bool(int(reply.ednsflags) & 0x8000) != query.do and query.edns == 0:
            yield f"DO is {int(not query.do)}, the query had {int(query.do)}"
    codes = _ede_codes(reply)
    if expect.ede and not set(codes) & set(expect.ede):
        yield f"EDE {codes}, expected one of {list(expect.ede)}"
    if expect.no_ede and codes:
        yield f"EDE {codes}, expected none"


def _ede_codes(reply: dns.message.Message) -> list[int]:
    return [int(option.code) for option in reply.options if isinstance(option, dns.edns.EDEOption)]


def _rcode(reply: dns.message.Message, expect: Expect) -> Iterator[str]:
    allowed = (expect.rcode,) if isinstance(expect.rcode, str) else expect.rcode
    if dns.rcode.to_text(reply.rcode()) not in allowed:
        yield f"rcode {dns.rcode.to_text(reply.rcode())}, expected {' or '.join(allowed)}"


def _sections(reply: dns.message.Message, expect: Expect, names: Names) -> Iterator[str]:
    for title, section, lines in (
        ("answer", reply.answer, expect.answer),
        ("authority", reply.authority, expect.authority),
        ("additional", reply.additional, expect.additional),
    ):
        if lines is not None and not _same(section, lines, names, expect.ttl_slack):
            wanted = "\n".join(map(names.fill, lines)) or "(empty)"
            yield f"{title} section differs, expected\n{wanted}"
    yield from _chain(reply)


def _same(section: list[dns.rrset.RRset], lines: Lines, names: Names, slack: int) -> bool:
    got = sorted((_record(rrset) for rrset in section), key=_by_content)
    wanted = sorted((_record(parse_record(line, names)) for line in lines), key=_by_content)
    if [_by_content(record) for record in got] != [_by_content(record) for record in wanted]:
        return False
    return all(max(0, w[3] - slack) <= g[3] <= w[3] for g, w in zip(got, wanted, strict=True))


def _record(rrset: dns.rrset.RRset) -> Record:
    # canonical form: a name in RDATA that is compressed against the question takes the question's case
    rdata = rrset[0].to_digestable()
    return rrset.name.to_text().lower(), int(rrset.rdclass), int(rrset.rdtype), rrset.ttl, rdata


def _by_content(record: Record) -> tuple[str, int, int, bytes]:
    return record[0], record[1], record[2], record[4]


def _chain(reply: dns.message.Message) -> Iterator[str]:
    """RFC 1034 section 4.3.2: CNAMEs stand in the order in which they are followed, before the data."""
    cnames = [rrset for rrset in reply.answer if rrset.rdtype == dns.rdatatype.CNAME]
    if not cnames or not reply.question or reply.question[0].rdtype in (dns.rdatatype.CNAME, dns.rdatatype.ANY):
        return
    at = reply.question[0].name
    for cname in cnames:
        if cname.name != at:
            yield f"CNAME of {cname.name} where that of {at} is due"
        at = cname[0].target
    last = max(i for i, rrset in enumerate(reply.answer) if rrset.rdtype == dns.rdatatype.CNAME)
    skip = (dns.rdatatype.CNAME, dns.rdatatype.DNAME, dns.rdatatype.RRSIG)
    first = min((i for i, rrset in enumerate(reply.answer) if rrset.rdtype not in skip), default=last)
    if first < last:
        yield "data stands before a CNAME"


def _rrsets(reply: dns.message.Message) -> Iterator[str]:
    """RFC 2181 section 5: one TTL in an RRset, no record twice."""
    for title, section in (("answer", reply.answer), ("authority", reply.authority), ("additional", reply.additional)):
        records = [_record(rrset) for rrset in section]
        ttls: Mapping[tuple[str, int, int], set[int]] = defaultdict(set)
        for owner, rdclass, rdtype, ttl, _ in records:
            if rdtype != dns.rdatatype.RRSIG:
                ttls[owner, rdclass, rdtype].add(ttl)
        for key, seen in ttls.items():
            if len(seen) > 1:
                yield f"{title}: TTLs {sorted(seen)} in one RRset {key}"
        for content, times in Counter(map(_by_content, records)).items():
            if times > 1:
                yield f"{title}: {times} times the same record {content}"
