"""Class CHAOS: which server answers (RFC 4892). Answered here, and never passed on: it is about this very server."""

from kun_dns64.formats.names import from_text
from kun_dns64.model.message import Ede, EdeCode, Record
from kun_dns64.model.question import CLASS_CH, Rcode, RRType
from kun_dns64.model.step import Reply, Rule
from kun_dns64.policy import local
from kun_dns64.policy.query_context import QueryContext

RULE = Rule.LOCAL_CHAOS
VERSION = frozenset(from_text(name) for name in ("version.bind", "version.server"))
IDENTITY = frozenset(from_text(name) for name in ("id.server", "hostname.bind"))
REFUSED = Reply(Rcode.REFUSED, RULE, ede=(Ede(EdeCode.PROHIBITED, RULE.value),))


def chaos_answer(case: QueryContext) -> Reply | None:
    """None for other classes. What the operator does not tell, and every other name, is REFUSED."""
    name, qtype, qclass = case.query.question
    if qclass != CLASS_CH:
        return None
    told = case.rules.version if case.name in VERSION else case.rules.identity if case.name in IDENTITY else ""
    if not told:
        return REFUSED
    if qtype not in (RRType.TXT, RRType.ANY):
        return Reply(Rcode.NOERROR, RULE, aa=True)
    text = told.encode()
    # Not to be kept: the next answer may be another server's (RFC 4892 section 3).
    return local.data(RULE, Record(name, RRType.TXT, CLASS_CH, 0, bytes((len(text),)) + text))
