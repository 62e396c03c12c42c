# ruff: noqa: E501  (a row of a table is one line)
"""Section 14: ANY, HINFO, SVCB and HTTPS (RFC 8482, RFC 9460; decision D17)."""

from __future__ import annotations

from .case import Case, Expect, a, nodata, real, says, soa, synth
from .client import Query
from .script import Says

HINFO = '@ 60 HINFO "RFC8482" ""'
SERVICES = {
    "c274": ("only-ipv4hint", "1 . ipv4hint=192.0.2.33"),
    "c275": ("unknown-key", '1 svc.@ key65333="abc"'),
    "c276": ("both-hints", '1 . alpn="h2,h3" port=8443 ipv4hint=192.0.2.33 ipv6hint=2001:db8::1'),
    "c276a": ("mandatory", '1 svc.@ mandatory=alpn alpn="h2"'),
    "c278": ("alias-mode", "0 alias.example."),
}

CASES = [
    Case("c271", "rfc8482-4.2", "any-hinfo-passes", {"ANY": says(HINFO), "A": a(".33")}, real(HINFO).but(asked={"A": 0, "AAAA": 0}), Query(rdtype="ANY")),
    Case("c272", "rfc6147-5.1.6", "hinfo-is-not-aaaa", {"AAAA": says(HINFO), "A": a(".33")}, synth(".33", ttl=600)),
    Case("c272a", "rfc6147-5.1.6", "hinfo-for-a-is-not-a", {"AAAA": nodata(), "A": says(HINFO)}, Expect((), authority=(soa(300, 300),))),
    Case("c273", "rfc8482-4", "any-is-never-synthesised", {"ANY": says("@ 60 A 192.0.2.33", "@ 60 TXT x"), "A": a(".33")}, Expect(None, asked={"A": 0, "AAAA": 0}, check=lambda reply, wire, names: "" if "AAAA" not in str(reply.answer) else "AAAA made"), Query(rdtype="ANY")),
    *(
        Case(number, "rfc9460-4.2", f"{rdtype.lower()}-{title}", {rdtype: says(f"@ 60 {rdtype} {text}"), "A": a(".33")}, real(f"@ 60 {rdtype} {text}").but(asked={"A": 0, "AAAA": 0}), Query(rdtype=rdtype))
        for number, (title, text) in SERVICES.items()
        for rdtype in ("HTTPS", "SVCB")
    ),
    Case("c277", "rfc9460-4.2.1", "aaaa-of-the-target", {"svc.@ A": a(".33", owner="svc.@")}, synth(".33", owner="svc.@"), Query("svc.@")),
    Case("c279", "rfc9460-4.2.1", "additional-of-https-passes", {"HTTPS": Says(("@ 60 HTTPS 1 svc.@",), additional=("svc.@ 60 A 192.0.2.33",))},
         Expect(("@ 60 HTTPS 1 svc.@",), additional=("svc.@ 60 A 192.0.2.33",), asked={"svc.@ A": 0, "svc.@ AAAA": 0}), Query(rdtype="HTTPS")),
    Case("c279a", "rfc6147-5.3.3", "https-denial-passes", {"HTTPS": nodata(77, 300, 5), "A": a(".33")}, Expect((), authority=(soa(77, 300, 5),), asked={"A": 0}), Query(rdtype="HTTPS")),
    Case("c279b", "rfc6147-5.3.3", "https-behind-a-cname-passes", {"HTTPS": says("@ 60 CNAME x.@", "x.@ 60 HTTPS 1 .")}, real("@ 60 CNAME x.@", "x.@ 60 HTTPS 1 ."), Query(rdtype="HTTPS")),
]  # fmt: skip
