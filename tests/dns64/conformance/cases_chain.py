# ruff: noqa: E501  (a row of a table is one line)
"""Section 4: CNAME and DNAME (RFC 6147 section 5.1.5, RFC 1034 sections 3.6.2 and 4.3.2, RFC 6672)."""

from __future__ import annotations

import itertools

import dns.message
import dns.rdatatype

from .case import Case, Expect, Step, a, aaaa, bare_nodata, error, failed, nodata, nxdomain, real, says, soa, synth
from .client import Query
from .names import Names
from .script import Says

W = "@ 500 CNAME x.@"


def chain(length: int) -> tuple[str, ...]:
    """CNAMEs from the case's name to `n<length>.@`."""
    owners = ["@", *(f"n{i}.@" for i in range(1, length + 1))]
    return tuple(f"{owner} 500 CNAME {target}" for owner, target in itertools.pairwise(owners))


LOOP = ("@ 500 CNAME b.@", "b.@ 500 CNAME @")
EIGHT, HUNDRED, SIXTEEN = chain(8), chain(100), chain(16)
DNAME = ("d.@ 500 DNAME e.@", "w.d.@ 500 CNAME w.e.@")


def _no_addresses(reply: dns.message.Message, wire: bytes, names: Names) -> str:
    bad = [rrset for rrset in reply.answer if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA)]
    return f"addresses {bad}" if bad else ""


