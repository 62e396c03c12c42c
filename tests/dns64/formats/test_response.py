"""Packets from upstreams: whole and well-formed, or a failure with its reason (RFC 1035, 2181, 3597, 5452)."""

# ruff: noqa: E501 - a row stays on one line

import dns.edns
import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_dns64.formats.response import is_truncated, matches, parse_response
from kun_dns64.model.message import Ede, Record, Response
from kun_dns64.model.question import Question
from kun_dns64.model.step import FailureKind, UpstreamFailure

from .packets import NAME, header, opt, option, question, rr

Q = Question(NAME, 28)
REPLY = 0x8180


def ok(wire: bytes, asked: Question = Q, age: int = 0) -> Response:
    got = parse_response(wire, asked, age)
    assert isinstance(got, Response), got
    return got


def bad(wire: bytes) -> UpstreamFailure:
    got = parse_response(wire, Q)
    assert isinstance(got, UpstreamFailure), got
    return got


def reply(body: bytes, an: int = 1, ns: int = 0, ar: int = 0, flags: int = REPLY) -> bytes:
    return header(flags=flags, an=an, ns=ns, ar=ar) + question() + body


POINTER = b"\xc0\x0c"
AAAA = rr(POINTER, 28, rdata=bytes(16))

GARBAGE = [
    ("c019-a-of-3", reply(rr(POINTER, 1, rdata=b"abc"))),
    ("c020-aaaa-of-15", reply(rr(POINTER, 28, rdata=bytes(15)))),
    ("aaaa-of-17", reply(rr(POINTER, 28, rdata=bytes(17)))),
    ("record-past-end", reply(rr(POINTER, 16, rdata=b"abc", length=9))),
    ("count-too-high", reply(AAAA, an=2)),
    ("pointer-forward", reply(rr(b"\xc0\xff", 28, rdata=bytes(16)) + bytes(300))),
    ("pointer-to-itself", reply(rr(b"\xc0" + bytes((12 + len(question()),)), 28, rdata=bytes(16)))),
    ("label-type", reply(rr(b"\x41", 28, rdata=bytes(16)))),
    ("cname-shorter-than-its-length", reply(rr(POINTER, 5, rdata=b"\x01x\x00\x00"))),
    ("cname-longer-than-its-length", reply(rr(POINTER, 5, rdata=b"\x01x\x00", length=2))),
    ("soa-without-numbers", reply(rr(POINTER, 6, rdata=b"\x00\x00" + bytes(19)))),
    ("mx-without-name", reply(rr(POINTER, 15, rdata=b"\x00\x0a"))),
    ("two-questions", header(flags=REPLY, qd=2) + question() * 2),
    ("opt-in-answer", reply(opt())),
    ("opt-past-its-record", reply(opt(rdata=b"\x00\x0f\x00\x09"), an=0, ar=1)),
    ("name-too-long", reply(rr((b"\x3f" + b"a" * 63) * 4 + b"\x00", 28, rdata=bytes(16)))),
    ("header-only-claims-answer", header(flags=REPLY, qd=0, an=1)),
]


@pytest.mark.parametrize("wire", [row[1] for row in GARBAGE], ids=[row[0] for row in GARBAGE])
def test_garbage_is_a_failure(wire: bytes) -> None:
    assert bad(wire).kind is FailureKind.GARBAGE


def test_truncation_is_a_failure_whatever_else_it_holds() -> None:
    wire = reply(AAAA, flags=REPLY | 0x0200)
    assert is_truncated(wire)
    assert bad(wire).kind is FailureKind.TRUNCATED


def test_names_take_the_case_of_the_client() -> None:
    wire = header(flags=REPLY, an=1) + question(NAME.upper()) + AAAA
    assert ok(wire).answer == (Record(NAME, 28, 1, 60, bytes(16)),)


def test_the_clients_case_shows_in_suffixes_too() -> None:
    wire = header(flags=REPLY, an=1) + question(NAME.upper()) + rr(b"\x01x\xc0\x11", 28, rdata=bytes(16))
    assert ok(wire).answer[0].name.lower() == b"\x01x\x01t\x07example\x00"


@pytest.mark.parametrize(
    ("sent", "read"), [(0, 0), (60, 60), (604800, 604800), (8000000, 604800), (1 << 31, 0), (0xFFFFFFFF, 0)]
)
def test_ttls_are_bounded(sent: int, read: int) -> None:
    assert ok(reply(rr(POINTER, 28, ttl=sent, rdata=bytes(16)))).answer[0].ttl == read


def test_age_is_taken_off_and_what_ran_out_beside_the_answer_goes() -> None:
    wire = reply(AAAA + rr(b"\x00", 2, ttl=40, rdata=b"\x00") + rr(b"\x00", 1, ttl=90, rdata=bytes(4)), 1, 1, 1)
    got = ok(wire, age=50)
    assert (got.answer[0].ttl, len(got.authority), got.additional[0].ttl) == (10, 0, 40)
    assert ok(wire, age=99).answer[0].ttl == 0


