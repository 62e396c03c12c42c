"""Packets to clients and upstreams: sizes, truncation, OPT, compression (RFC 1035, 2181, 6891, 7830, 8914)."""

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_dns64.formats import names
from kun_dns64.formats.packed_answer import pack, unpack
from kun_dns64.formats.query import parse_query
from kun_dns64.formats.render import SizeLimits, encode_ask, render
from kun_dns64.formats.response import parse_response
from kun_dns64.model.message import Ede, Edns, Query, Record, Response, Transport
from kun_dns64.model.question import NO_QUESTION, Question
from kun_dns64.model.step import AskedFlags, Reply, Rule

from .packets import CLIENT, NAME, wire_names

UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS


DEFAULT = Edns(1232)


def asking(
    name: bytes = NAME, qtype: int = 28, edns: Edns | None = DEFAULT, transport: Transport = UDP, **more: bool
) -> Query:
    return Query(0x1234, Question(name, qtype), edns=edns, transport=transport, source=CLIENT, **more)


def aaaa(count: int, name: bytes = NAME) -> tuple[Record, ...]:
    return tuple(Record(name, 28, 1, 60, number.to_bytes(16)) for number in range(count))


def reply(*answer: Record, **more: object) -> Reply:
    more.setdefault("rule", Rule.FORWARDED)
    return Reply(0, answer=answer, **more)


def read(wire: bytes) -> dns.message.Message:
    return dns.message.from_wire(wire, ignore_trailing=False)


PLAIN, EDNS = None, Edns(1232)
SIZES = [
    ("c224-17-fit-512", 17, PLAIN, UDP, False, 508),
    ("c224-18-do-not", 18, PLAIN, UDP, True, 508),
    ("c227-42-fit-1232", 42, EDNS, UDP, False, 1219),
    ("c227-43-do-not", 43, EDNS, UDP, True, 1219),
    *((f"c191-{size}-is-512-16-fit", 16, Edns(size), UDP, False, 491) for size in (0, 100, 511, 512)),
    *((f"c191-{size}-is-512-17-do-not", 17, Edns(size), UDP, True, 491) for size in (0, 100, 511, 512)),
    ("client-may-take-less", 20, Edns(600), UDP, True, 575),
    ("server-sends-no-more-than-its-own", 60, Edns(4096), UDP, True, 1219),
    ("c226-60-by-tcp", 60, EDNS, TCP, False, 32 + 60 * 28 + 11),
    ("c229-2339-fit-64k", 2339, EDNS, TCP, False, 65535),
]


@pytest.mark.parametrize(
    ("count", "edns", "transport", "cut", "size"), [row[1:] for row in SIZES], ids=[row[0] for row in SIZES]
)
def test_sizes(count: int, edns: Edns | None, transport: Transport, cut: bool, size: int) -> None:
    wire = render(asking(edns=edns, transport=transport), reply(*aaaa(count)))
    got = read(wire)
    assert (len(wire), bool(got.flags & dns.flags.TC)) == (size, cut)
    carried = sum(len(rrset) for rrset in got.answer)
    assert carried == (size - 32 - (11 if edns else 0)) // 28, "as many whole records as fit, for clients without TCP"
    assert (carried < count) == cut
    assert (got.edns == 0) == (edns is not None), "OPT in, OPT out, also with TC=1"


def test_what_no_message_can_carry_is_servfail() -> None:
    got = read(render(asking(transport=TCP), reply(*aaaa(2340))))
    assert (got.rcode(), len(got.answer), [int(o.code) for o in got.options]) == (dns.rcode.SERVFAIL, 0, [0])
    assert read(render(asking(transport=UDP), reply(*aaaa(2340)))).flags & dns.flags.TC


def test_the_operators_limit_counts() -> None:
    wire = render(asking(edns=Edns(4096)), reply(*aaaa(60)), SizeLimits(4096))
    assert len(read(wire).answer[0]) == 60
    assert read(wire).payload == 4096


def test_extended_errors_go_before_data() -> None:
    full = render(asking(), reply(*aaaa(42), ede=(Ede(29, "a text too long to fit"),)))
    assert (len(full), len(read(full).answer[0]), read(full).options) == (1219, 42, ())
    short = read(render(asking(), reply(*aaaa(42), ede=(Ede(29),))))
    assert [int(option.code) for option in short.options] == [29]


def test_extended_errors_need_opt() -> None:
    assert read(render(asking(edns=None), reply(ede=(Ede(22),)))).edns == -1


def test_the_additional_section_goes_before_tc() -> None:
    extra = aaaa(3, b"\x01x\x00")
    got = read(render(asking(edns=None), reply(*aaaa(17), additional=extra)))
    assert (len(got.answer[0]), len(got.additional), bool(got.flags & dns.flags.TC)) == (17, 0, False)


