# ruff: noqa: E501  (a row of a table is one line)
"""Section 10: EDNS, cookies, extended errors (RFC 6891, RFC 7871, RFC 7873, RFC 8906 section 8.2, RFC 8914)."""

from __future__ import annotations

import dns.message

from . import wire
from .case import BOTH, TCP, UDP, Case, Check, Expect, Step, a, aaaa, error, failed, nodata, real, synth
from .client import Query
from .names import Names
from .script import Drop, InTurn, Says
from .upstream import Seen

COOKIE, ECS, PADDING, NSID, KEEPALIVE, UNKNOWN = 10, 8, 12, 3, 11, 100
CLIENT_COOKIE = bytes(range(1, 9))
ECS_TEN = b"\0\1\x08\0\x0a"


def many(count: int, ttl: int = 3600, owner: str = "@") -> Says:
    return a(*(_address(i) for i in range(count)), ttl=ttl, owner=owner)


def _address(i: int) -> str:
    return f"20.{i >> 8}.{i & 255}.9"


def made(count: int, ttl: int = 300) -> Expect:
    return synth(*(_address(i) for i in range(count)), ttl=ttl)


def options_are(*codes: int) -> Check:
    """Only these option codes, EDE apart."""

    def check(reply: dns.message.Message, raw: bytes, names: Names) -> str:
        got = sorted(int(option.otype) for option in reply.options if option.otype != 15)
        return "" if got == sorted(codes) else f"options {got}, expected {sorted(codes)}"

    return check


def _one_opt(reply: dns.message.Message, raw: bytes, names: Names) -> str:
    count = raw.count(b"\0\0\x29\x04\xd0")
    return "" if count == 1 else f"{count} OPT records"


def _server_cookie(reply: dns.message.Message, raw: bytes, names: Names) -> str:
    cookies = [option.to_wire() for option in reply.options if option.otype == COOKIE]
    if len(cookies) != 1 or cookies[0] is None or not cookies[0].startswith(CLIENT_COOKIE):
        return f"cookies {cookies}"
    return "" if 16 <= len(cookies[0]) <= 40 else f"a cookie of {len(cookies[0])} bytes"


def _sized(raw: int) -> Check:
    return lambda reply, whole, names: "" if len(whole) <= raw else f"{len(whole)} bytes"


def _opt_towards_upstream(seen: list[Seen]) -> str:
    for query in (each.message for each in seen):
        if query.edns != 0 or query.payload != 1232:
            return f"upstream was asked with EDNS {query.edns}, size {query.payload}"
    return ""


def _no_options_towards_upstream(seen: list[Seen]) -> str:
    leaked = [int(option.otype) for query in seen for option in query.message.options if option.otype != COOKIE]
    leaked += [COOKIE for query in seen if CLIENT_COOKIE in query.wire]
    return f"options {leaked} went upstream" if leaked else ""


def _one_per_type(seen: list[Seen]) -> str:
    return "" if len(seen) <= 2 else f"{len(seen)} queries"


def _ecs_went_upstream(seen: list[Seen]) -> str:
    codes = [[int(option.otype) for option in query.message.options] for query in seen]
    return "" if codes and all(ECS in each for each in codes) else f"options {codes} went upstream"


def _for_subnet(address: str, subnet: bytes) -> Says:
    """An answer for this /24 only: its scope is as long as its source prefix."""
    return Says((f"@ 3600 AAAA {address}",), options=((ECS, subnet[:3] + subnet[2:3] + subnet[4:]),))


ECS_SEVEN, ECS_EIGHT = b"\0\1\x18\0\x0a\x07\x01", b"\0\1\x18\0\x0a\x08\x01"
BADVERS = Expect((), "BADVERS", opt=True, check=options_are())
FORMERR = Expect((), "FORMERR", question="any", asked={"*": 0})
NO_ECHO = synth(".33").but(check=options_are())