CASES = [
    Case("c066", "rfc6147-5.1.5", "cname-then-a", {"AAAA": nodata(answer=(W,)), "A": says(W, "x.@ 3600 A 192.0.2.33")}, synth(".33", owner="x.@", before=(W,))),
    Case("c066a", "rfc6147-5.1.5", "cname-then-several-a", {"AAAA": nodata(answer=(W,)), "A": says(W, "x.@ 90 A 192.0.2.33", "x.@ 80 A 192.0.2.34")},
         synth(".33", ".34", owner="x.@", ttl=80, before=(W,))),
    Case("c067", "rfc6147-5.1.5", "eight-cnames", {"AAAA": nodata(answer=EIGHT), "A": says(*EIGHT, "n8.@ 3600 A 192.0.2.33")}, synth(".33", owner="n8.@", before=EIGHT)),
    Case("c067a", "rfc6147-5.1.5", "sixteen-cnames-without-edns", {"AAAA": nodata(answer=SIXTEEN), "A": says(*SIXTEEN, "n16.@ 3600 A 192.0.2.33")},
         synth(".33", owner="n16.@", before=SIXTEEN), Query(edns=None), over=("tcp4", "tcp6")),
    Case("c068", "rfc6147-5.1.5", "cname-alone-is-no-answer", {"AAAA": says("@ 500 CNAME x.@"), "A": says(W, "x.@ 3600 A 192.0.2.33")}, synth(".33", ttl=600, owner="x.@", before=(W,))),
    Case("c068b", "rfc1034-5.3.3", "cname-alone-real-aaaa-at-its-target", {"AAAA": says(W), "A": says(W), "x.@ AAAA": aaaa("2001:db8::7", ttl=70, owner="x.@")}, real(W, "x.@ 70 AAAA 2001:db8::7")),
    Case("c068c", "rfc1034-5.3.3", "cname-alone-a-at-its-target", {"AAAA": says(W), "A": says(W), "x.@ A": a(".33", owner="x.@")}, synth(".33", owner="x.@", before=(W,))),
    Case("c068d", "rfc1034-5.3.3", "cname-alone-for-a", {"A": says(W), "x.@ A": a(".33", owner="x.@")}, real(W, "x.@ 3600 A 192.0.2.33"), Query(rdtype="A")),
    Case("c068e", "rfc1034-5.3.3", "cname-alone-for-txt", {"TXT": says(W), "x.@ TXT": says('x.@ 60 TXT "y"')}, real(W, 'x.@ 60 TXT "y"'), Query(rdtype="TXT")),
    Case("c068f", "rfc1034-5.3.3", "cname-alone-three-times", {"A": says(W), "x.@ A": says("x.@ 60 CNAME y.@"), "y.@ A": says("y.@ 60 CNAME z.@"), "z.@ A": a(".33", owner="z.@")},
         real(W, "x.@ 60 CNAME y.@", "y.@ 60 CNAME z.@", "z.@ 3600 A 192.0.2.33"), Query(rdtype="A")),
    Case("c068g", "rfc1034-5.3.3", "cname-alone-to-nothing", {"A": says(W), "x.@ A": nxdomain()}, Expect((W,), "NXDOMAIN", authority=(soa(300, 300),)), Query(rdtype="A")),
    Case("c068h", "rfc1034-5.3.3", "cname-alone-in-a-loop", {"A": says(W), "x.@ A": says("x.@ 60 CNAME @")}, failed("SERVFAIL"), Query(rdtype="A")),
    Case("c068i", "rfc1034-5.3.3", "cname-alone-and-a-referral", {"A": Says((W,), authority=("t.example. 300 NS ns.t.example.",)), "x.@ A": a(".33", owner="x.@")}, real(W, "x.@ 3600 A 192.0.2.33"), Query(rdtype="A")),
    Case("c068j", "rfc1034-5.3.3", "dname-alone", {"x.y.@ A": says("y.@ 60 DNAME z.@"), "x.z.@ A": a(".33", owner="x.z.@")}, real("y.@ 60 DNAME z.@", "x.y.@ 60 CNAME x.z.@", "x.z.@ 3600 A 192.0.2.33"), Query("x.y.@", "A")),
    Case("c068k", "rfc1034-5.3.3", "cname-alone-from-a-zones-own-server", {"{label}.far.example. A": a(".33", owner="{label}.far.example.")}, synth(".33", owner="{label}.far.example.", before=("{label}.own.example. 60 CNAME {label}.far.example.",)), Query("{label}.own.example."), "zones",
         two={key: says("{label}.own.example. 60 CNAME {label}.far.example.") for key in ("{label}.own.example. A", "{label}.own.example. AAAA")}),
    Case("c068l", "rfc1034-5.3.3", "cname-alone-is-not-asked-twice", {"A": says(W), "x.@ A": a(".33", owner="x.@")}, real(W, "x.@ 3600 A 192.0.2.33"), Query(rdtype="A"),
         then=(Step(real(W, "x.@ 3600 A 192.0.2.33").but(asked={"A": 1, "x.@ A": 1}), Query(rdtype="A")),)),
    Case("c068m", "rfc7686-2", "cname-alone-into-a-special-name", {"A": says("@ 60 CNAME {label}.onion.")}, Expect(("@ 60 CNAME {label}.onion.",), "NXDOMAIN", asked={"{label}.onion. A": 0}), Query(rdtype="A")),
    Case("c068a", "rfc6147-5.4", "cname-alone-both-times", {"AAAA": says(W), "A": says(W)}, real(W)),
    Case("c069", "rfc6147-5.1.7", "soa-of-the-chains-end-counts", {"AAAA": nodata(100, 40, answer=(W,)), "A": says(W, "x.@ 3600 A 192.0.2.33")}, synth(".33", ttl=40, owner="x.@", before=(W,))),
    Case("c070", "rfc6604-3", "cname-to-nxdomain", {"AAAA": nxdomain(answer=(W,)), "A": a(".33")}, Expect((W,), "NXDOMAIN", (soa(300, 300),), asked={"A": 0})),
    Case("c070a", "rfc6604-3", "cname-to-nxdomain-on-the-a-side", {"AAAA": nodata(answer=(W,)), "A": nxdomain(100, 100, 2, answer=(W,))}, Expect((W,), "NXDOMAIN", (soa(100, 100, 2),))),
    Case("c071", "rfc6147-5.4", "chains-of-aaaa-and-a-differ", {"AAAA": nodata(answer=("@ 500 CNAME x1.@",)), "A": says("@ 500 CNAME x2.@", "x2.@ 3600 A 192.0.2.33")},
         synth(".33", owner="x2.@", before=("@ 500 CNAME x2.@",))),
    Case("c072", "rfc6147-5.4", "cname-to-nothing-keeps-one-soa", {"AAAA": nodata(300, 300, 1, answer=(W,)), "A": nodata(300, 300, 2, answer=(W,))}, Expect((W,), authority=(soa(300, 300, 1),))),
    Case("c073", "rfc1034-3.6.2", "loop", {"AAAA": says(*LOOP), "A": says(*LOOP)}, Expect(None, ("SERVFAIL", "NOERROR"), at_most={"AAAA": 1, "A": 1}, check=_no_addresses)),
    Case("c073a", "rfc1034-3.6.2", "cname-to-itself", {"AAAA": says("@ 500 CNAME @"), "A": says("@ 500 CNAME @")}, Expect(None, ("SERVFAIL", "NOERROR"), at_most={"AAAA": 1, "A": 1}, check=_no_addresses)),
    Case("c073b", "rfc1034-3.6.2", "loop-with-an-address-beside-it", {"AAAA": nodata(), "A": says(*LOOP, "c.@ 3600 A 192.0.2.33")}, Expect(None, ("SERVFAIL", "NOERROR"), check=_no_addresses)),
    Case("c074", "rfc1034-4.3.2", "order-is-repaired", {"AAAA": nodata(answer=(W,)), "A": says("x.@ 3600 A 192.0.2.33", W)}, synth(".33", owner="x.@", before=(W,))),
    Case("c074a", "rfc1034-4.3.2", "order-of-cnames-is-repaired", {"AAAA": nodata(), "A": says("n2.@ 3600 A 192.0.2.33", *reversed(chain(2)))}, synth(".33", owner="n2.@", before=chain(2))),
    Case("c075", "rfc6147-5.1.1", "cname-to-real-aaaa", {"AAAA": says(W, "x.@ 600 AAAA 2001:db8::1"), "A": says(W, "x.@ 3600 A 192.0.2.33")},
         real(W, "x.@ 600 AAAA 2001:db8::1").but(asked={"A": 0})),
    Case("c075a", "rfc1034-4.3.2", "order-of-a-real-chain-is-repaired", {"AAAA": says("x.@ 600 AAAA 2001:db8::1", W)}, real(W, "x.@ 600 AAAA 2001:db8::1").but(asked={"A": 0})),
    Case("c076", "rfc6147-5.1", "off-chain-aaaa-is-no-data", {"AAAA": nodata(answer=(W, "evil.@ 600 AAAA 2001:db8::6")), "A": says(W, "x.@ 3600 A 192.0.2.33")}, synth(".33", owner="x.@", before=(W,))),
    Case("c076a", "rfc6147-5.1", "off-chain-a-is-no-data", {"AAAA": nodata(), "A": says("@ 600 A 192.0.2.33", "evil.@ 600 A 192.0.2.66")}, synth(".33")),
    Case("c076b", "rfc6147-5.1", "only-off-chain-a", {"AAAA": nodata(), "A": says("evil.@ 600 A 192.0.2.66")}, Expect((), ("NOERROR", "SERVFAIL"))),
    Case("c076c", "rfc6147-5.1", "off-chain-cname-is-left-out", {"AAAA": nodata(), "A": says(W, "other.@ 500 CNAME z.@", "x.@ 3600 A 192.0.2.33")}, synth(".33", owner="x.@", before=(W,))),
    Case("c076d", "rfc6147-5.1", "off-chain-aaaa-beside-a-real-one", {"AAAA": says("@ 600 AAAA 2001:db8::1", "evil.@ 600 AAAA 2001:db8::6")}, real("@ 600 AAAA 2001:db8::1").but(asked={"A": 0})),
    Case("c077", "rfc6672-3", "dname-is-kept", {"w.d.@ AAAA": nodata(answer=DNAME), "w.d.@ A": says(*DNAME, "w.e.@ 3600 A 192.0.2.33")},
         synth(".33", owner="w.e.@", before=DNAME), Query("w.d.@")),
    Case("c077a", "rfc6672-3", "dname-to-real-aaaa", {"w.d.@ AAAA": says(*DNAME, "w.e.@ 600 AAAA 2001:db8::1")}, real(*DNAME, "w.e.@ 600 AAAA 2001:db8::1").but(asked={"w.d.@ A": 0}), Query("w.d.@")),
    Case("c077b", "rfc6672-3", "dname-to-nxdomain", {"w.d.@ AAAA": nxdomain(answer=DNAME)}, Expect(DNAME, "NXDOMAIN", asked={"w.d.@ A": 0}), Query("w.d.@")),
    Case("c078", "rfc6147-5.1.4", "mixed-exclusion-behind-a-dname", {"w.d.@ AAAA": says(*DNAME, "w.e.@ 600 AAAA ::ffff:1.2.3.4", "w.e.@ 600 AAAA 2001:db8::4")},
         real(*DNAME, "w.e.@ 600 AAAA 2001:db8::4"), Query("w.d.@")),
    Case("c079", "rfc6147-5.3.3", "asked-for-the-cname", {"CNAME": says(W), "A": a(".33")}, real(W).but(asked={"A": 0, "AAAA": 0}), Query(rdtype="CNAME")),
    Case("c080", "rfc6147-5.1.2", "cname-then-servfail", {"AAAA": Says((W,), "SERVFAIL"), "A": says(W, "x.@ 3600 A 192.0.2.33")}, synth(".33", ttl=600, owner="x.@", before=(W,))),
    Case("c080a", "rfc6147-5.1.6", "cname-then-servfail-on-the-a-side", {"AAAA": nodata(answer=(W,)), "A": Says((W,), "SERVFAIL")}, Expect(None, "SERVFAIL", check=_no_addresses)),
    Case("c081", "rfc6147-5.1.5", "cname-into-another-zone", {"AAAA": nodata(answer=("@ 500 CNAME {label}.other.test.",)), "A": says("@ 500 CNAME {label}.other.test.", "{label}.other.test. 3600 A 192.0.2.33")},
         synth(".33", owner="{label}.other.test.", before=("@ 500 CNAME {label}.other.test.",))),
    Case("c081a", "rfc4343-4", "target-in-another-case-is-the-same-name", {"AAAA": nodata(), "A": says("@ 500 CNAME X.@", "x.@ 3600 A 192.0.2.33")}, synth(".33", owner="x.@", before=("@ 500 CNAME X.@",)).but(answer=None, check=lambda reply, wire, names: "" if [r.rdtype for r in reply.answer] == [5, 28] else "not CNAME and AAAA")),
    Case("c082", "rfc6147-5.1.5", "two-levels", {"AAAA": nodata(answer=chain(2)), "A": says(*chain(2), "n2.@ 3600 A 192.0.2.33")}, synth(".33", owner="n2.@", before=chain(2))),
    Case("c082a", "rfc2181-10.1", "the-same-cname-twice", {"AAAA": nodata(), "A": says(W, W, "x.@ 3600 A 192.0.2.33")}, synth(".33", owner="x.@", before=(W,))),
    Case("c083", "rfc1034-5.2.2", "hundred-cnames", {"AAAA": nodata(answer=HUNDRED), "A": says(*HUNDRED, "n100.@ 3600 A 192.0.2.33")}, Expect(None, "SERVFAIL", check=_no_addresses)),
    Case("c084", "rfc6147-5.1.6", "chain-then-a-empty", {"AAAA": nodata(300, 300, 1, answer=chain(2)), "A": nodata(60, 60, 2, answer=chain(2))}, Expect(chain(2), authority=(soa(300, 300, 1),))),
    Case("c084a", "rfc6147-5.1.2", "chain-without-soa-on-the-aaaa-side", {"AAAA": bare_nodata(answer=(W,)), "A": says(W, "x.@ 100 A 192.0.2.33")}, synth(".33", ttl=100, owner="x.@", before=(W,))),
    Case("c084b", "rfc6147-5.1.2", "aaaa-error-then-chain", {"AAAA": error("REFUSED"), "A": says(W, "x.@ 100 A 192.0.2.33")}, synth(".33", ttl=100, owner="x.@", before=(W,))),
    Case("c084c", "rfc6147-5.1.5", "a-beside-a-cname-at-one-name", {"AAAA": nodata(), "A": says(W, "@ 900 A 192.0.2.99", "x.@ 900 A 192.0.2.33")}, synth(".33", owner="x.@", before=(W,))),
    Case("c084d", "rfc6147-5.1", "chain-from-cache", {"AAAA": nodata(answer=(W,)), "A": says(W, "x.@ 3600 A 192.0.2.33")}, synth(".33", owner="x.@", before=(W,)),
         then=(Step(synth(".33", owner="x.@", before=(W,)).but(asked={"AAAA": 1, "A": 1})),)),
    Case("c085", "decision-c085", "never-zone-at-the-end-of-a-chain",
         {"AAAA": nodata(answer=("@ 500 CNAME {label}.svc.cluster.local.",)), "A": says("@ 500 CNAME {label}.svc.cluster.local.", "{label}.svc.cluster.local. 60 A 192.0.2.33")},
         Expect(("@ 500 CNAME {label}.svc.cluster.local.",)), config="zones"),
    Case("c085a", "decision-c085", "real-aaaa-at-the-end-of-a-never-chain-passes",
         {"AAAA": says("@ 500 CNAME {label}.svc.cluster.local.", "{label}.svc.cluster.local. 60 AAAA 2001:db8::7")},
         real("@ 500 CNAME {label}.svc.cluster.local.", "{label}.svc.cluster.local. 60 AAAA 2001:db8::7"), config="zones"),
    Case("c085b", "rfc6147-5.1.1", "aaaa-beside-a-cname-at-one-name", {"AAAA": says(W, "@ 900 AAAA 2001:db8::9", "x.@ 900 AAAA 2001:db8::1"), "A": aaaa()}, real(W, "x.@ 900 AAAA 2001:db8::1")),
]  # fmt: skip
