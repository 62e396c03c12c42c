# ruff: noqa: E501  (a row of a table is one line)
"""Section 7: ipv4only.arpa is answered here and nowhere else (RFC 7050, RFC 8880 section 7.1)."""

from __future__ import annotations

import dns.message
import dns.rdatatype

from .case import Case, Check, Expect, nodata, says, synth
from .client import Query
from .names import Names

V4ONLY = "ipv4only.arpa."
W = "@ 500 CNAME ipv4only.arpa."
SILENT = {"ipv4only.arpa. AAAA": 0, "ipv4only.arpa. A": 0}


def addresses(*expected: str) -> Check:
    """Exactly these, in any order, all of one TTL above zero."""

    def check(reply: dns.message.Message, wire: bytes, names: Names) -> str:
        got = sorted(str(rrset[0]) for rrset in reply.answer)
        ttls = {rrset.ttl for rrset in reply.answer}
        owners = {rrset.name.to_text().lower() for rrset in reply.answer}
        if got != sorted(expected) or owners != {V4ONLY}:
            return f"addresses {got} of {owners}"
        return "" if len(ttls) == 1 and min(ttls) > 0 else f"TTLs {ttls}"

    return check


def local(*expected: str) -> Expect:
    return Expect(None, aa=True, check=addresses(*expected), asked=SILENT)


def _soa_of_the_zone(reply: dns.message.Message, wire: bytes, names: Names) -> str:
    owners = [rrset.name.to_text().lower() for rrset in reply.authority if rrset.rdtype == dns.rdatatype.SOA]
    return "" if owners == [V4ONLY] else f"SOA owners {owners} in authority"


def _has(rdtype: dns.rdatatype.RdataType) -> Check:
    return lambda reply, wire, names: (
        "" if [rrset.rdtype for rrset in reply.answer] == [rdtype] else "not the one record"
    )


DENIED = Expect((), aa=None, check=_soa_of_the_zone)
MINE = ("2002:c633:6440::c000:aa", "2002:c633:6440::c000:ab")

