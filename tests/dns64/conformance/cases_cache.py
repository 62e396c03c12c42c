# ruff: noqa: E501  (a row of a table is one line)
"""Section 15: what is remembered, for how long, and what is done when it is old (RFC 2308, RFC 8767, RFC 9520).

Rows that wait for TTLs of one second run beside each other. Reloads and bursts stand in test_cache_behaviour.py.
"""

from __future__ import annotations

import dns.message
import dns.rdatatype

from .case import (
    BOTH,
    Case,
    Check,
    Expect,
    Step,
    a,
    aaaa,
    bare_nodata,
    error,
    failed,
    nodata,
    nxdomain,
    real,
    soa,
    synth,
)
from .client import Query
from .names import Names
from .script import Action, After, Drop, InTurn, Raw, Says

GARBAGE = Raw(lambda query: query[:2] + b"\x81\x80" + b"\xff" * 30)
OLD_S = 2.2
DEAD: dict[str, Action] = {"AAAA": Drop(), "A": Drop()}
STALE = synth(".33", ttl=30).but(ede=(3,))
FRESH = {"AAAA": nodata(1, 1), "A": a(".33", ttl=1)}


def _real_again(reply: dns.message.Message, wire: bytes, names: Names) -> str:
    found = [str(rrset[0]) for rrset in reply.answer]
    return "" if found == ["2001:db8::1"] else f"answer {found}"


def made_from(last: str, most: int) -> Check:
    """One AAAA under P, with a TTL above zero and not above `most`."""

    def check(reply: dns.message.Message, wire: bytes, names: Names) -> str:
        found = [(str(rrset[0]), rrset.ttl) for rrset in reply.answer]
        return (
            ""
            if [text for text, _ in found] == [f"2002:c633:6440::{last}"] and 0 < found[0][1] <= most
            else f"answer {found}"
        )

    return check


def _late(half: str, what: Action, expect: Expect, title: str) -> Case:
    """Old data is served because the refresh is slow; then the refresh arrives after all."""
    other = "A" if half == "AAAA" else "AAAA"
    slow: dict[str, Action] = {half: After(2.1, what), other: FRESH[other]}
    return Case("c299", "rfc8767-5", f"{half.lower()}-late-{title}", FRESH, Expect(None), config="stale", over=BOTH, slow=True,
                then=(Step(Expect(None, check=made_from("c000:221", 30)), upstream=slow, after_s=OLD_S), Step(expect, after_s=1.5)))  # fmt: skip


KEEP_STALE = Expect(None, check=made_from("c000:221", 30))

