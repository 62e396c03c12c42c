# ruff: noqa: E501  (a row of a table is one line)
"""Section 2: the matrix of what the AAAA lookup and the A lookup came to (RFC 6147 sections 5.1.2, 5.1.3, 5.1.6; decisions D1 to D6)."""

from __future__ import annotations

from .case import BOTH, Case, Expect, Step, a, aaaa, bare_nodata, error, failed, nodata, nxdomain, real, soa, synth
from .client import Query
from .script import Drop, Says

ERRORS = ("SERVFAIL", "REFUSED", "FORMERR", "NOTIMP", "NOTAUTH", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTZONE")
DNSSEC_EDES = (1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 27)
OTHER_EDES = (0, 3, 4, 13, 14, 15, 18, 19, 20, 21, 22, 23, 24, 29)
NUMBER = {"SERVFAIL": "c022", "REFUSED": "c023", "FORMERR": "c024", "NOTIMP": "c025"}

REFERRAL = Says(authority=("t.example. 3600 NS ns.t.example.",), additional=("ns.t.example. 3600 A 192.0.2.53",))

CASES = [
    Case("c021", "rfc6147-5.1.2", "nxdomain-is-final", {"AAAA": nxdomain(200, 300), "A": a(".33")},
         Expect((), "NXDOMAIN", (soa(200, 300),), asked={"AAAA": 1, "A": 0}, no_ede=True)),
    *(
        Case(NUMBER.get(rcode, "c026"), "rfc6147-5.1.2", f"aaaa-{rcode.lower()}-counts-as-empty", {"AAAA": error(rcode), "A": a(".33")}, synth(".33", ttl=600))
        for rcode in ERRORS
    ),
    Case("c026", "rfc6147-5.1.2", "aaaa-extended-rcode-23-counts-as-empty", {"AAAA": Says(rcode="BADCOOKIE"), "A": a(".33")}, synth(".33", ttl=600)),
    Case("c026", "rfc6147-5.1.2", "aaaa-badvers-counts-as-empty", {"AAAA": Says(rcode="BADVERS"), "A": a(".33")}, synth(".33", ttl=600)),
    Case("c026b", "rfc6891-6.1.3", "badvers-of-the-upstream-is-not-ours", {"TXT": Says(rcode="BADVERS")}, Expect((), "SERVFAIL"), Query(rdtype="TXT")),
    Case("c026b", "rfc7873-5.3", "badcookie-of-the-upstream-is-not-ours", {"A": Says(rcode="BADCOOKIE")}, Expect((), "SERVFAIL"), Query(rdtype="A")),
    Case("c026a", "rfc6147-5.1.2", "data-in-an-error-reply-is-not-data", {"AAAA": Says(("@ 3600 AAAA 2001:db8::6",), "SERVFAIL"), "A": a(".33")}, synth(".33", ttl=600)),
    Case("c027", "rfc6147-5.1.3", "aaaa-timeout-counts-as-empty", {"AAAA": Drop(), "A": a(".33")}, synth(".33", ttl=600), over=BOTH, slow=True),
    Case("c027a", "rfc6147-5.1.3", "aaaa-timeout-a-with-chain", {"AAAA": Drop(), "A": Says(("@ 500 CNAME x.@", "x.@ 900 A 192.0.2.33"))},
         synth(".33", ttl=600, owner="x.@", before=("@ 500 CNAME x.@",)), over=BOTH, slow=True),
    Case("c028", "rfc6147-5.1.6", "denial-with-soa", {"AAAA": nodata(300, 300), "A": a(".33")}, synth(".33", ttl=300)),
    Case("c029", "rfc6147-5.1.7", "denial-without-soa", {"AAAA": bare_nodata(), "A": a(".33")}, synth(".33", ttl=600)),
    Case("c030", "rfc6147-5.4", "both-empty-is-the-answer-to-aaaa", {"AAAA": nodata(300, 300, 1), "A": nodata(77, 77, 2)},
         Expect((), authority=(soa(300, 300, 1),), asked={"AAAA": 1, "A": 1}, no_ede=True)),
    Case("c030a", "rfc6147-5.4", "a-empty-without-soa", {"AAAA": nodata(300, 300, 1), "A": bare_nodata()}, Expect((), authority=(soa(300, 300, 1),))),
    Case("c030b", "rfc6147-5.4", "both-empty-without-soa", {"AAAA": bare_nodata(), "A": bare_nodata()}, Expect((), authority=())),
    Case("c031", "rfc6147-5.1.6", "a-nxdomain", {"AAAA": nodata(300, 300, 1), "A": nxdomain(100, 100, 2)}, Expect((), "NXDOMAIN", (soa(100, 100, 2),))),
    Case("c031a", "rfc6147-5.1.6", "a-nxdomain-without-soa", {"AAAA": nodata(), "A": Says(rcode="NXDOMAIN")}, Expect((), "NXDOMAIN")),
    Case("c032", "rfc6147-5.1.6", "a-servfail", {"AAAA": nodata(), "A": error("SERVFAIL")}, failed("SERVFAIL", 22, 23)),
    *(
        Case("c033", "rfc6147-5.1.6", f"a-{rcode.lower()}", {"AAAA": nodata(), "A": error(rcode)}, failed("SERVFAIL", 22, 23))
        for rcode in ("REFUSED", "FORMERR", "NOTIMP", "NOTAUTH", "YXDOMAIN")
    ),
    Case("c033a", "rfc8914-2", "ede-of-a-failed-a-lookup-is-passed", {"AAAA": nodata(), "A": error("SERVFAIL", 9)}, failed("SERVFAIL", 9)),
    Case("c033b", "rfc6147-5.1.6", "data-in-an-a-error-reply-is-not-used", {"AAAA": nodata(), "A": Says(("@ 3600 A 192.0.2.33",), "SERVFAIL")}, failed("SERVFAIL")),
    Case("c034", "rfc6147-5.1.6", "a-timeout", {"AAAA": nodata(), "A": Drop()}, failed("SERVFAIL", 22, 23), over=BOTH, slow=True),
    Case("c035", "rfc6147-5.4", "aaaa-error-a-empty", {"AAAA": error("SERVFAIL"), "A": nodata()}, failed("SERVFAIL")),
    *(
        Case("c035a", "rfc6147-5.4", f"aaaa-{rcode.lower()}-a-empty", {"AAAA": error(rcode), "A": nodata()}, failed("SERVFAIL"))
        for rcode in ("REFUSED", "FORMERR", "NOTIMP")
    ),
    Case("c036", "rfc6147-5.1.3", "aaaa-timeout-a-empty", {"AAAA": Drop(), "A": nodata()}, failed("SERVFAIL"), over=BOTH, slow=True),
    Case("c036a", "rfc2308-2.1", "aaaa-error-a-nxdomain", {"AAAA": error("SERVFAIL"), "A": nxdomain(100, 100)}, Expect((), "NXDOMAIN", (soa(100, 100),))),
    Case("c036b", "rfc6147-5.1.3", "aaaa-timeout-a-error", {"AAAA": Drop(), "A": error("REFUSED")}, failed("SERVFAIL"), over=BOTH, slow=True),
    Case("c037", "rfc6147-5.1.6", "both-errors", {"AAAA": error("SERVFAIL"), "A": error("SERVFAIL")}, failed("SERVFAIL", 22, 23)),
    Case("c037a", "rfc6147-5.1.6", "different-errors", {"AAAA": error("REFUSED"), "A": error("NOTIMP")}, failed("SERVFAIL", 22, 23)),
    Case("c038", "rfc6147-5.1.3", "both-time-out", {"AAAA": Drop(), "A": Drop()}, failed("SERVFAIL", 22, 23), over=BOTH, slow=True),
    *(
        Case("c039", "rfc6147-5.5", f"dnssec-ede-{ede}-is-passed", {"AAAA": error("SERVFAIL", ede), "A": a(".33")}, failed("SERVFAIL", ede).but(asked={"A": 0}))
        for ede in DNSSEC_EDES
    ),
    Case("c039a", "rfc6147-5.5", "dnssec-ede-among-others", {"AAAA": Says(rcode="SERVFAIL", ede=22, options=((15, b"\0\6bogus"),)), "A": a(".33")}, failed("SERVFAIL", 6)),
    *(
        Case("c040", "rfc6147-5.1.2", f"ede-{ede}-does-not-stop-it", {"AAAA": error("SERVFAIL", ede), "A": a(".33")}, synth(".33", ttl=600))
        for ede in OTHER_EDES
    ),
    Case("c040a", "rfc6147-5.1.2", "dnssec-ede-on-a-denial-does-not-stop-it", {"AAAA": Says(authority=(soa(300, 300),), ede=5), "A": a(".33")}, synth(".33")),
    Case("c041", "rfc2308-2.2", "referral-is-not-a-denial", {"AAAA": REFERRAL, "A": a(".33")}, synth(".33", ttl=600)),
    Case("c042", "rfc2308-2.2", "ns-beside-soa-is-a-denial", {"AAAA": Says(authority=(soa(300, 300), "t.example. 3600 NS ns.t.example.")), "A": a(".33")}, synth(".33", ttl=300)),
    Case("c043", "rfc6147-5.1.6", "a-reply-with-other-types-only", {"AAAA": nodata(), "A": Says(("@ 3600 TXT x",))}, Expect((), authority=(soa(300, 300),))),
    Case("c044", "rfc6147-5.1.2", "nxdomain-with-data", {"AAAA": Says(("@ 3600 AAAA 2001:db8::1",), "NXDOMAIN"), "A": a(".33")}, Expect(None, "NXDOMAIN", asked={"A": 0})),
    Case("c045", "rfc2308-2.1", "nxdomain-without-soa", {"AAAA": Says(rcode="NXDOMAIN"), "A": a(".33")}, Expect((), "NXDOMAIN", asked={"A": 0})),
    Case("c045a", "rfc6147-5.3.3", "nxdomain-for-a-is-untouched", {"A": nxdomain(50, 50)}, Expect((), "NXDOMAIN", (soa(50, 50),)), Query(rdtype="A")),
    Case("c045b", "rfc6147-5.3.3", "nxdomain-for-txt-is-untouched", {"TXT": nxdomain(50, 50)}, Expect((), "NXDOMAIN", (soa(50, 50),), asked={"*": 1}), Query(rdtype="TXT")),
    Case("c045c", "rfc6147-5.3.3", "servfail-for-a-stays", {"A": error("SERVFAIL")}, failed("SERVFAIL"), Query(rdtype="A")),
    Case("c046", "rfc6147-5.1.2", "aaaa-notimp-then-a", {"AAAA": error("NOTIMP"), "A": a(".33")}, synth(".33", ttl=600), then=(Step(real("@ 3600 A 192.0.2.33"), Query(rdtype="A")),)),
    Case("c046a", "rfc6147-5.1.2", "aaaa-refused-then-a", {"AAAA": error("REFUSED"), "A": a(".33")}, synth(".33", ttl=600), then=(Step(real("@ 3600 A 192.0.2.33"), Query(rdtype="A")),)),
    Case("c046b", "rfc6147-5.1.1", "no-a-but-aaaa", {"AAAA": aaaa("2001:db8::9"), "A": error("SERVFAIL")}, real("@ 3600 AAAA 2001:db8::9")),
]  # fmt: skip
