# ruff: noqa: E501  (a row of a table is one line)
"""Section 18: what is answered here and never asked upstream: special-use names, class CHAOS; and OPT in every error."""

from __future__ import annotations

import dns.message

from .case import Case, Expect, a, aaaa, real, says, synth
from .client import Query
from .names import Names
from .script import Action
from .wire import A, opt, question, raw

NOT_ASKED = {"*": 0}
SPECIALS = ("test", "invalid", "onion", "alt")
LOCAL_NXDOMAIN = Expect((), "NXDOMAIN", aa=True)
LOCAL_NODATA = Expect((), aa=True)
DDR = "_dns.resolver.arpa. 3600 SVCB 1 dns.upstream.example. alpn=h2,dot port=443"


def _below(owner: str) -> dict[str, Action]:
    """What an upstream says about that very name, to see that nobody asks it."""
    return {f"{owner} A": a(".33", owner=owner), f"{owner} AAAA": aaaa("2001:db8::1", owner=owner)}


def _unasked(owner: str, *rdtypes: str) -> dict[str, int]:
    return {f"{owner} {rdtype}": 0 for rdtype in (rdtypes or ("A", "AAAA"))}


def _not_bogus_soa(reply: dns.message.Message, raw: bytes, names: Names) -> str:
    return "" if len(reply.authority) == 1 and reply.authority[0].rdtype == 6 else "a denial carries one SOA"


def chaos(number: str, title: str, name: str, expect: Expect, rdtype: str = "TXT", config: str = "plain") -> Case:
    script = {f"{name} CH TXT": says(f'{name} 0 CH TXT "upstream"')} if name.endswith("{label}.") else {}
    return Case(
        number,
        "rfc4892-3",
        title,
        script,
        expect.but(asked={f"{name} CH {rdtype}": 0}),
        Query(name, rdtype, "CH"),
        config,
    )


REFUSED = Expect((), "REFUSED")