def test_flags_rcode_and_extended_errors() -> None:
    edns = opt(4096, 1 << 24, option(15, b"\x00\x06no\x00") + option(15, b"\x00") + option(3, b"nsid"))
    got = ok(reply(edns, 0, 0, 1, 0x8400 | 0x20 | 7))
    assert (got.rcode, got.aa, got.ad, got.ra) == (23, True, True, False)
    assert got.ede == (Ede(6, "no"),)
    assert got.additional == (), "the upstream's OPT is its own (RFC 6891 section 6.1.1)"


def test_transaction_signatures_are_left_out() -> None:
    assert ok(reply(rr(rtype=250, rclass=255, rdata=b"x"), 0, 0, 1)).additional == ()


@pytest.mark.parametrize(
    ("rtype", "before", "names", "behind"),
    [(2, 0, 1, 0), (5, 0, 1, 0), (6, 0, 2, 20), (12, 0, 1, 0), (14, 0, 2, 0), (15, 2, 1, 0), (17, 0, 2, 0), (18, 2, 1, 0),
     (21, 2, 1, 0), (24, 18, 1, 5), (26, 2, 2, 0), (30, 0, 1, 4), (33, 6, 1, 0), (36, 2, 1, 0), (39, 0, 1, 0)],
)  # fmt: skip
def test_names_in_record_data_are_uncompressed(rtype: int, before: int, names: int, behind: int) -> None:
    head, tail = b"\x01" * before, b"\x02" * behind
    wire = reply(rr(POINTER, rtype, rdata=head + b"\x01x\xc0\x11" * names + tail))
    assert ok(wire).answer[0].rdata == head + b"\x01x\x01t\x07example\x00" * names + tail


def test_naptr_is_uncompressed() -> None:
    wire = reply(rr(POINTER, 35, rdata=b"\x00\x01\x00\x02\x01u\x00\x03!x!" + b"\xc0\x11"))
    assert ok(wire).answer[0].rdata.endswith(b"!x!\x01t\x07example\x00")


def test_unknown_types_keep_their_bytes() -> None:
    assert ok(reply(rr(POINTER, 65280, rdata=b"\xc0\x0c\x41"))).answer[0].rdata == b"\xc0\x0c\x41"


TYPED = [
    (16, b"\x01a\x00", True), (16, b"", False), (16, b"\x05abc", False), (13, b"\x01a\x01b", True), (13, b"\x01a", False),
    (46, bytes(18) + b"\x01t\x00sig", True), (46, bytes(18) + b"\x01t\x00", False), (46, bytes(18) + b"\xc0\x0csig", False), (46, bytes(9), False),
    (47, b"\x01t\x00\x00\x01\x40", True), (47, b"\x01t\x00\x00\x00", False), (47, b"\x01t\x00\x01\x01\x40\x00\x01\x40", False), (47, b"\x41", False),
    (50, b"\x01\x00\x00\x01\x00\x02ab\x00\x01\x40", True), (50, b"\x01\x00\x00\x01\x09ab", False), (50, b"\x01\x00\x00\x01\x00\x00", False),
    (51, b"\x01\x00\x00\x01\x01a", True), (51, b"\x01\x00\x00\x01\x01", False), (43, bytes(5), True), (43, bytes(4), False),
    (65, b"\x00\x01\x00\x00\x01\x00\x01a\x00\x04\x00\x00", True), (65, b"\x00\x01\x00\x00\x04\x00\x00\x00\x01\x00\x00", False),
    (65, b"\x00\x01\x00\x00\x01\x00\x09a", False), (65, b"\x00\x01", False), (64, b"\x00\x00\x01a\x00", True),
    (257, b"\x00\x05issueca", True), (257, b"\x00\x00", False), (257, b"\x00\x09abc", False), (108, bytes(6), True), (108, bytes(7), False),
    (65280, b"\xff\xff", True),
]  # fmt: skip


@pytest.mark.parametrize(("rtype", "data", "good"), TYPED, ids=[f"{row[0]}-{row[1].hex()}" for row in TYPED])
def test_record_data_is_what_its_type_says(rtype: int, data: bytes, good: bool) -> None:
    got = parse_response(reply(rr(POINTER, rtype, rdata=data)), Q)
    assert isinstance(got, Response) == good


