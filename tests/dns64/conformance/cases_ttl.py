# ruff: noqa: E501  (a row of a table is one line)
"""Section 3: how long a synthesised answer lives (RFC 6147 section 5.1.7 with RFC 2308 sections 3 and 5; decisions D9, D10)."""

from __future__ import annotations

import dns.message

from .case import BOTH, Case, Expect, Step, a, aaaa, bare_nodata, error, nodata, real, says, soa, synth
from .client import Query
from .names import Names
from .script import Says


def _at_most_a_week(reply: dns.message.Message, wire: bytes, names: Names) -> str:
    ttls = [rrset.ttl for rrset in reply.answer]
    return "" if ttls and max(ttls) <= 604800 else f"TTLs {ttls}"


CASES = [
    Case("c047", "rfc6147-5.1.7", "soa-smaller", {"AAAA": nodata(300, 300), "A": a(".33")}, synth(".33", ttl=300)),
    Case("c048", "rfc6147-5.1.7", "a-smaller", {"AAAA": nodata(300, 300), "A": a(".33", ttl=60)}, synth(".33", ttl=60)),
    Case("c049", "rfc6147-5.1.7", "no-soa", {"AAAA": bare_nodata(), "A": a(".33")}, synth(".33", ttl=600)),
    Case("c050", "rfc6147-5.1.7", "no-soa-a-smaller", {"AAAA": bare_nodata(), "A": a(".33", ttl=120)}, synth(".33", ttl=120)),
    Case("c051", "rfc2308-5", "soa-minimum-counts", {"AAAA": nodata(3600, 90), "A": a(".33")}, synth(".33", ttl=90)),
    Case("c051a", "rfc2308-5", "soa-minimum-counts-beside-an-aaaa-off-the-chain",
         {"AAAA": Says(("@ 500 CNAME x.@", "evil.@ 3600 AAAA 2001:db8::6"), authority=(soa(3600, 60),)), "A": says("@ 500 CNAME x.@", "x.@ 3600 A 192.0.2.33")},
         synth(".33", ttl=60, owner="x.@", before=("@ 500 CNAME x.@",))),
    Case("c051b", "rfc2308-5", "soa-minimum-counts-beside-an-aaaa-of-another-name",
         {"AAAA": Says(("evil.@ 3600 AAAA 2001:db8::6",), authority=(soa(3600, 60),)), "A": a(".33")}, synth(".33", ttl=60)),
    Case("c052", "rfc2308-3", "soa-ttl-counts", {"AAAA": nodata(60, 300), "A": a(".33")}, synth(".33", ttl=60)),
    Case("c053", "rfc2181-5.2", "one-ttl-for-the-rrset", {"A": says("@ 60 A 192.0.2.33", "@ 70 A 192.0.2.34")}, synth(".33", ".34", ttl=60)),
    Case("c053a", "rfc2181-5.2", "one-ttl-smallest-last", {"A": says("@ 70 A 192.0.2.33", "@ 80 A 192.0.2.34", "@ 50 A 192.0.2.35")}, synth(".33", ".34", ".35", ttl=50)),
    Case("c053b", "rfc2181-5.2", "one-ttl-when-some-a-is-dropped", {"A": says("@ 70 A 192.0.2.33", "@ 40 A 127.0.0.1")}, synth(".33", ttl=40)),
    Case("c053c", "rfc2181-5.2", "real-aaaa-with-unequal-ttls", {"AAAA": says("@ 70 AAAA 2001:db8::1", "@ 60 AAAA 2001:db8::2")}, real("@ 60 AAAA 2001:db8::1", "@ 60 AAAA 2001:db8::2")),
    Case("c054", "rfc6147-5.1.7", "a-ttl-zero", {"AAAA": nodata(300, 300), "A": a(".33", ttl=0)}, synth(".33", ttl=0)),
    Case("c055", "rfc2308-5", "soa-ttl-zero", {"AAAA": nodata(0, 300), "A": a(".33")}, synth(".33", ttl=0)),
    Case("c055a", "rfc2308-5", "soa-minimum-zero", {"AAAA": nodata(300, 0), "A": a(".33")}, synth(".33", ttl=0)),
    Case("c055b", "rfc1035-3.2.1", "zero-ttl-is-never-reused", {"AAAA": nodata(300, 300), "A": a(".33", ttl=0)}, synth(".33", ttl=0), then=(Step(synth(".33", ttl=0).but(asked={"AAAA": 1, "A": 2})),)),
    Case("c056", "rfc6147-5.1.5", "cname-keeps-its-ttl", {"AAAA": nodata(300, 300), "A": says("@ 30 CNAME x.@", "x.@ 3600 A 192.0.2.33")}, synth(".33", owner="x.@", before=("@ 30 CNAME x.@",))),
    Case("c057", "rfc6147-5.1.5", "long-cname-ttl-stays-too", {"AAAA": nodata(300, 300), "A": says("@ 7200 CNAME x.@", "x.@ 3600 A 192.0.2.33")}, synth(".33", owner="x.@", before=("@ 7200 CNAME x.@",))),
    *(
        Case("c058", "rfc6147-5.1.2", f"after-aaaa-{rcode.lower()}", {"AAAA": error(rcode), "A": a(".33")}, synth(".33", ttl=600))
        for rcode in ("SERVFAIL", "REFUSED")
    ),
    Case("c058a", "rfc6147-5.1.2", "after-aaaa-error-a-smaller", {"AAAA": error("SERVFAIL"), "A": a(".33", ttl=45)}, synth(".33", ttl=45)),
    Case("c058b", "rfc6147-5.1.2", "soa-in-an-error-reply-does-not-count", {"AAAA": Says(rcode="SERVFAIL", authority=(soa(20, 20),)), "A": a(".33")}, synth(".33", ttl=600).but(ttl_slack=580)),
    Case("c059", "rfc6147-5.1.4", "after-exclusion", {"AAAA": aaaa("::ffff:1.2.3.4", ttl=50), "A": a(".33")}, synth(".33", ttl=50)),
    Case("c059a", "rfc6147-5.1.4", "after-exclusion-at-most-600", {"AAAA": aaaa("::ffff:1.2.3.4", ttl=5000), "A": a(".33")}, synth(".33", ttl=600)),
    Case("c059b", "rfc6147-5.1.4", "after-exclusion-a-smaller", {"AAAA": aaaa("::ffff:1.2.3.4", ttl=500), "A": a(".33", ttl=20)}, synth(".33", ttl=20)),
    Case("c060", "rfc6147-5.1.7", "ages-in-the-cache", {"AAAA": nodata(300, 300), "A": a(".33", ttl=20)}, synth(".33", ttl=20), then=(Step(synth(".33", ttl=18).but(asked={"A": 1}, ttl_slack=5), after_s=2.1),), slow=True, over=BOTH),
    Case("c060a", "rfc6147-5.1.7", "denial-ages-in-the-cache", {"AAAA": nodata(20, 20), "A": a(".33")}, synth(".33", ttl=20), then=(Step(synth(".33", ttl=18).but(asked={"A": 1}, ttl_slack=5), after_s=2.1),), slow=True, over=BOTH),
    Case("c060b", "rfc1035-3.2.1", "real-aaaa-ages-in-the-cache", {"AAAA": aaaa("2001:db8::1", ttl=20)}, real("@ 20 AAAA 2001:db8::1"), then=(Step(real("@ 18 AAAA 2001:db8::1").but(asked={"*": 1}, ttl_slack=5), after_s=2.1),), slow=True, over=BOTH),
    Case("c060c", "rfc1035-3.2.1", "authority-and-additional-age-too",
         {"TXT": Says(("@ 100 TXT x",), authority=("t.example. 50 NS ns.t.example.",), additional=("ns.t.example. 30 A 192.0.2.53",))},
         Expect(("@ 100 TXT x",)), Query(rdtype="TXT"), slow=True, over=BOTH,
         then=(Step(Expect(("@ 98 TXT x",), authority=("t.example. 48 NS ns.t.example.",), additional=("ns.t.example. 28 A 192.0.2.53",), asked={"*": 1}, ttl_slack=5), Query(rdtype="TXT"), after_s=2.1),)),
    Case("c061", "rfc6147-5.1.7", "soa-counts-in-authority-only", {"AAAA": Says(additional=(soa(10, 10),)), "A": a(".33")}, synth(".33", ttl=600)),
    Case("c061a", "rfc6147-5.1.7", "soa-in-the-answer-does-not-count", {"AAAA": Says((soa(10, 10),)), "A": a(".33")}, synth(".33", ttl=600)),
    Case("c062", "rfc2308-5", "two-soas", {"AAAA": Says(authority=(soa(300, 300), soa(200, 200, 2))), "A": a(".33")}, synth(".33", ttl=200)),
    Case("c062a", "rfc2308-5", "two-soas-the-other-way", {"AAAA": Says(authority=(soa(200, 200), soa(300, 300, 2))), "A": a(".33")}, synth(".33", ttl=200)),
    Case("c063", "rfc2181-8", "ttl-with-the-top-bit-is-zero", {"AAAA": nodata(300, 300), "A": a(".33", ttl=0x80000001)}, synth(".33", ttl=0)),
    Case("c063a", "rfc2181-8", "soa-ttl-with-the-top-bit-is-zero", {"AAAA": nodata(0x80000001, 300), "A": a(".33")}, synth(".33", ttl=0)),
    *(
        Case("c064", "rfc6147-5.1.7", f"vector-a-{ttl}", {"AAAA": nodata(1200, 1200), "A": a(".33", ttl=ttl)}, synth(".33", ttl=min(ttl, 1200)), then=(Step(synth(".33", ttl=min(ttl, 1200)).but(asked={"A": 1})),))
        for ttl in (500, 700, 1100, 1300)
    ),
    Case("c065", "rfc8767-4", "cap", {"AAAA": nodata(8000000, 8000000), "A": a(".33", ttl=8000000)}, Expect(None, check=_at_most_a_week)),
    Case("c065a", "rfc8767-4", "cap-for-real-aaaa", {"AAAA": aaaa("2001:db8::1", ttl=8000000)}, Expect(None, check=_at_most_a_week)),
    Case("c065b", "rfc8767-4", "configured-cap", {"AAAA": nodata(300, 300), "A": a(".33")}, synth(".33", ttl=120), config="max-ttl"),
]  # fmt: skip
