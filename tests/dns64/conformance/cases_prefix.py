# ruff: noqa: E501  (a row of a table is one line)
"""Section 6: where the IPv4 address goes, and which may not (RFC 6052, RFC 6147 sections 5 and 5.2; decision D13)."""

from __future__ import annotations

import random

import dns.message

from .case import Case, Expect, a, aaaa, nodata, real, says, soa, synth
from .cases_discovery import addresses
from .client import Query
from .names import Names, embed

LENGTHS = {
    "c102": ("p32", "2001:db8::/32", "2001:db8:c000:221::"),
    "c103": ("p40", "2001:db8:100::/40", "2001:db8:1c0:2:21::"),
    "c104": ("p48", "2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
    "c105": ("p56", "2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
    "c106": ("p64", "2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100:0"),
    "c107": ("p96", "2001:db8:122:344::/96", "2001:db8:122:344::c000:221"),
}
NON_GLOBAL = (
    "100.64.0.1", "127.0.0.1", "169.254.1.1", "172.16.5.5", "172.31.255.255", "192.0.2.33", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7",
    "203.0.113.9", "240.0.0.1", "255.255.255.255", "0.0.0.0", "10.1.2.3", "100.127.255.255", "192.0.0.1", "192.0.0.8", "192.0.0.255", "224.0.0.1", "239.1.2.3", "0.1.2.3",
)  # fmt: skip
GLOBAL = (
    "8.8.8.8", "192.0.0.9", "192.0.0.10", "192.31.196.1", "192.52.193.1", "192.175.48.1", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0",
    "198.17.255.255", "198.20.0.0", "9.255.255.255", "11.0.0.0", "223.255.255.255", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "192.167.255.255", "192.169.0.0",
)  # fmt: skip
NEVER = (
    "0.0.0.0",
    "0.255.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.169.254",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
)
NEIGHBOURS = ("1.0.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "223.255.255.255")
# Documentation networks, and what stands on either side of a private one.
OPEN = (
    "203.0.113.9", "192.0.2.1", "198.51.100.1", "192.0.0.9", "192.0.0.10", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
    "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "192.88.99.1",
)  # fmt: skip
PRIVATE = (
    "10.0.0.0", "10.1.2.3", "10.255.255.255", "100.64.0.1", "100.127.255.255", "172.16.5.5", "172.31.255.255", "192.0.0.1", "192.0.0.8", "192.0.0.11", "192.0.0.169", "192.0.0.172", "192.0.0.255",
    "192.168.1.1", "192.168.255.255", "198.18.0.1", "198.19.255.255",
)  # fmt: skip


def _low(address: str) -> str:
    return str(embed(address, "2002:c633:6440::/96"))


def _well_known_discovery(reply: dns.message.Message, wire: bytes, names: Names) -> str:
    got = sorted(str(rrset[0]) for rrset in reply.answer)
    return "" if got == ["64:ff9b::c000:aa", "64:ff9b::c000:ab"] else f"addresses {got}"


_random = random.Random(6052)
MANY = tuple(
    f"{_random.randint(1, 126)}.{_random.randint(0, 255)}.{_random.randint(0, 255)}.{_random.randint(0, 255)}"
    for _ in range(25)
)

CASES = [
    *(
        Case(number, "rfc6052-2.4", f"length-{config[1:]}", {"A": a(".33")}, Expect((f"@ 300 AAAA {address}",)), config=config)
        for number, (config, _, address) in LENGTHS.items()
    ),
    *(
        Case("c124", "rfc6147-5.2", f"many-under-length-{config[1:]}", {"A": a(*MANY)}, Expect(tuple(f"@ 300 AAAA {embed(v4, prefix)}" for v4 in MANY)), config=config)
        for config, prefix, _ in LENGTHS.values()
    ),
    *(
        Case("c102a", "rfc6052-2.2", f"all-ones-under-length-{config[1:]}", {"A": a("223.255.255.255")}, Expect((f"@ 300 AAAA {embed('223.255.255.255', prefix)}",)), config=config)
        for config, prefix, _ in LENGTHS.values()
    ),
    Case("c108", "rfc6052-2.2", "byte-order", {"A": a("1.2.3.4")}, Expect(("@ 300 AAAA P::102:304",))),
    Case("c109", "rfc6147-5.2", "own-prefix-replaces-the-well-known", {"A": a("8.8.8.8")}, Expect(("@ 300 AAAA P::808:808",))),
    Case("c110", "rfc6147-5.2", "without-prefix-the-well-known", {"A": a("8.8.8.8")}, Expect(("@ 300 AAAA 64:ff9b::808:808",)), config="no-prefix"),
    Case("c111", "rfc6147-5.2", "two-prefixes-give-two-aaaa", {"A": a(".33")}, Expect(("@ 300 AAAA P::c000:221", "@ 300 AAAA 2001:db8:122:c000:2:2100::")), config="two-prefixes"),
    Case("c111a", "rfc6147-5.2", "two-prefixes-two-addresses", {"A": a(".33", ".34")},
         Expect(("@ 300 AAAA P::c000:221", "@ 300 AAAA P::c000:222", "@ 300 AAAA 2001:db8:122:c000:2:2100::", "@ 300 AAAA 2001:db8:122:c000:2:2200::")), config="two-prefixes"),
    Case("c111b", "rfc6052-3.1", "the-well-known-beside-the-own", {"A": a("8.8.8.8", "198.51.100.7")},
         Expect(("@ 300 AAAA P::808:808", "@ 300 AAAA P::c633:6407", "@ 300 AAAA 64:ff9b::808:808")), config="wkp-and-own"),
    Case("c112", "rfc6052-3.1", "well-known-refuses-non-global", {"A": a("10.1.2.3")}, Expect((), authority=(soa(300, 300),), ede=(17,)), config="wkp"),
    *(
        Case("c113", "rfc6052-3.1", f"well-known-refuses-{v4}", {"A": a(v4)}, Expect((), authority=(soa(300, 300),)), config="wkp", over=("udp4",))
        for v4 in NON_GLOBAL
    ),
    Case("c113a", "rfc6052-3.1", "default-well-known-refuses-too", {"A": a("192.168.1.1")}, Expect((), authority=(soa(300, 300),)), config="no-prefix"),
    Case("c114", "rfc6052-3.1", "well-known-drops-only-the-non-global", {"A": a("10.1.2.3", "8.8.8.8", "192.168.0.1")}, Expect(("@ 300 AAAA 64:ff9b::808:808",)), config="wkp"),
    Case("c115", "rfc7050-2.2", "well-known-exception-for-discovery", {}, Expect(None, aa=True, check=_well_known_discovery), Query("ipv4only.arpa."), "wkp"),
    *(
        Case("c116", "rfc6052-3.1", f"well-known-embeds-{v4}", {"A": a(v4)}, Expect((f"@ 300 AAAA {embed(v4, '64:ff9b::/96')}",)), config="wkp", over=("udp4",))
        for v4 in GLOBAL
    ),
    *(
        Case("c117", "rfc6052-3.1", f"own-prefix-embeds-{v4}", {"A": a(v4)}, Expect((f"@ 300 AAAA {_low(v4)}",)), over=("udp4",))
        for v4 in (*OPEN, *NEIGHBOURS)
    ),
    Case("c118", "decision-d13", "never-unicast-is-dropped-from-a-set", {"A": a("0.0.0.0", ".33")}, synth(".33")),
    Case("c118a", "decision-d13", "several-never-unicast-are-dropped", {"A": a("127.0.0.1", ".33", "224.0.0.1", ".34", "255.255.255.255")}, synth(".33", ".34")),
    *(
        Case("c119", "decision-d13", f"only-{v4}", {"A": a(v4)}, Expect((), authority=(soa(300, 300),), ede=(17,)), over=("udp4", "tcp6"))
        for v4 in NEVER
    ),
    *(
        Case("c119f", "decision-d13", f"no-way-into-a-private-network-{v4}", {"A": a(v4)}, Expect((), authority=(soa(300, 300),), ede=(17,)), over=("udp4",))
        for v4 in PRIVATE
    ),
    Case("c119g", "decision-d13", "private-is-dropped-from-a-set", {"A": a("192.168.1.1", ".33", "10.0.0.1")}, synth(".33")),
    Case("c119h", "decision-d13", "private-behind-a-cname", {"AAAA": nodata(answer=("@ 500 CNAME x.@",)), "A": says("@ 500 CNAME x.@", "x.@ 60 A 192.168.1.1")},
         Expect(("@ 500 CNAME x.@",), authority=(soa(300, 300),), ede=(17,))),
    Case("c119i", "decision-d13", "a-map-entry-lets-its-range-in", {"A": a("192.168.1.1", "172.16.5.5", "10.4.0.1")}, Expect(("@ 300 AAAA P::c0a8:101", "@ 300 AAAA P::a04:1")), config="map-private"),
    Case("c119j", "decision-d13", "a-longer-refusal-holds-inside-a-map-entry", {"A": a("10.9.0.1", ".33")}, synth(".33"), config="map-private"),
    Case("c119k", "decision-d13", "a-map-entry-wider-than-the-refusal-lets-nothing-in", {"A": a("127.0.0.1", "126.0.0.1")}, Expect(("@ 300 AAAA P::7e00:1",)), config="map-private"),
    Case("c119l", "decision-d13", "the-vip-is-refused-whatever-is-mapped", {"A": a("198.51.100.64", ".33")}, synth(".33"), config="map-private"),
    Case("c119a", "decision-d13", "never-unicast-behind-a-cname", {"AAAA": nodata(answer=("@ 500 CNAME x.@",)), "A": says("@ 500 CNAME x.@", "x.@ 60 A 0.0.0.0")},
         Expect(("@ 500 CNAME x.@",), authority=(soa(300, 300),), ede=(17,))),
    Case("c119b", "decision-d13", "the-a-itself-is-untouched", {"A": a("0.0.0.0", "127.0.0.1")}, Expect(("@ 3600 A 0.0.0.0", "@ 3600 A 127.0.0.1"), no_ede=True), Query(rdtype="A")),
    Case("c119c", "decision-d13", "configured-list-replaces-the-default", {"A": a("10.1.2.3", "192.168.7.7", ".33")}, synth(".33"), config="never-embed-private"),
    Case("c119d", "decision-d13", "configured-list-alone", {"A": a("192.168.7.7")}, Expect((), ede=(17,)), config="never-embed-private"),
    Case("c119e", "decision-d13", "empty-list-embeds-loopback", {"A": a("127.0.0.1", ".33")}, Expect(("@ 300 AAAA P::7f00:1", "@ 300 AAAA P::c000:221")), config="never-embed-none"),
    Case("c120", "decision-d13", "the-vip-is-never-embedded", {"A": a("198.51.100.64")}, Expect((), authority=(soa(300, 300),), ede=(17,))),
    Case("c120a", "decision-d13", "the-vip-is-dropped-from-a-set", {"A": a("198.51.100.64", "198.51.100.65")}, Expect(("@ 300 AAAA P::c633:6441",))),
    Case("c120b", "decision-d13", "a-pools-vip-is-never-embedded", {"A": a("203.0.113.129", ".33")}, synth(".33"), config="pools"),
    Case("c120c", "decision-d13", "the-vip-even-with-an-empty-list", {"A": a("198.51.100.64", ".33")}, synth(".33"), config="never-embed-none"),
    Case("c121", "rfc6147-5.1.7", "range-has-its-own-prefix", {"A": a("10.1.2.3", ".33")}, Expect(("@ 300 AAAA 2001:db8:64::a01:203", "@ 300 AAAA P::c000:221")), config="map"),
    *(
        Case("c121a", "rfc6147-5.1.7", f"borders-of-the-range-{v4}", {"A": a(v4)}, Expect((f"@ 300 AAAA {embed(v4, prefix)}",)), config="map")
        for v4, prefix in (("9.255.255.255", "2002:c633:6440::/96"), ("10.0.0.0", "2001:db8:64::/96"), ("10.255.255.255", "2001:db8:64::/96"), ("11.0.0.0", "2002:c633:6440::/96"))
    ),
    Case("c122", "rfc6147-5.1.7", "longest-match-wins", {"A": a("10.1.2.3")}, Expect(("@ 300 AAAA 2001:db8:65::a01:203",)), config="map-longest"),
    Case("c122a", "rfc6147-5.1.7", "shorter-match-elsewhere", {"A": a("10.3.2.1")}, Expect(("@ 300 AAAA 2001:db8:64::a03:201",)), config="map-longest"),
    Case("c123", "rfc6147-5.1.7", "range-without-prefix-is-never-embedded", {"A": a("10.2.3.4")}, Expect((), authority=(soa(300, 300),), ede=(17,)), config="map-longest"),
    Case("c123a", "rfc6147-5.1.7", "range-without-prefix-in-a-set", {"A": a("10.2.3.4", "10.1.0.1", "10.3.0.1", ".33")},
         Expect(("@ 300 AAAA 2001:db8:65::a01:1", "@ 300 AAAA 2001:db8:64::a03:1", "@ 300 AAAA P::c000:221")), config="map-longest"),
    Case("c126", "rfc3056-2", "6to4-host-embeds-its-address", {"A": a("10.1.2.3", ".33")}, Expect(("@ 300 AAAA 2002:a01:203::a01:203", "@ 300 AAAA P::c000:221")), config="map-6to4"),
    Case("c126a", "rfc3056-2", "6to4-host-is-one", {"A": a("10.2.3.4")}, Expect(("@ 300 AAAA 2002:a02:304::1",)), config="map-6to4"),
    Case("c126b", "rfc3056-2", "6to4-host-by-default-embeds", {"A": a("11.0.0.7")}, Expect(("@ 300 AAAA 2002:b00:7::b00:7",)), config="map-6to4"),
    Case("c126c", "rfc3056-2", "6to4-host-beside-the-range", {"A": a("10.3.0.1", ".33")}, synth(".33"), config="map-6to4"),
    Case("c126d", "rfc3056-2", "6to4-host-behind-a-cname", {"AAAA": nodata(answer=("@ 500 CNAME x.@",)), "A": says("@ 500 CNAME x.@", "x.@ 60 A 10.1.2.3")},
         Expect(("@ 500 CNAME x.@", "x.@ 60 AAAA 2002:a01:203::a01:203")), config="map-6to4"),
    Case("c126e", "rfc6147-5.1.1", "6to4-host-real-aaaa-wins", {"AAAA": aaaa("2002:a01:203::5"), "A": a("10.1.2.3")}, real("@ 3600 AAAA 2002:a01:203::5"), config="map-6to4"),
    Case("c126f", "rfc7050-2.2", "6to4-host-discovery-shows-the-prefix", {}, Expect(None, aa=True, check=addresses("2002:c633:6440::c000:aa", "2002:c633:6440::c000:ab")), Query("ipv4only.arpa."), "map-6to4"),
    Case("c125", "rfc3056-2", "6to4-prefix-is-2002-and-the-vip", {"A": a("1.0.0.1")}, Expect(("@ 300 AAAA 2002:c633:6440::100:1",))),
]  # fmt: skip