@pytest.mark.parametrize(("do", "cut"), [(False, False), (True, True)])
def test_the_authority_section_of_a_positive_answer_goes_unless_dnssec_needs_it(do: bool, cut: bool) -> None:
    ns = Record(b"\x07example\x00", 2, 1, 60, b"\x02ns\x07example\x00")
    got = read(render(asking(edns=Edns(512, do=do)), reply(*aaaa(16), authority=(ns,) * 2)))
    assert bool(got.flags & dns.flags.TC) is cut


def test_a_denial_that_does_not_fit_is_truncated() -> None:
    proofs = tuple(Record(b"\x00", 47, 1, 60, b"\x00" + bytes((0, 1, number))) for number in range(60))
    got = read(render(asking(edns=None), reply(authority=proofs)))
    assert got.flags & dns.flags.TC


@pytest.mark.parametrize("rd", [False, True])
@pytest.mark.parametrize("cd", [False, True])
@pytest.mark.parametrize("ad", [False, True])
@pytest.mark.parametrize("aa", [False, True])
@pytest.mark.parametrize("do", [False, True])
def test_header_bits(rd: bool, cd: bool, ad: bool, aa: bool, do: bool) -> None:
    got = read(render(asking(edns=Edns(1232, do=do), rd=rd, cd=cd), reply(aa=aa, ad=ad)))
    want = dns.flags.QR | dns.flags.RA
    for on, bit in ((rd, dns.flags.RD), (cd, dns.flags.CD), (ad, dns.flags.AD), (aa, dns.flags.AA)):
        want |= bit if on else 0
    assert got.flags == want
    assert got.ednsflags == (0x8000 if do else 0)


def test_the_question_is_echoed_with_its_case() -> None:
    name = b"\x04T001\x01t\x07ExAmPlE\x00"
    wire = render(asking(name), reply(*aaaa(1, NAME)))
    assert wire[12 : 12 + len(name)] == name
    assert len(wire) == 32 + 28 + 11, "the owner is a pointer whatever its case"


def test_the_layout_does_not_depend_on_the_case_of_the_question() -> None:
    soa = Record(b"\x01t\x07example\x00", 6, 1, 60, b"\x02ns\x01t\x07example\x00\x01h\x01t\x07example\x00" + bytes(20))
    lower = render(asking(NAME), reply(authority=(soa,)))
    upper = render(asking(NAME.upper()), reply(authority=(soa,)))
    assert lower[12 + len(NAME) :] == upper[12 + len(NAME) :]


@pytest.mark.parametrize(("rcode", "edns", "want"), [(16, EDNS, 16), (23, EDNS, 23), (16, None, 2), (9, None, 9)])
def test_upper_rcode_bits_need_opt(rcode: int, edns: Edns | None, want: int) -> None:
    assert read(render(asking(edns=edns), Reply(rcode, Rule.FORWARDED))).rcode() == want


def test_a_cookie_goes_back() -> None:
    got = read(render(asking(), reply(), cookie=bytes(24)))
    assert [option.otype for option in got.options] == [dns.edns.OptionType.COOKIE]


def test_a_reply_without_question_has_none() -> None:
    wire = render(Query(1, NO_QUESTION, edns=EDNS), Reply(0, Rule.COOKIE_ONLY), cookie=bytes(24))
    assert (len(read(wire).question), len(wire)) == (0, 12 + 11 + 28)


@pytest.mark.parametrize(
    ("transport", "options", "size"),
    [
        (TLS, ((12, b""),), 468),
        (TLS, (), 32 + 28 + 11),
        (UDP, ((12, b""),), 32 + 28 + 11),
        (TCP, ((12, b""),), 32 + 28 + 11),
    ],
)
def test_padding_is_for_tls_clients_that_pad(
    transport: Transport, options: tuple[tuple[int, bytes], ...], size: int
) -> None:
    wire = render(asking(edns=Edns(1232, options=options), transport=transport), reply(*aaaa(1)))
    read(wire)
    assert len(wire) == size


def test_padding_never_passes_the_limit() -> None:
    for count in (2337, 2338, 2339):
        wire = render(asking(edns=Edns(1232, options=((12, b""),)), transport=TLS), reply(*aaaa(count)))
        assert len(wire) <= 65535


def test_a_question_for_an_upstream() -> None:
    wire = encode_ask(Question(NAME, 28), AskedFlags(cd=True, do=True, subnet=b"\x00\x01\x18\x00\x0a\x00\x00"), 77)
    got = read(wire)
    assert got.flags == dns.flags.RD | dns.flags.AD | dns.flags.CD
    assert (got.id, got.payload, got.ednsflags) == (77, 1232, 0x8000)
    assert [option.otype for option in got.options] == [dns.edns.OptionType.ECS]
    assert read(encode_ask(Question(NAME, 28), AskedFlags(), 77, edns=False)).edns == -1