CASES = [
    Case("c183", "rfc6891-7", "no-opt-in-no-opt-out", {"A": a(".33")}, synth(".33").but(opt=False), Query(edns=None)),
    Case("c183a", "rfc6891-7", "no-opt-in-errors-either", {"AAAA": error("SERVFAIL"), "A": error("SERVFAIL")}, failed("SERVFAIL").but(opt=False), Query(edns=None)),
    Case("c184", "rfc6891-6.1.1", "opt-in-opt-out", {"A": a(".33")}, synth(".33").but(opt=True, check=_one_opt)),
    Case("c184a", "rfc6891-6.1.1", "opt-in-servfail", {"AAAA": error("SERVFAIL"), "A": error("SERVFAIL")}, failed("SERVFAIL").but(opt=True)),
    Case("c184b", "rfc6891-6.1.1", "opt-in-nxdomain", {"AAAA": Says(rcode="NXDOMAIN")}, Expect((), "NXDOMAIN", opt=True)),
    Case("c184c", "rfc6891-6.1.1", "opt-in-cached-answers", {"A": a(".33")}, synth(".33"), Query(edns=None), then=(Step(synth(".33").but(opt=True)), Step(synth(".33").but(opt=False), Query(edns=None)))),
    Case("c185", "rfc6891-6.1.3", "version-1", {"A": a(".33")}, BADVERS.but(asked={"*": 0}), Query(edns=1)),
    *(Case("c185a", "rfc6891-6.1.3", f"version-{version}", {"A": a(".33")}, BADVERS, Query(edns=version)) for version in (2, 100, 255)),
    Case("c186", "rfc8906-8.2.3", "unknown-option-is-ignored", {"A": a(".33")}, NO_ECHO, Query(options=((UNKNOWN, b"abc"),))),
    Case("c186a", "rfc8906-8.2.3", "empty-unknown-option-is-ignored", {"A": a(".33")}, NO_ECHO, Query(options=((65001, b""),))),
    Case("c187", "rfc8906-8.2.4", "unknown-flag-is-not-echoed", {"A": a(".33")}, synth(".33"), Query(z=0x40)),
    Case("c187a", "rfc8906-8.2.4", "every-unknown-flag", {"A": a(".33")}, synth(".33"), Query(z=0x7FFF)),
    Case("c188", "rfc8906-8.2.5", "version-1-with-flag", {"A": a(".33")}, BADVERS, Query(edns=1, z=0x40)),
    Case("c188a", "rfc8906-8.2.6", "version-1-with-option", {"A": a(".33")}, BADVERS, Query(edns=1, options=((UNKNOWN, b"abc"),))),
    Case("c188b", "rfc8906-8.2.9", "version-1-with-do", {"A": a(".33")}, BADVERS, Query(edns=1, do=True)),
    Case("c189", "rfc6891-6.1.1", "two-opts", {"A": a(".33")}, FORMERR, Query(raw=wire.raw(lambda own: wire.question(own) + wire.opt() + wire.opt(), ar=2))),
    Case("c190", "rfc6891-6.1.2", "opt-owner-is-not-root", {"A": a(".33")}, FORMERR, Query(raw=wire.raw(lambda own: wire.question(own) + wire.opt(owner=b"\1x\0"), ar=1))),
    Case("c190a", "rfc6891-6.1.1", "opt-in-the-answer-section", {"A": a(".33")}, FORMERR, Query(raw=wire.raw(lambda own: wire.question(own) + wire.opt(), an=1))),
    Case("c190b", "rfc6891-6.1.1", "opt-in-the-authority-section", {"A": a(".33")}, FORMERR, Query(raw=wire.raw(lambda own: wire.question(own) + wire.opt(), ns=1))),
    *(Case("c191", "rfc6891-6.2.3", f"size-{size}-means-512-16-fit", {"A": many(16)}, made(16).but(check=_sized(512)), Query(payload=size), over=UDP) for size in (0, 100, 511, 512)),
    *(Case("c191a", "rfc6891-6.2.3", f"size-{size}-means-512-17-do-not", {"A": many(17)}, Expect(None, tc=True, opt=True, check=_sized(512)), Query(payload=size), over=UDP) for size in (0, 100, 511, 512)),
    Case("c192", "rfc6891-6.2.4", "sizes-above-ours-are-ours", {"A": many(60)}, Expect(None, tc=True), Query(payload=4096), over=UDP),
    Case("c192a", "rfc6891-6.2.4", "sizes-between-count", {"A": many(30)}, Expect(None, tc=True), Query(payload=800), over=UDP),
    Case("c192b", "rfc6891-6.2.4", "size-does-not-matter-by-tcp", {"A": many(60)}, made(60), Query(payload=512), over=TCP),
    Case("c193", "rfc6891-6.1.2", "option-longer-than-the-rdata", {"A": a(".33")}, FORMERR,
         Query(raw=wire.raw(lambda own: wire.question(own) + wire.record(b"\0", 41, 1232, 0, b"\0\x0a\0\x08abc"), ar=1))),
    Case("c193a", "rfc6891-6.1.2", "half-an-option-header", {"A": a(".33")}, FORMERR, Query(raw=wire.raw(lambda own: wire.question(own) + wire.record(b"\0", 41, 1232, 0, b"\0\x0a\0"), ar=1))),
    Case("c193b", "rfc6891-6.1.2", "rdata-longer-than-the-message", {"A": a(".33")}, FORMERR, Query(raw=wire.raw(lambda own: wire.question(own) + wire.record(b"\0", 41, 1232, 0, b"", length=9), ar=1))),
    Case("c194", "rfc6891-6.1.1", "upstreams-opt-is-not-relayed", {"AAAA": Says(("@ 60 AAAA 2001:db8::1",), payload=4096, options=((NSID, b"up"),))}, real("@ 60 AAAA 2001:db8::1").but(check=options_are()),
         then=(Step(real("@ 60 AAAA 2001:db8::1").but(check=options_are())),)),
    Case("c194a", "rfc6891-6.1.1", "nor-in-synthesis", {"AAAA": Says(payload=4096, options=((NSID, b"up"),)), "A": Says(("@ 60 A 192.0.2.33",), payload=4096, options=((NSID, b"up"), (COOKIE, b"x" * 16)))},
         synth(".33", ttl=60).but(check=options_are())),
    Case("c195", "rfc6891-6.2.5", "our-opt-towards-upstream", {"A": a(".33")}, synth(".33").but(seen=_opt_towards_upstream)),
    Case("c195a", "rfc6891-6.2.5", "our-opt-towards-upstream-for-clients-without", {"A": a(".33")}, synth(".33").but(seen=_opt_towards_upstream), Query(edns=None)),
    Case("c195b", "rfc6891-6.1.1", "client-options-stay-here", {"A": a(".33")}, synth(".33").but(seen=_no_options_towards_upstream),
         Query(options=((COOKIE, CLIENT_COOKIE), (NSID, b""), (ECS, ECS_TEN), (KEEPALIVE, b""), (PADDING, bytes(8)), (UNKNOWN, b"abc")))),
    Case("c196", "rfc6891-6.2.2", "upstream-without-opt", {"AAAA": Says(opt=False), "A": Says(("@ 60 A 192.0.2.33",), opt=False)}, synth(".33", ttl=60).but(seen=_one_per_type)),
    *(
        Case("c197", "rfc7873-5.2.2", f"cookie-of-{length}-bytes", {"A": a(".33")}, Expect((), "FORMERR", asked={"*": 0}), Query(options=((COOKIE, bytes(length)),)))
        for length in (1, 4, 7, 9, 12, 15, 41, 64)
    ),
    Case("c197a", "rfc7873-5.2.2", "empty-cookie", {"A": a(".33")}, Expect((), "FORMERR"), Query(options=((COOKIE, b""),))),
    Case("c198", "rfc7873-5.2.3", "client-cookie-alone", {"A": a(".33")}, synth(".33").but(check=_server_cookie), Query(options=((COOKIE, CLIENT_COOKIE),))),
    Case("c198a", "rfc7873-5.2.3", "cookie-in-cached-answers", {"A": a(".33")}, synth(".33"), then=(Step(synth(".33").but(check=_server_cookie), Query(options=((COOKIE, CLIENT_COOKIE),))),)),
    Case("c198b", "rfc7873-5.2.3", "cookie-in-errors", {"AAAA": error("REFUSED"), "A": error("REFUSED")}, failed("SERVFAIL").but(check=_server_cookie), Query(options=((COOKIE, CLIENT_COOKIE),))),
    Case("c200", "rfc7873-5.4", "cookie-without-question", {}, Expect((), "NOERROR", question="any", opt=True, check=_server_cookie), Query(raw=lambda qid, names: wire.header(qid, qd=0, ar=1) + wire.opt((COOKIE, CLIENT_COOKIE)))),
    Case("c200a", "rfc7873-5.4", "wrong-server-cookie-without-question", {}, Expect((), "BADCOOKIE", question="any", opt=True, check=_server_cookie),
         Query(raw=lambda qid, names: wire.header(qid, qd=0, ar=1) + wire.opt((COOKIE, CLIENT_COOKIE + bytes(16))))),
    Case("c201", "rfc7873-5.2.4", "wrong-server-cookie", {"A": a(".33")}, Expect(None, ("NOERROR", "BADCOOKIE"), check=_server_cookie), Query(options=((COOKIE, CLIENT_COOKIE + bytes(16)),))),
    Case("c201a", "rfc7873-5.2.4", "long-wrong-server-cookie", {"A": a(".33")}, Expect(None, ("NOERROR", "BADCOOKIE"), check=_server_cookie), Query(options=((COOKIE, CLIENT_COOKIE + bytes(32)),))),
    Case("c202", "rfc7871-7.1", "ecs-is-stripped", {"A": a(".33")}, synth(".33").but(check=options_are(), seen=_no_options_towards_upstream), Query(options=((ECS, ECS_TEN),))),
    Case("c202a", "rfc7871-7.1", "ecs-goes-upstream-when-configured", {"A": a(".33")}, synth(".33").but(seen=_ecs_went_upstream), Query(options=((ECS, ECS_TEN),)), "ecs-forwarded"),
    Case("c202b", "rfc7871-7.3.1", "tailored-answers-stay-in-their-subnet", {"AAAA": InTurn((_for_subnet("2001:db8::7", ECS_SEVEN), _for_subnet("2001:db8::8", ECS_EIGHT)))},
         Expect(("@ 3600 AAAA 2001:db8::7",)), Query(options=((ECS, ECS_SEVEN),)), "ecs-forwarded", then=(Step(Expect(("@ 3600 AAAA 2001:db8::8",)), Query(options=((ECS, ECS_EIGHT),))),)),
    Case("c203", "rfc8914-2", "no-ede-without-opt", {"AAAA": Drop(), "A": Drop()}, failed("SERVFAIL").but(opt=False, no_ede=True), Query(edns=None), over=BOTH, slow=True),
    Case("c204", "rfc8914-2", "synthesised-says-so", {"A": a(".33")}, synth(".33").but(ede=(29,))),
    Case("c204a", "rfc8914-2", "synthesised-says-so-from-cache", {"A": a(".33")}, synth(".33"), then=(Step(synth(".33").but(ede=(29,))),)),
    Case("c205", "rfc8914-3", "ede-gives-way-to-data", {"A": many(17)}, made(17).but(no_ede=True, check=_sized(519)), Query(payload=519), over=UDP),
    Case("c205a", "rfc8914-3", "one-byte-less-is-truncated", {"A": many(17)}, Expect(None, tc=True, check=_sized(518)), Query(payload=518), over=UDP),
    Case("c207", "rfc8914-4.18", "filtered-says-so", {"A": a("0.0.0.0")}, Expect((), ede=(17,))),
    Case("c207a", "rfc8914-4.18", "filtered-says-so-from-cache", {"A": a("0.0.0.0")}, Expect((), ede=(17,)), then=(Step(Expect((), ede=(17,))),)),
    Case("c208", "rfc7830-4", "no-padding-in-the-clear", {"A": a(".33")}, synth(".33").but(check=options_are()), Query(options=((PADDING, bytes(100)),))),
    Case("c208a", "rfc7828-3.2.1", "keepalive-is-not-answered-by-udp", {"A": a(".33")}, synth(".33").but(check=options_are()), Query(options=((KEEPALIVE, b""),)), over=UDP),
    Case("c209", "rfc6891-7", "truncated-has-opt", {"A": many(60)}, Expect(None, tc=True, opt=True), Query(payload=512), over=UDP),
    Case("c209a", "rfc6891-7", "truncated-real-aaaa", {"AAAA": aaaa(*(f"2001:db8::{i:x}" for i in range(1, 40)))}, Expect(None, tc=True, opt=True), Query(payload=512), over=UDP),
    Case("c209b", "rfc6891-7", "truncated-copies-do", {"AAAA": nodata(), "A": many(60)}, Expect(None, tc=True, opt=True), Query(payload=512, do=True), over=UDP),
]  # fmt: skip