@pytest.mark.parametrize(
    "text",
    ['TXT "a" ""', "DS 1 8 2 " + "AB" * 32, "DNSKEY 257 3 8 AwEAAQ==", "NSEC x.t. A RRSIG TYPE65280", "TLSA 3 1 1 " + "AB" * 32, "SSHFP 1 1 " + "AB" * 20, "URI 1 1 \"x\"",
     "NSEC3 1 0 1 AB 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A", "NSEC3PARAM 1 0 1 AB", "HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1", 'CAA 0 issue "ca"', "LOC 1 N 1 E 1m",
     "CERT 1 1 1 AAAA", "HINFO a b", "EUI48 00-00-00-00-00-01", "CDS 0 0 0 00", "RRSIG A 8 2 60 20300101000000 20200101000000 1 t. AAAA"],
)  # fmt: skip
def test_good_data_of_every_checked_type_passes(text: str) -> None:
    import dns.rdata

    kind, _, data = text.partition(" ")
    rdata = dns.rdata.from_text("IN", kind, data).to_wire()
    assert rdata is not None
    assert ok(reply(rr(POINTER, int(dns.rdatatype.from_text(kind)), rdata=rdata))).answer[0].rdata == rdata


MATCHES = [
    ("right", reply(AAAA), True),
    ("c305-wrong-id", header(68, REPLY, an=1) + question() + AAAA, False),
    ("c308-a-query", header(flags=0x0100) + question(), False),
    ("c308-other-opcode", header(flags=REPLY | 4 << 11) + question(), False),
    ("c306-other-name", header(flags=REPLY) + question(b"\x01x\x00"), False),
    ("c306-other-type", header(flags=REPLY) + question(qtype=1), False),
    ("c306-other-class", header(flags=REPLY) + question(qclass=3), False),
    ("two-questions", header(flags=REPLY, qd=2) + question() * 2, False),
    ("short", header(flags=REPLY)[:11], False),
    ("cut-question", (header(flags=REPLY) + question())[:-1], False),
    ("other-case", header(flags=REPLY) + question(NAME.upper()), True),
    *((f"bare-rcode-{rcode}", header(flags=REPLY | rcode, qd=0), rcode in (1, 2, 4, 5)) for rcode in range(7)),
    ("bare-with-data", header(flags=REPLY | 1, qd=0, an=1) + AAAA, False),
]


@pytest.mark.parametrize(("wire", "want"), [row[1:] for row in MATCHES], ids=[row[0] for row in MATCHES])
def test_a_reply_must_match_its_question(wire: bytes, want: bool) -> None:
    assert matches(wire, 67, Q) is want


def test_with_0x20_the_case_must_match_too() -> None:
    assert not matches(header(flags=REPLY) + question(NAME.upper()), 67, Q, exact_case=True)
    assert matches(header(flags=REPLY) + question(), 67, Q, exact_case=True)


def test_an_error_without_question_is_read() -> None:
    assert ok(header(flags=REPLY | 1, qd=0)).rcode == 1


def test_a_reply_cut_at_every_length_is_a_failure() -> None:
    whole = reply(
        AAAA + rr(b"\x00", 6, rdata=b"\x01a\x00\x01b\x00" + bytes(20)) + opt(rdata=option(15, b"\x00\x01")), 1, 1, 1
    )
    assert isinstance(parse_response(whole, Q), Response)
    for size in range(len(whole)):
        assert isinstance(parse_response(whole[:size], Q), UpstreamFailure)


@given(st.binary(max_size=400))
def test_no_bytes_crash_the_reader(wire: bytes) -> None:
    parse_response(wire, Q)
    matches(wire, 67, Q)


@given(st.binary(max_size=300), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_no_body_crashes_the_reader(body: bytes, an: int, ns: int, ar: int) -> None:
    parse_response(reply(body, an, ns, ar), Q)


def test_a_message_full_of_pointers_is_read_in_bounded_time() -> None:
    chain = b"".join((0xC000 | max(12, place - 2)).to_bytes(2) for place in range(40, 16000, 2))
    parse_response(header(flags=REPLY, an=1) + question() + bytes(40 - 12 - len(question())) + chain, Q)


def test_what_dnspython_writes_is_read_alike() -> None:
    text = ["w.t.example. 30 IN CNAME x.t.example.", "x.t.example. 60 IN AAAA 2001:db8::1", "x.t.example. 60 IN MX 10 m.t.example.",
            "x.t.example. 60 IN SOA ns.t.example. h.t.example. 1 2 3 4 5", "x.t.example. 60 IN SRV 1 2 3 s.t.example.",
            'x.t.example. 60 IN TXT "a"', "x.t.example. 60 IN NS ns.t.example.", "x.t.example. 60 IN DNAME ns.t.example."]  # fmt: skip
    asked = dns.message.make_query("w.t.example.", "AAAA")
    message = dns.message.make_response(asked)
    for line in text:
        name, ttl, _, kind, data = line.split(" ", 4)
        message.answer.append(dns.rrset.from_text(name, int(ttl), "IN", kind, data))
    got = ok(message.to_wire(), Question(b"\x01w\x01t\x07example\x00", 28))
    for rrset, record in zip(message.answer, got.answer, strict=True):
        assert record.name == rrset.name.to_wire()
        assert record.rdata == rrset[0].to_wire()