CASES = [
    Case("c127", "rfc8880-7.1", "aaaa-is-local", {}, local(*MINE), Query(V4ONLY)),
    Case("c127a", "rfc8880-7.1", "aaaa-without-edns", {}, local(*MINE), Query(V4ONLY, edns=None)),
    *(
        Case("c127b", "rfc8880-7.1", f"aaaa-whatever-may-not-be-embedded-{config}", {}, local(*MINE), Query(V4ONLY), config)
        for config in ("never-embed-discovery", "map-discovery-none")
    ),
    Case("c128", "rfc8880-7.1", "a-is-local", {}, local("192.0.0.170", "192.0.0.171"), Query(V4ONLY, "A")),
    Case("c129", "rfc8880-7.1", "soa-is-local", {}, Expect(None, aa=True, check=_has(dns.rdatatype.SOA), asked={"ipv4only.arpa. SOA": 0}), Query(V4ONLY, "SOA")),
    Case("c129a", "rfc8880-7.1", "ns-is-local", {}, Expect(None, aa=None, asked={"ipv4only.arpa. NS": 0}), Query(V4ONLY, "NS")),
    *(
        Case("c129b", "rfc8880-7.1", f"{rdtype.lower()}-is-denied-locally", {}, DENIED.but(asked={f"ipv4only.arpa. {rdtype}": 0}), Query(V4ONLY, rdtype))
        for rdtype in ("TXT", "MX", "HTTPS", "TYPE1000", "CNAME")
    ),
    Case("c130", "rfc8880-7.1", "ds-is-resolved-normally", {"ipv4only.arpa. DS": nodata(3600, 3600)}, Expect((), aa=False), Query(V4ONLY, "DS")),
    *(
        Case("c131", "rfc8880-7.1", f"{rdtype.lower()}-of-{name.count('.') - 1}-levels-below", {}, Expect((), "NXDOMAIN", aa=None, check=_soa_of_the_zone, asked={f"{name} {rdtype}": 0}), Query(name, rdtype))
        for rdtype in ("A", "AAAA", "TXT", "DS")
        for name in ("{label}.ipv4only.arpa.", "a.{label}.ipv4only.arpa.")
    ),
    Case("c132", "rfc8880-7.1", "upstream-never-hears-of-it", {}, local(*MINE).but(asked={"ipv4only.arpa. A": 0, "ipv4only.arpa. AAAA": 0, "ipv4only.arpa. NS": 0, "ipv4only.arpa. SOA": 0}), Query(V4ONLY)),
    Case("c133", "rfc4343-3", "in-any-case", {}, local(*MINE), Query("IPv4Only.ARPA.")),
    Case("c133a", "rfc4343-3", "subdomain-in-any-case", {}, Expect((), "NXDOMAIN", aa=None), Query("X.IPv4OnlY.aRPA.")),
    Case("c133b", "rfc8880-7.1", "a-look-alike-is-not-it", {"x{label}ipv4only.arpa. AAAA": says("x{label}ipv4only.arpa. 60 AAAA 2001:db8::1")},
         Expect(("x{label}ipv4only.arpa. 60 AAAA 2001:db8::1",)), Query("x{label}ipv4only.arpa.")),
    Case("c133c", "rfc8880-7.1", "nor-is-one-below-another-zone", {"ipv4only.arpa.@ A": says("ipv4only.arpa.@ 60 A 192.0.2.33")}, synth(".33", ttl=60, owner="ipv4only.arpa.@"), Query("ipv4only.arpa.@")),
    Case("c134", "rfc7050-3", "one-for-each-prefix", {}, local(*MINE, "2001:db8:122:c000:0:aa00::", "2001:db8:122:c000:0:ab00::"), Query(V4ONLY), "two-prefixes"),
    *(
        Case("c135", "rfc7050-3", f"length-{config[1:]}", {}, local(*pair), Query(V4ONLY), config)
        for config, pair in (
            ("p32", ("2001:db8:c000:aa::", "2001:db8:c000:ab::")),
            ("p40", ("2001:db8:1c0:0:aa::", "2001:db8:1c0:0:ab::")),
            ("p48", ("2001:db8:122:c000:0:aa00::", "2001:db8:122:c000:0:ab00::")),
            ("p56", ("2001:db8:122:3c0:0:aa::", "2001:db8:122:3c0:0:ab::")),
            ("p64", ("2001:db8:122:344:c0:0:aa00:0", "2001:db8:122:344:c0:0:ab00:0")),
            ("p96", ("2001:db8:122:344::c000:aa", "2001:db8:122:344::c000:ab")),
        )
    ),
    Case("c135a", "rfc8880-7.1", "the-well-known-by-default", {}, local("64:ff9b::c000:aa", "64:ff9b::c000:ab"), Query(V4ONLY), "no-prefix"),
    Case("c136", "rfc6147-5.5", "cd-without-do", {}, DENIED.but(asked=SILENT), Query(V4ONLY, cd=True)),
    Case("c136a", "rfc6147-5.5", "cd-with-do", {}, DENIED.but(asked=SILENT), Query(V4ONLY, cd=True, do=True)),
    Case("c137", "rfc8880-7.1", "do-gives-no-signatures", {}, local(*MINE), Query(V4ONLY, do=True)),
    Case("c138", "rfc8880-7.1", "a-with-cd-stays", {}, local("192.0.0.170", "192.0.0.171"), Query(V4ONLY, "A", cd=True)),
    Case("c139", "rfc6147-5.1.5", "cname-into-it", {"AAAA": nodata(answer=(W,)), "A": says(W, "ipv4only.arpa. 3600 A 192.0.0.170", "ipv4only.arpa. 3600 A 192.0.0.171")},
         synth("192.0.0.170", "192.0.0.171", owner="ipv4only.arpa.", before=(W,)).but(aa=None)),
    *(
        Case("c139b", "rfc6147-5.1.5", f"cname-into-it-{config}", {"AAAA": nodata(answer=(W,)), "A": says(W, "ipv4only.arpa. 3600 A 192.0.0.170")},
             synth("192.0.0.170", owner="ipv4only.arpa.", before=(W,)).but(aa=None), config=config)
        for config in ("never-embed-discovery", "map-discovery-none")
    ),
    Case("c139c", "decision-d13", "other-names-with-these-addresses-are-not-embedded", {"A": says("@ 3600 A 192.0.0.170")}, Expect((), ede=(17,)), config="never-embed-discovery"),
    Case("c139a", "rfc6147-5.1.5", "other-names-with-these-addresses", {"A": says("@ 3600 A 192.0.0.170")}, synth("192.0.0.170")),
]  # fmt: skip