CASES = [
    *(
        Case("c340", "rfc6761-6", f"{rdtype.lower()}-below-{special}", _below(f"{{label}}.{special}."), LOCAL_NXDOMAIN.but(asked=_unasked(f"{{label}}.{special}."), check=_not_bogus_soa), Query(f"{{label}}.{special}.", rdtype), over=("udp4", "tcp6"))
        for special in SPECIALS
        for rdtype in ("A", "AAAA", "TXT")
    ),
    *(Case("c340a", "rfc6761-6", f"{special}-itself", {}, LOCAL_NXDOMAIN.but(asked=_unasked(f"{special}.")), Query(f"{special}."), over=("udp4",)) for special in SPECIALS),
    Case("c340b", "rfc7686-2", "onion-in-any-case", _below("www.{label}.OnIoN."), LOCAL_NXDOMAIN.but(asked=_unasked("www.{label}.onion.")), Query("www.{label}.OnIoN.")),
    Case("c340c", "rfc7686-2", "look-alike-of-onion", {"{label}.xonion. A": a(".33", owner="{label}.xonion.")}, synth(".33", owner="{label}.xonion."), Query("{label}.xonion.")),
    Case("c340d", "rfc7686-2", "onion-inside-a-name", {"onion.@ A": a(".33", owner="onion.@")}, synth(".33", owner="onion.@"), Query("onion.@")),
    Case("c340e", "rfc7686-2", "onion-with-cd-and-do", _below("{label}.onion."), LOCAL_NXDOMAIN.but(asked=_unasked("{label}.onion.")), Query("{label}.onion.", do=True, cd=True)),
    Case("c340f", "rfc7686-2", "onion-when-switched-off", {"{label}.onion. A": a(".33", owner="{label}.onion.")}, synth(".33", owner="{label}.onion."), Query("{label}.onion."), "no-special-names"),
    Case("c340g", "rfc6761-6.2", "test-with-a-zone-of-the-operators", {}, synth(".33", owner="{label}.test."), Query("{label}.test."), "own-test-zone", two={"{label}.test. A": a(".33", owner="{label}.test.")}),
    Case("c341", "rfc6761-6.3", "localhost-a", {}, real("localhost. 600 A 127.0.0.1").but(aa=True, asked=_unasked("localhost.")), Query("localhost.", "A")),
    Case("c341a", "rfc6761-6.3", "localhost-aaaa", {}, real("localhost. 600 AAAA ::1").but(aa=True, asked=_unasked("localhost.")), Query("localhost.")),
    Case("c341b", "rfc6761-6.3", "below-localhost", _below("{label}.localhost."), real("{label}.localhost. 600 AAAA ::1").but(aa=True, asked=_unasked("{label}.localhost.")), Query("{label}.localhost.")),
    Case("c341c", "rfc6761-6.3", "localhost-of-another-type", {}, LOCAL_NODATA.but(check=_not_bogus_soa), Query("localhost.", "MX")),
    Case("c342", "rfc6761-6.5", "example-is-looked-up", {"{label}.example. A": a(".33", owner="{label}.example.")}, synth(".33", owner="{label}.example."), Query("{label}.example.")),
    Case("c342a", "rfc6761-6.5", "example-org-is-looked-up", {"{label}.example.org. A": a(".33", owner="{label}.example.org.")}, synth(".33", owner="{label}.example.org."), Query("{label}.example.org.")),
    Case("c343", "rfc8375-4", "below-home-arpa", _below("{label}.home.arpa."), LOCAL_NXDOMAIN.but(asked=_unasked("{label}.home.arpa."), check=_not_bogus_soa), Query("{label}.home.arpa.")),
    Case("c343a", "rfc6303-3", "home-arpa-itself", {}, LOCAL_NODATA.but(check=_not_bogus_soa), Query("home.arpa.")),
    Case("c343b", "rfc6303-3", "home-arpa-soa", {}, Expect(None, aa=True, asked={"home.arpa. SOA": 0}, check=lambda reply, wire, names: "" if reply.answer and reply.answer[0].rdtype == 6 else "no SOA"), Query("home.arpa.", "SOA")),
    Case("c343c", "rfc8375-4", "home-arpa-ds-is-asked", {}, Expect((), asked={"home.arpa. DS": 1}), Query("home.arpa.", "DS", do=True), over=("udp4",)),
    *(
        Case("c344", "rfc6761-6.1", f"private-reverse-{zone}", {}, LOCAL_NXDOMAIN.but(asked={f"{{label}}.{zone}.in-addr.arpa. PTR": 0}), Query(f"{{label}}.{zone}.in-addr.arpa.", "PTR"), over=("udp4",))
        for zone in ("10", "3.2.1.10", "16.172", "31.172", "168.192")
    ),
    *(
        Case("c344a", "rfc6761-6.1", f"beside-private-reverse-{zone}", {f"{{label}}.{zone}.in-addr.arpa. PTR": says(f"{{label}}.{zone}.in-addr.arpa. 60 PTR h.t.example.")}, real(f"{{label}}.{zone}.in-addr.arpa. 60 PTR h.t.example."), Query(f"{{label}}.{zone}.in-addr.arpa.", "PTR"), over=("udp4",))
        for zone in ("11", "15.172", "32.172", "167.192", "1.100")
    ),
    Case("c345", "rfc9462-6.1", "designated-resolver", {"_dns.resolver.arpa. SVCB": says(DDR)}, LOCAL_NODATA.but(asked={"_dns.resolver.arpa. SVCB": 0}, check=_not_bogus_soa), Query("_dns.resolver.arpa.", "SVCB")),
    *(
        Case("c345a", "rfc9462-6.1", f"{rdtype.lower()}-of-{owner.rstrip('.').replace('.', '-')}", {}, LOCAL_NODATA.but(asked={f"{owner} {rdtype}": 0}), Query(owner, rdtype), over=("udp4",))
        for owner in ("resolver.arpa.", "_dns.resolver.arpa.", "x.resolver.arpa.")
        for rdtype in ("A", "AAAA", "TXT", "HTTPS")
    ),
    Case("c345b", "rfc9462-6.1", "designated-resolver-when-switched-off", {"_dns.resolver.arpa. SVCB": says(DDR)}, real(DDR), Query("_dns.resolver.arpa.", "SVCB"), "no-special-names"),
    *(chaos("c346", f"refused-{name.replace('.', '-')}", f"{name}.", REFUSED) for name in ("version.bind", "version.server", "id.server", "hostname.bind", "authors.bind")),
    chaos("c346a", "any-name-of-the-class-is-refused", "{label}.", REFUSED),
    chaos("c346b", "other-types-are-refused", "version.bind.", REFUSED, "A"),
    *(chaos("c346c", f"identity-{name.replace('.', '-')}", f"{name}.", Expect((f'{name}. 0 CH TXT "dns-1"',), aa=True), config="chaos") for name in ("id.server", "hostname.bind")),
    *(chaos("c346d", f"version-{name.replace('.', '-')}", f"{name}.", Expect((f'{name}. 0 CH TXT "kun"',), aa=True), config="chaos") for name in ("version.bind", "version.server")),
    chaos("c346e", "other-types-of-a-told-name", "id.server.", Expect((), aa=True), "A", "chaos"),
    chaos("c346f", "other-names-of-the-class", "authors.bind.", REFUSED, config="chaos"),
    Case("c346g", "rfc4892-3", "told-in-the-case-it-was-asked", {}, Expect(('id.server. 0 CH TXT "dns-1"',), aa=True), Query("Id.SeRvEr.", "TXT", "CH"), "chaos"),
    *(
        Case("c347", "rfc6891-6.1.1", f"opt-in-notimp-to-opcode-{opcode}", {}, Expect((), "NOTIMP", question="any", ra=False, opt=True, asked=NOT_ASKED), Query(raw=raw(lambda own: question(own) + opt(), flags=opcode << 11 | 0x100, ar=1)))
        for opcode in (1, 2, 3, 4, 5, 7, 15)
    ),
    *(
        Case("c347a", "rfc6891-6.1.1", f"no-opt-in-notimp-to-opcode-{opcode}", {}, Expect((), "NOTIMP", question="any", ra=False, opt=False), Query(raw=raw(lambda own: question(own), flags=opcode << 11 | 0x100)))
        for opcode in (2, 4, 15)
    ),
    Case("c347b", "rfc6891-6.1.1", "opt-in-formerr-to-two-questions", {}, Expect((), "FORMERR", question="any", opt=True, asked=NOT_ASKED), Query(raw=raw(lambda own: question(own) * 2 + opt(), qd=2, ar=1))),
    Case("c347c", "rfc6891-6.1.1", "opt-in-formerr-to-an-answer", {}, Expect((), "FORMERR", question="any", opt=True, asked=NOT_ASKED), Query(raw=raw(lambda own: question(own) + b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\xc0\0\2\1" + opt(), an=1, ar=1))),
    Case("c347d", "rfc6891-6.1.1", "opt-in-formerr-to-no-question", {}, Expect((), "FORMERR", question="any", opt=True), Query(raw=raw(lambda own: opt(), qd=0, ar=1))),
    Case("c347e", "rfc6891-6.1.1", "opt-in-notimp-to-a-type", {}, Expect((), "NOTIMP", question="any", opt=True), Query(raw=raw(lambda own: question(own, 249) + opt(), ar=1))),
    Case("c347f", "rfc6891-6.1.1", "opt-in-refused-transfer", {}, Expect((), "REFUSED", question="any", opt=True), Query(raw=raw(lambda own: question(own, 252) + opt(), ar=1))),
    Case("c347g", "rfc6891-6.1.1", "opt-behind-other-records", {}, Expect((), "NOTIMP", question="any", ra=False, opt=True), Query(raw=raw(lambda own: question(own, A) + b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\xc0\0\2\1" * 2 + opt(), flags=0x2800, an=1, ar=2))),
]  # fmt: skip
