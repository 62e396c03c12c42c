# ruff: noqa: E501  (a row of a table is one line)
"""Section 17: who gets which answer for which name: zones, egress pools, clients, access (decisions and the KUN interface).

Clients are told apart by their source address, so most rows run over IPv4 loopback, which has millions of them.
"""

from __future__ import annotations

import dns.message

from .case import ALL, BOTH, V4, Case, Check, Expect, Step, a, aaaa, error, failed, nodata, real, says, soa, synth
from .cases_discovery import addresses
from .client import Query
from .names import Names
from .script import Action, After, Drop, Says

OVERSEAS, DEEPER, LISTED = "2002:cb00:7181::", "2002:cb00:7182::", "2002:cb00:7183::"
ECS_V4_DUAL = (8, b"\0\1\x18\0\x0a\x07\x01")
ECS_V6_ONLY = (8, b"\0\2\x30\0\x20\x02\x0a\x01\0\x02")
ECS_V4_OTHER, ECS_V4_ELSE = (8, b"\0\1\x18\0\x0a\x08\x01"), (8, b"\0\1\x18\0\x0a\x09\x01")


def _subnet_is(wire: bytes) -> Check:
    """The client subnet option of the reply, its scope all of the source (RFC 7871 section 7.2.2); b"" for none."""
    wanted = [wire[:3] + wire[2:3] + wire[4:]] if wire else []

    def check(reply: dns.message.Message, raw: bytes, names: Names) -> str:
        got = [option.to_wire() for option in reply.options if int(option.otype) == 8]
        return "" if got == wanted else f"client subnet {got}, expected {wanted}"

    return check


def _name(zone: str) -> str:
    return "{label}." + zone


def zone_case(
    number: str,
    title: str,
    zone: str,
    upstream: dict[str, Action],
    expect: Expect,
    rdtype: str = "AAAA",
    section: str = "interface-zone",
    *,
    slow: bool = False,
) -> Case:
    """A row whose name is a fresh one in the zone; the script's keys and `@` in its lines mean that name."""
    owner = _name(zone)
    script = {f"{owner} {key}": _moved(action, owner) for key, action in upstream.items()}
    return Case(
        number, section, title, script, expect, Query(owner, rdtype), "zones", over=BOTH if slow else ALL, slow=slow
    )


def _moved(action: Action, owner: str) -> Action:
    if isinstance(action, After):
        return After(action.delay_s, _moved(action.then, owner))
    if not isinstance(action, Says):
        return action
    return Says(tuple(line.replace("@", owner) for line in action.answer), action.rcode, action.authority)


def pool_case(number: str, title: str, owner: str, prefix: str, *, two: bool = False) -> Case:
    script = {f"{owner} A": a(".33", owner=owner)}
    return Case(
        number,
        "interface-pool",
        title,
        {} if two else script,
        synth(".33", owner=owner, prefix=prefix),
        Query(owner),
        "pools",
        two=script if two else {},
    )


def _at(source: str, rdtype: str = "AAAA", *options: tuple[int, bytes], name: str = "@") -> Query:
    return Query(name, rdtype, source=source, options=options)


DUAL, V6ONLY, TRAVELLER, FORWARDER = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.9"
NO_SYNTHESIS = Expect((), authority=(soa(300, 300),), asked={"A": 0})
FILTERED_A = Expect((), ede=(17,))
BOTH_HALVES = {"A": a(".33")}