@given(wire_names(), st.integers(0, 2**2040 - 1))
def test_scrambling_changes_case_and_nothing_else(name: bytes, bits: int) -> None:
    scrambled = names.scramble(name, bits & (1 << 8 * len(name)) - 1)
    assert len(scrambled) == len(name)
    assert scrambled.lower() == name.lower()
    assert names.scramble(scrambled, bits & (1 << 8 * len(name)) - 1) == name


def test_scrambling_flips_every_letter_it_is_told_to() -> None:
    assert names.scramble(b"\x03abC\x021x\x00", (1 << 64) - 1) == b"\x03ABc\x021X\x00"


record_names = (
    st.sampled_from([NAME, b"\x01x" + NAME, b"\x01t\x07example\x00", b"\x00", b"\x01X\x01T\x07EXAMPLE\x00"])
    | wire_names()
)
ttls = st.integers(0, 604800)


@st.composite
def any_record(draw: st.DrawFn) -> Record:
    kind = draw(st.sampled_from([1, 28, 2, 5, 12, 6, 15, 33, 16, 65280, 46]))
    name = draw(record_names)
    other = draw(record_names)
    if kind in (1, 28):
        data = draw(st.binary(min_size=4 if kind == 1 else 16, max_size=4 if kind == 1 else 16))
    elif kind in (2, 5, 12):
        data = other
    elif kind == 6:
        data = other + draw(record_names) + draw(st.binary(min_size=20, max_size=20))
    elif kind in (15, 33):
        data = bytes(2 if kind == 15 else 6) + other
    else:
        raw = draw(st.binary(min_size=1, max_size=40))
        data = {16: bytes((len(raw),)), 46: bytes(18) + b"\x01t\x00"}.get(kind, b"") + raw
    return Record(name, kind, 1, draw(ttls), data)


sections = st.lists(any_record(), max_size=5).map(tuple)


def folded(records: tuple[Record, ...]) -> list[tuple[bytes, int, int, bytes]]:
    return [(one.name.lower(), one.rtype, one.ttl, one.rdata.lower()) for one in records]


@given(record_names, sections, sections, sections, st.integers(0, 15), st.booleans())
def test_what_is_rendered_reads_back_the_same(
    name: bytes,
    answer: tuple[Record, ...],
    authority: tuple[Record, ...],
    additional: tuple[Record, ...],
    rcode: int,
    do: bool,
) -> None:
    query = asking(name, edns=Edns(1232, do=do), transport=TCP)
    wire = render(query, Reply(rcode, Rule.FORWARDED, answer, authority, additional, ad=True, ede=(Ede(3, "x"),)))
    got = parse_response(wire, query.question)
    assert isinstance(got, Response)
    assert (got.rcode, got.ad, got.ede) == (rcode, True, (Ede(3, "x"),))
    assert [folded(s) for s in (got.answer, got.authority, got.additional)] == [
        folded(s) for s in (answer, authority, additional)
    ]


@given(record_names, sections, sections, sections, st.sampled_from([0, 3, 23]), st.booleans())
def test_what_is_packed_unpacks_the_same(
    name: bytes,
    answer: tuple[Record, ...],
    authority: tuple[Record, ...],
    additional: tuple[Record, ...],
    rcode: int,
    ad: bool,
) -> None:
    question = Question(name, 28)
    response = Response(rcode, answer, authority, additional, True, ad, False, (Ede(6, "bogus"),))
    packed = pack(question, response)
    assert packed is not None
    got = unpack(question, packed, 0)
    assert isinstance(got, Response)
    assert (got.rcode, got.aa, got.ad, got.ra, got.ede) == (rcode, True, ad, False, (Ede(6, "bogus"),))
    assert [folded(s) for s in (got.answer, got.authority, got.additional)] == [
        folded(s) for s in (answer, authority, additional)
    ]


@given(sections, sections)
def test_dnspython_reads_what_is_rendered(answer: tuple[Record, ...], additional: tuple[Record, ...]) -> None:
    known = tuple(one for one in answer + additional if one.rtype not in (16, 46))
    wire = render(asking(transport=TCP), reply(*known))
    got = read(wire)
    assert got.id == 0x1234
    assert sum(len(rrset) for rrset in got.answer) <= len(known)


def test_a_query_round_trip() -> None:
    wire = dns.message.make_query("t001.t.example.", "AAAA", use_edns=0, payload=1232, want_dnssec=True).to_wire()
    query = parse_query(wire, UDP, CLIENT)
    assert isinstance(query, Query)
    answered = read(render(query, reply(*aaaa(2))))
    assert read(wire).is_response(answered)
