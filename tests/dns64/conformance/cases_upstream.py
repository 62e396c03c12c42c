# ruff: noqa: E501  (a row of a table is one line)
"""Section 16: replies that are not replies, failover, slow and odd upstreams (RFC 5452 section 9, RFC 7766; decisions D20 to D22)."""

from __future__ import annotations

import dns.message

from .case import BOTH, Case, Expect, Step, a, aaaa, error, failed, nodata, nxdomain, real, says, synth
from .client import Query
from .names import Names
from .script import After, ByOpt, ByTransport, Drop, Forged, HangUp, InTurn, LowerCased, Raw, Says, Twice

FAULTS = {
    "c305": ("wrong-id",), "c306": ("wrong-name",), "c307": ("wrong-port",), "c308": ("query-bit", "opcode"),
    "c309": ("wrong-type", "wrong-class", "no-question", "garbage"),
}  # fmt: skip
EVIL_A, EVIL_AAAA = a("192.0.2.66"), aaaa("2001:db8::66")


def _address_is(expected: str) -> Expect:
    def check(reply: dns.message.Message, wire: bytes, names: Names) -> str:
        found = [str(rrset[0]) for rrset in reply.answer]
        return "" if found == [expected] else f"answer {found}"

    return Expect(None, check=check)


FROM_33 = _address_is("2002:c633:6440::c000:221")
GARBAGE = Raw(lambda query: query[:2] + b"\x81\x80" + b"\xff" * 30)

