"""Packets from clients: what is a query, what is an error reply, what gets no reply (RFC 1035, 6891, 7873, 8906)."""

import time

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_dns64.formats.query import parse_query
from kun_dns64.model.message import Query, Transport
from kun_dns64.model.question import NO_QUESTION
from kun_dns64.model.step import Malformed

from .packets import CLIENT, NAME, accepted, header, opt, option, parse, question, rejected, rr, wire_names

LONG = b"".join(bytes((15,)) + b"A" * 15 for _ in range(15)) + bytes((14,)) + b"A" * 14 + b"\x00"
KEY = rr(b"\x00", 25, 2, 1, b"\x00\x00\x00\xf8\x00")
TSIG = b"\x00" + b"\x01\x02\x03\x04\x05\x06\x01\x02\x00\x01\x00\x00\x00\x00\x00\x00\x00"
COOKIE = option(10, bytes(8))

FORMERR = [
    ("c248-shortquestion", header() + b"\x00\x00\x01", False),
    ("c248-no-type", header() + NAME, False),
    ("c250-label-type-40", header() + b"\x40abc\x00\x00\x1c\x00\x01", False),
    ("c250-label-type-80", header() + b"\x80abc\x00\x00\x1c\x00\x01", False),
    ("c251-pointer-to-itself", header() + b"\xc0\x0c\x00\x1c\x00\x01", False),
    ("c251-pointer-forward", header() + b"\xc0\x20\x00\x1c\x00\x01" + bytes(40), False),
    ("c253-noquestions", header(qd=0), False),
    ("c253-noquestions-with-opt", header(qd=0, ar=1) + opt(), False),
    ("c252-twoquestions", header(qd=2) + question() + question(qtype=1), False),
    ("nametoolong", header() + question(LONG), False),
    ("dupans", header(an=2) + question(b"\x00", 6) + rr() * 2, True),
    ("qtypeasanswer", header(qd=0, an=1) + rr(rtype=253), False),
    ("authority", header(ns=1) + question(b"\x00", 1) + rr(b"\x01X\x00", 50), True),
    ("shortrecord", header(qd=0, ar=1) + question(b"\x00", 1), False),
    ("shortrecord-behind-question", header(ar=1) + question() + b"\x00\x00\x01", True),
    ("badrecordname", header(ar=1) + question() + rr(LONG), True),
    ("wrongclass", header(qd=0, ar=2) + rr() + rr(rtype=65280, rclass=256), False),
    ("keyclass", header(ar=1) + question(b"\x00", 1) + KEY, True),
    ("optwrongname", header(ar=1) + question() + opt(owner=b"\x01A\x00"), True),
    ("malformedrrsig", header(qd=0, ar=1) + rr(rtype=46), False),
    ("tsigwrongclass", header(ar=1) + question() + rr(rtype=250, rclass=1, rdata=TSIG), True),
    ("tsignotlast", header(ar=2) + question() + rr(rtype=250, rclass=255, rdata=TSIG) + rr(), True),
    ("c186-two-opt", header(ar=2) + question() + opt() + opt(), True),
    ("c193-option-past-rdata", header(ar=1) + question() + opt(rdata=b"\x00\x0a\x00\x09abc"), True),
    ("c193-half-an-option", header(ar=1) + question() + opt(rdata=b"\x00\x0a\x00"), True),
    ("c192-opt-length-past-message", header(ar=1) + question() + opt(length=9), True),
    ("c265-counts", header(qd=65535, an=65535, ns=65535, ar=65535) + question(), False),
    ("c265-additional-count", header(ar=65535) + question() + opt(), True),
    ("c263-trailing", header() + question() + b"x", True),
    ("class-0", header() + question(qclass=0), True),
    *((f"c259-c260-type-{qtype}", header() + question(qtype=qtype), True) for qtype in (0, 41, 250, 128, 200, 248)),
    *(
        (f"c197-cookie-{size}", header(ar=1) + question() + opt(rdata=option(10, bytes(size))), True)
        for size in (0, 1, 7, 9, 15, 41)
    ),
]


