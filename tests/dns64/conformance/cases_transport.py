# ruff: noqa: E501  (a row of a table is one line)
"""Section 12: sizes, truncation, and TCP behind and in front (RFC 1035, RFC 2181 section 9, RFC 7766; decisions D19, D22).

The case's own name has 16 bytes: header and question are 32, an AAAA is 28, an A 16 (the owner compressed), an OPT 11.
What needs more than one message in a connection stands in test_transport.py.
"""

from __future__ import annotations

import dns.message

from .case import BOTH, TCP, UDP, Case, Check, Expect, Step, a, aaaa, nodata, real, synth
from .cases_edns import made, many
from .client import Query
from .names import Names
from .script import ByTransport, Drop, HangUp, Says

TC_EMPTY = Says(tc=True)


def _whole_records_only(reply: dns.message.Message, wire: bytes, names: Names) -> str:
    """RFC 2181 section 9 allows an empty or a partial answer, but every record in it must be right."""
    wanted = {str(reply_rrset[0]) for reply_rrset in reply.answer}
    return "" if all(text.startswith("2002:c633:6440::14") for text in wanted) else f"answer {wanted}"


def _has_aaaa(count: int) -> Check:
    return lambda reply, wire, names: (
        "" if sum(rrset.rdtype == 28 for rrset in reply.answer) == count else "AAAA missing"
    )


NS, NS_ADDRESS, CNAME = ("t.example. 60 NS ns.t.example.",), ("ns.t.example. 60 A 192.0.2.53",), "@ 60 CNAME x.@"
BIG_TXT = tuple(f"@ 60 TXT {letter * 200}" for letter in "abcdefghij")
TRUNCATED = Expect(None, tc=True, check=_whole_records_only)

CASES = [
    Case("c224", "rfc1035-4.2.1", "17-fit-512-without-edns", {"A": many(17)}, made(17), Query(edns=None), over=UDP),
    Case("c225", "rfc1035-4.2.1", "18-do-not", {"A": many(18)}, TRUNCATED, Query(edns=None), over=UDP),
    Case("c225a", "rfc1035-4.2.2", "18-by-tcp-without-edns", {"A": many(18)}, made(18), Query(edns=None), over=TCP),
    Case("c225b", "rfc1035-4.2.1", "a-of-30-fit-512-without-edns", {"A": many(30)}, real(*many(30).answer), Query(rdtype="A", edns=None), over=UDP),
    Case("c225c", "rfc1035-4.2.1", "a-of-31-do-not", {"A": many(31)}, Expect(None, tc=True), Query(rdtype="A", edns=None), over=UDP),
    Case("c226", "rfc6147-5.4", "growth-by-synthesis", {"A": many(60)}, TRUNCATED, over=UDP),
    Case("c226a", "rfc6147-5.4", "growth-by-synthesis-by-tcp", {"A": many(60)}, made(60), over=TCP),
    Case("c226b", "rfc6147-5.4", "truncation-is-not-cached", {"A": many(60)}, TRUNCATED, over=UDP, then=(Step(TRUNCATED.but(asked={"AAAA": 1, "A": 1})),)),
    Case("c227", "rfc6891-6.2.4", "42-fit-1232", {"A": many(42)}, made(42), over=UDP),
    Case("c227a", "rfc6891-6.2.4", "43-do-not", {"A": many(43)}, TRUNCATED, over=UDP),
    Case("c227b", "rfc6891-6.2.4", "a-of-74-fit-1232", {"A": many(74)}, real(*many(74).answer), Query(rdtype="A"), over=UDP),
    Case("c227c", "rfc6891-6.2.4", "a-of-75-do-not", {"A": many(75)}, Expect(None, tc=True), Query(rdtype="A"), over=UDP),
    Case("c228", "rfc2181-9", "authority-and-additional-go-before-data", {"A": Says(many(42).answer, authority=NS, additional=NS_ADDRESS)}, made(42), over=UDP),
    Case("c228a", "rfc2181-9", "authority-and-additional-stay-where-they-fit", {"A": Says(many(36).answer, authority=NS, additional=NS_ADDRESS)}, made(36).but(authority=NS, additional=NS_ADDRESS), over=UDP),
    Case("c228b", "rfc2181-9", "large-txt-by-udp", {"TXT": Says(BIG_TXT)}, Expect(None, tc=True), Query(rdtype="TXT"), over=UDP),
    Case("c228c", "rfc7766-5", "large-txt-by-tcp", {"TXT": Says(BIG_TXT)}, real(*BIG_TXT), Query(rdtype="TXT"), over=TCP),
    Case("c228d", "rfc2181-9", "large-denial-by-udp", {"TXT": nodata()}, Expect(()), Query(rdtype="TXT", edns=None), over=UDP),
    Case("c228e", "rfc6147-5.4", "chain-and-data-that-just-fit", {"AAAA": nodata(answer=(CNAME,)), "A": Says((CNAME, *many(41, owner="x.@").answer))}, Expect(None, check=_has_aaaa(41)), over=UDP),
    Case("c230", "rfc7766-5", "a-truncated-then-tcp", {"A": ByTransport(TC_EMPTY, many(60))}, made(60), over=TCP),
    Case("c230a", "rfc7766-5", "a-truncated-then-tcp-small", {"A": ByTransport(Says(("@ 3600 A 192.0.2.66",), tc=True), a(".33"))}, synth(".33")),
    Case("c231", "rfc7766-5", "aaaa-truncated-then-tcp", {"AAAA": ByTransport(TC_EMPTY, aaaa("2001:db8::1")), "A": a(".33")}, real("@ 3600 AAAA 2001:db8::1").but(asked={"A": 0})),
    Case("c231a", "rfc7766-5", "aaaa-truncated-then-denied-by-tcp", {"AAAA": ByTransport(Says(("@ 3600 AAAA 2001:db8::66",), tc=True), nodata()), "A": a(".33")}, synth(".33")),
    Case("c231b", "rfc7766-5", "txt-truncated-then-tcp", {"TXT": ByTransport(TC_EMPTY, Says(("@ 60 TXT whole",)))}, real("@ 60 TXT whole"), Query(rdtype="TXT")),
    Case("c232", "decision-d22", "a-truncated-and-tcp-refused", {"A": ByTransport(Says(many(5).answer, tc=True), HangUp())}, Expect((), "SERVFAIL"), over=BOTH, slow=True),
    Case("c232a", "decision-d22", "aaaa-truncated-and-tcp-refused", {"AAAA": ByTransport(Says(("@ 60 AAAA 2001:db8::66",), tc=True), HangUp()), "A": a(".33")}, synth(".33", ttl=600), over=BOTH, slow=True),
    Case("c232b", "decision-d22", "a-truncated-and-tcp-silent", {"A": ByTransport(Says(many(5).answer, tc=True), Drop())}, Expect((), "SERVFAIL"), over=BOTH, slow=True),
    Case("c232c", "decision-d22", "truncated-by-tcp-too", {"A": Says(many(5).answer, tc=True)}, Expect((), "SERVFAIL"), over=BOTH, slow=True),
    Case("c244", "rfc7766-5", "no-tc-by-tcp", {"A": many(200)}, made(200).but(tc=False), over=TCP),
]  # fmt: skip
