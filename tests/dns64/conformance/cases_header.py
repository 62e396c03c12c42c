# ruff: noqa: E501  (a row of a table is one line)
"""Section 13: header bits, opcodes, classes, types, and packets that are not messages (RFC 1035, RFC 8906 section 8.1, RFC 9619)."""

from __future__ import annotations

import struct

import dns.message
import dns.rdatatype

from . import wire
from .case import Case, Expect, Step, a, bare_nodata, real, says, synth
from .client import Query
from .names import Names
from .wire import AAAA, IN, A, Build, name, opt, question, raw, record

LONG_NAME = b"".join(b"\x3f" + bytes([letter]) * 63 for letter in b"abcd") + b"\0"
FORMERR = Expect((), "FORMERR", question="any", asked={"*": 0})
SILENCE = Expect(silence=True)
A_RECORD = record(b"\xc0\x0c", A, IN, 60, b"\xc0\0\2\x21")
TSIG_RDATA = (
    name("hmac-sha256.") + struct.pack("!HIHH", 0, 1700000000, 300, 32) + bytes(32) + struct.pack("!HHH", 0, 0, 0)
)
TSIG = record(name("key."), 250, 255, 0, TSIG_RDATA)

IN_ANY_CLASS = says("@ 60 AAAA 2001:db8::1", "@ 70 AAAA 2001:db8::2", "@ 60 CH AAAA \\# 2 0102")
EVERY_CLASS = real("@ 60 AAAA 2001:db8::1", "@ 60 AAAA 2001:db8::2", "@ 60 CH AAAA \\# 2 0102").but(
    opt=False, asked={"@ ANY AAAA": 1, "A": 0}
)


def _no_aaaa(reply: dns.message.Message, raw: bytes, names: Names) -> str:
    return "an AAAA was made" if any(rrset.rdtype == dns.rdatatype.AAAA for rrset in reply.answer) else ""


def _sections_are_empty(reply: dns.message.Message, raw: bytes, names: Names) -> str:
    return "" if not reply.answer and not reply.authority else "sections are not empty"


def _of(rdtype: int, rdclass: int = IN) -> Build:
    return raw(lambda own: question(own, rdtype, rdclass))


def _with_flags(flags: int) -> Build:
    return raw(question, flags=flags)


def _first_bytes(count: int) -> Build:
    return lambda qid, names: wire.header(qid)[:count]


QUESTIONS = {
    "c248-shortquestion": raw(lambda own: name(own) + b"\0\x1c"),
    "c248-no-type": raw(lambda own: name(own)),
    "c248-no-question": raw(lambda own: b""),
    "c249-ends-inside-a-label": raw(lambda own: name(own)[:7]),
    "c249-no-root": raw(lambda own: name(own)[:-1] + b"\x3f"),
    "c250-label-type-40": raw(lambda own: b"\x41a" + question(own)),
    "c250-label-type-80": raw(lambda own: b"\x81a" + question(own)),
    "c250-label-type-bf": raw(lambda own: b"\xbf" + question(own)),
    "c251-pointer-to-itself": raw(lambda own: b"\xc0\x0c\0\x1c\0\1"),
    "c251-pointer-forward": raw(lambda own: b"\xc0\x20\0\x1c\0\1" + name(own)),
    "c251-pointer-into-the-header": raw(lambda own: b"\x01x\xc0\x00\0\x1c\0\1"),
    "c251-pointer-loop-of-two": raw(lambda own: b"\xc0\x0e\xc0\x0c\0\x1c\0\1"),
    "c251-pointer-past-the-end": raw(lambda own: b"\xff\xff\0\x1c\0\1"),
    "c251-half-a-pointer": raw(lambda own: b"\xc0"),
    "c252-nametoolong": raw(lambda own: LONG_NAME + b"\0\x1c\0\1"),
    "c253-noquestions": raw(lambda own: b"", qd=0),
    "c253-question-not-counted": raw(lambda own: question(own), qd=0),
    "c253-twoquestionnames": raw(lambda own: question(own) + question("x." + own), qd=2),
    "c253-twoquestiontypes": raw(lambda own: question(own) + question(own, A), qd=2),
    "c253-twoquestionclasses": raw(lambda own: question(own) + question(own, AAAA, 3), qd=2),
    "c253-dupquestion": raw(lambda own: question(own) * 2, qd=2),
    "c264-dupans": raw(lambda own: question(own, A) + A_RECORD * 2, an=2),
    "c264-qtypeasanswer": raw(lambda own: question(own) + record(b"\xc0\x0c", 255, IN, 0, b""), an=1),
    "c264-shortrecord": raw(lambda own: question(own) + A_RECORD[:-2], an=1),
    "c264-record-head-only": raw(lambda own: question(own) + A_RECORD[:8], an=1),
    "c264-badrecordname": raw(lambda own: question(own) + b"\x41x" + A_RECORD[2:], an=1),
    "c264-wrongclass": raw(lambda own: question(own) + record(b"\xc0\x0c", A, 3, 60, b"\xc0\0\2\x21"), an=1),
    "c264-malformedrrsig": raw(lambda own: question(own, 46) + record(b"\xc0\x0c", 46, IN, 60, b"\0\1\x08"), an=1),
    "c264-malformed-authority": raw(lambda own: question(own) + record(b"\xc0\x0c", 6, IN, 60, b"\0"), ns=1),
    "c264-short-additional": raw(lambda own: question(own) + A_RECORD[:-1], ar=1),
    "c262-tsigwrongclass": raw(lambda own: question(own) + record(name("key."), 250, IN, 0, TSIG_RDATA), ar=1),
    "c262-tsignotlast": raw(lambda own: question(own) + TSIG + opt(), ar=2),
    "c265-65535-questions": raw(lambda own: question(own), qd=65535),
    "c265-65535-answers": raw(lambda own: question(own), an=65535),
    "c265-65535-authorities": raw(lambda own: question(own), ns=65535),
    "c265-65535-additionals": raw(lambda own: question(own), ar=65535),
    "c265-65535-of-everything": raw(lambda own: question(own), qd=65535, an=65535, ns=65535, ar=65535),
}

