# ruff: noqa: E501  (a row of a table is one line)
"""Section 1: when an AAAA is made, and what every reply looks like (RFC 6147 sections 5.1, 5.3, 5.4)."""

from __future__ import annotations

import dns.message

from .case import UDP, Case, Expect, Step, a, aaaa, nodata, real, says, soa, synth
from .client import Query
from .names import Names
from .script import Raw, Says

OTHER_TYPES = {
    "txt": "TXT \"one\" \"t\\000wo\"",
    "srv": "SRV 0 5 443 srv.t.example.",
    "ns": "NS ns.t.example.",
    "caa": "CAA 0 issue \"ca.example\"",
    "naptr": "NAPTR 10 20 \"u\" \"E2U+sip\" \"!^.*$!sip:x@t.example!\" .",
    "soa": "SOA ns.t.example. h.t.example. 9 3600 600 86400 60",
    "ptr": "PTR host.t.example.",
    "sshfp": "SSHFP 1 1 123456789abcdef67890123456789abcdef67890",
    "tlsa": "TLSA 3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971",
    "uri": "URI 10 1 \"https://t.example/\"",
    "loc": "LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
    "type65280": "TYPE65280 \\# 3 010203",
    "type65281-empty": "TYPE65281 \\# 0",
}  # fmt: skip


def record_reply(rdata: bytes, rdtype: int) -> Raw:
    """One record of the question's name with exactly these RDATA bytes, right or wrong."""

    def build(query: bytes) -> bytes:
        end = 12
        while query[end]:
            end += query[end] + 1
        header = query[:2] + bytes([0x80 | query[2] & 1, 0x80]) + b"\0\1\0\1\0\0\0\0"
        record = b"\xc0\x0c" + rdtype.to_bytes(2, "big") + b"\0\1\0\0\x0e\x10" + len(rdata).to_bytes(2, "big") + rdata
        return header + query[12 : end + 5] + record

    return Raw(build)


def _owner_bytes_are_kept(reply: dns.message.Message, wire: bytes, names: Names) -> str:
    owners = {rrset.name for rrset in reply.answer}
    return "" if owners == {reply.question[0].name} else f"owners {owners}"


def _aaaa_has_sixteen_bytes(reply: dns.message.Message, wire: bytes, names: Names) -> str:
    # one AAAA with a compressed owner after the question: type 28, class 1, TTL, RDLENGTH 16
    question_end = 12 + len(names.own) + 1 + 4
    fixed = wire[question_end + 2 : question_end + 12]
    return "" if fixed[:4] == b"\0\x1c\0\1" and fixed[8:] == b"\0\x10" else f"record head {fixed.hex()}"


def _case_of_owner_is_the_clients(reply: dns.message.Message, wire: bytes, names: Names) -> str:
    want = names.fill("^@")
    got = {rrset.name.to_text() for rrset in reply.answer}
    return "" if got == {want} else f"owner {got}, asked {want}"


LONG = "a" * 63 + "." + "b" * 63 + "." + "c" * 63 + "." + "d" * 46 + ".@"

