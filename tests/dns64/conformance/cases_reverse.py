# ruff: noqa: E501  (a row of a table is one line)
"""Section 8: the reverse zone of the prefix lives here (RFC 6147 section 5.3.1, RFC 8880 section 7.2.1; decisions D14, D15).

Every run has an IPv4 address of its own; `{in-addr}` and `{ip6}` are its two reverse names.
"""

from __future__ import annotations

import dns.message
import dns.name
import dns.rdatatype

from .case import BOTH, Case, Check, Expect, Step, nodata, nxdomain, says
from .client import Query
from .names import P96, Names, ip6_arpa
from .script import Drop, Says

Z = "0.0.0.0.0.0.0.0.0.0.0.0.0.4.4.6.3.3.6.c.2.0.0.2.ip6.arpa."
PTR = says("{in-addr} 3600 PTR host.@")
NEVER_ASKED = {"{ip6} PTR": 0}
HOST = Expect(None, aa=None, asked={"{in-addr} PTR": 1, "{ip6} PTR": 0})
RFC2317 = says("{in-addr} 3600 CNAME c.@", "c.@ 3600 PTR host.@")


def _cname_and_ptr(reply: dns.message.Message, wire: bytes, names: Names) -> str:
    """The CNAME's own TTL is ours to choose, above zero and not above the target's."""
    if [rrset.rdtype for rrset in reply.answer] != [dns.rdatatype.CNAME, dns.rdatatype.PTR]:
        return "not one CNAME and one PTR"
    cname, ptr = reply.answer
    want = dns.name.from_text(names.in_addr)
    if cname[0].target != want or ptr.name != want or ptr[0].target != dns.name.from_text("host." + names.own):
        return "the names are wrong"
    return "" if 0 < cname.ttl <= 3600 and 3599 <= ptr.ttl <= 3600 else f"TTLs {cname.ttl} and {ptr.ttl}"


def _ends_in_the_host(reply: dns.message.Message, wire: bytes, names: Names) -> str:
    ptrs = [rrset[0].target for rrset in reply.answer if rrset.rdtype == dns.rdatatype.PTR]
    return "" if ptrs == [dns.name.from_text("host." + names.own)] else f"PTRs {ptrs}"


def _local_soa(zone: str = Z) -> Check:
    def check(reply: dns.message.Message, wire: bytes, names: Names) -> str:
        owners = [rrset.name.to_text().lower() for rrset in reply.authority if rrset.rdtype == dns.rdatatype.SOA]
        return "" if owners == [zone] else f"SOA owners {owners} in authority, expected {zone}"

    return check


def _apex(rdtype: dns.rdatatype.RdataType) -> Check:
    def check(reply: dns.message.Message, wire: bytes, names: Names) -> str:
        found = [(rrset.name.to_text().lower(), rrset.rdtype) for rrset in reply.answer]
        return "" if found and set(found) == {(Z, rdtype)} else f"answer {found}"

    return check


def _is_discovery(reply: dns.message.Message, wire: bytes, names: Names) -> str:
    found = [(rrset.rdtype, str(rrset[0])) for rrset in reply.answer]
    return "" if found == [(dns.rdatatype.PTR, "ipv4only.arpa.")] else f"answer {found}"


LOCAL_NXDOMAIN = Expect((), "NXDOMAIN", aa=None, check=_local_soa())
LOCAL_NODATA = Expect((), aa=None, check=_local_soa())
BAD_LABELS = {
    "g": "g.2.2.0.0.0.0.c." + Z, "two-digits": "12.2.2.0.0.0.0.c." + Z, "minus": "-.2.2.0.0.0.0.c." + Z, "escaped": "\\000.2.2.0.0.0.0.c." + Z,
    "colon": ":.2.2.0.0.0.0.c." + Z, "full-width": "\\239\\188\\145.2.2.0.0.0.0.c." + Z, "bad-in-the-middle": "1.2.zz.0.0.0.0.c." + Z,
}  # fmt: skip
LENGTHS = {
    "32": ("p32", "2001:db8::/32"), "40": ("p40", "2001:db8:100::/40"), "48": ("p48", "2001:db8:122::/48"),
    "56": ("p56", "2001:db8:122:300::/56"), "64": ("p64", "2001:db8:122:344::/64"), "96": ("p96", "2001:db8:122:344::/96"),
}  # fmt: skip
SIG = "RRSIG PTR 8 5 3600 20370101000000 20200101000000 1 t.example. c2lnbmF0dXJl"