CASES = [
    Case("c280", "rfc2308-5", "denials-are-remembered", {"A": nodata()}, Expect((), asked={"AAAA": 1, "A": 1}), then=(Step(Expect((), asked={"AAAA": 1, "A": 1})),)),
    Case("c280a", "rfc2308-5", "denials-end", {"AAAA": nodata(1, 300), "A": nodata(300, 1)}, Expect(()), config="no-stale", over=BOTH, slow=True,
         then=(Step(Expect((), asked={"AAAA": 2, "A": 2}), after_s=OLD_S),)),
    Case("c280b", "rfc2308-5", "denial-for-a-is-remembered", {"A": nodata()}, Expect((), asked={"A": 1}), Query(rdtype="A"), then=(Step(Expect((), asked={"A": 1}), Query(rdtype="A")),)),
    Case("c280c", "rfc2308-5", "denial-for-txt-is-remembered", {"TXT": nodata()}, Expect(()), Query(rdtype="TXT"), then=(Step(Expect((), asked={"TXT": 1}), Query(rdtype="TXT")),)),
    Case("c281", "rfc2308-5", "denials-without-soa-are-not", {"AAAA": bare_nodata(), "A": bare_nodata()}, Expect((), asked={"AAAA": 1, "A": 1}), then=(Step(Expect((), asked={"AAAA": 2, "A": 2})),)),
    Case("c281a", "rfc2308-5", "nxdomain-without-soa-is-not", {"AAAA": Says(rcode="NXDOMAIN")}, Expect((), "NXDOMAIN"), then=(Step(Expect((), "NXDOMAIN", asked={"AAAA": 2})),)),
    Case("c282", "rfc2308-5", "nxdomain-is-remembered", {"AAAA": nxdomain()}, Expect((), "NXDOMAIN"), then=(Step(Expect((), "NXDOMAIN", (soa(300, 300),), asked={"AAAA": 1})),)),
    Case("c282a", "rfc2308-5", "nxdomain-ends", {"AAAA": nxdomain(1, 300)}, Expect((), "NXDOMAIN"), config="no-stale", over=BOTH, slow=True,
         then=(Step(Expect((), "NXDOMAIN", asked={"AAAA": 2}), after_s=OLD_S),)),
    Case("c282b", "rfc1035-3.2.1", "data-ends", {"AAAA": InTurn((aaaa("2001:db8::1", ttl=1), aaaa("2001:db8::2", ttl=60)))}, real("@ 1 AAAA 2001:db8::1"), config="no-stale", over=BOTH, slow=True,
         then=(Step(real("@ 60 AAAA 2001:db8::2"), after_s=OLD_S),)),
    Case("c282c", "rfc6147-5.1.7", "only-the-expired-half-is-asked", {"AAAA": nodata(300, 300), "A": a(".33", ttl=1)}, synth(".33", ttl=1), config="no-stale", over=BOTH, slow=True,
         then=(Step(synth(".33", ttl=1).but(asked={"AAAA": 1, "A": 2}), after_s=OLD_S),)),
    Case("c282d", "rfc6147-5.1.1", "an-aaaa-that-appears-is-seen", {"AAAA": InTurn((nodata(1, 1), aaaa("2001:db8::1"))), "A": a(".33")}, synth(".33", ttl=1), config="no-stale", over=BOTH, slow=True,
         then=(Step(real("@ 3600 AAAA 2001:db8::1"), after_s=OLD_S),)),
    Case("c282e", "rfc2308-5", "denial-of-one-type-is-not-of-another", {"TXT": nodata(), "MX": Says(("@ 60 MX 1 m.@",))}, Expect(()), Query(rdtype="TXT"), then=(Step(real("@ 60 MX 1 m.@"), Query(rdtype="MX")),)),
    Case("c283", "rfc9520-3.2", "failures-are-remembered", {"AAAA": Drop(), "A": Drop()}, failed("SERVFAIL", 22, 23), over=BOTH, slow=True,
         then=tuple(Step(failed("SERVFAIL", 13).but(within_s=0.5, at_most={"AAAA": 6, "A": 6})) for _ in range(8))),
    Case("c283a", "rfc9520-3.2", "servfails-are-remembered", {"AAAA": error("SERVFAIL"), "A": error("SERVFAIL")}, failed("SERVFAIL"), over=BOTH,
         then=tuple(Step(failed("SERVFAIL", 13).but(at_most={"AAAA": 3, "A": 3})) for _ in range(5))),
    Case("c284", "rfc9520-3.2", "aaaa-failure-is-remembered-when-a-works", {"AAAA": Drop(), "A": a(".33", ttl=0)}, synth(".33", ttl=0), over=BOTH, slow=True, then=(Step(synth(".33", ttl=0).but(within_s=0.5)),)),
    Case("c288", "rfc6147-5.1.3", "late-aaaa-is-kept", {"AAAA": After(2.0, aaaa("2001:db8::1")), "A": a(".33")}, Expect(None, check=made_from("c000:221", 600)), over=BOTH, slow=True,
         then=(Step(Expect(None, check=_real_again), after_s=1.0),)),
    Case("c289", "rfc6147-5.1.1", "fast-a-does-not-win", {"AAAA": After(0.1, aaaa("2001:db8::1")), "A": After(0.005, a(".33"))}, real("@ 3600 AAAA 2001:db8::1"), config="stagger", over=BOTH, slow=True),
    Case("c289a", "rfc6147-5.1.8", "staggered-a-is-used-after-a-denial", {"AAAA": After(0.2, nodata()), "A": a(".33")}, synth(".33"), config="stagger", over=BOTH, slow=True),
    Case("c290", "rfc8767-5", "stale-synthesis", FRESH, synth(".33", ttl=1), config="stale", over=BOTH, slow=True, then=(Step(STALE, upstream=DEAD, after_s=OLD_S),)),
    Case("c290a", "rfc8767-5", "stale-synthesis-after-servfail", FRESH, synth(".33", ttl=1), config="stale", over=BOTH, slow=True,
         then=(Step(STALE, upstream={"AAAA": error("SERVFAIL"), "A": error("SERVFAIL")}, after_s=OLD_S),)),
    Case("c290b", "rfc8767-5", "stale-real-aaaa", {"AAAA": aaaa("2001:db8::1", ttl=1)}, real("@ 1 AAAA 2001:db8::1"), config="stale", over=BOTH, slow=True,
         then=(Step(real("@ 30 AAAA 2001:db8::1").but(ede=(3,)), upstream=DEAD, after_s=OLD_S),)),
    Case("c206", "rfc8914-4.4", "stale-a-says-so", {"A": a(".33", ttl=1)}, real("@ 1 A 192.0.2.33"), Query(rdtype="A"), "stale", over=BOTH, slow=True,
         then=(Step(real("@ 30 A 192.0.2.33").but(ede=(3,)), Query(rdtype="A"), DEAD, OLD_S),)),
    Case("c290d", "rfc8914-4.20", "stale-nxdomain", {"AAAA": nxdomain(1, 1)}, Expect((), "NXDOMAIN"), config="stale", over=BOTH, slow=True,
         then=(Step(Expect((), "NXDOMAIN", ede=(19,)), upstream=DEAD, after_s=OLD_S),)),
    Case("c291", "rfc8767-4", "nothing-old-to-serve", DEAD, failed("SERVFAIL", 22, 23), config="stale", over=BOTH, slow=True),
    Case("c292", "rfc8767-5", "stale-aaaa-beats-synthesis", {"AAAA": aaaa("2001:db8::1", ttl=1), "A": a(".33")}, real("@ 1 AAAA 2001:db8::1"), config="stale", over=BOTH, slow=True,
         then=(Step(real("@ 30 AAAA 2001:db8::1").but(ede=(3,)), upstream={"AAAA": Drop()}, after_s=OLD_S),)),
    Case("c293", "rfc8767-5", "stale-denial-with-fresh-a", FRESH, synth(".33", ttl=1), config="stale", over=BOTH, slow=True,
         then=(Step(Expect(None, check=made_from("c000:222", 30)), upstream={"AAAA": Drop(), "A": a(".34")}, after_s=OLD_S),)),
    Case("c294", "rfc8767-5", "fresh-denial-with-stale-a", {"AAAA": nodata(), "A": a(".33", ttl=1)}, synth(".33", ttl=1), config="stale", over=BOTH, slow=True,
         then=(Step(Expect(None, ede=(3,), check=made_from("c000:221", 30)), upstream=DEAD, after_s=OLD_S),)),
    Case("c296", "rfc8767-5", "too-old", FRESH, synth(".33", ttl=1), config="stale-briefly", over=BOTH, slow=True, then=(Step(failed("SERVFAIL"), upstream=DEAD, after_s=3.5),)),
    Case("c297", "rfc8767-6", "old-but-the-upstream-works", FRESH, synth(".33", ttl=1), config="stale", over=BOTH, slow=True,
         then=(Step(synth(".34", ttl=60), upstream={"AAAA": nodata(), "A": a(".34", ttl=60)}, after_s=OLD_S),)),
    Case("c298", "rfc8767-6", "nxdomain-replaces-old-data", FRESH, synth(".33", ttl=1), config="stale", over=BOTH, slow=True,
         then=(Step(Expect((), "NXDOMAIN", no_ede=True), upstream={"AAAA": nxdomain(), "A": nxdomain()}, after_s=OLD_S),)),
    _late("AAAA", aaaa("2001:db8::1"), Expect(None, check=_real_again), "data"),
    _late("AAAA", nxdomain(), Expect((), "NXDOMAIN"), "nxdomain"),
    _late("AAAA", error("SERVFAIL"), KEEP_STALE, "servfail"),
    _late("AAAA", GARBAGE, KEEP_STALE, "garbage"),
    _late("A", a(".34"), Expect(None, check=made_from("c000:222", 300)), "data"),
    _late("A", nxdomain(), Expect((), "NXDOMAIN"), "nxdomain"),
    _late("A", error("SERVFAIL"), KEEP_STALE, "servfail"),
    _late("A", GARBAGE, KEEP_STALE, "garbage"),
    Case("c300", "rfc8767-5", "stale-switched-off", FRESH, synth(".33", ttl=1), config="no-stale", over=BOTH, slow=True, then=(Step(failed("SERVFAIL"), upstream=DEAD, after_s=OLD_S),)),
    Case("c301", "rfc4343-3", "keys-ignore-case", {"A": a(".33")}, synth(".33"), then=(Step(synth(".33").but(asked={"AAAA": 1, "A": 1}), Query("^@")),)),
    Case("c301a", "rfc4343-3", "keys-ignore-case-for-other-types", {"TXT": Says(("@ 60 TXT CaSe",))}, real("@ 60 TXT CaSe"), Query(rdtype="TXT"), then=(Step(real("@ 60 TXT CaSe").but(asked={"TXT": 1}), Query("^@", "TXT")),)),
    Case("c302", "rfc2308-5", "negative-ttl-is-counted-once", {"A": nodata(300, 300)}, Expect((), authority=(soa(300, 300),)), over=BOTH, slow=True,
         then=(Step(Expect((), authority=(soa(298, 300),), ttl_slack=5, asked={"AAAA": 1}), after_s=2.1),)),
]  # fmt: skip
