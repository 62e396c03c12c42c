"""Special-use names, which mean nothing in the DNS and are answered here: no question about them goes upstream.

Each answer is what the RFC of the name asks of a caching server. A `[[zone]]` with servers of its own, at the name or
below it, goes first: then the operator has such a zone ("unless configured otherwise", RFC 8375 section 4). Names under
`example` and `local` are looked up as any other: RFC 6761 section 6.5 says so, and `cluster.local` is served by DNS.
"""

from enum import StrEnum
from typing import NamedTuple

from kun_dns64.formats.names import from_text
from kun_dns64.model.message import Record
from kun_dns64.model.question import CLASS_ANY, CLASS_IN, RRType
from kun_dns64.model.rules import Rules
from kun_dns64.model.special import SpecialName
from kun_dns64.model.step import Reply, Rule
from kun_dns64.policy import local
from kun_dns64.policy.lifetime import LOCAL_S
from kun_dns64.policy.query_context import QueryContext

RULE = Rule.LOCAL_SPECIAL
A, AAAA, ANY, DS, SVCB = RRType.A, RRType.AAAA, RRType.ANY, RRType.DS, RRType.SVCB
LOOPBACK = {A: b"\x7f\x00\x00\x01", AAAA: bytes(15) + b"\x01"}
DESIGNATED = from_text("_dns.resolver.arpa")


class Answer(StrEnum):
    """`nonexistent`: NXDOMAIN for all. `empty-zone`: as RFC 6303 section 3. `nodata`: all exist, and have nothing."""

    NONEXISTENT = "nonexistent"
    LOOPBACK = "loopback"
    EMPTY_ZONE = "empty-zone"
    NODATA = "nodata"


class SpecialNameRule(NamedTuple):
    """`apexes` in wire format, lower-case."""

    name: SpecialName
    answer: Answer
    source: str
    apexes: tuple[bytes, ...]


_PRIVATE_REVERSE = ("10", *(f"{byte}.172" for byte in range(16, 32)), "168.192")

TABLE = (
    SpecialNameRule(SpecialName.LOCALHOST, Answer.LOOPBACK, "RFC 6761 section 6.3", (from_text("localhost"),)),
    SpecialNameRule(SpecialName.TEST, Answer.NONEXISTENT, "RFC 6761 section 6.2", (from_text("test"),)),
    SpecialNameRule(SpecialName.INVALID, Answer.NONEXISTENT, "RFC 6761 section 6.4", (from_text("invalid"),)),
    SpecialNameRule(SpecialName.ONION, Answer.NONEXISTENT, "RFC 7686 section 2", (from_text("onion"),)),
    SpecialNameRule(SpecialName.ALT, Answer.NONEXISTENT, "RFC 9476 section 2", (from_text("alt"),)),
    SpecialNameRule(SpecialName.HOME_ARPA, Answer.EMPTY_ZONE, "RFC 8375 section 4", (from_text("home.arpa"),)),
    SpecialNameRule(SpecialName.RESOLVER_ARPA, Answer.NODATA, "RFC 9462 section 6.1", (from_text("resolver.arpa"),)),
    SpecialNameRule(
        SpecialName.PRIVATE_REVERSE,
        Answer.EMPTY_ZONE,
        "RFC 6761 section 6.1",
        tuple(from_text(f"{text}.in-addr.arpa") for text in _PRIVATE_REVERSE),
    ),
)
_OF_APEX = {apex: special for special in TABLE for apex in special.apexes}
# By these a name is told from all others at once. Those under arpa have further labels.
LAST_LABELS = tuple(dict.fromkeys(apex[-6:] if apex.endswith(b"\x04arpa\x00") else apex for apex in _OF_APEX))


def special_answer(case: QueryContext) -> Reply | None:
    """The answer for a special-use name; None: the name is none, or is looked up all the same."""
    found = find(case.name, case.rules) if case.query.question.qclass in (CLASS_IN, CLASS_ANY) else None
    if found is None:
        return None
    special, apex = found
    if case.zone is not None and case.zone.group and len(case.zone.suffix) >= len(apex):
        return None
    match special.answer:
        case Answer.NONEXISTENT:
            return local.nxdomain(apex, case.rules, RULE)
        case Answer.LOOPBACK:
            return _loopback(case, apex)
        case Answer.NODATA:
            return _designated(case, apex)
        case Answer.EMPTY_ZONE:
            return _empty_zone(case, apex)


def find(name: bytes, rules: Rules) -> tuple[SpecialNameRule, bytes] | None:
    """The special name that `name` (lower-case) is or is below, if it is answered here, and the apex."""
    if not name.endswith(LAST_LABELS):
        return None
    place = 0
    while length := name[place]:
        special = _OF_APEX.get(name[place:])
        if special is not None and special.name in rules.special_names:
            return special, name[place:]
        place += 1 + length
    return None


def _loopback(case: QueryContext, apex: bytes) -> Reply:
    name, qtype, _ = case.query.question
    wanted = LOOPBACK if qtype == ANY else {rtype: data for rtype, data in LOOPBACK.items() if rtype == qtype}
    if not wanted:
        return local.nodata(apex, case.rules, RULE)
    return local.data(RULE, *(Record(name, rtype, CLASS_IN, LOCAL_S, data) for rtype, data in wanted.items()))


def _empty_zone(case: QueryContext, apex: bytes) -> Reply | None:
    """No DS is answered here: only the parent's denial of it proves to a validator that the zone is unsigned."""
    if case.name != apex:
        return local.nxdomain(apex, case.rules, RULE)
    return None if case.query.question.qtype == DS else local.at_apex(case.query.question, apex, case.rules, RULE)


def _designated(case: QueryContext, apex: bytes) -> Reply:
    """Our own DNS over TLS, or nothing: what the upstream offers would lead clients past DNS64 (RFC 9462 section 4)."""
    name, qtype, _ = case.query.question
    if case.name == DESIGNATED and qtype in (SVCB, ANY) and case.rules.designated:
        return local.data(RULE, *(Record(name, SVCB, CLASS_IN, LOCAL_S, rdata) for rdata in case.rules.designated))
    return local.nodata(apex, case.rules, RULE)