@pytest.mark.parametrize(("wire", "echoed"), [row[1:] for row in FORMERR], ids=[row[0] for row in FORMERR])
def test_formerr(wire: bytes, echoed: bool) -> None:
    reply = rejected(wire)
    assert (reply.id, reply.rcode()) == (67, dns.rcode.FORMERR)
    assert len(reply.question) == echoed
    assert not reply.answer
    assert not reply.authority


@pytest.mark.parametrize(
    "name", ["c186-two-opt", "c193-option-past-rdata", "c197-cookie-7", "c253-noquestions-with-opt", "optwrongname"]
)
def test_an_error_to_a_client_with_opt_has_one(name: str) -> None:
    wire = next(row[1] for row in FORMERR if row[0] == name)
    reply = rejected(wire)
    assert (reply.edns, reply.payload, reply.options) == (0, 1232, ())


@pytest.mark.parametrize(("qtype", "rcode"), [(249, 4), (253, 4), (254, 4), (251, 5), (252, 5)])
def test_types_a_forwarder_does_not_pass_on(qtype: int, rcode: int) -> None:
    assert rejected(header() + question(qtype=qtype)).rcode() == rcode


@pytest.mark.parametrize(("qtype", "codes"), [(128, [30]), (41, [30]), (0, [30]), (252, []), (249, [])])
def test_what_is_no_type_of_a_question_is_told_by_ede_30(qtype: int, codes: list[int]) -> None:
    reply = rejected(header(ar=1) + question(qtype=qtype) + opt())
    assert [option.code for option in reply.options if isinstance(option, dns.edns.EDEOption)] == codes


def test_ixfr_with_its_soa_is_refused() -> None:
    assert rejected(header(ns=1) + question(qtype=251) + rr(rtype=6)).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("opcode", [1, 2, 3, 4, 5, 6, 15])
@pytest.mark.parametrize("body", [b"", question()], ids=["header-only", "whole"])
def test_other_opcodes_are_not_implemented(opcode: int, body: bytes) -> None:
    got = parse(header(flags=0x0100 | opcode << 11, qd=1 if body else 0) + body)
    assert isinstance(got, Malformed)
    assert got.wire == header(flags=0x8180 | opcode << 11 | 4, qd=0)


def test_an_update_that_cannot_be_one_is_malformed() -> None:
    wire = header(flags=5 << 11, qd=0, ns=1) + rr(rclass=255, ttl=0, rdata=b"\x00")
    got = parse(wire)
    assert isinstance(got, Malformed)
    assert got.wire == header(flags=0x8000 | 5 << 11 | 1, qd=0)


def test_a_signed_update_is_not_implemented() -> None:
    tsig = rr(rtype=250, rclass=255, rdata=TSIG)
    got = parse(header(flags=5 << 11, qd=1, ns=1, ar=1) + question(qtype=6) + rr(rdata=bytes(4)) + tsig)
    assert isinstance(got, Malformed)
    assert got.rcode == 4


@pytest.mark.parametrize("flags", [0x0400, 0x0200, *range(1, 16)])
def test_bits_that_only_mean_something_in_replies_are_ignored(flags: int) -> None:
    assert accepted(header(flags=flags) + question()).question.qtype == 28


@pytest.mark.parametrize("flags", [0x8000, 0x8180, 0x8181, 0xA000])
def test_replies_get_silence(flags: int) -> None:
    assert parse(header(flags=flags) + question()) is None


@pytest.mark.parametrize("size", range(12))
def test_less_than_a_header_gets_silence(size: int) -> None:
    assert parse(header()[:size]) is None


@pytest.mark.parametrize("ttl", [1 << 16, 1 << 16 | 0x8000, 255 << 16, 1 << 16 | 0x40])
@pytest.mark.parametrize("rdata", [b"", option(100, b"x"), b"\x00"])
def test_another_edns_version_is_badvers_and_nothing_is_echoed(ttl: int, rdata: bytes) -> None:
    reply = rejected(header(ar=1) + question() + opt(ttl=ttl, rdata=rdata))
    assert (reply.rcode(), reply.edns, reply.ednsflags & 0xFFFF, reply.options) == (dns.rcode.BADVERS, 0, 0, ())
    assert len(reply.question) == 1