CASES = [
    Case("c246", "rfc6147-5.1", "a-query-written-by-hand", {"A": a(".33")}, synth(".33").but(opt=False), Query(raw=raw(lambda own: question(own)))),
    Case("c247", "rfc1035-4.1.1", "reply-is-dropped", {"A": a(".33")}, SILENCE, Query(raw=raw(lambda own: question(own), flags=0x8180))),
    Case("c247a", "rfc1035-4.1.1", "malformed-reply-is-dropped", {}, SILENCE, Query(raw=raw(lambda own: b"\xc0\x0c", flags=0x8180))),
    Case("c247b", "rfc1035-4.1.1", "reply-of-another-opcode-is-dropped", {}, SILENCE, Query(raw=raw(lambda own: question(own), flags=0xA000))),
    *(Case("c247c", "rfc1035-4.1.1", f"{length}-bytes-are-no-message", {}, SILENCE, Query(raw=_first_bytes(length)), over=("udp4", "tcp4")) for length in (1, 2, 5, 11)),
    Case("c247d", "rfc1035-4.1.1", "no-bytes-are-no-message", {}, SILENCE, Query(raw=lambda qid, names: b""), over=("udp4", "tcp4")),
    *(Case(text[:4], "rfc1035-4.1", text[5:], {"AAAA": bare_nodata(), "A": a(".33")}, FORMERR, Query(raw=build)) for text, build in QUESTIONS.items()),
    *(
        Case("c254", "rfc8906-8.1.4", f"opcode-{opcode}", {"A": a(".33")}, Expect((), "NOTIMP", question="any", ra=False, asked={"*": 0}, check=_sections_are_empty), Query(raw=_with_flags(opcode << 11 | 0x100)))
        for opcode in (1, 2, 3, 4, 5, 6, 7, 15)
    ),
    *(
        Case("c254a", "rfc8906-8.1.4", f"opcode-{opcode}-header-only", {}, Expect((), "NOTIMP", question="any", ra=False), Query(raw=raw(lambda own: b"", flags=opcode << 11, qd=0)))
        for opcode in (1, 2, 4, 5, 15)
    ),
    Case("c255", "decision-d18", "rd-0-asks-nobody", {"A": a(".33")}, Expect((), ("NOERROR", "REFUSED", "SERVFAIL"), asked={"*": 0}), Query(rd=False)),
    Case("c255a", "decision-d18", "rd-0-for-other-types", {"TXT": a(".33")}, Expect((), ("NOERROR", "REFUSED", "SERVFAIL"), asked={"*": 0}), Query(rdtype="TXT", rd=False)),
    Case("c255b", "decision-d18", "rd-0-after-rd-1", {"A": a(".33")}, synth(".33"), then=(Step(Expect(None, ("NOERROR", "REFUSED"), asked={"AAAA": 1, "A": 1}), Query(rd=False)), Step(synth(".33").but(asked={"AAAA": 1, "A": 1})))),
    Case("c255c", "decision-d18", "rd-0-leaves-nothing-behind", {"A": a(".33")}, Expect((), ("NOERROR", "REFUSED", "SERVFAIL")), Query(rd=False), then=(Step(synth(".33")),)),
    Case("c256", "rfc8906-8.1.3.1", "cd", {"AAAA": a()}, Expect(None), Query(cd=True)),
    Case("c256a", "rfc8906-8.1.3.2", "ad", {"A": a(".33")}, synth(".33"), Query(ad=True)),
    Case("c256b", "rfc8906-8.1.3.3", "z", {"A": a(".33")}, synth(".33").but(opt=False), Query(raw=raw(lambda own: question(own), flags=0x0140))),
    *(
        Case("c257", "rfc6147-5.1", f"class-{number}", {"A": a(".33")}, Expect(None, ("NOERROR", "REFUSED", "NOTIMP", "FORMERR", "SERVFAIL"), question="same", asked={"A": 0}, check=_no_aaaa, opt=None),
             Query(raw=_of(AAAA, number)))
        for number in (0, 2, 3, 4, 254, 255, 65280)
    ),
    Case("c257a", "decision-d16", "class-any-is-forwarded-unchanged", {"@ ANY AAAA": IN_ANY_CLASS}, EVERY_CLASS, Query(raw=_of(AAAA, 255)),
         then=(Step(EVERY_CLASS, Query(raw=_of(AAAA, 255))),)),
    Case("c257b", "decision-d16", "class-any-behind-an-alias", {"@ ANY TXT": says("@ 500 CNAME x.@", "x.@ 60 TXT a")}, real("@ 500 CNAME x.@", "x.@ 60 TXT a").but(opt=False), Query(raw=_of(16, 255))),
    Case("c259", "rfc6891-6.1.1", "qtype-opt", {}, FORMERR, Query(raw=raw(lambda own: question(own, 41)))),
    *(
        Case("c260", "rfc6895-3.1", f"qtype-{number}", {}, Expect((), ("FORMERR", "NOTIMP", "REFUSED"), question="any", asked={"*": 0}), Query(raw=_of(number)))
        for number in (0, 249, 250)
    ),
    *(
        Case("c261", "rfc5936-2", f"qtype-{number}", {}, Expect((), ("FORMERR", "NOTIMP", "REFUSED"), question="any", asked={"*": 0}), Query(raw=_of(number)))
        for number in (251, 252)
    ),
    Case("c262", "rfc8945-5.2", "tsig", {"A": a(".33")}, Expect(None, ("NOERROR", "NOTAUTH", "REFUSED"), question="any"), Query(raw=raw(lambda own: question(own) + TSIG, ar=1))),
    Case("c262a", "rfc2931-3", "sig0", {"A": a(".33")}, Expect(None, ("NOERROR", "NOTAUTH", "REFUSED", "FORMERR"), question="any"),
         Query(raw=raw(lambda own: question(own) + record(b"\0", 24, 255, 0, struct.pack("!HBBIIIH", 0, 8, 0, 0, 2000000000, 1, 1) + name("k.") + bytes(16)), ar=1))),
    Case("c263", "rfc1035-4.1", "trailing-bytes", {"A": a(".33")}, Expect(None, ("NOERROR", "FORMERR"), question="any"), Query(raw=raw(lambda own: question(own) + b"\0\1\2\3"))),
    *(
        Case("c268", "rfc1035-7.3", title, {"A": a(".33")}, synth(".33").but(opt=False), Query(raw=_with_flags(flags)))
        for title, flags in (("rcode-in-a-query", 0x0103), ("tc-in-a-query", 0x0300), ("aa-in-a-query", 0x0500), ("ra-in-a-query", 0x0180))
    ),
    Case("c269", "rfc8906-8.1.2", "type-1000", {}, Expect(()), Query(rdtype="TYPE1000")),
]  # fmt: skip