CASES = [
    Case("c142", "rfc6147-5.3.1", "ptr-by-cname", {"{in-addr} PTR": PTR}, HOST.but(check=_cname_and_ptr), Query("{ip6}", "PTR")),
    Case("c142a", "rfc6147-5.3.1", "ptr-by-cname-without-edns", {"{in-addr} PTR": PTR}, HOST.but(check=_cname_and_ptr), Query("{ip6}", "PTR", edns=None)),
    Case("c142b", "rfc6147-5.3.1", "ptr-mode", {"{in-addr} PTR": PTR}, Expect(("{ip6} 3600 PTR host.@",), aa=None, asked={"{in-addr} PTR": 1, "{ip6} PTR": 0}), Query("{ip6}", "PTR"), "ptr-mode"),
    Case("c142c", "rfc6147-5.3.1", "several-ptrs", {"{in-addr} PTR": says("{in-addr} 60 PTR a.@", "{in-addr} 60 PTR b.@")}, Expect(("{ip6} 60 PTR a.@", "{ip6} 60 PTR b.@"), aa=None), Query("{ip6}", "PTR"), "ptr-mode"),
    Case("c142d", "rfc6147-5.3.1", "the-in-addr-name-itself-passes", {"{in-addr} PTR": PTR}, Expect(("{in-addr} 3600 PTR host.@",)), Query("{in-addr}", "PTR")),
    Case("c142e", "rfc6147-5.3.1", "second-time-from-cache", {"{in-addr} PTR": PTR}, HOST.but(check=_cname_and_ptr), Query("{ip6}", "PTR"), then=(Step(HOST.but(check=_cname_and_ptr), Query("{ip6}", "PTR")),)),
    Case("c142f", "rfc1034-4.3.2", "any-gets-the-alias-and-no-more", {"{in-addr} PTR": PTR}, Expect(("{ip6} 600 CNAME {in-addr}",), aa=None), Query("{ip6}", "ANY")),
    Case("c143", "rfc4343-3", "upper-case-nibbles", {"9.113.0.203.in-addr.arpa. PTR": says("9.113.0.203.in-addr.arpa. 3600 PTR nine.t.example.")},
         Expect(None, aa=None, check=lambda reply, wire, names: "" if "nine.t.example." in str(reply) else "no PTR"), Query(ip6_arpa("203.0.113.9", P96).upper(), "PTR")),
    Case("c143a", "rfc4343-3", "own-address-in-capitals", {"{in-addr} PTR": PTR}, HOST.but(check=_cname_and_ptr), Query("{IP6}", "PTR")),
    Case("c143b", "rfc4343-3", "upper-case-nibbles-in-ptr-mode", {"201.171.113.203.in-addr.arpa. PTR": says("201.171.113.203.in-addr.arpa. 3600 PTR host.t.example.")},
         Expect(None, aa=None, check=lambda reply, wire, names: "" if reply.answer and str(reply.answer[0].name) == str(reply.question[0].name) else "owner"),
         Query(ip6_arpa("203.113.171.201", P96).upper(), "PTR"), "ptr-mode"),
    Case("c144", "decision-d15", "target-nxdomain", {"{in-addr} PTR": nxdomain()}, Expect((), "NXDOMAIN", check=_local_soa(), aa=None), Query("{ip6}", "PTR")),
    Case("c144a", "decision-d15", "target-nxdomain-ptr-mode", {"{in-addr} PTR": nxdomain()}, Expect((), "NXDOMAIN", check=_local_soa(), aa=None), Query("{ip6}", "PTR"), "ptr-mode"),
    Case("c145", "decision-d15", "target-empty", {"{in-addr} PTR": nodata()}, Expect((), check=_local_soa(), aa=None), Query("{ip6}", "PTR")),
    Case("c145a", "rfc6147-5.3.1", "target-fails", {"{in-addr} PTR": Says(rcode="SERVFAIL")}, Expect((), "SERVFAIL", ede=(22, 23), aa=None), Query("{ip6}", "PTR")),
    Case("c145b", "rfc6147-5.3.1", "target-times-out", {"{in-addr} PTR": Drop()}, Expect((), "SERVFAIL", ede=(22, 23), aa=None), Query("{ip6}", "PTR"), over=BOTH, slow=True),
    Case("c146", "rfc2317-4", "target-is-a-cname", {"{in-addr} PTR": RFC2317}, Expect(None, aa=None, check=_ends_in_the_host), Query("{ip6}", "PTR")),
    Case("c146a", "rfc2317-4", "target-is-a-cname-ptr-mode", {"{in-addr} PTR": RFC2317}, Expect(("{ip6} 3600 PTR host.@",), aa=None), Query("{ip6}", "PTR"), "ptr-mode"),
    Case("c147", "rfc6147-5.3.1", "ptr-of-other-ipv6-is-forwarded", {"1.{label}.8.b.d.0.1.0.0.2.ip6.arpa. PTR": says("1.{label}.8.b.d.0.1.0.0.2.ip6.arpa. 60 PTR h.@")},
         Expect(("1.{label}.8.b.d.0.1.0.0.2.ip6.arpa. 60 PTR h.@",)), Query("1.{label}.8.b.d.0.1.0.0.2.ip6.arpa.", "PTR")),
    Case("c148", "rfc6147-5.3.1", "same-48-other-96-is-forwarded", {"{ip6 2002:c633:6440:1::/96} PTR": says("{ip6 2002:c633:6440:1::/96} 60 PTR h.@")},
         Expect(("{ip6 2002:c633:6440:1::/96} 60 PTR h.@",)), Query("{ip6 2002:c633:6440:1::/96}", "PTR")),
    Case("c149", "rfc6147-5.3.1", "the-well-known-prefix-is-examined-too", {"{in-addr} PTR": PTR}, Expect(None, aa=None, check=_cname_and_ptr, asked={"{ip6 64:ff9b::/96} PTR": 0, "{in-addr} PTR": 1}), Query("{ip6 64:ff9b::/96}", "PTR")),
    *(
        Case("c150", "rfc1034-4.3.2", f"empty-non-terminal-of-{24 + len(labels.split('.')) - 1}-labels", {}, LOCAL_NODATA, Query(labels + Z, "PTR"))
        for labels in ("c.", "0.c.", "0.0.0.c.", "2.0.0.0.0.c.", "2.2.0.0.0.0.c.")
    ),
    *(
        Case("c151", "rfc1034-4.3.2", f"longer-by-{name}", {}, LOCAL_NXDOMAIN.but(asked={f"{prefix}{{ip6}} PTR": 0, "{in-addr} PTR": 0}), Query(prefix + "{ip6}", "PTR"))
        for name, prefix in (("x", "x."), ("1", "1."), ("1-2", "1.2."))
    ),
    Case("c151a", "rfc1034-4.3.2", "longer-by-63-bytes", {}, LOCAL_NXDOMAIN, Query("x" * 63 + ".{ip6}", "AAAA")),
    *(Case("c152", "rfc1034-4.3.2", f"label-{name}", {}, LOCAL_NXDOMAIN, Query(name_, "PTR")) for name, name_ in BAD_LABELS.items()),
    *(
        Case("c153", "rfc2308-2.2", f"{rdtype.lower()}-at-a-ptr-name", {"{in-addr} PTR": PTR}, Expect(None, aa=None, asked={f"{{ip6}} {rdtype}": 0}, check=lambda reply, wire, names: "" if not [r for r in reply.answer if r.rdtype not in (5, 12)] else "data"), Query("{ip6}", rdtype), "ptr-mode")
        for rdtype in ("A", "AAAA", "TXT", "MX", "DS")
    ),
    Case("c154", "rfc2308-5", "soa-at-the-apex", {}, Expect(None, aa=True, check=_apex(dns.rdatatype.SOA), asked={f"{Z} SOA": 0}), Query(Z, "SOA")),
    Case("c154a", "rfc2308-5", "ns-at-the-apex", {}, Expect(None, aa=True, check=_apex(dns.rdatatype.NS), asked={f"{Z} NS": 0}), Query(Z, "NS")),
    Case("c154b", "rfc2308-5", "other-types-at-the-apex", {}, LOCAL_NODATA, Query(Z, "TXT")),
    Case("c154c", "rfc2308-5", "apex-in-upper-case", {}, Expect(None, aa=True, check=_apex(dns.rdatatype.SOA)), Query(Z.upper(), "SOA")),
    Case("c155", "rfc8880-7.2.1", "discovery-170", {}, Expect(None, aa=None, check=_is_discovery, asked={"170.0.0.192.in-addr.arpa. PTR": 0}), Query(ip6_arpa("192.0.0.170", P96), "PTR")),
    Case("c156", "rfc8880-7.2.1", "discovery-171", {}, Expect(None, aa=None, check=_is_discovery, asked={"171.0.0.192.in-addr.arpa. PTR": 0}), Query(ip6_arpa("192.0.0.171", P96), "PTR")),
    Case("c156a", "rfc8880-7.2.1", "discovery-in-ptr-mode", {}, Expect(None, aa=None, check=_is_discovery), Query(ip6_arpa("192.0.0.170", P96), "PTR"), "ptr-mode"),
    Case("c156b", "rfc8880-7.2.1", "discovery-under-the-well-known", {}, Expect(None, aa=None, check=_is_discovery), Query(ip6_arpa("192.0.0.171", "64:ff9b::/96"), "PTR"), "wkp"),
    Case("c157", "rfc2308-5", "cname-ttl-above-zero", {"{in-addr} PTR": says("{in-addr} 20 PTR host.@")},
         Expect(None, aa=None, check=lambda reply, wire, names: "" if reply.answer and 0 < reply.answer[0].ttl <= 20 else "TTL of the CNAME"), Query("{ip6}", "PTR")),
    *(
        Case("c158", "rfc6052-2", f"length-{length}", {"{in-addr} PTR": PTR}, Expect(None, aa=None, check=_cname_and_ptr, asked={"{in-addr} PTR": 1}), Query(f"{{ip6 {prefix}}}", "PTR"), config)
        for length, (config, prefix) in LENGTHS.items()
    ),
    Case("c159", "rfc6147-5.3.1", "second-prefix", {"{in-addr} PTR": PTR}, Expect(None, aa=None, check=_cname_and_ptr), Query("{ip6 2001:db8:122::/48}", "PTR"), "two-prefixes"),
    Case("c159a", "rfc6147-5.3.1", "first-of-two-prefixes", {"{in-addr} PTR": PTR}, Expect(None, aa=None, check=_cname_and_ptr), Query("{ip6}", "PTR"), "two-prefixes"),
    Case("c159b", "rfc6147-5.3.1", "a-pools-prefix", {"{in-addr} PTR": PTR}, Expect(None, aa=None, check=_cname_and_ptr), Query("{ip6 2002:cb00:7181::/96}", "PTR"), "pools"),
    Case("c159c", "rfc6147-5.3.1", "a-mapped-prefix", {"33.2.1.10.in-addr.arpa. PTR": says("33.2.1.10.in-addr.arpa. 3600 PTR ten.t.example.")},
         Expect(None, aa=None, check=lambda reply, wire, names: "" if "ten.t.example." in str(reply) else "no PTR"), Query(ip6_arpa("10.1.2.33", "2001:db8:64::/96"), "PTR"), "map"),
    Case("c159d", "rfc3056-2", "a-6to4-host", {"33.2.1.10.in-addr.arpa. PTR": says("33.2.1.10.in-addr.arpa. 3600 PTR ten.t.example.")},
         Expect(("1.2.2.0.1.0.a.0.0.0.0.0.0.0.0.0.0.0.0.0.1.2.2.0.1.0.a.0.2.0.0.2.ip6.arpa. 600 CNAME 33.2.1.10.in-addr.arpa.", "33.2.1.10.in-addr.arpa. 3600 PTR ten.t.example."), aa=None),
         Query("1.2.2.0.1.0.a.0.0.0.0.0.0.0.0.0.0.0.0.0.1.2.2.0.1.0.a.0.2.0.0.2.ip6.arpa.", "PTR"), "map-6to4"),
    Case("c159e", "rfc3056-2", "a-6to4-host-that-is-one", {"33.2.2.10.in-addr.arpa. PTR": says("33.2.2.10.in-addr.arpa. 3600 PTR two.t.example.")},
         Expect(None, aa=None, check=lambda reply, wire, names: "" if "two.t.example." in str(reply) else "no PTR"), Query("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.2.2.0.2.0.a.0.2.0.0.2.ip6.arpa.", "PTR"), "map-6to4"),
    Case("c159f", "rfc3056-2", "another-address-of-a-6to4-host-is-its-own", {"5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.2.2.0.1.0.a.0.2.0.0.2.ip6.arpa. PTR": says("5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.2.2.0.1.0.a.0.2.0.0.2.ip6.arpa. 3600 PTR pod.t.example.")},
         Expect(("5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.2.2.0.1.0.a.0.2.0.0.2.ip6.arpa. 3600 PTR pod.t.example.",)), Query("5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.2.2.0.1.0.a.0.2.0.0.2.ip6.arpa.", "PTR"), "map-6to4"),
    *(
        Case("c160", "decision-d13", f"denied-{v4}", {}, LOCAL_NXDOMAIN.but(asked={f"{'.'.join(reversed(v4.split('.')))}.in-addr.arpa. PTR": 0}), Query(ip6_arpa(v4, P96), "PTR"))
        for v4 in ("127.0.0.1", "0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "10.1.2.3", "192.168.1.1")
    ),
    Case("c161", "rfc4035-3.1.1", "signed-target", {"{in-addr} PTR": Says(("{in-addr} 3600 PTR host.@", f"{{in-addr}} 3600 {SIG}"), ad=True)},
         Expect(None, aa=None, check=lambda reply, wire, names: "" if [r.rdtype for r in reply.answer] == [5, 12, 46] else "not CNAME, PTR, RRSIG"), Query("{ip6}", "PTR", do=True), "trust-ad"),
    Case("c161a", "rfc4035-3.1.1", "signed-target-ptr-mode-has-no-signature", {"{in-addr} PTR": Says(("{in-addr} 3600 PTR host.@", f"{{in-addr}} 3600 {SIG}"), ad=True)},
         Expect(("{ip6} 3600 PTR host.@",), aa=None), Query("{ip6}", "PTR", do=True), "ptr-mode"),
]  # fmt: skip