def test_flags_and_edns_are_read() -> None:
    got = accepted(header(flags=0x0130, ar=1) + question() + opt(4096, 0x8000, option(3, b"") + option(100, b"xy")))
    assert (got.rd, got.ad, got.cd, got.do) == (True, True, True, True)
    assert got.edns is not None
    assert (got.edns.payload, got.edns.options) == (4096, ((3, b""), (100, b"xy")))
    assert got.source == CLIENT


def test_reserved_bits_mean_nothing() -> None:
    got = accepted(header(flags=0x0140, ar=1) + question() + opt(ttl=0x7FFF))
    assert not got.do
    assert got.question.qtype == 28


def test_of_two_cookies_the_first_counts_and_the_second_is_not_looked_at() -> None:
    accepted(header(ar=1) + question() + opt(rdata=COOKIE + option(10, b"bad")))
    rejected(header(ar=1) + question() + opt(rdata=option(10, b"bad") + COOKIE))


def test_a_question_without_records_but_a_cookie_is_a_query() -> None:
    got = accepted(header(qd=0, ar=1) + opt(rdata=COOKIE))
    assert got.question is NO_QUESTION


def test_a_tsig_or_other_record_behind_is_no_obstacle() -> None:
    tsig = rr(rtype=250, rclass=255, rdata=TSIG)
    assert accepted(header(ar=2) + question() + opt() + tsig).edns is not None
    assert accepted(header(ar=1) + question() + rr(b"\xc0\x0c", rdata=bytes(4))).edns is None


@pytest.mark.parametrize("transport", list(Transport))
def test_whole_queries_cut_at_every_length_are_silence_or_formerr(transport: Transport) -> None:
    whole = header(ar=1) + question() + opt(rdata=COOKIE + option(15, b"\x00\x01"))
    assert isinstance(parse_query(whole, transport, CLIENT), Query)
    for size in range(len(whole)):
        got = parse_query(whole[:size], transport, CLIENT)
        assert got is None if size < 12 else isinstance(got, Malformed) and got.rcode == 1


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_parser(wire: bytes) -> None:
    got = parse(wire)
    if isinstance(got, Malformed):
        assert got.wire[:2] == wire[:2]
        assert len(got.wire) <= len(wire) + 11, "an error reply never amplifies"


@given(st.binary(max_size=120), st.integers(0, 3), st.integers(0, 3), st.integers(0, 4))
def test_no_body_crashes_the_parser(body: bytes, an: int, ns: int, ar: int) -> None:
    got = parse(header(an=an, ns=ns, ar=ar) + body)
    assert got is not None
    if isinstance(got, Malformed):
        dns.message.from_wire(got.wire)


@given(wire_names(), st.integers(0, 65535), st.integers(1, 65535), st.booleans(), st.integers(0, 65535), st.booleans())
def test_what_dnspython_writes_is_read_alike(
    name: bytes, ident: int, qclass: int, edns: bool, payload: int, do: bool
) -> None:
    import dns.name

    message = dns.message.QueryMessage(id=ident)
    message.flags = dns.flags.RD
    message.question.append(
        dns.rrset.RRset(dns.name.from_wire(name, 0)[0], dns.rdataclass.RdataClass.make(qclass), dns.rdatatype.AAAA)
    )
    if edns:
        message.use_edns(0, dns.flags.DO if do else 0, payload)
    got = accepted(message.to_wire())
    assert (got.id, got.question.name, got.question.qclass) == (ident, name, qclass)
    assert (got.edns is not None, got.do) == (edns, edns and do)


def test_counts_that_lie_cost_no_time() -> None:
    """65,535 questions are claimed in a packet of 12 bytes."""
    wire = bytes.fromhex("0007 2900 ffff ffff ffff ffff")
    began = time.perf_counter()
    for _ in range(1000):
        assert isinstance(parse_query(wire, Transport.UDP, CLIENT), Malformed)
    assert time.perf_counter() - began < 0.5