CASES = [
    zone_case("c326", "never-zone", "svc.cluster.local.", {"A": a(".33")}, Expect((), authority=(soa(300, 300),))),
    zone_case("c326a", "never-zone-real-aaaa-passes", "cluster.local.", {"AAAA": aaaa("fd00::1", ttl=30)}, Expect((_name("cluster.local.") + " 30 AAAA fd00::1",))),
    zone_case("c326b", "never-zone-a-passes", "cluster.local.", {"A": a(".33", ttl=30)}, Expect((_name("cluster.local.") + " 30 A 192.0.2.33",)), "A"),
    zone_case("c326c", "never-zone-in-any-case", "Cluster.LOCAL.", {"A": a(".33")}, Expect(())),
    zone_case("c326d", "longest-suffix-back-to-normal", "deep.never.example.", {"A": a(".33")}, synth(".33", owner=_name("deep.never.example."))),
    zone_case("c326e", "longest-suffix-force-below-never", "forced.cluster.local.", {"AAAA": aaaa("2001:db8::1", ttl=60), "A": a(".33", ttl=60)}, synth(".33", ttl=60, owner=_name("forced.cluster.local."))),
    zone_case("c326f", "look-alike-of-a-never-zone", "xnever.example.", {"A": a(".33")}, synth(".33", owner=_name("xnever.example."))),
    zone_case("c326g", "parent-of-a-never-zone", "example.", {"A": a(".33")}, synth(".33", owner=_name("example."))),
    Case("c326h", "interface-zone", "the-suffix-itself", {"never.example. A": a(".33", owner="never.example.")}, Expect(()), Query("never.example."), "zones"),
    Case("c326i", "interface-zone", "never-does-not-ask-for-a", {"{label}.never.example. A": a(".33")}, Expect((), asked={"{label}.never.example. A": 0, "{label}.never.example. AAAA": 1}), Query("{label}.never.example."), "zones"),
    zone_case("c327", "force-ignores-real-aaaa", "force.example.", {"AAAA": aaaa("2001:db8::1", ttl=60), "A": a(".33", ttl=60)}, synth(".33", ttl=60, owner=_name("force.example."))),
    zone_case("c327a", "force-does-not-need-the-denial", "force.example.", {"A": a(".33")}, synth(".33", ttl=600, owner=_name("force.example."))),
    zone_case("c328", "force-without-a-gives-the-real-aaaa", "force.example.", {"AAAA": aaaa("2001:db8::1", ttl=60)}, Expect((_name("force.example.") + " 60 AAAA 2001:db8::1",))),
    zone_case("c328a", "force-with-a-failed-a-gives-the-real-aaaa", "force.example.", {"AAAA": aaaa("2001:db8::1", ttl=60), "A": Says(rcode="SERVFAIL")}, Expect((_name("force.example.") + " 60 AAAA 2001:db8::1",))),
    zone_case("c328b", "force-nxdomain-is-final", "force.example.", {"AAAA": Says(rcode="NXDOMAIN", authority=(soa(60, 60),))}, Expect((), "NXDOMAIN")),
    zone_case("c328c", "force-never-embeds-what-may-not-be", "force.example.", {"AAAA": aaaa("2001:db8::1", ttl=60), "A": a("127.0.0.1")}, Expect((_name("force.example.") + " 60 AAAA 2001:db8::1",))),
    zone_case("c328d", "force-does-not-fall-back-to-excluded-aaaa", "force.example.", {"AAAA": aaaa("::ffff:192.0.2.1", ttl=60), "A": a("127.0.0.1")}, Expect((), ede=(17,))),
    zone_case("c328e", "force-with-a-silent-a-gives-the-real-aaaa", "force.example.", {"AAAA": aaaa("2001:db8::5", ttl=60), "A": Drop()}, Expect((_name("force.example.") + " 60 AAAA 2001:db8::5",), ttl_slack=2), slow=True),
    zone_case("c328f", "force-waits-for-a-slow-a", "force.example.", {"AAAA": aaaa("2001:db8::5", ttl=60), "A": After(1.2, a(".33"))}, synth(".33", ttl=600, owner=_name("force.example.")), slow=True),
    zone_case("c328g", "force-with-a-silent-a-gives-no-excluded-aaaa", "force.example.", {"AAAA": aaaa("::ffff:192.0.2.1", ttl=60), "A": Drop()}, failed("SERVFAIL", 22, 23), slow=True),
    zone_case("c328h", "force-with-a-silent-a-and-no-aaaa", "force.example.", {"A": Drop()}, failed("SERVFAIL", 22, 23), slow=True),
    zone_case("c328i", "force-with-a-failed-a-and-no-aaaa", "force.example.", {"A": error("SERVFAIL")}, failed("SERVFAIL")),
    zone_case("c328j", "force-with-neither", "force.example.", {"A": nodata(100, 100)}, Expect((), authority=(soa(300, 300),))),
    zone_case("c328k", "force-says-what-may-not-be-embedded", "force.example.", {"A": a("127.0.0.1")}, Expect((), authority=(soa(300, 300),), ede=(17,))),
    Case("c329", "rfc6147-6.3.2", "dual-stack-client", BOTH_HALVES, NO_SYNTHESIS, _at(DUAL), "clients", V4),
    Case("c329a", "rfc6147-6.3.2", "dual-stack-client-real-aaaa", {"AAAA": aaaa("2001:db8::1")}, real("@ 3600 AAAA 2001:db8::1"), _at(DUAL), "clients", V4),
    Case("c329b", "rfc6147-6.3.2", "dual-stack-client-a", BOTH_HALVES, real("@ 3600 A 192.0.2.33"), _at(DUAL, "A"), "clients", V4),
    Case("c329c", "rfc6147-6.3.2", "the-cache-does-not-leak-between-clients", BOTH_HALVES, synth(".33"), Query(), "clients", V4,
         then=(Step(Expect((), authority=(soa(300, 300),)), _at(DUAL)), Step(synth(".33"), _at(V6ONLY)), Step(Expect((), authority=(soa(300, 300),)), _at(DUAL)), Step(synth(".33")))),
    Case("c329d", "rfc7050-3", "dual-stack-client-discovers-nothing", {}, Expect((), aa=None), _at(DUAL, name="ipv4only.arpa."), "clients", V4),
    Case("c329e", "rfc6147-6.3.2", "dual-stack-client-aaaa-error", {"AAAA": Says(rcode="SERVFAIL"), "A": a(".33")}, Expect((), "SERVFAIL"), _at(DUAL), "clients", V4),
    Case("c330", "interface-client", "first-match-wins", BOTH_HALVES, real("@ 3600 A 192.0.2.33"), _at(DUAL, "A"), "clients", V4),
    Case("c330a", "interface-client", "others-are-normal", BOTH_HALVES, synth(".33"), _at("127.0.0.77"), "clients", V4),
    Case("c330b", "interface-client", "ipv6-loopback-is-normal", BOTH_HALVES, synth(".33"), Query(), "clients", ("udp6", "tcp6")),
    Case("c331", "rfc6303-3", "private-reverse-zone-by-its-own-servers", {}, Expect(("{label}.1.10.in-addr.arpa. 60 PTR h.t.example.",)), Query("{label}.1.10.in-addr.arpa.", "PTR"), "zones",
         two={"{label}.1.10.in-addr.arpa. PTR": says("{label}.1.10.in-addr.arpa. 60 PTR h.t.example.")}),
    Case("c331a", "interface-zone", "own-servers", {"{label}.own.example. AAAA": aaaa("2001:db8::66", owner="{label}.own.example.")}, synth(".33", owner="{label}.own.example."), Query("{label}.own.example."), "zones",
         two={"{label}.own.example. A": a(".33", owner="{label}.own.example.")}),
    Case("c331b", "interface-zone", "own-servers-for-other-types", {}, Expect(("{label}.own.example. 60 TXT x",), asked={"{label}.own.example. TXT": 0}), Query("{label}.own.example.", "TXT"), "zones",
         two={"{label}.own.example. TXT": says("{label}.own.example. 60 TXT x")}),
    Case("c332", "interface-client", "filter-a", BOTH_HALVES, FILTERED_A, _at(V6ONLY, "A"), "clients", V4),
    Case("c332a", "interface-client", "filter-a-still-synthesises", BOTH_HALVES, synth(".33"), _at(V6ONLY), "clients", V4),
    Case("c332b", "interface-client", "filter-a-leaves-txt", {"TXT": says("@ 60 TXT x")}, real("@ 60 TXT x"), _at(V6ONLY, "TXT"), "clients", V4),
    Case("c332c", "interface-client", "filter-a-keeps-nxdomain", {"A": Says(rcode="NXDOMAIN", authority=(soa(60, 60),))}, Expect((), "NXDOMAIN", authority=(soa(60, 60),)), _at(V6ONLY, "A"), "clients", V4),
    Case("c332e", "rfc2308-2.1", "filter-a-nxdomain-does-not-hide-behind-an-alias", {"A": says("@ 60 CNAME x.@"), "x.@ A": Says(rcode="NXDOMAIN", authority=(soa(60, 60),))}, Expect(("@ 60 CNAME x.@",), "NXDOMAIN"), _at(V6ONLY, "A"), "clients", V4),
    Case("c332f", "interface-client", "filter-a-and-a-server-that-fails", {"A": error("SERVFAIL")}, FILTERED_A, _at(V6ONLY, "A"), "clients", V4),
    Case("c332g", "interface-client", "filter-a-leaves-a-denial", {}, Expect((), authority=(soa(300, 300),)), _at(V6ONLY, "A"), "clients", V4),
    Case("c332h", "rfc8482-4", "filter-a-and-any", {"ANY": says("@ 60 A 192.0.2.33", '@ 60 TXT "x"', "@ 60 AAAA 2001:db8::1")}, real('@ 60 TXT "x"', "@ 60 AAAA 2001:db8::1"), _at(V6ONLY, "ANY"), "clients", V4),
    Case("c332i", "rfc8482-4", "filter-a-and-any-of-an-a-alone", {"ANY": says("@ 60 A 192.0.2.33")}, FILTERED_A, _at(V6ONLY, "ANY"), "clients", V4),
    *(
        Case("c332j", "rfc9460-7.3", f"filter-a-and-{rdtype.lower()}", {rdtype: Says((f'@ 60 {rdtype} 1 x.@ mandatory=ipv4hint alpn="h2" ipv4hint=192.0.2.33 ipv6hint=2001:db8::1',), additional=("x.@ 60 A 192.0.2.34", "x.@ 60 AAAA 2001:db8::2"))},
             Expect((f'@ 60 {rdtype} 1 x.@ alpn="h2" ipv6hint=2001:db8::1',), additional=("x.@ 60 AAAA 2001:db8::2",)), _at(V6ONLY, rdtype), "clients", V4)
        for rdtype in ("HTTPS", "SVCB")
    ),
    Case("c332k", "interface-client", "filter-a-and-the-additional-section", {"MX": Says(("@ 60 MX 10 mx.@",), additional=("mx.@ 60 A 192.0.2.33",))}, Expect(("@ 60 MX 10 mx.@",), additional=()), _at(V6ONLY, "MX"), "clients", V4),
    Case("c332l", "interface-client", "filter-a-and-class-any", {"@ ANY A": says("@ 60 A 192.0.2.33")}, FILTERED_A, Query("@", "A", "ANY", source=V6ONLY), "clients", V4),
    Case("c332d", "interface-client", "filter-a-does-not-leak", BOTH_HALVES, FILTERED_A, _at(V6ONLY, "A"), "clients", V4, then=(Step(real("@ 3600 A 192.0.2.33"), Query(rdtype="A")), Step(FILTERED_A, _at(V6ONLY, "A")))),
    Case("c333", "interface-client", "forced-pool", BOTH_HALVES, synth(".33", prefix=OVERSEAS), _at(TRAVELLER), "clients", V4),
    Case("c333a", "interface-client", "forced-pool-does-not-leak", BOTH_HALVES, synth(".33", prefix=OVERSEAS), _at(TRAVELLER), "clients", V4, then=(Step(synth(".33")), Step(synth(".33", prefix=OVERSEAS), _at(TRAVELLER)))),
    Case("c333b", "rfc7050-3", "forced-pool-is-discovered", {}, Expect(None, aa=True, check=addresses(OVERSEAS + "c000:aa", OVERSEAS + "c000:ab")), _at(TRAVELLER, name="ipv4only.arpa."), "clients", V4),
    *(
        Case("c333c", "interface-client", f"own-domains-{title}", {f"{owner} A": a(".33", owner=owner)}, synth(".33", owner=owner, prefix=prefix), _at("127.0.0.6", name=owner), "clients", V4)
        for title, owner, prefix in (("leave-by-its-pool", "{label}.own.example.", OVERSEAS), ("no-other-name-does", "{label}.else.example.", "P::"), ("hide-no-list-of-a-pool", "{label}.over.example.", OVERSEAS), ("no-look-alike", "{label}.xown.example.", "P::"))
    ),
    Case("c333d", "interface-client", "own-domains-are-its-own", {"{label}.own.example. A": a(".33", owner="{label}.own.example.")}, synth(".33", owner="{label}.own.example."), Query("{label}.own.example."), "clients", V4),
    Case("c336", "rfc7871-7.1", "trusted-ecs-names-a-dual-stack-client", BOTH_HALVES, NO_SYNTHESIS.but(check=_subnet_is(ECS_V4_DUAL[1])), _at(FORWARDER, "AAAA", ECS_V4_DUAL), "clients", V4),
    Case("c336a", "rfc7871-7.1", "trusted-ecs-names-an-ipv6-only-client", BOTH_HALVES, FILTERED_A.but(check=_subnet_is(ECS_V6_ONLY[1])), _at(FORWARDER, "A", ECS_V6_ONLY), "clients", V4),
    Case("c336b", "rfc7871-7.1", "trusted-ecs-of-an-unknown-client", BOTH_HALVES, synth(".33").but(check=_subnet_is(ECS_V4_OTHER[1])), _at(FORWARDER, "AAAA", ECS_V4_OTHER), "clients", V4),
    Case("c336f", "rfc7871-7.3.1", "subnets-of-one-client-class-are-told-apart", BOTH_HALVES, synth(".33").but(check=_subnet_is(ECS_V4_OTHER[1])), _at(FORWARDER, "AAAA", ECS_V4_OTHER), "clients", V4,
         then=(Step(synth(".33").but(check=_subnet_is(ECS_V4_ELSE[1])), _at(FORWARDER, "AAAA", ECS_V4_ELSE)), Step(synth(".33").but(check=_subnet_is(ECS_V4_OTHER[1])), _at(FORWARDER, "AAAA", ECS_V4_OTHER)))),
    Case("c336c", "rfc7871-7.1", "untrusted-ecs-is-ignored", BOTH_HALVES, synth(".33").but(check=_subnet_is(b"")), _at("127.0.0.8", "AAAA", ECS_V4_DUAL), "clients", V4),
    Case("c336d", "rfc7871-7.1", "trusted-ecs-does-not-leak", BOTH_HALVES, NO_SYNTHESIS, _at(FORWARDER, "AAAA", ECS_V4_DUAL), "clients", V4,
         then=(Step(synth(".33"), _at(FORWARDER, "AAAA", ECS_V4_OTHER)), Step(synth(".33"), _at(FORWARDER)))),
    *(
        Case("c336e", "rfc7871-6", f"malformed-ecs-{title}", BOTH_HALVES, Expect((), "FORMERR"), _at(FORWARDER, "AAAA", (8, data)), "clients", V4)
        for title, data in (("short", b"\0\1"), ("too-long", b"\0\1\x08\0\x0a\x07"), ("prefix-33", b"\0\1\x21\0\x0a\x07\x01\x01\x01"))
    ),
    pool_case("c337", "name-in-a-pool", "{label}.over.example.", OVERSEAS),
    pool_case("c337a", "many-labels-in-a-pool", "a.b.c.{label}.over.example.", OVERSEAS),
    pool_case("c337b", "look-alike-of-a-pools-domain", "{label}.xover.example.", "P::"),
    pool_case("c337c", "longest-domain-wins-and-has-its-servers", "{label}.deep.over.example.", DEEPER, two=True),
    pool_case("c337d", "domain-from-a-file", "{label}.listed.example.", LISTED),
    pool_case("c337e", "file-entries-ignore-case-and-blanks", "{label}.upper.listed2.example.", LISTED),
    pool_case("c337f", "file-entries-may-end-in-a-dot", "{label}.dotted.example.", LISTED),
    pool_case("c337g", "beside-a-file-entry", "{label}.listed2.example.", "P::"),
    pool_case("c337h", "in-any-case", "{label}.OVER.Example.", OVERSEAS),
    Case("c337i", "interface-pool", "the-domain-itself", {"exact.t.example. A": a(".33", owner="exact.t.example.")}, synth(".33", owner="exact.t.example.", prefix=OVERSEAS), Query("exact.t.example."), "pools", ("udp4",)),
    Case("c337j", "interface-pool", "real-aaaa-in-a-pool", {"{label}.over.example. AAAA": aaaa("2001:db8::1", owner="{label}.over.example.")}, Expect(("{label}.over.example. 3600 AAAA 2001:db8::1",)), Query("{label}.over.example."), "pools"),
    Case("c337k", "rfc7050-3", "discovery-shows-the-default", {}, Expect(None, aa=True, check=addresses("2002:c633:6440::c000:aa", "2002:c633:6440::c000:ab")), Query("ipv4only.arpa."), "pools"),
    Case("c338", "interface-server", "strangers-are-refused", BOTH_HALVES, Expect((), "REFUSED", asked={"*": 0}, ra=True), _at("127.0.0.5"), "closed", V4),
    Case("c338a", "interface-server", "strangers-are-refused-for-any-type", BOTH_HALVES, Expect((), "REFUSED", asked={"*": 0}), _at("127.0.0.5", "TXT"), "closed", V4),
    Case("c338b", "interface-server", "strangers-are-refused-local-names-too", {}, Expect((), "REFUSED"), _at("127.0.0.5", name="ipv4only.arpa."), "closed", V4),
    Case("c338c", "interface-server", "friends-are-served", BOTH_HALVES, synth(".33"), Query(), "closed"),
    Case("c338d", "interface-server", "strangers-are-refused-cached-answers", BOTH_HALVES, synth(".33"), Query(), "closed", V4, then=(Step(Expect((), "REFUSED"), _at("127.0.0.5")),)),
    Case("c338e", "decision-d13", "zone-denial-default", {"A": nodata()}, Expect(()), config="zones"),
]  # fmt: skip