CASES = [
    Case("c001", "rfc6147-5.1.6", "only-a-gives-aaaa", {"AAAA": nodata(), "A": a(".33")}, synth(".33").but(asked={"AAAA": 1, "A": 1})),
    Case("c001a", "rfc6147-5.1.6", "with-0x20-off", {"A": a(".33")}, synth(".33"), config="no-0x20"),
    Case("c001b", "rfc6147-5.1.8", "with-staggered-a", {"A": a(".33")}, synth(".33"), config="stagger"),
    Case("c001c", "rfc6147-5.4", "without-edns", {"A": a(".33")}, synth(".33"), Query(edns=None)),
    Case("c002", "rfc6147-5.1.7", "every-a-gives-one-aaaa", {"A": a(".33", ".34", ".35")}, synth(".33", ".34", ".35")),
    Case("c003", "rfc6147-5.1.1", "real-aaaa-wins", {"AAAA": aaaa("2001:db8::1"), "A": a(".33")},
         real("@ 3600 AAAA 2001:db8::1").but(asked={"A": 0}, no_ede=True)),
    Case("c003a", "rfc6147-5.1.1", "several-real-aaaa-win", {"AAAA": aaaa("2001:db8::1", "2001:db8::2"), "A": a(".33")},
         real("@ 3600 AAAA 2001:db8::1", "@ 3600 AAAA 2001:db8::2").but(asked={"A": 0})),
    Case("c003b", "rfc6147-5.1.1", "real-aaaa-keeps-its-sections",
         {"AAAA": Says(("@ 70 AAAA 2001:db8::1",), authority=("t.example. 80 NS ns.t.example.",), additional=("ns.t.example. 90 A 192.0.2.53",))},
         Expect(("@ 70 AAAA 2001:db8::1",), authority=("t.example. 80 NS ns.t.example.",), additional=("ns.t.example. 90 A 192.0.2.53",))),
    Case("c004", "rfc6147-5.3.3", "a-is-untouched", {"A": a(".33")}, real("@ 3600 A 192.0.2.33").but(asked={"AAAA": 0}, no_ede=True), Query(rdtype="A")),
    Case("c004a", "rfc6147-5.3.3", "a-denial-is-untouched", {"A": nodata(123, 300, 7)}, Expect((), authority=(soa(123, 300, 7),)), Query(rdtype="A")),
    Case("c005", "rfc6147-5.4", "question-keeps-its-case", {"A": a(".33")}, synth(".33").but(check=_case_of_owner_is_the_clients), Query("^@")),
    Case("c005a", "rfc6147-5.4", "real-aaaa-in-the-clients-case", {"AAAA": aaaa("2001:db8::5")},
         real("@ 3600 AAAA 2001:db8::5").but(check=_case_of_owner_is_the_clients), Query("^@")),
    Case("c005b", "rfc6147-5.4", "a-in-the-clients-case", {"A": a(".33")},
         real("@ 3600 A 192.0.2.33").but(check=_case_of_owner_is_the_clients), Query("^@", "A")),
    Case("c005c", "rfc6147-5.4", "denial-in-the-clients-case", {"A": nodata()}, Expect((), authority=(soa(300, 300),)), Query("^@")),
    Case("c006", "rfc6147-5.4", "aa-of-upstream-is-not-ours", {"AAAA": Says(authority=(soa(300, 300),), aa=True), "A": Says(("@ 3600 A 192.0.2.33",), aa=True)}, synth(".33")),
    Case("c006a", "rfc6147-5.4", "denied-both-is-not-authoritative", {"AAAA": Says(authority=(soa(300, 300),), aa=True), "A": Says(authority=(soa(300, 300),), aa=True)}, Expect((), authority=(soa(300, 300),))),
    Case("c007", "rfc6147-5.4", "authority-of-the-a-reply", {"A": Says(("@ 3600 A 192.0.2.33",), authority=("t.example. 500 NS ns.t.example.",))},
         synth(".33").but(authority=("t.example. 500 NS ns.t.example.",))),
    Case("c007a", "rfc6147-5.4", "no-authority-when-a-has-none", {"A": a(".33")}, synth(".33").but(authority=())),
    Case("c008", "rfc6147-5.3.2", "additional-of-the-a-reply", {"A": Says(("@ 3600 A 192.0.2.33",), additional=("ns.t.example. 500 A 192.0.2.53",))},
         synth(".33").but(additional=("ns.t.example. 500 A 192.0.2.53",))),
    Case("c009", "rfc6147-5.3.2", "additional-of-the-denial-is-left-out",
         {"AAAA": Says(authority=(soa(300, 300),), additional=("ns.t.example. 500 A 192.0.2.99",)), "A": a(".33")}, synth(".33").but(additional=())),
    *(
        Case("c010", "rfc6147-5.3.3", f"{name}-passes", {text.split(" ")[0]: says(f"@ 444 {text}"), "A": a(".33")},
             real(f"@ 444 {text}").but(asked={"A": 0, "AAAA": 0}, no_ede=True), Query(rdtype=text.split(" ")[0]))
        for name, text in OTHER_TYPES.items()
    ),
    Case("c010a", "rfc6147-5.3.2", "mx-with-additional-a", {"MX": Says(("@ 444 MX 10 m.@",), additional=("m.@ 444 A 192.0.2.25",))},
         Expect(("@ 444 MX 10 m.@",), additional=("m.@ 444 A 192.0.2.25",), asked={"*": 1}), Query(rdtype="MX")),
    Case("c011", "rfc2181-5", "duplicate-a-gives-one-aaaa", {"A": a(".33", ".33")}, synth(".33")),
    Case("c012", "rfc2181-5.2", "duplicate-a-with-other-ttl", {"A": says("@ 90 A 192.0.2.33", "@ 80 A 192.0.2.33", "@ 85 A 192.0.2.34")}, synth(".33", ".34", ttl=80)),
    Case("c013", "rfc6147-5.1.7", "name-class-and-rdlength", {"A": a(".33")}, synth(".33").but(check=_aaaa_has_sixteen_bytes)),
    Case("c014", "rfc2181-11", "any-bytes-in-labels", {"\\000\\.x\\255.@ A": a(".33", owner="\\000\\.x\\255.@")},
         synth(".33", owner="\\000\\.x\\255.@").but(check=_owner_bytes_are_kept), Query("\\000\\.x\\255.@")),
    Case("c014a", "rfc2181-11", "underscore-and-asterisk-labels", {"_x.\\*.@ A": a(".33", owner="_x.\\*.@")}, synth(".33", owner="_x.\\*.@"), Query("_x.\\*.@")),
    Case("c014b", "rfc4343-3", "bytes-beyond-ascii-keep-their-case", {"\\195\\132.@ A": a(".33", owner="\\195\\132.@")},
         synth(".33", owner="\\195\\132.@").but(check=_owner_bytes_are_kept), Query("\\195\\132.@")),
    Case("c015", "rfc1035-2.3.4", "name-of-255-bytes", {f"{LONG} A": a(".33", owner=LONG)}, synth(".33", owner=LONG), Query(LONG)),
    Case("c015a", "rfc1035-2.3.4", "forty-labels", {f"{'x.' * 40}@ A": a(".33", owner="x." * 40 + "@")}, synth(".33", owner="x." * 40 + "@"), Query("x." * 40 + "@")),
    Case("c016", "rfc6147-5.1", "root-name", {". AAAA": Says(authority=(". 3600 SOA a.root. h.root. 1 1 1 1 3600",)), ". A": Says(authority=(". 3600 SOA a.root. h.root. 1 1 1 1 3600",))},
         Expect((), authority=(". 3600 SOA a.root. h.root. 1 1 1 1 3600",), ttl_slack=60), Query(".")),
    Case("c016a", "rfc6147-5.1", "root-ns-as-a-forwarders-health-check", {". NS": says(". 3600 NS a.root.")}, Expect((". 3600 NS a.root.",), ttl_slack=120), Query(".", "NS")),
    Case("c017", "rfc6147-5.1", "second-time-from-cache", {"A": a(".33")}, synth(".33").but(asked={"AAAA": 1, "A": 1}),
         then=(Step(synth(".33").but(asked={"AAAA": 1, "A": 1})), Step(synth(".33").but(asked={"AAAA": 1, "A": 1}), Query(edns=None)))),
    Case("c018", "rfc6147-5.1", "a-in-cache-serves-the-synthesis", {"A": a(".33")}, real("@ 3600 A 192.0.2.33"), Query(rdtype="A"),
         then=(Step(synth(".33").but(asked={"AAAA": 1, "A": 1})),)),
    Case("c018a", "rfc6147-5.1", "synthesis-leaves-a-in-cache", {"A": a(".33")}, synth(".33"),
         then=(Step(real("@ 3600 A 192.0.2.33").but(asked={"AAAA": 1, "A": 1}), Query(rdtype="A")),)),
    *(
        Case(f"c019{letter}", "rfc1035-3.4.1", f"a-of-{len(rdata)}-bytes", {"A": record_reply(rdata, 1)}, Expect((), "SERVFAIL"))
        for letter, rdata in (("", b"\xc0\0\2"), ("a", b""), ("b", b"\xc0\0\2\x21\1"))
    ),
    Case("c019c", "rfc1035-3.4.1", "malformed-a-is-not-relayed-for-a-either", {"A": record_reply(b"\xc0\0\2", 1)}, Expect((), "SERVFAIL"), Query(rdtype="A")),
    *(
        Case(f"c020{letter}", "rfc6147-5.1.2", f"aaaa-of-{len(rdata)}-bytes", {"AAAA": record_reply(rdata, 28), "A": a(".33")}, synth(".33", ttl=600))
        for letter, rdata in (("", bytes(15)), ("a", b""), ("b", bytes(17)), ("c", bytes(4)))
    ),
    Case("c020d", "rfc6147-5.1", "udp-and-tcp-share-one-cache", {"A": a(".33")}, synth(".33"), over=UDP, then=(Step(synth(".33").but(asked={"A": 1})),)),
]  # fmt: skip