CASES = [
    *(
        Case(number, "rfc5452-9.1", f"{fault}-on-a", {"A": Forged(fault, EVIL_A, a(".33"))}, synth(".33"), over=BOTH)
        for number, faults in FAULTS.items()
        for fault in faults
    ),
    *(
        Case(number, "rfc5452-9.1", f"{fault}-on-aaaa", {"AAAA": Forged(fault, EVIL_AAAA, nodata()), "A": a(".33")}, synth(".33"), over=BOTH)
        for number, faults in FAULTS.items()
        for fault in faults
    ),
    *(
        Case("c309a", "rfc5452-9.1", f"{fault}-with-0x20-off", {"A": Forged(fault, EVIL_A, a(".33"))}, synth(".33"), config="no-0x20", over=BOTH)
        for faults in FAULTS.values()
        for fault in faults
    ),
    *(
        Case("c309b", "rfc5452-9.1", f"{fault}-on-txt", {"TXT": Forged(fault, says("@ 60 TXT evil"), says("@ 60 TXT good"))}, real("@ 60 TXT good"), Query(rdtype="TXT"), over=BOTH)
        for faults in FAULTS.values()
        for fault in faults
    ),
    Case("c309c", "rfc5452-9.1", "forged-nxdomain", {"AAAA": Forged("wrong-id", nxdomain(), nodata()), "A": a(".33")}, synth(".33"), over=BOTH),
    Case("c309d", "rfc5452-9.1", "garbage-only", {"AAAA": GARBAGE, "A": GARBAGE}, failed("SERVFAIL"), over=BOTH, slow=True),
    Case("c310", "draft-dns-0x20", "upstream-lower-cases", {"AAAA": LowerCased(nodata()), "A": LowerCased(a(".33"))}, FROM_33, over=BOTH),
    Case("c310a", "draft-dns-0x20", "upstream-lower-cases-real-aaaa", {"AAAA": LowerCased(aaaa("2001:db8::1"))}, _address_is("2001:db8::1"), over=BOTH),
    Case("c310b", "draft-dns-0x20", "upstream-lower-cases-0x20-off", {"AAAA": LowerCased(nodata()), "A": LowerCased(a(".33"))}, synth(".33"), Query("^@"), "no-0x20", over=BOTH),
    Case("c311", "rfc5452-9.3", "hundred-wrong-ids", {"A": Forged("wrong-id", EVIL_A, a(".33"), count=100)}, FROM_33, over=BOTH),
    Case("c312", "rfc1035-7.2", "failover-on-timeout", {"AAAA": Drop(), "A": Drop()}, FROM_33, config="two-upstreams", two={"A": a(".33")}, over=BOTH, slow=True),
    Case("c312a", "rfc1035-7.2", "failover-on-timeout-the-other-way", {"A": a(".33")}, FROM_33, config="two-upstreams", two={"AAAA": Drop(), "A": Drop()}, over=BOTH, slow=True),
    Case("c312b", "rfc1035-7.2", "failover-on-timeout-of-a-only", {"A": Drop()}, FROM_33, config="two-upstreams", two={"A": a(".33")}, over=BOTH, slow=True),
    *(
        Case("c313", "rfc1035-7.2", f"failover-on-{rcode.lower()}-{side}", {"AAAA": error(rcode) if side == "first" else nodata(), "A": a(".33")}, synth(".33"), config="two-upstreams",
             two={"AAAA": error(rcode) if side == "second" else nodata(), "A": a(".33")}, over=BOTH)
        for rcode in ("SERVFAIL", "REFUSED")
        for side in ("first", "second")
    ),
    *(
        Case("c313a", "rfc1035-7.2", f"failover-on-{rcode.lower()}-of-a-{side}", {"A": error(rcode) if side == "first" else a(".33")}, synth(".33"), config="two-upstreams",
             two={"A": error(rcode) if side == "second" else a(".33")}, over=BOTH)
        for rcode in ("SERVFAIL", "REFUSED")
        for side in ("first", "second")
    ),
    Case("c313b", "rfc1035-7.2", "both-refuse-aaaa", {"AAAA": error("REFUSED"), "A": a(".33")}, synth(".33", ttl=600), config="two-upstreams", two={"AAAA": error("REFUSED"), "A": a(".33")}, over=BOTH),
    Case("c315", "rfc1122-4.1.3.3", "closed-port-is-noticed-at-once", {"A": a(".33")}, FROM_33.but(within_s=0.7), config="dead-first", over=BOTH),
    Case("c315a", "rfc1122-4.1.3.3", "only-a-closed-port", {}, failed("SERVFAIL", 22, 23), config="dead-only", over=BOTH, slow=True),
    Case("c316", "decision-d20", "slow-aaaa-fast-a", {"AAAA": After(1.5, nodata()), "A": a(".33")}, FROM_33, over=BOTH, slow=True),
    Case("c316a", "decision-d20", "slow-aaaa-fast-a-staggered", {"AAAA": After(1.5, nodata()), "A": a(".33")}, FROM_33, config="stagger", over=BOTH, slow=True),
    Case("c316b", "rfc6147-5.1.1", "slow-real-aaaa-within-reason", {"AAAA": After(0.6, aaaa("2001:db8::1")), "A": a(".33")}, _address_is("2001:db8::1"), config="stagger", over=BOTH, slow=True),
    Case("c316c", "decision-d20", "fast-aaaa-slow-a", {"A": After(1.3, a(".33"))}, synth(".33"), over=BOTH, slow=True),
    Case("c317", "decision-d20", "both-take-0.6-s", {"AAAA": After(0.6, nodata()), "A": After(0.6, a(".33"))}, FROM_33, over=BOTH, slow=True),
    Case("c317a", "decision-d20", "both-take-1.2-s-staggered", {"AAAA": After(1.2, nodata()), "A": After(1.2, a(".33"))}, FROM_33, config="stagger", over=BOTH, slow=True),
    Case("c317b", "decision-d20", "slow-txt", {"TXT": After(1.4, says("@ 60 TXT x"))}, real("@ 60 TXT x"), Query(rdtype="TXT"), over=BOTH, slow=True),
    Case("c317c", "decision-d20", "silent-txt", {"TXT": Drop()}, failed("SERVFAIL", 22, 23), Query(rdtype="TXT"), over=BOTH, slow=True),
    Case("c317d", "rfc1035-4.2.1", "first-datagrams-are-lost", {"AAAA": InTurn((Drop(), nodata())), "A": InTurn((Drop(), a(".33")))}, FROM_33, over=BOTH, slow=True),
    Case("c318", "rfc7766-6.2.1", "upstream-by-tcp", {"A": a(".33")}, synth(".33"), config="tcp-upstream", over=BOTH),
    Case("c318a", "rfc7766-6.2.1", "upstream-by-tcp-never-by-udp", {"A": ByTransport(EVIL_A, a(".33"))}, synth(".33").but(seen=lambda seen: "" if all(s.transport == "tcp" for s in seen) else "UDP was used"), config="tcp-upstream", over=BOTH),
    Case("c318b", "rfc7766-6.2.1", "upstream-by-tcp-real-aaaa", {"AAAA": aaaa("2001:db8::1")}, real("@ 3600 AAAA 2001:db8::1"), config="tcp-upstream", over=BOTH),
    Case("c319", "rfc7766-6.2.4", "closed-connection-is-opened-again", {"AAAA": InTurn((HangUp(), nodata())), "A": a(".33")}, synth(".33"), config="tcp-upstream", over=BOTH),
    Case("c319a", "rfc7766-6.2.4", "closed-connection-on-the-a-query", {"A": InTurn((HangUp(), a(".33")))}, synth(".33"), config="tcp-upstream", over=BOTH),
    Case("c320", "rfc6147-5.4", "upstream-without-ra", {"AAAA": Says(ra=False), "A": Says(("@ 60 A 192.0.2.33",), ra=False)}, synth(".33", ttl=60)),
    Case("c321", "rfc6891-7", "upstream-formerr-on-edns", {"AAAA": ByOpt(Says(rcode="FORMERR", opt=False), nodata()), "A": ByOpt(Says(rcode="FORMERR", opt=False), a(".33"))}, FROM_33, over=BOTH),
    Case("c321a", "rfc6891-7", "upstream-notimp-on-edns", {"AAAA": ByOpt(Says(rcode="NOTIMP", opt=False), aaaa("2001:db8::1"))}, _address_is("2001:db8::1"), over=BOTH),
    Case("c323", "rfc5452-9.1", "duplicate-replies", {"AAAA": Twice(nodata()), "A": Twice(a(".33"))}, synth(".33"), then=(Step(synth(".33").but(asked={"AAAA": 1, "A": 1})),)),
]  # fmt: skip
