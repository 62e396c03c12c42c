# ruff: noqa: E501  (a row of a table is one line)
"""Section 5: AAAA records that do not count (RFC 6147 section 5.1.4; decisions D11, D12)."""

from __future__ import annotations

from .case import Case, Expect, Step, a, aaaa, bare_nodata, nodata, real, says, soa, synth
from .client import Query
from .script import Says

SIG = "RRSIG AAAA 8 3 600 20370101000000 20200101000000 1 t.example. c2lnbmF0dXJl"
W = "@ 500 CNAME x.@"

CASES = [
    Case("c086", "rfc6147-5.1.4", "only-excluded-counts-as-empty", {"AAAA": aaaa("::ffff:192.0.2.1"), "A": a(".33")}, synth(".33", ttl=600)),
    Case("c086a", "rfc6147-5.1.4", "several-excluded-count-as-empty", {"AAAA": aaaa("::ffff:192.0.2.1", "::ffff:192.0.2.2", "64:ff9b::1"), "A": a(".33")}, synth(".33", ttl=600)),
    Case("c087", "rfc6147-5.1.4", "excluded-and-no-a", {"AAAA": aaaa("::ffff:192.0.2.1"), "A": nodata()}, Expect(())),
    Case("c087a", "rfc6147-5.1.4", "excluded-and-a-failed", {"AAAA": aaaa("::ffff:192.0.2.1"), "A": Says(rcode="SERVFAIL")}, Expect((), "SERVFAIL")),
    Case("c088", "rfc6147-5.1.4", "mixed-is-filtered", {"AAAA": aaaa("::ffff:1.2.3.4", "2001:db8::4"), "A": a(".33")}, real("@ 3600 AAAA 2001:db8::4").but(asked={"A": 0})),
    Case("c088a", "rfc6147-5.1.4", "mixed-is-filtered-from-cache-too", {"AAAA": aaaa("::ffff:1.2.3.4", "2001:db8::4", "2001:db8::5")},
         real("@ 3600 AAAA 2001:db8::4", "@ 3600 AAAA 2001:db8::5"), then=(Step(real("@ 3600 AAAA 2001:db8::4", "@ 3600 AAAA 2001:db8::5").but(asked={"*": 1})),)),
    Case("c089", "rfc6147-5.1.4", "default-contains-v4-mapped", {"AAAA": aaaa("::ffff:10.0.0.1"), "A": a(".33")}, synth(".33", ttl=600)),
    Case("c090", "rfc6147-5.1.4", "default-contains-the-well-known-prefix", {"AAAA": aaaa("64:ff9b::c000:221"), "A": a(".33")}, synth(".33", ttl=600)),
    Case("c090a", "rfc6147-5.1.4", "borders-of-the-well-known-prefix", {"AAAA": aaaa("64:ff9b::", "64:ff9b::ffff:ffff", "64:ff9b::1:0:0", "64:ff9b:1::1")},
         real("@ 3600 AAAA 64:ff9b::1:0:0", "@ 3600 AAAA 64:ff9b:1::1")),
    Case("c091", "decision-d11", "own-prefix-is-excluded", {"AAAA": aaaa("P::102:304"), "A": a(".33")}, synth(".33", ttl=600)),
    Case("c091a", "decision-d11", "own-prefix-ends-where-it-ends", {"AAAA": aaaa("2002:c633:6440::1:0:1", "2002:c633:6440:1::1", "2002:c633:643f:ffff:ffff:ffff:ffff:ffff")},
         real("@ 3600 AAAA 2002:c633:6440::1:0:1", "@ 3600 AAAA 2002:c633:6440:1::1", "@ 3600 AAAA 2002:c633:643f:ffff:ffff:ffff:ffff:ffff")),
    Case("c091b", "decision-d11", "every-own-prefix-is-excluded", {"AAAA": aaaa("2001:db8:122:c000:2:2100::"), "A": a(".33")},
         Expect(("@ 600 AAAA P::c000:221", "@ 600 AAAA 2001:db8:122:c000:2:2100::")), config="two-prefixes"),
    Case("c091c", "decision-d11", "a-pools-prefix-is-excluded", {"AAAA": aaaa("2002:cb00:7181::102:304"), "A": a(".33")}, synth(".33", ttl=600), config="pools"),
    Case("c091d", "decision-d11", "a-mapped-prefix-is-excluded", {"AAAA": aaaa("2001:db8:64::102:304"), "A": a(".33")}, synth(".33", ttl=600), config="map"),
    Case("c092", "rfc6147-5.1.4", "excluded-and-unmappable-a", {"AAAA": aaaa("::ffff:192.0.2.1"), "A": a("127.0.0.1")}, Expect(())),
    Case("c093", "rfc6147-5.1.4", "configured-prefix-is-excluded", {"AAAA": aaaa("2001:eeee::1"), "A": a(".33")}, synth(".33", ttl=600), config="exclude-more"),
    Case("c093a", "rfc6147-5.1.4", "configured-prefix-mixed", {"AAAA": aaaa("2001:eeee::1", "2001:eeef::1", "2001:eeee:ffff:ffff:ffff:ffff:ffff:ffff")}, real("@ 3600 AAAA 2001:eeef::1"), config="exclude-more"),
    Case("c093b", "rfc6147-5.1.4", "configured-prefix-is-not-in-the-default", {"AAAA": aaaa("2001:eeee::1")}, real("@ 3600 AAAA 2001:eeee::1")),
    Case("c094", "rfc6147-5.1.4", "excluded-behind-a-cname-no-a", {"AAAA": says(W, "x.@ 600 AAAA ::ffff:1.2.3.4"), "A": nodata(answer=(W,))}, real(W)),
    Case("c094a", "rfc6147-5.1.4", "excluded-behind-a-cname-with-a", {"AAAA": says(W, "x.@ 600 AAAA ::ffff:1.2.3.4"), "A": says(W, "x.@ 50 A 192.0.2.33")}, synth(".33", ttl=50, owner="x.@", before=(W,))),
    Case("c094b", "rfc6147-5.1.4", "mixed-behind-a-cname", {"AAAA": says(W, "x.@ 600 AAAA ::ffff:1.2.3.4", "x.@ 600 AAAA 2001:db8::4")}, real(W, "x.@ 600 AAAA 2001:db8::4")),
    Case("c095", "rfc6147-5.1.4", "empty-list-excludes-nothing", {"AAAA": aaaa("::ffff:192.0.2.1")}, real("@ 3600 AAAA ::ffff:192.0.2.1").but(asked={"A": 0}), config="exclude-none"),
    Case("c095a", "rfc6147-5.1.4", "empty-list-still-synthesises", {"AAAA": bare_nodata(), "A": a(".33")}, synth(".33", ttl=600), config="exclude-none"),
    Case("c095b", "decision-d11", "empty-list-keeps-the-own-prefix", {"AAAA": aaaa("P::102:304"), "A": a(".33")}, synth(".33", ttl=600), config="exclude-none"),
    Case("c096", "rfc6147-5.1.4", "everything-excluded-always-synthesises", {"AAAA": aaaa("2001:db8::1", ttl=100), "A": a(".33")}, synth(".33", ttl=100), config="exclude-all"),
    Case("c096a", "rfc6147-5.1.4", "everything-excluded-and-no-a", {"AAAA": aaaa("2001:db8::1"), "A": nodata()}, Expect(()), config="exclude-all"),
    Case("c097", "rfc6147-5.1.4", "borders", {"AAAA": aaaa("::ffff:0.0.0.0", "::ffff:255.255.255.255", "::fffe:ffff:ffff", "::1:0:0:0")}, real("@ 3600 AAAA ::fffe:ffff:ffff", "@ 3600 AAAA ::1:0:0:0")),
    Case("c098", "rfc6147-5.1.4", "v4-compatible-is-not-in-the-default", {"AAAA": aaaa("::1.2.3.4")}, real("@ 3600 AAAA ::1.2.3.4")),
    *(
        Case("c098a", "rfc6147-5.1.4", f"{name}-is-returned", {"AAAA": aaaa(address)}, real(f"@ 3600 AAAA {address}"))
        for name, address in (("loopback", "::1"), ("unspecified", "::"), ("link-local", "fe80::1"), ("ula", "fd00::1"), ("6to4", "2002:a00:1::1"), ("teredo", "2001::1"), ("multicast", "ff02::1"))
    ),
    Case("c099", "rfc6147-5.1.4", "excluded-aaaa-a-denied-keeps-its-soa", {"AAAA": Says(("@ 60 AAAA ::ffff:1.2.3.4",), authority=(soa(300, 300),)), "A": nodata(200, 200, 2)}, Expect(())),
    Case("c099a", "rfc6147-5.1.4", "no-synthesis-clients-see-the-filtered-set-too", {"AAAA": aaaa("::ffff:1.2.3.4", "2001:db8::4")}, real("@ 3600 AAAA 2001:db8::4"), config="wkp"),
    Case("c100", "rfc6147-5.1.4", "filtered-loses-its-signature-and-ad",
         {"AAAA": Says(("@ 600 AAAA ::ffff:1.2.3.4", "@ 600 AAAA 2001:db8::4", f"@ 600 {SIG}"), ad=True)}, real("@ 600 AAAA 2001:db8::4"), Query(do=True), config="trust-ad"),
    Case("c100a", "rfc6147-5.1.4", "unfiltered-keeps-both", {"AAAA": Says(("@ 600 AAAA 2001:db8::4", f"@ 600 {SIG}"), ad=True)},
         Expect(("@ 600 AAAA 2001:db8::4", f"@ 600 {SIG}"), ad=True), Query(do=True), config="trust-ad"),
    Case("c101", "rfc6147-5.3.2", "additional-is-not-filtered", {"MX": Says(("@ 600 MX 1 m.@",), additional=("m.@ 600 AAAA ::ffff:1.2.3.4",))},
         Expect(("@ 600 MX 1 m.@",), additional=("m.@ 600 AAAA ::ffff:1.2.3.4",)), Query(rdtype="MX")),
]  # fmt: skip
