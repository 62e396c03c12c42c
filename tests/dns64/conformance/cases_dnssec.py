# ruff: noqa: E501  (a row of a table is one line)
"""Section 9: the DNSSEC bits of a forwarder that does not validate (RFC 6147 section 5.5, RFC 4035, RFC 6840; decisions D6 to D8)."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rdatatype

from .case import Case, Expect, Step, a, aaaa, error, failed, nodata, real, says, soa, synth
from .client import Query
from .names import Names
from .script import InTurn, Says
from .upstream import Seen

SIG_TAIL = "8 3 3600 20370101000000 20200101000000 1 t.example. c2lnbmF0dXJl"
SIG_A, SIG_AAAA, SIG_CNAME, SIG_NSEC, SIG_SOA = (
    f"RRSIG {covered} {SIG_TAIL}" for covered in ("A", "AAAA", "CNAME", "NSEC", "SOA")
)
W = "@ 500 CNAME x.@"
NSEC = "@ 300 NSEC z.t.example. A RRSIG NSEC"
DENIAL_AD = Says(authority=(soa(300, 300),), ad=True)
DENIAL_SIGNED = Says(authority=(soa(300, 300), f"t.example. 300 {SIG_SOA}", NSEC, f"@ 300 {SIG_NSEC}"), ad=True)
A_AD = Says(("@ 3600 A 192.0.2.33",), ad=True)
A_SIGNED = Says(("@ 3600 A 192.0.2.33", f"@ 3600 {SIG_A}"), ad=True)
AAAA_SIGNED = Says(("@ 600 AAAA 2001:db8::1", f"@ 600 {SIG_AAAA}"), ad=True)
DO, CD, DO_CD = Query(do=True), Query(cd=True), Query(do=True, cd=True)
DNSSEC = (dns.rdatatype.RRSIG, dns.rdatatype.NSEC, dns.rdatatype.NSEC3)


def _no_dnssec_records(reply: dns.message.Message, wire: bytes, names: Names) -> str:
    bad = [
        rrset
        for section in (reply.answer, reply.authority, reply.additional)
        for rrset in section
        if rrset.rdtype in DNSSEC
    ]
    return f"DNSSEC records {bad}" if bad else ""


def _signed(reply: dns.message.Message, wire: bytes, names: Names) -> str:
    return (
        "" if [rrset.rdtype for rrset in reply.answer] == [28, 46] else "an unsigned answer for a client that sets DO"
    )


def _every_query_has_cd(seen: list[Seen]) -> str:
    return (
        ""
        if seen and all(query.message.flags & dns.flags.CD for query in seen)
        else "CD was not copied to the upstream"
    )


def _no_query_has_cd(seen: list[Seen]) -> str:
    return (
        ""
        if seen and not any(query.message.flags & dns.flags.CD for query in seen)
        else "CD was set towards the upstream"
    )


def _every_query_has_do(seen: list[Seen]) -> str:
    return (
        ""
        if seen and all(query.message.ednsflags & dns.flags.DO for query in seen)
        else "DO was not copied to the upstream"
    )


CASES = [
    Case("c162", "rfc4035-3.2.1", "signed-aaaa-without-do", {"AAAA": AAAA_SIGNED}, real("@ 600 AAAA 2001:db8::1")),
    Case("c163", "rfc6147-5.5", "no-ad-without-do", {"AAAA": DENIAL_AD, "A": A_AD}, synth(".33")),
    Case("c163a", "rfc6147-5.5", "no-ad-without-do-trusted", {"AAAA": DENIAL_AD, "A": A_AD}, synth(".33"), config="trust-ad"),
    Case("c163b", "rfc6147-5.5", "no-ad-without-do-asked-for-ad", {"AAAA": DENIAL_AD, "A": A_AD}, synth(".33"), Query(ad=True)),
    Case("c164", "rfc6147-5.5", "do-untrusted", {"AAAA": DENIAL_AD, "A": A_AD}, synth(".33"), DO),
    Case("c164a", "rfc6147-5.5", "do-trusted", {"AAAA": DENIAL_AD, "A": A_AD}, synth(".33").but(ad=True), DO, "trust-ad"),
    Case("c164b", "rfc6147-5.5", "do-trusted-denial-insecure", {"AAAA": nodata(), "A": A_AD}, synth(".33"), DO, "trust-ad"),
    Case("c164c", "rfc6147-5.5", "do-trusted-a-insecure", {"AAAA": DENIAL_AD, "A": a(".33")}, synth(".33"), DO, "trust-ad"),
    Case("c164d", "rfc6147-5.5", "do-trusted-after-an-error", {"AAAA": error("SERVFAIL"), "A": A_AD}, synth(".33", ttl=600), DO, "trust-ad"),
    Case("c165", "rfc6147-5.5", "do-and-cd-no-synthesis", {"AAAA": DENIAL_SIGNED, "A": A_SIGNED},
         Expect((), authority=DENIAL_SIGNED.authority, asked={"A": 0}, ad=None), DO_CD),
    Case("c165a", "rfc6147-5.5", "do-and-cd-real-aaaa", {"AAAA": says("@ 600 AAAA 2001:db8::1", f"@ 600 {SIG_AAAA}")}, real("@ 600 AAAA 2001:db8::1", f"@ 600 {SIG_AAAA}"), DO_CD),
    Case("c165b", "rfc6147-5.5", "do-and-cd-after-an-error", {"AAAA": error("SERVFAIL"), "A": a(".33")}, failed("SERVFAIL").but(asked={"A": 0}), DO_CD),
    Case("c165c", "rfc6147-5.5", "do-and-cd-excluded-stays", {"AAAA": aaaa("::ffff:192.0.2.1"), "A": a(".33")}, Expect(None, asked={"A": 0}), DO_CD),
    Case("c166", "rfc4035-3.1.1", "signature-of-the-removed-a", {"A": A_SIGNED}, synth(".33"), DO),
    Case("c167", "rfc4035-3.1.1", "signature-of-the-cname-stays", {"AAAA": nodata(answer=(W, f"@ 500 {SIG_CNAME}")), "A": says(W, f"@ 500 {SIG_CNAME}", "x.@ 3600 A 192.0.2.33", f"x.@ 3600 {SIG_A}")},
         synth(".33", owner="x.@", before=(W, f"@ 500 {SIG_CNAME}")), DO),
    Case("c167a", "rfc4035-3.2.1", "signature-of-the-cname-without-do", {"AAAA": nodata(answer=(W,)), "A": says(W, f"@ 500 {SIG_CNAME}", "x.@ 3600 A 192.0.2.33")}, synth(".33", owner="x.@", before=(W,))),
    Case("c168", "rfc4035-3.1.1", "real-aaaa-keeps-its-signature", {"AAAA": AAAA_SIGNED}, real("@ 600 AAAA 2001:db8::1", f"@ 600 {SIG_AAAA}").but(ad=True), DO, "trust-ad"),
    Case("c168a", "rfc4035-3.1.1", "a-keeps-its-signature", {"A": A_SIGNED}, real("@ 3600 A 192.0.2.33", f"@ 3600 {SIG_A}").but(ad=True), Query(rdtype="A", do=True), "trust-ad"),
    Case("c169", "decision-d7", "cd-without-do-no-synthesis", {"AAAA": nodata(), "A": a(".33")}, Expect((), authority=(soa(300, 300),), asked={"A": 0}), CD),
    Case("c169a", "decision-d7", "cd-without-do-real-aaaa", {"AAAA": aaaa("2001:db8::1")}, real("@ 3600 AAAA 2001:db8::1"), CD),
    Case("c169b", "decision-d7", "cd-without-do-after-an-error", {"AAAA": error("REFUSED"), "A": a(".33")}, Expect((), ("SERVFAIL", "REFUSED"), asked={"A": 0}), CD),
    Case("c169c", "decision-d7", "cd-nxdomain", {"AAAA": Says(rcode="NXDOMAIN", authority=(soa(300, 300),))}, Expect((), "NXDOMAIN"), CD),
    *(
        Case("c170", "rfc6147-5.5", f"bogus-denial-ede-{ede}-with-do", {"AAAA": error("SERVFAIL", ede), "A": A_SIGNED}, failed("SERVFAIL", ede).but(asked={"A": 0}), DO)
        for ede in (6, 7, 8, 9, 10, 12)
    ),
    Case("c171", "rfc6147-5.5", "bogus-a", {"AAAA": DENIAL_AD, "A": error("SERVFAIL", 6)}, failed("SERVFAIL", 6), DO),
    Case("c171a", "rfc6147-5.5", "both-bogus", {"AAAA": error("SERVFAIL", 7), "A": error("SERVFAIL", 6)}, failed("SERVFAIL", 7), DO),
    Case("c172", "rfc3225-3", "do-is-copied-into-errors", {"AAAA": error("SERVFAIL"), "A": error("SERVFAIL")}, failed("SERVFAIL"), DO),
    Case("c172a", "rfc3225-3", "do-is-copied-into-nxdomain", {"AAAA": Says(rcode="NXDOMAIN", authority=(soa(300, 300),))}, Expect((), "NXDOMAIN"), DO),
    Case("c173", "rfc4035-3.2.1", "denial-without-do", {"AAAA": DENIAL_SIGNED, "A": DENIAL_SIGNED}, Expect((), authority=(soa(300, 300),), check=_no_dnssec_records)),
    Case("c173a", "rfc4035-3.2.1", "nxdomain-without-do", {"AAAA": Says(rcode="NXDOMAIN", authority=DENIAL_SIGNED.authority)}, Expect((), "NXDOMAIN", (soa(300, 300),))),
    Case("c173b", "rfc4035-3.2.1", "txt-without-do", {"TXT": says("@ 60 TXT x", f"@ 60 RRSIG TXT {SIG_TAIL}")}, real("@ 60 TXT x"), Query(rdtype="TXT")),
    Case("c173c", "rfc4035-3.2.1", "without-edns", {"AAAA": AAAA_SIGNED}, real("@ 600 AAAA 2001:db8::1"), Query(edns=None)),
    Case("c173d", "rfc4035-3.2.1", "do-then-without-from-cache", {"AAAA": AAAA_SIGNED}, real("@ 600 AAAA 2001:db8::1", f"@ 600 {SIG_AAAA}").but(ad=None), DO, then=(Step(real("@ 600 AAAA 2001:db8::1")),)),
    Case("c173e", "rfc4035-3.1.1", "without-do-then-do", {"AAAA": InTurn((aaaa("2001:db8::1", ttl=600), AAAA_SIGNED))}, Expect(None), then=(Step(Expect(None, ad=None, check=_signed), DO),)),
    *(
        Case("c174", "rfc4035-3.2.1", f"{text.split(' ')[0].lower()}-asked-by-type", {text.split(" ")[0]: says(f"@ 60 {text}")}, real(f"@ 60 {text}"), Query(rdtype=text.split(" ")[0]))
        for text in (SIG_A, "NSEC z.t.example. A RRSIG NSEC", "DS 1 8 2 e2d3c916f6deeac73294e8268fb5885044a833fc5459588f4a9184cfc41a5766", "DNSKEY 257 3 8 AwEAAQ==")
    ),
    Case("c175", "rfc6840-5.8", "ad-asked-for-by-ad", {"AAAA": Says(("@ 600 AAAA 2001:db8::1",), ad=True)}, real("@ 600 AAAA 2001:db8::1").but(ad=True), Query(ad=True), "trust-ad"),
    Case("c175a", "rfc6840-5.8", "ad-not-asked-for", {"AAAA": Says(("@ 600 AAAA 2001:db8::1",), ad=True)}, real("@ 600 AAAA 2001:db8::1"), Query(), "trust-ad"),
    Case("c175b", "rfc6840-5.8", "ad-asked-for-after-it-was-not", {"AAAA": Says(("@ 600 AAAA 2001:db8::1",), ad=True)}, real("@ 600 AAAA 2001:db8::1"), Query(), "trust-ad",
         then=(Step(real("@ 600 AAAA 2001:db8::1").but(ad=True), Query(ad=True)),)),
    Case("c175c", "rfc6840-5.7", "upstream-ad-unset-stays-unset", {"AAAA": aaaa("2001:db8::1")}, real("@ 3600 AAAA 2001:db8::1"), Query(ad=True), "trust-ad"),
    Case("c176", "rfc4035-4.7", "cd-data-is-not-reused-without-cd", {"AAAA": InTurn((aaaa("2001:db8::bad"), error("SERVFAIL", 6)))}, real("@ 3600 AAAA 2001:db8::bad"), CD,
         then=(Step(failed("SERVFAIL", 6)),)),
    Case("c176a", "rfc4035-4.7", "failure-is-not-reused-with-cd", {"AAAA": InTurn((error("SERVFAIL", 6), aaaa("2001:db8::bad")))}, failed("SERVFAIL", 6), then=(Step(real("@ 3600 AAAA 2001:db8::bad"), CD),)),
    Case("c176b", "rfc4035-4.7", "the-same-for-a", {"A": InTurn((a("192.0.2.66"), error("SERVFAIL", 6)))}, real("@ 3600 A 192.0.2.66"), Query(rdtype="A", cd=True), then=(Step(failed("SERVFAIL", 6), Query(rdtype="A")),)),
    Case("c177", "rfc4035-3.2.2", "cd-goes-upstream", {"AAAA": aaaa("2001:db8::1")}, real("@ 3600 AAAA 2001:db8::1").but(seen=_every_query_has_cd), CD),
    Case("c177a", "rfc4035-3.2.2", "no-cd-goes-upstream-unasked", {"A": a(".33")}, synth(".33").but(seen=_no_query_has_cd)),
    Case("c178", "rfc6147-5.4", "nsec-of-the-denial-is-left-out", {"AAAA": DENIAL_SIGNED, "A": A_SIGNED}, synth(".33").but(authority=()), DO),
    Case("c178a", "rfc6147-5.4", "signed-authority-of-a-stays", {"AAAA": DENIAL_SIGNED, "A": Says(A_SIGNED.answer, authority=("t.example. 60 NS ns.t.example.", f"t.example. 60 RRSIG NS {SIG_TAIL}"))},
         synth(".33").but(authority=("t.example. 60 NS ns.t.example.", f"t.example. 60 RRSIG NS {SIG_TAIL}")), DO),
    Case("c179", "rfc6147-5.1.4", "ad-is-cleared-when-filtered", {"AAAA": Says(("@ 600 AAAA ::ffff:1.2.3.4", "@ 600 AAAA 2001:db8::4"), ad=True)}, real("@ 600 AAAA 2001:db8::4"), Query(ad=True), "trust-ad"),
    Case("c180", "rfc3225-3", "do-goes-upstream", {"AAAA": DENIAL_SIGNED, "A": A_SIGNED}, synth(".33").but(seen=_every_query_has_do), DO),
    Case("c180a", "rfc4035-3.1.1", "signed-denial-with-do", {"AAAA": DENIAL_SIGNED, "A": DENIAL_SIGNED}, Expect((), authority=DENIAL_SIGNED.authority, ad=True), DO, "trust-ad"),
    Case("c181", "rfc6147-5.5", "strict-signed-a", {"AAAA": DENIAL_SIGNED, "A": A_SIGNED}, Expect((), authority=DENIAL_SIGNED.authority, ad=None), DO, "strict-dnssec"),
    Case("c181a", "rfc6147-5.5", "strict-unsigned-a", {"AAAA": nodata(), "A": a(".33")}, synth(".33"), DO, "strict-dnssec"),
    Case("c181b", "rfc6147-5.5", "strict-without-do", {"AAAA": nodata(), "A": a(".33")}, synth(".33"), config="strict-dnssec"),
    Case("c182", "rfc6147-5.5", "the-same-from-cache", {"AAAA": DENIAL_AD, "A": A_AD}, synth(".33").but(ad=True), DO, "trust-ad", then=(Step(synth(".33").but(ad=True, asked={"AAAA": 1, "A": 1}), DO),)),
]  # fmt: skip
